package store

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"evenhand/trial"
)

// TrialInfo is one trial of a store.
type TrialInfo struct {
	ID    string `db:"trial_id"`
	Title string `db:"title"`
	Made  string `db:"made_at"`
}

// Trials lists the store's trials by ID.
func (s *DB) Trials(ctx context.Context) ([]TrialInfo, error) {
	var all []TrialInfo
	err := s.db.SelectContext(ctx, &all, `SELECT trial_id, title, made_at FROM trial ORDER BY trial_id`)
	return all, s.explain("list trials", err)
}

// CreateTrial enters a trial. One with that ID is ErrExists.
func (t *Tx) CreateTrial(title string, at time.Time) error {
	return t.exec(`INSERT INTO trial (trial_id, title, made_at) VALUES (?, ?, ?)`, t.trial, title, stamp(at))
}

// Exists says whether the trial is in the store.
func (t *Tx) Exists() (bool, error) {
	var n int
	err := t.get(&n, `SELECT count(*) FROM trial WHERE trial_id = ?`, t.trial)
	return n > 0, err
}

// Trial gives the trial's ID.
func (t *Tx) Trial() string { return t.trial }

// Append writes the next entry of the ledger. Before and after are anything
// that JSON can hold, nil for nothing; they must hold no name of a person
// other than those who act.
func (t *Tx) Append(at time.Time, actor, action, about string, before, after any, why string) (trial.Record, error) {
	if t.head == "" {
		var last struct {
			Seq    int
			Digest string
		}
		ok, err := t.found(&last, `SELECT seq, digest FROM ledger WHERE trial_id = ? ORDER BY seq DESC LIMIT 1`, t.trial)
		if err != nil {
			return trial.Record{}, fmt.Errorf("read the ledger's head: %w", err)
		}
		t.size, t.head = last.Seq, last.Digest
		if !ok {
			t.head = trial.ZeroDigest
		}
	}
	e := trial.Entry{Seq: t.size + 1, At: at, Actor: actor, Action: action, About: about, Why: why, Prev: t.head}
	for _, part := range []struct {
		from any
		to   *json.RawMessage
	}{{before, &e.Before}, {after, &e.After}} {
		if part.from == nil {
			continue
		}
		text, err := json.Marshal(part.from)
		if err != nil {
			return trial.Record{}, fmt.Errorf("write ledger entry %q: %w", action, err)
		}
		*part.to = text
	}
	r, err := e.Seal()
	if err != nil {
		return r, err
	}
	if err := t.exec(`INSERT INTO ledger (trial_id, seq, text, digest) VALUES (?, ?, ?, ?)`, t.trial, r.Seq, r.Text, r.Digest); err != nil {
		return r, fmt.Errorf("write ledger entry %d: %w", r.Seq, err)
	}
	t.size, t.head = r.Seq, r.Digest
	return r, nil
}

// Ledger gives every entry in order.
func (t *Tx) Ledger() ([]trial.Record, error) {
	var all []trial.Record
	err := t.list(&all, `SELECT seq, text, digest FROM ledger WHERE trial_id = ? ORDER BY seq`, t.trial)
	return all, err
}

// SaveReceipt keeps a receipt that somebody else holds.
func (t *Tx) SaveReceipt(r trial.Receipt, holder string) error {
	return t.exec(`INSERT INTO receipt (trial_id, size, head, made_at, holder) VALUES (?, ?, ?, ?, ?)`, t.trial, r.Size, r.Head, stamp(r.At), holder)
}

// HeldReceipt is a receipt with who holds it.
type HeldReceipt struct {
	trial.Receipt
	Holder string
}

// Receipts lists the receipts taken back, by size.
func (t *Tx) Receipts() ([]HeldReceipt, error) {
	var rows []struct {
		Size   int
		Head   string
		MadeAt string `db:"made_at"`
		Holder string
	}
	err := t.list(&rows, `SELECT size, head, made_at, holder FROM receipt WHERE trial_id = ? ORDER BY size, holder`, t.trial)
	var all []HeldReceipt
	for _, r := range rows {
		all = append(all, HeldReceipt{trial.Receipt{Trial: t.trial, Size: r.Size, Head: r.Head, At: unstamp(r.MadeAt)}, r.Holder})
	}
	return all, err
}

// ProtocolVersion is one version of trial.yaml as recorded.
type ProtocolVersion struct {
	Version int
	Text    string
	Digest  string
	At      time.Time
	Author  string
	Reason  string
}

// AddProtocol records the next version of the protocol.
func (t *Tx) AddProtocol(v ProtocolVersion) error {
	return t.exec(`INSERT INTO protocol (trial_id, version, text, digest, at, author, reason) VALUES (?, ?, ?, ?, ?, ?, ?)`,
		t.trial, v.Version, v.Text, v.Digest, stamp(v.At), v.Author, v.Reason)
}

// Protocols lists the versions of the protocol, oldest first.
func (t *Tx) Protocols() ([]ProtocolVersion, error) {
	var rows []struct {
		Version                          int
		Text, Digest, At, Author, Reason string
	}
	err := t.list(&rows, `SELECT version, text, digest, at, author, reason FROM protocol WHERE trial_id = ? ORDER BY version`, t.trial)
	var all []ProtocolVersion
	for _, r := range rows {
		all = append(all, ProtocolVersion{r.Version, r.Text, r.Digest, unstamp(r.At), r.Author, r.Reason})
	}
	return all, err
}

// Import is a file that was taken in, with its reconciliation: Rows = Stored
// + the sum of NotStored.
type Import struct {
	Kind      string
	File      string // base name
	Digest    string // SHA-256 of its bytes
	Rows      int
	Stored    int
	NotStored []trial.Count
	At        time.Time
	Actor     string
}

// AddImport records a file.
func (t *Tx) AddImport(i Import) error {
	var n int
	if err := t.get(&n, `SELECT count(*) FROM import WHERE trial_id = ?`, t.trial); err != nil {
		return err
	}
	notStored, err := json.Marshal(i.NotStored)
	if err != nil {
		return err
	}
	return t.exec(`INSERT INTO import (trial_id, seq, kind, file, digest, rows, stored, not_stored, at, actor) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		t.trial, n+1, i.Kind, i.File, i.Digest, i.Rows, i.Stored, string(notStored), stamp(i.At), i.Actor)
}

// Imports lists the files taken in, in order.
func (t *Tx) Imports() ([]Import, error) {
	var rows []struct {
		Kind, File, Digest string
		Rows, Stored       int
		NotStored          string `db:"not_stored"`
		At, Actor          string
	}
	if err := t.list(&rows, `SELECT kind, file, digest, rows, stored, not_stored, at, actor FROM import WHERE trial_id = ? ORDER BY seq`, t.trial); err != nil {
		return nil, err
	}
	all := make([]Import, len(rows))
	for i, r := range rows {
		all[i] = Import{Kind: r.Kind, File: r.File, Digest: r.Digest, Rows: r.Rows, Stored: r.Stored, At: unstamp(r.At), Actor: r.Actor}
		if err := json.Unmarshal([]byte(r.NotStored), &all[i].NotStored); err != nil {
			return nil, fmt.Errorf("read what was not stored of %s: %w", r.File, err)
		}
	}
	return all, nil
}
