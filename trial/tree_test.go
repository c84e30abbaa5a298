package trial

import (
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// ledgerOf makes a chained ledger of n entries, as many of them as actors say.
func ledgerOf(t testing.TB, n int) []Record {
	t.Helper()
	entries := make([]Entry, n)
	for i := range entries {
		entries[i] = Entry{At: time.Date(2026, 1, 1, 0, 0, i, 0, time.UTC), Actor: "sam", Action: "school note", About: fmt.Sprintf("school %d", 100001+i)}
	}
	return chained(t, entries)
}

// chained numbers and chains entries: what the owner of a store can always do.
func chained(t testing.TB, entries []Entry) []Record {
	t.Helper()
	var all []Record
	prev := ZeroDigest
	for i, e := range entries {
		e.Seq, e.Prev = i+1, prev
		r, err := e.Seal()
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, r)
		prev = r.Digest
	}
	return all
}

// mth is the root by RFC 6962, section 2.1, written down as the RFC says it.
func mth(leaves []string) [32]byte {
	switch n := len(leaves); n {
	case 0:
		return sha256.Sum256(nil)
	case 1:
		return sha256.Sum256([]byte("\x00" + leaves[0]))
	default:
		k := 1
		for 2*k < n {
			k *= 2
		}
		left, right := mth(leaves[:k]), mth(leaves[k:])
		return sha256.Sum256(slices.Concat([]byte{1}, left[:], right[:]))
	}
}

func texts(records []Record) []string {
	all := make([]string, len(records))
	for i, r := range records {
		all[i] = r.Text
	}
	return all
}

// The root is RFC 6962's, whose own test vectors (as Certificate Transparency's
// implementations have them: eight inputs, the roots of the first n) are here
// too.
func TestRoot(t *testing.T) {
	inputs := []string{"", "\x00", "\x10", "\x20\x21", "\x30\x31", "\x40\x41\x42\x43", "\x50\x51\x52\x53\x54\x55\x56\x57", "\x60\x61\x62\x63\x64\x65\x66\x67\x68\x69\x6a\x6b\x6c\x6d\x6e\x6f"}
	known := []string{
		"6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
		"fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
		"aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
		"d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
		"4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
		"76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
		"ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
		"5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
	}
	var records []Record
	for i, in := range inputs {
		records = append(records, Record{Seq: i + 1, Text: in})
		if got := fmt.Sprintf("%x", mth(texts(records))); got != known[i] {
			t.Fatalf("the test's own root over %d inputs is %s, want %s", i+1, got, known[i])
		}
		want := mth(texts(records))
		if got := Root(records); got != base64.StdEncoding.EncodeToString(want[:]) {
			t.Errorf("root over %d inputs is %s", i+1, got)
		}
	}
	all := ledgerOf(t, 70)
	tree := NewTree(all)
	for n := range 71 {
		want := mth(texts(all[:n]))
		got, err := tree.Root(n)
		if err != nil || got != base64.StdEncoding.EncodeToString(want[:]) {
			t.Errorf("root over the first %d of 70 is %s, %v", n, got, err)
		}
	}
	for _, n := range []int{-1, 71} {
		if _, err := tree.Root(n); err == nil {
			t.Errorf("70 entries have a root over %d", n)
		}
	}
}

