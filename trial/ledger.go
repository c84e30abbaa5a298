package trial

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"
)

// Entry is one line of the ledger: who did what, when, what was before and
// after, and why. Text gives the exact bytes that are kept and hashed.
type Entry struct {
	Seq    int             `json:"seq"`              // 1, 2, 3 …
	At     time.Time       `json:"at"`               // UTC, whole microseconds
	Actor  string          `json:"actor"`            // who
	Action string          `json:"action"`           // e.g. "school stage"
	About  string          `json:"about"`            // what it is about, e.g. "school 104233"
	Before json.RawMessage `json:"before,omitempty"` // what was, null for nothing
	After  json.RawMessage `json:"after,omitempty"`  // what is now
	Why    string          `json:"why,omitempty"`    // reason
	Prev   string          `json:"prev"`             // digest of the entry before; ZeroDigest for the first
}

// TellsArm says whether a school's arm could be learnt from the entry: with the
// chance a draw could be made again, and a school that leaves the programme had
// one to leave. Withdrawals from the data count too: what is kept back would
// else tell which those from the programme are.
func (e Entry) TellsArm() bool { return e.Action == "draw run" || e.Action == "withdrawal" }

// ZeroDigest stands before the first entry.
const ZeroDigest = "0000000000000000000000000000000000000000000000000000000000000000"

// Record is an entry as kept: the bytes and their SHA-256 in hex.
type Record struct {
	Seq    int
	Text   string
	Digest string
}

// Seal gives the entry's exact bytes (one line of JSON, keys in the order of
// the type, without a line end) and their digest. Seq and Prev must be set.
func (e Entry) Seal() (Record, error) {
	e.At = e.At.UTC().Truncate(time.Microsecond)
	text, err := marshalPlain(e)
	if err != nil {
		return Record{}, fmt.Errorf("write ledger entry %d: %w", e.Seq, err)
	}
	return Record{Seq: e.Seq, Text: text, Digest: DigestOf(text)}, nil
}

// marshalPlain is JSON without the escaping of <, > and & that browsers want
// and people reading a ledger don't.
func marshalPlain(v any) (string, error) {
	var b strings.Builder
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return "", err
	}
	return strings.TrimSuffix(b.String(), "\n"), nil
}

// DigestOf is the SHA-256 of a text in lower-case hex.
func DigestOf(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}

// Entry reads a record's text back.
func (r Record) Entry() (Entry, error) {
	var e Entry
	dec := json.NewDecoder(strings.NewReader(r.Text))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&e); err != nil {
		return Entry{}, fmt.Errorf("read ledger entry %d: %w", r.Seq, err)
	}
	return e, nil
}

// ErrLedger is wrapped by every finding of CheckLedger and Receipt.Check.
var ErrLedger = errors.New("the ledger has been changed")

// CheckLedger verifies the chain: numbers without a gap from 1, every digest
// that of its text, every entry naming the digest of the one before. It
// returns the head's digest (ZeroDigest for an empty ledger), or the first
// fault. It cannot see that entries were cut off the end, nor that the whole
// chain was written anew: a Receipt held by somebody else can.
func CheckLedger(records []Record) (head string, err error) {
	head = ZeroDigest
	for i, r := range records {
		if r.Seq != i+1 {
			return "", fmt.Errorf("%w: entry %d is missing (entry %d stands in its place)", ErrLedger, i+1, r.Seq)
		}
		if got := DigestOf(r.Text); got != r.Digest {
			return "", fmt.Errorf("%w: entry %d has digest %s, but its text gives %s", ErrLedger, r.Seq, r.Digest, got)
		}
		e, err := r.Entry()
		if err != nil {
			return "", fmt.Errorf("%w: %v", ErrLedger, err)
		}
		if e.Seq != r.Seq {
			return "", fmt.Errorf("%w: entry %d calls itself %d", ErrLedger, r.Seq, e.Seq)
		}
		if e.Prev != head {
			return "", fmt.Errorf("%w: entry %d follows %s, but the entry before it has digest %s", ErrLedger, r.Seq, e.Prev, head)
		}
		head = r.Digest
	}
	return head, nil
}

