package trial

import (
	"errors"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"

	"evenhand/trial/sign"
)

func receiptOf(records []Record) Receipt {
	r := Receipt{Trial: "rlc", Size: len(records), Head: ZeroDigest, At: time.Date(2027, 1, 14, 9, 0, 0, 0, time.UTC), Tree: Root(records)}
	if n := len(records); n > 0 {
		r.Head = records[n-1].Digest
	}
	return r
}

func keyOf(t testing.TB, seed byte) *sign.SecretKey {
	t.Helper()
	k, err := sign.New(rand.NewChaCha8([32]byte{seed}))
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// A receipt comes back from its text as it was, signed or not, with a tree or
// (as receipts were) without; also out of a letter and through mail programs.
func TestReceiptText(t *testing.T) {
	records := ledgerOf(t, 9)
	plain := receiptOf(records)
	older := plain
	older.Tree = ""
	signed, err := plain.Sign(keyOf(t, 1))
	if err != nil {
		t.Fatal(err)
	}
	empty := receiptOf(nil)
	for _, r := range []Receipt{plain, older, signed, empty} {
		text := r.Text()
		for _, form := range []string{text, "Dear funder,\n\nplease keep this:\n\n" + text + "\nYours, Sam\n", strings.ReplaceAll(text, "\n", " \r\n"), strings.TrimSpace(text), "\n\n  " + strings.ReplaceAll(text, "\n", "\n\n  ")} {
			back, err := ParseReceipt(form)
			if strings.Contains(form, "\n\n  tr") { // a blank line between the first lines: not passed over
				if err == nil {
					t.Errorf("a receipt with gaps is read:\n%s", form)
				}
				continue
			}
			if err != nil || back != r {
				t.Errorf("%v\n%+v from\n%s", err, back, form)
			}
		}
		if r.Size > 0 {
			if err := r.Check("rlc", records); err != nil {
				t.Error(err)
			}
		}
	}
	if err := empty.Check("rlc", records); err != nil {
		t.Errorf("a receipt of nothing: %v", err)
	}
	if plain.Text() != older.Text()+"tree "+plain.Tree+"\n" {
		t.Error("the text of a receipt is not that of before with a line more")
	}
	if _, err := older.Sign(keyOf(t, 1)); err == nil {
		t.Error("a receipt without a tree is signed")
	}
}

// The checkpoint is a signed note that the tools for such notes open.
func TestCheckpoint(t *testing.T) {
	key, other := keyOf(t, 1), keyOf(t, 2)
	r, err := receiptOf(ledgerOf(t, 9)).Sign(key)
	if err != nil {
		t.Fatal(err)
	}
	if err := r.VerifySignature(key.Public()); err != nil {
		t.Error(err)
	}
	if err := r.VerifySignature(other.Public()); !errors.Is(err, sign.ErrSignature) {
		t.Errorf("another key: %v", err)
	}
	if err := receiptOf(nil).VerifySignature(key.Public()); !errors.Is(err, ErrUnsigned) {
		t.Errorf("no signature: %v", err)
	}
	_, below, ok := strings.Cut(r.Text(), "\n\n")
	if !ok {
		t.Fatalf("no checkpoint below\n%s", r.Text())
	}
	noteKey, err := key.Public().NoteKey("evenhand/rlc")
	if err != nil {
		t.Fatal(err)
	}
	verifier, err := note.NewVerifier(noteKey)
	if err != nil {
		t.Fatal(err)
	}
	n, err := note.Open([]byte(below), note.VerifierList(verifier))
	if err != nil || n.Text != r.Checkpoint() || !strings.HasPrefix(n.Text, "evenhand/rlc\n9\n"+r.Tree+"\n") {
		t.Errorf("opened as a note: %+v, %v", n, err)
	}
	// Every character of a signed receipt counts.
	text := r.Text()
	tried := 0
	for i := range len(text) - 1 {
		if text[i] == '\n' {
			continue // spaces and line ends may come and go
		}
		b := []byte(text)
		b[i]++
		back, err := ParseReceipt(string(b))
		if err == nil {
			err = back.VerifySignature(key.Public())
		}
		if err == nil {
			t.Errorf("character %d (%q) changed: accepted", i, text[i])
		}
		tried++
	}
	t.Logf("%d characters changed one by one: none of these receipts is accepted as signed", tried)
}

// What was changed in a ledger at or before a receipt is found by it; nothing
// after it is.
func TestReceiptCheck(t *testing.T) {
	records := ledgerOf(t, 20)
	receipt := receiptOf(records[:12])
	for seq := 1; seq <= 20; seq++ {
		entries := make([]Entry, len(records))
		for i, r := range records {
			e, err := r.Entry()
			if err != nil {
				t.Fatal(err)
			}
			entries[i] = e
		}
		entries[seq-1].Why = "another"
		forged := chained(t, entries)
		if _, err := CheckLedger(forged); err != nil {
			t.Fatal(err)
		}
		if err := receipt.Check("rlc", forged); errors.Is(err, ErrLedger) != (seq <= 12) {
			t.Errorf("entry %d written anew: %v", seq, err)
		}
		if err := receipt.Check("rlc", records[:seq]); errors.Is(err, ErrLedger) != (seq < 12) {
			t.Errorf("cut off after entry %d: %v", seq, err)
		}
	}
	// a receipt whose own text was changed
	changed := receipt
	changed.Tree = Root(records[:11])
	if err := changed.Check("rlc", records); !errors.Is(err, ErrLedger) || !strings.Contains(err.Error(), "root") {
		t.Errorf("another root: %v", err)
	}
}

func TestProofs(t *testing.T) {
	records := ledgerOf(t, 40)
	old, now := receiptOf(records[:25]), receiptOf(records)
	var texts []string
	for _, c := range []struct{ seq, size int }{{1, 1}, {7, 25}, {40, 40}, {33, 40}} {
		p, err := ProveEntry("rlc", records, c.seq, c.size)
		if err != nil {
			t.Fatal(err)
		}
		texts = append(texts, p.Text())
	}
	growth, err := ProveGrowth("rlc", records, 25, 40)
	if err != nil {
		t.Fatal(err)
	}
	texts = append(texts, growth.Text())
	for _, text := range texts {
		for _, form := range []string{text, "Hello,\n" + text + "bye\n", strings.ReplaceAll(text, "\n", "\r\n")} {
			p, err := ParseProof(form)
			if err != nil || p.Text() != text {
				t.Fatalf("%v\n%s", err, p.Text())
			}
			if err := p.Check(); err != nil {
				t.Error(err)
			}
		}
		// Every character counts. (The number of entries is not in the
		// root: a proof may lead to it under another number. So a receipt
		// must have both.)
		for i := range len(text) - 1 {
			b := []byte(text)
			b[i]++
			p, err := ParseProof(string(b))
			if err == nil {
				err = p.Check()
			}
			if err == nil {
				_, err = p.Against(receiptOf(records[:min(p.Size, len(records))]))
			}
			if err == nil {
				t.Fatalf("character %d (%q) changed: it holds\n%s", i, text[i], b)
			}
		}
		for _, cut := range []int{0, 1, 3, 5} {
			lines := strings.SplitAfter(text, "\n")
			if _, err := ParseProof(strings.Join(lines[:cut], "")); err == nil {
				t.Errorf("%d lines of a proof are read as one", cut)
			}
		}
	}
	against := func(p Proof, r Receipt, which, want string) {
		t.Helper()
		got, err := p.Against(r)
		if got != which || (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%q, %v; want %q, %q", got, err, which, want)
		}
	}
	entry, err := ProveEntry("rlc", records, 7, 25)
	if err != nil {
		t.Fatal(err)
	}
	against(entry, old, "tree", "")
	against(entry, now, "", "ask for a proof for this receipt")
	against(growth, old, "from-tree", "")
	against(growth, now, "tree", "")
	forked := now
	forked.Tree = old.Tree
	against(growth, forked, "", "its root over 40 entries")
	forked = old
	forked.Tree = now.Tree
	against(growth, forked, "", "its root over 25 entries")
	against(entry, forked, "", "its root over 25 entries")
	against(growth, receiptOf(records[:3]), "", "25 and 40")
	older := old
	older.Tree = ""
	against(entry, older, "", "before receipts had one")
	older.Trial = "another"
	against(entry, older, "", "another")
	// an entry put at another's place with a path that fits
	moved := []Record{records[1], records[0]}
	p, err := ProveEntry("rlc", moved, 1, 2)
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Check(); !errors.Is(err, ErrProof) || !strings.Contains(err.Error(), "calls itself 2") {
		t.Errorf("a moved entry: %v", err)
	}
	for _, c := range []struct{ seq, size int }{{0, 4}, {5, 4}, {1, 41}} {
		if _, err := ProveEntry("rlc", records, c.seq, c.size); err == nil {
			t.Errorf("entry %d of %d is proved", c.seq, c.size)
		}
	}
	if _, err := ProveGrowth("rlc", records, 41, 40); err == nil {
		t.Error("growth from 41 to 40 is proved")
	}
}