// Every pair of sizes up to 70: each entry is in each tree, each tree begins
// with each smaller one, and no proof fits another entry, place, size or root.
func TestProofsOfAllPairs(t *testing.T) {
	const most = 70
	records := ledgerOf(t, most)
	tree := NewTree(records)
	// A fork: the same up to entry 30, then others.
	entries := make([]Entry, most)
	for i, r := range records {
		e, err := r.Entry()
		if err != nil {
			t.Fatal(err)
		}
		if i >= 30 {
			e.Actor = "mallory"
		}
		entries[i] = e
	}
	forked := NewTree(chained(t, entries))
	root := func(tree *Tree, n int) string {
		s, err := tree.Root(n)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	good, refused := 0, 0
	refuse := func(err error, format string, a ...any) {
		t.Helper()
		if err == nil {
			t.Fatalf("accepted: "+format, a...)
		}
		refused++
	}
	for size := 1; size <= most; size++ {
		for seq := 1; seq <= size; seq++ {
			path, err := tree.InclusionProof(seq, size)
			if err != nil {
				t.Fatal(err)
			}
			if len(path) > 7 { // log2(70) rounded up
				t.Errorf("entry %d of %d takes %d hashes", seq, size, len(path))
			}
			text := records[seq-1].Text
			if err := CheckInclusion(seq, text, size, root(tree, size), path); err != nil {
				t.Fatal(err)
			}
			good++
			refuse(CheckInclusion(seq, text+" ", size, root(tree, size), path), "another text as entry %d of %d", seq, size)
			if size > 1 {
				refuse(CheckInclusion(seq%size+1, text, size, root(tree, size), path), "entry %d of %d in another place", seq, size)
				refuse(CheckInclusion(seq, text, size, root(tree, size-1), path), "entry %d of %d under an earlier root", seq, size)
			}
			if size > 30 {
				refuse(CheckInclusion(seq, text, size, root(forked, size), path), "entry %d of %d in the fork", seq, size)
			}
			refuse(CheckInclusion(seq, text, size, root(tree, size), append(slices.Clone(path), root(tree, 1))), "entry %d of %d with a hash too many", seq, size)
		}
		for from := 0; from <= size; from++ {
			path, err := tree.ConsistencyProof(from, size)
			if err != nil {
				t.Fatal(err)
			}
			if err := CheckConsistency(from, root(tree, from), size, root(tree, size), path); err != nil {
				t.Fatal(err)
			}
			good++
			if from > 30 || size > 30 && from > 0 && from < size {
				refuse(CheckConsistency(from, root(tree, from), size, root(forked, size), path), "%d to %d, which is forked", from, size)
			}
			if from > 30 {
				refuse(CheckConsistency(from, root(forked, from), size, root(tree, size), path), "forked %d to %d", from, size)
				if other, err := forked.ConsistencyProof(from, size); err != nil {
					t.Fatal(err)
				} else {
					refuse(CheckConsistency(from, root(tree, from), size, root(forked, size), other), "%d to forked %d with the fork's proof", from, size)
				}
			}
			if from > 0 && from < size {
				refuse(CheckConsistency(from, root(tree, from), size, root(tree, size), path[1:]), "%d to %d with a hash too few", from, size)
				refuse(CheckConsistency(size, root(tree, size), from, root(tree, from), path), "a cut tail: %d to %d", size, from)
			}
		}
	}
	if good != 70*71/2+70*73/2 {
		t.Errorf("%d proofs were checked", good)
	}
	t.Logf("%d proofs hold, %d false ones are refused", good, refused)
}

// A changed character anywhere in a proof, or in a root, is refused.
func TestProofEveryCharacter(t *testing.T) {
	records := ledgerOf(t, 13)
	tree := NewTree(records)
	root, err := tree.Root(13)
	if err != nil {
		t.Fatal(err)
	}
	path, err := tree.InclusionProof(6, 13)
	if err != nil {
		t.Fatal(err)
	}
	tried := 0
	for i := -1; i < len(path); i++ {
		for at := range root {
			for _, with := range []byte("AbZ+/=") {
				changedRoot, changed := root, slices.Clone(path)
				text := &changedRoot
				if i >= 0 {
					text = &changed[i]
				}
				if (*text)[at] == with {
					continue
				}
				*text = (*text)[:at] + string(with) + (*text)[at+1:]
				tried++
				if CheckInclusion(6, records[5].Text, 13, changedRoot, changed) == nil {
					t.Fatalf("hash %d, character %d as %q is accepted", i, at, with)
				}
			}
		}
	}
	if tried < 1000 {
		t.Errorf("only %d changes were tried", tried)
	}
}

// Whatever the sizes: proofs hold, and none holds once a record was changed.
func TestTreeProperties(t *testing.T) {
	all := ledgerOf(t, 300)
	rapid.Check(t, func(t *rapid.T) {
		size := rapid.IntRange(1, 300).Draw(t, "size")
		from := rapid.IntRange(1, size).Draw(t, "from")
		seq := rapid.IntRange(1, size).Draw(t, "seq")
		changed := slices.Clone(all[:size])
		changed[seq-1].Text = strings.Replace(changed[seq-1].Text, "sam", "ana", 1)
		was, is := NewTree(all[:size]), NewTree(changed)
		oldRoot, _ := was.Root(from)
		wasRoot, _ := was.Root(size)
		isRoot, _ := is.Root(size)
		if wasRoot == isRoot {
			t.Fatal("a changed record leaves the root as it was")
		}
		path, err := was.ConsistencyProof(from, size)
		if err != nil || CheckConsistency(from, oldRoot, size, wasRoot, path) != nil {
			t.Fatalf("growth from %d to %d is not proved: %v", from, size, err)
		}
		path, err = is.ConsistencyProof(from, size)
		if err != nil {
			t.Fatal(err)
		}
		if err := CheckConsistency(from, oldRoot, size, isRoot, path); (err == nil) != (seq > from) {
			t.Fatalf("entry %d of %d changed, root over the first %d kept: %v", seq, size, from, err)
		}
		path, err = is.InclusionProof(seq, size)
		if err != nil || CheckInclusion(seq, all[seq-1].Text, size, isRoot, path) == nil || CheckInclusion(seq, changed[seq-1].Text, size, isRoot, path) != nil {
			t.Fatalf("entry %d of %d: %v", seq, size, err)
		}
	})
}

// A large ledger: the tree in well under a second, a proof in microseconds.
func TestLargeTree(t *testing.T) {
	const n = 100_000
	records := ledgerOf(t, n)
	began := time.Now()
	tree := NewTree(records)
	root, err := tree.Root(n)
	if err != nil {
		t.Fatal(err)
	}
	built := time.Since(began)
	began = time.Now()
	longest := 0
	for i := range 1000 {
		seq := i*97%n + 1
		path, err := tree.InclusionProof(seq, n)
		if err != nil {
			t.Fatal(err)
		}
		longest = max(longest, len(path))
		if err := CheckInclusion(seq, records[seq-1].Text, n, root, path); err != nil {
			t.Fatal(err)
		}
	}
	each := time.Since(began) / 1000
	if longest > 17 {
		t.Errorf("a proof takes %d hashes, more than 17", longest)
	}
	if built > 5*time.Second || each > 10*time.Millisecond {
		t.Errorf("tree of %d entries in %v, a proof made and checked in %v", n, built, each)
	}
	t.Logf("tree of %d entries in %v; a proof of at most %d hashes made and checked in %v", n, built, longest, each)
}
