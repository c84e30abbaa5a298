package store

import (
	"fmt"

	"evenhand/trial"
)

// Head gives the ledger's size and the digest of its last entry, without
// reading the others: 0 and trial.ZeroDigest for an empty one.
func (t *Tx) Head() (size int, digest string, err error) {
	var last struct {
		Seq    int
		Digest string
	}
	ok, err := t.found(&last, `SELECT seq, digest FROM ledger WHERE trial_id = ? ORDER BY seq DESC LIMIT 1`, t.trial)
	if err != nil {
		return 0, "", fmt.Errorf("read the ledger's head: %w", err)
	}
	if !ok {
		return 0, trial.ZeroDigest, nil
	}
	return last.Seq, last.Digest, nil
}

// DigestAt gives the digest recorded with an entry; "" if there is no such
// entry.
func (t *Tx) DigestAt(seq int) (string, error) {
	var digest string
	if _, err := t.found(&digest, `SELECT digest FROM ledger WHERE trial_id = ? AND seq = ?`, t.trial, seq); err != nil {
		return "", fmt.Errorf("read the digest of ledger entry %d: %w", seq, err)
	}
	return digest, nil
}
