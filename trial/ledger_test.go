package trial

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// chain makes a ledger of n entries.
func chain(t testing.TB, n int) []Record {
	t.Helper()
	at := time.Date(2014, 9, 30, 10, 2, 3, 456789123, time.UTC)
	prev := ZeroDigest
	var records []Record
	for i := range n {
		e := Entry{Seq: i + 1, At: at.Add(time.Duration(i) * time.Minute), Actor: "Zoë <z&z>", Action: "school stage", About: fmt.Sprintf("school %06d", 100000+i), Why: "no \"time\"", Prev: prev}
		if i%2 == 1 {
			e.Before, e.After = json.RawMessage(`{"stage":"listed"}`), json.RawMessage(`{"stage":"ready"}`)
		}
		r, err := e.Seal()
		if err != nil {
			t.Fatal(err)
		}
		records = append(records, r)
		prev = r.Digest
	}
	return records
}

func TestLedgerText(t *testing.T) {
	r := chain(t, 2)
	if want := `{"seq":1,"at":"2014-09-30T10:02:03.456789Z","actor":"Zoë <z&z>","action":"school stage","about":"school 100000","why":"no \"time\"","prev":"` + ZeroDigest + `"}`; r[0].Text != want {
		t.Errorf("the first entry is\n%s\nwant\n%s", r[0].Text, want)
	}
	e, err := r[1].Entry()
	if err != nil {
		t.Fatal(err)
	}
	if e.Prev != r[0].Digest || string(e.Before) != `{"stage":"listed"}` || !e.At.Equal(time.Date(2014, 9, 30, 10, 3, 3, 456789000, time.UTC)) {
		t.Errorf("the second entry was read back as %+v", e)
	}
	again, err := e.Seal()
	if err != nil || again != r[1] {
		t.Errorf("sealed again it is %+v (%v), want %+v", again, err, r[1])
	}
	// An instant elsewhere on the globe is the same instant.
	e.At = e.At.In(time.FixedZone("somewhere", 5*3600+1800))
	if again, err := e.Seal(); err != nil || again != r[1] {
		t.Errorf("sealed in another zone it is %+v (%v)", again, err)
	}
	if head, err := CheckLedger(nil); head != ZeroDigest || err != nil {
		t.Errorf("an empty ledger: %s, %v", head, err)
	}
}

// Any one byte of any entry changed is found, whether or not its digest is
// made to fit.
func TestEveryByteOfTheLedger(t *testing.T) {
	whole := chain(t, 4)
	head, err := CheckLedger(whole)
	if err != nil || head != whole[3].Digest {
		t.Fatalf("CheckLedger = %s, %v", head, err)
	}
	receipt := Receipt{Trial: "rlc", Size: 4, Head: head, At: time.Now()}
	tried := 0
	for i := range whole {
		for at := range len(whole[i].Text) {
			for _, flip := range []byte{1, 0x20, 0x80} {
				changed := slices.Clone(whole)
				text := []byte(changed[i].Text)
				text[at] ^= flip
				changed[i].Text = string(text)
				tried++
				if _, err := CheckLedger(changed); !errors.Is(err, ErrLedger) {
					t.Errorf("entry %d, byte %d changed: %v", i+1, at, err)
				}
				// With a digest that fits the entry after it tells, or, where
				// there is none, the receipt.
				changed[i].Digest = DigestOf(changed[i].Text)
				_, err := CheckLedger(changed)
				if i < len(whole)-1 && !errors.Is(err, ErrLedger) {
					t.Errorf("entry %d, byte %d changed with its digest: %v", i+1, at, err)
				}
				if err == nil {
					err = receipt.Check("rlc", changed)
				}
				if !errors.Is(err, ErrLedger) {
					t.Errorf("entry %d, byte %d changed with its digest: not even the receipt tells: %v", i+1, at, err)
				}
			}
		}
		for at := range len(whole[i].Digest) {
			changed := slices.Clone(whole)
			digest := []byte(changed[i].Digest)
			digest[at] ^= 1
			changed[i].Digest = string(digest)
			tried++
			if _, err := CheckLedger(changed); !errors.Is(err, ErrLedger) {
				t.Errorf("entry %d, digit %d of its digest changed: %v", i+1, at, err)
			}
		}
	}
	if tried < 2000 {
		t.Errorf("only %d changes were tried", tried)
	}
}

