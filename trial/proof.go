package trial

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// Proof is what shows, without the ledger, that one entry is in it (Seq and
// Entry are set) or that it grew from an earlier state by additions only (From
// and FromTree are set). It leads to the root of a tree; whose root that is,
// a receipt says.
type Proof struct {
	Trial string // the trial's ID
	Size  int    // entries in the tree that the proof leads to
	Tree  string // its root, in base64

	Seq   int    // number of the entry proved; 0 in a proof of growth
	Entry string // its exact text

	From     int    // entries of the earlier tree
	FromTree string // its root; "" in a proof of an entry

	Path []string // the hashes on the way, in base64
}

// ErrProof is wrapped by every finding that a proof shows nothing.
var ErrProof = errors.New("the proof does not hold")

// ProveEntry makes the proof that entry seq is among the first size records.
func ProveEntry(trialID string, records []Record, seq, size int) (Proof, error) {
	tree := NewTree(records)
	path, err := tree.InclusionProof(seq, size)
	if err != nil {
		return Proof{}, err
	}
	root, err := tree.Root(size)
	return Proof{Trial: trialID, Size: size, Tree: root, Seq: seq, Entry: records[seq-1].Text, Path: path}, err
}

// ProveGrowth makes the proof that the first size records begin with the first
// from.
func ProveGrowth(trialID string, records []Record, from, size int) (Proof, error) {
	tree := NewTree(records)
	path, err := tree.ConsistencyProof(from, size)
	if err != nil {
		return Proof{}, err
	}
	fromRoot, err := tree.Root(from)
	if err != nil {
		return Proof{}, err
	}
	root, err := tree.Root(size)
	return Proof{Trial: trialID, Size: size, Tree: root, From: from, FromTree: fromRoot, Path: path}, err
}

const proofFirstLine = "evenhand-proof 1"

// Text is the proof as it is handed out.
func (p Proof) Text() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\ntrial %s\nentries %d\ntree %s\n", proofFirstLine, p.Trial, p.Size, p.Tree)
	if p.FromTree != "" {
		fmt.Fprintf(&b, "from %d\nfrom-tree %s\n", p.From, p.FromTree)
	} else {
		fmt.Fprintf(&b, "entry %d\ntext %s\n", p.Seq, p.Entry)
	}
	for _, h := range p.Path {
		b.WriteString("path " + h + "\n")
	}
	b.WriteString("end\n")
	return b.String()
}

// ParseProof reads a proof. Carriage returns, and lines before and after it, are
// passed over; an entry's text is kept to the byte.
func ParseProof(text string) (Proof, error) {
	var p Proof
	_, text, ok := strings.Cut("\n"+strings.ReplaceAll(text, "\r\n", "\n"), "\n"+proofFirstLine+"\n")
	if !ok {
		return p, fmt.Errorf("no line %q: this is not a proof", proofFirstLine)
	}
	lines := strings.Split(text, "\n")
	next := 0
	var faults []error
	take := func(name string) string {
		line := ""
		if next < len(lines) {
			line = lines[next]
		}
		next++
		value, ok := strings.CutPrefix(line, name+" ")
		if !ok {
			faults = append(faults, fmt.Errorf("line %d of the proof should begin with %q, but is %.60q", next+1, name, line))
		}
		return value
	}
	number := func(name string) int {
		value := take(name)
		n, err := strconv.Atoi(value)
		if err != nil || strconv.Itoa(n) != value || n < 0 {
			faults = append(faults, fmt.Errorf("line %d of the proof: %.60q is not a whole number", next+1, value))
		}
		return n
	}
	hash := func(name string) string {
		value := take(name)
		if _, err := hashOf(value); err != nil {
			faults = append(faults, fmt.Errorf("line %d of the proof: %.60q is not a hash in base64", next+1, value))
		}
		return value
	}
	p.Trial, p.Size, p.Tree = take("trial"), number("entries"), hash("tree")
	if next < len(lines) && strings.HasPrefix(lines[next], "from ") {
		p.From, p.FromTree = number("from"), hash("from-tree")
	} else {
		p.Seq, p.Entry = number("entry"), take("text")
	}
	for len(faults) == 0 && (next >= len(lines) || lines[next] != "end") {
		p.Path = append(p.Path, hash("path"))
	}
	if len(faults) > 0 {
		return p, faults[0] // the others follow from it
	}
	return p, nil
}

// Check says whether the proof holds in itself: whether it leads to its root.
func (p Proof) Check() error {
	var err error
	if p.FromTree != "" {
		err = CheckConsistency(p.From, p.FromTree, p.Size, p.Tree, p.Path)
	} else {
		err = CheckInclusion(p.Seq, p.Entry, p.Size, p.Tree, p.Path)
	}
	if err == nil && p.FromTree == "" {
		var e Entry
		if e, err = (Record{Seq: p.Seq, Text: p.Entry}).Entry(); err == nil && e.Seq != p.Seq {
			err = fmt.Errorf("entry %d calls itself %d", p.Seq, e.Seq)
		}
	}
	if err != nil {
		return fmt.Errorf("%w: %w", ErrProof, err)
	}
	return nil
}

// Against says whether the tree that the proof leads to, or in a proof of growth
// the one that it leads from, is the tree of a receipt: which is "tree" or
// "from-tree". Only then does the proof show something about the ledger that
// the receipt's holder saw.
func (p Proof) Against(r Receipt) (which string, err error) {
	switch {
	case r.Trial != p.Trial:
		return "", fmt.Errorf("%w: it is of trial %q, the receipt of trial %q", ErrProof, p.Trial, r.Trial)
	case r.Tree == "":
		return "", fmt.Errorf("the receipt of %s has no line \"tree\": it was made before receipts had one, and proves something with the whole ledger only", r.At.Format("2006-01-02"))
	case r.Size == p.Size && r.Tree == p.Tree:
		return "tree", nil
	case p.FromTree != "" && r.Size == p.From && r.Tree == p.FromTree:
		return "from-tree", nil
	case r.Size == p.Size:
		return "", fmt.Errorf("%w: its root over %d entries is %s, the receipt of %s has %s", ErrProof, p.Size, p.Tree, r.At.Format("2006-01-02"), r.Tree)
	case p.FromTree != "" && r.Size == p.From:
		return "", fmt.Errorf("%w: its root over %d entries is %s, the receipt of %s has %s", ErrProof, p.From, p.FromTree, r.At.Format("2006-01-02"), r.Tree)
	case p.FromTree != "":
		return "", fmt.Errorf("%w: it is about the states of %d and %d entries, the receipt of %s about that of %d", ErrProof, p.From, p.Size, r.At.Format("2006-01-02"), r.Size)
	}
	return "", fmt.Errorf("%w: it leads to the state of %d entries, the receipt of %s is of that of %d: ask for a proof for this receipt", ErrProof, p.Size, r.At.Format("2006-01-02"), r.Size)
}
