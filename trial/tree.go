package trial

import (
	"fmt"

	"golang.org/x/mod/sumdb/tlog"
)

// Tree is the Merkle tree over a ledger's entries: that of RFC 6962, section
// 2.1, whose leaves are the exact texts of the entries. Its root stands for all
// of them, as the head of the chain does; unlike the head it lets one entry, or
// the growth from an earlier root, be proved with a few hashes and without the
// other entries.
type Tree struct {
	size   int
	hashes []tlog.Hash // in the order of tlog.StoredHashIndex
}

// NewTree makes the tree over the records as they stand; CheckLedger says
// whether they are a ledger at all. It takes two hashes an entry.
func NewTree(records []Record) *Tree {
	t := &Tree{hashes: make([]tlog.Hash, 0, 2*len(records))}
	for i, r := range records {
		more, err := tlog.StoredHashes(int64(i), []byte(r.Text), t)
		if err != nil {
			// It asks only for hashes of earlier entries, which are there.
			panic(fmt.Sprintf("hash of ledger entry %d: %v", i+1, err))
		}
		t.hashes = append(t.hashes, more...)
		t.size++
	}
	return t
}

// ReadHashes gives stored hashes by their index (tlog.HashReader).
func (t *Tree) ReadHashes(indexes []int64) ([]tlog.Hash, error) {
	all := make([]tlog.Hash, len(indexes))
	for i, at := range indexes {
		if at < 0 || at >= int64(len(t.hashes)) {
			return nil, fmt.Errorf("the tree of %d entries has no hash %d", t.size, at)
		}
		all[i] = t.hashes[at]
	}
	return all, nil
}

// Size is the number of entries.
func (t *Tree) Size() int { return t.size }

// Root is the root over the first size entries, in base64 (44 characters).
func (t *Tree) Root(size int) (string, error) {
	if size < 0 || size > t.size {
		return "", fmt.Errorf("the tree has %d entries: it has no root over %d", t.size, size)
	}
	h, err := tlog.TreeHash(int64(size), t)
	if err != nil {
		return "", fmt.Errorf("root over %d entries: %w", size, err)
	}
	return h.String(), nil
}

// Root is the root of the tree over all the records, in base64.
func Root(records []Record) string {
	root, err := NewTree(records).Root(len(records))
	if err != nil {
		panic(err) // of its own size every tree has a root
	}
	return root
}

// InclusionProof gives the hashes, in base64, that lead from entry seq (from 1)
// to the root over the first size entries: at most one for every doubling.
func (t *Tree) InclusionProof(seq, size int) ([]string, error) {
	if seq < 1 || seq > size || size > t.size {
		return nil, fmt.Errorf("entry %d among the first %d of %d entries: there is none", seq, size, t.size)
	}
	path, err := tlog.ProveRecord(int64(size), int64(seq-1), t)
	if err != nil {
		return nil, fmt.Errorf("prove entry %d among %d: %w", seq, size, err)
	}
	return hashTexts(path), nil
}

// CheckInclusion says whether the hashes lead from the entry's exact text, as
// entry seq, to the root over size entries. Only the right text at the right
// place does, as long as nobody finds two texts with one SHA-256.
func CheckInclusion(seq int, text string, size int, root string, path []string) error {
	hashes, rootHash, err := hashesOf(path, root)
	if err != nil {
		return err
	}
	if seq < 1 || seq > size {
		return fmt.Errorf("entry %d among %d entries: there is none", seq, size)
	}
	if err := tlog.CheckRecord(hashes, int64(size), rootHash, int64(seq-1), tlog.RecordHash([]byte(text))); err != nil {
		return fmt.Errorf("the hashes do not lead from this text, as entry %d of %d, to the root %s", seq, size, root)
	}
	return nil
}

// ConsistencyProof gives the hashes, in base64, that show that the first size
// entries begin with the first from: that between the two roots entries were
// only added.
func (t *Tree) ConsistencyProof(from, size int) ([]string, error) {
	if from < 0 || from > size || size > t.size {
		return nil, fmt.Errorf("growth from %d to %d of %d entries: there is none", from, size, t.size)
	}
	if from == 0 {
		return nil, nil // everything begins with nothing
	}
	path, err := tlog.ProveTree(int64(size), int64(from), t)
	if err != nil {
		return nil, fmt.Errorf("prove growth from %d to %d: %w", from, size, err)
	}
	return hashTexts(path), nil
}

// CheckConsistency says whether the hashes show that the entries under root,
// size of them, begin with those under fromRoot, from of them.
func CheckConsistency(from int, fromRoot string, size int, root string, path []string) error {
	hashes, rootHash, err := hashesOf(path, root)
	if err != nil {
		return err
	}
	fromHash, err := hashOf(fromRoot)
	if err != nil {
		return err
	}
	bad := fmt.Errorf("the hashes do not show that the %d entries under %s begin with the %d entries under %s", size, root, from, fromRoot)
	switch {
	case from < 0 || from > size:
		return fmt.Errorf("growth from %d to %d entries: there is none", from, size)
	case from == 0:
		if empty := Root(nil); fromRoot != empty || len(path) > 0 {
			return bad
		}
		return nil
	}
	if err := tlog.CheckTree(hashes, int64(size), rootHash, int64(from), fromHash); err != nil {
		return bad
	}
	return nil
}

func hashTexts[P ~[]tlog.Hash](path P) []string {
	all := make([]string, len(path))
	for i, h := range path {
		all[i] = h.String()
	}
	return all
}

func hashesOf(path []string, root string) (hashes []tlog.Hash, rootHash tlog.Hash, err error) {
	if rootHash, err = hashOf(root); err != nil {
		return nil, rootHash, err
	}
	hashes = make([]tlog.Hash, len(path))
	for i, s := range path {
		if hashes[i], err = hashOf(s); err != nil {
			return nil, rootHash, err
		}
	}
	return hashes, rootHash, nil
}

// hashOf reads a hash in the one way of writing it: base64 itself has several
// for the last character.
func hashOf(s string) (tlog.Hash, error) {
	h, err := tlog.ParseHash(s)
	if err != nil || h.String() != s {
		return tlog.Hash{}, fmt.Errorf("%q is not a hash: 32 bytes in base64, 44 characters", s)
	}
	return h, nil
}