// Entries taken out, swapped, doubled or put in from elsewhere are found.
func TestEntriesOfTheLedger(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(2, 12).Draw(t, "n")
		whole := make([]Record, 0, n)
		prev := ZeroDigest
		for i := range n {
			r, err := Entry{Seq: i + 1, At: time.Unix(int64(i), 0), Actor: "a", Action: rapid.StringMatching(`[a-z <>&"\\]{0,8}`).Draw(t, "action"), About: "x", Prev: prev}.Seal()
			if err != nil {
				t.Fatal(err)
			}
			whole, prev = append(whole, r), r.Digest
		}
		if _, err := CheckLedger(whole); err != nil {
			t.Fatalf("a good ledger: %v", err)
		}
		i := rapid.IntRange(0, n-2).Draw(t, "i") // the last may be cut off unseen
		j := rapid.IntRange(i+1, n-1).Draw(t, "j")
		swapped := slices.Clone(whole)
		swapped[i], swapped[j] = swapped[j], swapped[i]
		renumbered := slices.Clone(swapped)
		renumbered[i].Seq, renumbered[j].Seq = i+1, j+1
		for what, changed := range map[string][]Record{
			"one taken out":                slices.Delete(slices.Clone(whole), i, i+1),
			"one doubled":                  slices.Insert(slices.Clone(whole), i, whole[i]),
			"two swapped":                  swapped,
			"two swapped, with new places": renumbered,
			"the first ones taken out":     whole[i+1:],
		} {
			if _, err := CheckLedger(changed); !errors.Is(err, ErrLedger) {
				t.Fatalf("%s: %v", what, err)
			}
		}
	})
}

// A receipt finds what the chain cannot: a tail cut off, and a ledger written
// anew from any entry on, up to the last that it saw; nothing after that.
func TestReceipt(t *testing.T) {
	whole := chain(t, 6)
	made := time.Date(2014, 10, 1, 8, 0, 0, 0, time.UTC)
	for size := range len(whole) + 1 {
		r := Receipt{Trial: "rlc", Size: size, Head: ZeroDigest, At: made}
		if size > 0 {
			r.Head = whole[size-1].Digest
		}
		if err := r.Check("rlc", whole); err != nil {
			t.Errorf("size %d: %v", size, err)
		}
		for kept := range len(whole) + 1 {
			if _, err := CheckLedger(whole[:kept]); err != nil {
				t.Fatalf("a ledger without its tail should pass the chain's check: %v", err)
			}
			if err := r.Check("rlc", whole[:kept]); (err == nil) != (kept >= size) {
				t.Errorf("size %d, cut after %d: %v", size, kept, err)
			}
		}
		for from := range len(whole) {
			anew := slices.Clone(whole)
			prev := ZeroDigest
			if from > 0 {
				prev = whole[from-1].Digest
			}
			for i := from; i < len(whole); i++ {
				e, err := whole[i].Entry()
				if err != nil {
					t.Fatal(err)
				}
				e.Prev = prev
				if i == from {
					e.Why = "written anew"
				}
				if anew[i], err = e.Seal(); err != nil {
					t.Fatal(err)
				}
				prev = anew[i].Digest
			}
			if _, err := CheckLedger(anew); err != nil {
				t.Fatalf("a ledger written anew should pass the chain's check: %v", err)
			}
			if err := r.Check("rlc", anew); (err == nil) != (from >= size) {
				t.Errorf("size %d, written anew from entry %d: %v", size, from+1, err)
			}
		}
	}
	if err := (Receipt{Trial: "rlc", Head: ZeroDigest}).Check("other", nil); err == nil || errors.Is(err, ErrLedger) {
		t.Errorf("a receipt of another trial: %v", err)
	}
	if err := (Receipt{Trial: "rlc", Size: 0, Head: whole[0].Digest}).Check("rlc", whole); !errors.Is(err, ErrLedger) {
		t.Errorf("a receipt of no entry with a head: %v", err)
	}
	if err := (Receipt{Trial: "rlc", Size: -1, Head: whole[0].Digest}).Check("rlc", whole); !errors.Is(err, ErrLedger) {
		t.Errorf("a receipt of less than no entry: %v", err)
	}
}

func TestReceiptForms(t *testing.T) {
	want := Receipt{Trial: "rlc", Size: 3, Head: strings.Repeat("ab", 32), At: time.Date(2014, 10, 1, 8, 0, 0, 0, time.UTC)}
	for name, text := range map[string]string{
		"as made":     want.Text(),
		"in a letter": "Dear funder,\r\n\r\n  " + strings.ReplaceAll(want.Text(), "\n", "  \r\n  ") + "\r\nYours, A.\r\n",
	} {
		if got, err := ParseReceipt(text); err != nil || got.Trial != want.Trial || got.Size != want.Size || got.Head != want.Head || !got.At.Equal(want.At) {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
	for name, text := range map[string]string{
		"nothing":         "",
		"another text":    "evenhand: 1\n",
		"cut":             strings.Join(strings.SplitAfter(want.Text(), "\n")[:3], ""),
		"no number":       strings.Replace(want.Text(), "entries 3", "entries three", 1),
		"no trial":        strings.Replace(want.Text(), "trial rlc\n", "", 1),
		"an odd head":     strings.Replace(want.Text(), "abab", "ABAB", 1),
		"a short head":    strings.Replace(want.Text(), "abab", "ab", 1),
		"no date":         strings.Replace(want.Text(), "2014-10-01T", "1 October 2014 ", 1),
		"two receipts":    want.Text() + want.Text(),
		"another version": strings.Replace(want.Text(), "receipt 1", "receipt 2", 1),
	} {
		if got, err := ParseReceipt(text); err == nil {
			t.Errorf("%s was read as %+v", name, got)
		}
	}
}