// Receipt is a dated copy of the ledger's size and head, to be kept by
// somebody else: it proves that nothing before it was changed.
type Receipt struct {
	Trial string    // the trial's ID
	Size  int       // number of entries
	Head  string    // digest of the last of them
	At    time.Time // when the receipt was made
	Tree  string    // root of the Merkle tree over the entries, in base64; "" in a receipt made without it

	Key       string // ID of the key that signed it; "" for none
	Signature string // of the Checkpoint, in base64
}

const receiptFirstLine = "evenhand-receipt 1"

// Text is the receipt as it is handed out.
func (r Receipt) Text() string {
	text := fmt.Sprintf("%s\ntrial %s\nentries %d\nhead %s\nmade %s\n", receiptFirstLine, r.Trial, r.Size, r.Head, r.At.UTC().Format(time.RFC3339))
	if r.Tree != "" {
		text += "tree " + r.Tree + "\n"
	}
	return text + r.signatureText()
}

// ParseReceipt reads a receipt. Spaces around lines, carriage returns and
// lines before and after it (a letter, an e-mail) are passed over.
func ParseReceipt(text string) (Receipt, error) {
	var r Receipt
	lines := strings.Split(strings.ReplaceAll(text, "\r", ""), "\n")
	for i := range lines {
		lines[i] = strings.TrimSpace(lines[i])
	}
	at := -1
	for i, line := range lines {
		if line == receiptFirstLine {
			if at >= 0 {
				return r, errors.New("two receipts in one file: give each its own")
			}
			at = i
		}
	}
	if at < 0 {
		return r, fmt.Errorf("no line %q: this is not a receipt", receiptFirstLine)
	}
	var made string
	fields := []struct {
		name string
		set  func(string) error
	}{
		{"trial", func(s string) error { r.Trial = s; return nil }},
		{"entries", func(s string) error { _, err := fmt.Sscanf(s, "%d", &r.Size); return err }},
		{"head", func(s string) error { r.Head = s; return nil }},
		{"made", func(s string) error { made = s; return nil }},
	}
	for i, f := range fields {
		line := ""
		if at+1+i < len(lines) {
			line = lines[at+1+i]
		}
		value, ok := strings.CutPrefix(line, f.name+" ")
		if !ok {
			return r, fmt.Errorf("line %d of the receipt should begin with %q, but is %q", i+2, f.name, line)
		}
		if err := f.set(strings.TrimSpace(value)); err != nil {
			return r, fmt.Errorf("line %d of the receipt: %q: %w", i+2, value, err)
		}
	}
	if b, err := hex.DecodeString(r.Head); err != nil || len(b) != 32 || r.Head != strings.ToLower(r.Head) {
		return r, fmt.Errorf("head %q is not 64 lower-case hex digits", r.Head)
	}
	t, err := time.Parse(time.RFC3339, made)
	if err != nil {
		return r, fmt.Errorf("date %q: %w", made, err)
	}
	r.At = t
	return r, r.parseTree(lines[at+1+len(fields):])
}

// Check says whether a ledger, whose chain CheckLedger has passed, still
// begins with what the receipt saw. Entries after it are not covered.
func (r Receipt) Check(trialID string, records []Record) error {
	switch {
	case r.Trial != trialID:
		return fmt.Errorf("the receipt is of trial %q, this ledger of trial %q", r.Trial, trialID)
	case r.Size > len(records):
		return fmt.Errorf("%w: the receipt of %s saw %d entries, now there are %d: entries were cut off, or an older copy was put in place", ErrLedger, r.At.Format(time.DateOnly), r.Size, len(records))
	case r.Size == 0 && r.Head == ZeroDigest:
	case r.Size < 1 || records[r.Size-1].Digest != r.Head:
		return fmt.Errorf("%w: at entry %d the receipt of %s saw %s, now it is %s: something at or before that entry was changed", ErrLedger, r.Size, r.At.Format(time.DateOnly), r.Head, digestAt(records, r.Size))
	}
	if r.Tree != "" {
		if root := Root(records[:r.Size]); root != r.Tree {
			return fmt.Errorf("%w: the receipt of %s saw %d entries under the root %s, now it is %s, although the head is the same: the receipt's own text was changed", ErrLedger, r.At.Format(time.DateOnly), r.Size, r.Tree, root)
		}
	}
	return nil
}

func digestAt(records []Record, size int) string {
	if size < 1 || size > len(records) {
		return "nothing"
	}
	return records[size-1].Digest
}
