package audit

import (
	"archive/zip"
	"bytes"
	"encoding/json"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"maps"
	"slices"
	"strings"
	"testing"

	"evenhand/analysis"
	"evenhand/analysis/sap"
	"evenhand/trial"
)

// place is where a file stands in the zip file: its local header and its bytes.
type place struct {
	name       string
	begin, end int64 // header and bytes
	data       int64 // where the bytes begin
}

func places(t testing.TB, b []byte) []place {
	t.Helper()
	z, err := zip.NewReader(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	var all []place
	for _, f := range z.File {
		at, err := f.DataOffset()
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, place{f.Name, at - 30 - int64(len(f.Name)), at + int64(f.UncompressedSize64), at})
	}
	return all
}

// Every byte of a small bundle's zip file, changed, makes the check of the file
// set fail, and the failure names the file that the byte belongs to. (The file
// set alone is checked here, since that is what sees it; TestEveryFile runs
// the whole of Verify.)
func TestEveryByte(t *testing.T) {
	m := finished(t, 12, 2)
	m.b.Data = m.b.Data[:1] // the smaller, the more bytes a second; nothing below reads them
	m.b.Rule = nil
	good := write(t, m.b)
	where := places(t, good)
	owner := func(i int) string {
		for _, p := range where {
			if int64(i) >= p.begin && int64(i) < p.end {
				return p.name
			}
		}
		return ""
	}
	step := 1
	if testing.Short() {
		step = 23
	}
	bad := slices.Clone(good)
	contents := 0
	tried, named := 0, 0
	for i := 0; i < len(good); i++ {
		name := owner(i)
		header := name == ""
		for _, p := range where {
			header = header || int64(i) >= p.begin && int64(i) < p.data
		}
		// All of the container's own bytes; of the contents, which a digest
		// covers evenly, every step-th.
		if !header {
			if contents++; contents%(19*step) != 0 {
				continue
			}
		} else if i%step != 0 {
			continue
		}
		bad[i] ^= byte(1 << (i % 8))
		f := verifyFiles(t, bad)
		bad[i] = good[i]
		tried++
		if !f.Failed() {
			t.Fatalf("byte %d (%s) was changed, and nothing failed", i, name)
		}
		text := failed(f)
		if name == "" || strings.Contains(text, name) {
			named++
		} else {
			t.Logf("byte %d of %s: %s", i, name, text)
		}
	}
	if tried < 200 {
		t.Fatalf("only %d bytes were tried", tried)
	}
	if named < tried*99/100 {
		t.Errorf("%d of %d changes were located", named, tried)
	}
	t.Logf("%d bytes of %d changed one by one: all found, %.1f%% located by file", tried, len(good), 100*float64(named)/float64(tried))
}

func verifyFiles(t testing.TB, b []byte) *Findings {
	t.Helper()
	v := &verifier{found: &Findings{}, files: map[string][]byte{}}
	if err := v.fileSet(bytes.NewReader(b), int64(len(b))); err != nil {
		t.Fatal(err)
	}
	return v.found
}

// In every file one byte is changed, and the whole of Verify names the file.
func TestEveryFile(t *testing.T) {
	m := finished(t, 20, 4)
	good := write(t, m.b)
	where := places(t, good)
	if len(where) < 25 {
		t.Fatalf("the bundle has %d files only", len(where))
	}
	for _, p := range where {
		bad := slices.Clone(good)
		bad[(p.data+p.end)/2] ^= 1
		f := verify(t, bad, Options{})
		if !f.Failed() || !strings.Contains(failed(f), p.name) {
			t.Errorf("%s: one byte changed, and it is not named among the failures:\n%s", p.name, failed(f))
		}
	}
}

// unzip gives the files by name.
func unzip(t testing.TB, b []byte) []entry {
	t.Helper()
	z, err := zip.NewReader(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	var all []entry
	for _, f := range z.File {
		data, err := readEntry(f)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, entry{f.Name, data})
	}
	return all
}

// rezip makes the bundle's zip file of changed files, with a manifest that
// fits them: what somebody does who wants a change to go unnoticed.
func rezip(t testing.TB, all []entry) []byte {
	t.Helper()
	all = slices.DeleteFunc(slices.Clone(all), func(e entry) bool { return e.name == manifestName })
	slices.SortFunc(all, func(a, b entry) int { return strings.Compare(a.name, b.name) })
	var buf bytes.Buffer
	if err := writeZip(&buf, append([]entry{{manifestName, manifest(all)}}, all...)); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

// A forger who also makes the manifest anew is found by the ledger's digests,
// by drawing again, counting again and fitting again.
func TestForgedWithManifest(t *testing.T) {
	m := finished(t, 20, 6)
	good := unzip(t, write(t, m.b))
	if f := verify(t, rezip(t, good), Options{}); f.Failed() || strings.Contains(f.Text(), "not the text that this program writes") {
		t.Fatalf("the bundle put together anew without a change fails:\n%s", failed(f))
	}
	ledger := "2 "
	for _, c := range []struct {
		file, old, new string
		want           string // in the failures
	}{
		{"design.txt", "arm rlc 1", "arm rlc 2", "design.txt has SHA-256"},
		{"roster.txt", "100005\tLondon", "100005\tNorth", "roster.txt has SHA-256"},
		{"pupils.txt", "P00000001\t100001", "P00000001\t100002", "pupils.txt has SHA-256"},
		{"commitment.txt", "bundletest", "otherstest", "commitment.txt has SHA-256"},
		{"chance.txt", "a", "b", "chance.txt holds"},
		{"allocation.txt", "control\t0", "rlc\t1", "drawn again"},
		{"protocol/1.yaml", "A trial", "A Trial", "protocol/1.yaml has SHA-256"},
		{"rosters/1.design.txt", "0", "1", "rosters/1.design.txt has SHA-256"},
		{"data/reading.csv", ",London,", ",North,", "the files in data have the digest"},
		{"data/reading.schools.csv", "100001,London", "100001,North", "the files in data have the digest"},
		{"data/maths.codebook.csv", "pseudonymous", "Pseudonymous", "the files in data have the digest"},
		{"results.json", `"value":1`, `"value":2`, "results.json has SHA-256"},
		{"flow.json", `"analysed": 1`, `"analysed": 2`, "flow.json says"},
		{"flow.json", `"randomised": 10`, `"randomised": 11`, "flow.json says"},
		{"flow.json", "Research", "research", "flow.json calls arm 1"},
		{"flow.json", `"reached": 0`, `"reached": 1`, "schools that reached"},
		{"flow.json", `"withdrew_programme": 0`, `"withdrew_programme": 1`, "left the programme"},
		{"ledger.ndjson", `"actor":"sam"`, `"actor":"ana"`, ledger},
		{"ledger.digests.txt", "1 ", "2 ", ledger},
		{"receipts/0001.txt", "entries 3", "entries 4", "receipts/0001.txt"},
		{"report.html", "report", "repart", "report.html has SHA-256"},
		{"report.html", "<bdi>−0.26", "<bdi>−0.27", "cell t/1/2 reads"},
		{"report.html", "t/2/2", "t/2/3", "are not on the page"},
		{"report-numbers.csv", "< 0.001", "0.002", "cell t/2/2 reads"},
		{"rule/RULE.md", "a", "b", "rule/RULE.md is not"},
		{"FORMAT.md", "The zip file", "the zip file", "note"},
		{"README.txt", "AUDIT", "Audit", "note"},
		{"NOT-COVERED.txt", "NOT", "Not", "note"},
	} {
		forged := slices.Clone(good)
		i := slices.IndexFunc(forged, func(e entry) bool { return e.name == c.file })
		if i < 0 {
			t.Fatalf("the bundle has no %s", c.file)
		}
		text := strings.Replace(string(forged[i].data), c.old, c.new, 1)
		if text == string(forged[i].data) {
			t.Fatalf("%s: %q is not in it", c.file, c.old)
		}
		forged[i].data = []byte(text)
		f := verify(t, rezip(t, forged), Options{})
		if c.want == "" {
			continue
		}
		if c.want == "note" { // no digest in the ledger has it; it is said all the same
			if !strings.Contains(f.Text(), c.file+" is not the text that this program writes") {
				t.Errorf("%s changed with a manifest that fits: nothing is said:\n%s", c.file, f.Text())
			}
			continue
		}
		if c.file == "rule/RULE.md" {
			if !strings.Contains(f.Text(), c.want) {
				t.Errorf("another rule: nothing is said:\n%s", f.Text())
			}
			continue
		}
		if !f.Failed() || !strings.Contains(failed(f), c.want) {
			t.Errorf("%s: %q for %q with a manifest that fits: the failures are\n%s\nwant one with %q", c.file, c.new, c.old, failed(f), c.want)
		}
	}
	// a file taken away, with its line in the manifest
	for _, name := range []string{"design.txt", "pupils.txt", "commitment.txt", "chance.txt", "allocation.txt", "protocol/1.yaml", "rosters/1.roster.txt", "data/maths.csv", "results.json", "flow.json", "ledger.ndjson", "README.txt"} {
		forged := slices.DeleteFunc(slices.Clone(good), func(e entry) bool { return e.name == name })
		if f := verify(t, rezip(t, forged), Options{}); !f.Failed() || !strings.Contains(failed(f), name) {
			t.Errorf("without %s: the failures are\n%s", name, failed(f))
		}
	}
	// a file that belongs to nothing
	for _, name := range []string{"rosters/3.design.txt", "protocol/2.yaml", "data/extra.csv"} {
		forged := append(slices.Clone(good), entry{name, []byte("x\n")})
		if f := verify(t, rezip(t, forged), Options{}); !strings.Contains(failed(f), name) {
			t.Errorf("with %s: the failures are\n%s", name, failed(f))
		}
	}
}

// Every entry of the ledger is changed, removed, doubled and swapped with the
// next, once with the chain left as it is and once made anew with every digest
// right. The first is always found and located; the second where a receipt
// held by the checker covers it, or where a digest of another file
// contradicts it.
func TestLedgerEdits(t *testing.T) {
	m := finished(t, 12, 3)
	stub := func(p sap.Plan, _ *analysis.Dataset) (*sap.Results, error) { return storedResult(t, m.b, p), nil }
	n := len(m.entries)
	receipt := m.receipt(n - 1)
	type edit struct {
		name string
		do   func([]trial.Entry, int) []trial.Entry
	}
	edits := []edit{
		{"changed", func(e []trial.Entry, i int) []trial.Entry { e[i].Actor = "mallory"; return e }},
		{"removed", func(e []trial.Entry, i int) []trial.Entry { return slices.Delete(e, i, i+1) }},
		{"doubled", func(e []trial.Entry, i int) []trial.Entry { return slices.Insert(e, i, e[i]) }},
		{"swapped", func(e []trial.Entry, i int) []trial.Entry {
			if i+1 < len(e) {
				e[i], e[i+1] = e[i+1], e[i]
			}
			return e
		}},
	}
	found, located, tried := 0, 0, 0
	for i := range n - 1 {
		for _, e := range edits {
			// the chain left as it is
			changed := *m
			raw := slices.Clone(m.b.Ledger)
			switch e.name {
			case "changed":
				raw[i].Text = strings.Replace(raw[i].Text, `"sam"`, `"mallory"`, 1)
			case "removed":
				raw = slices.Delete(raw, i, i+1)
			case "doubled":
				raw = slices.Insert(raw, i, raw[i])
			case "swapped":
				raw[i], raw[i+1] = raw[i+1], raw[i]
			}
			var text, sums strings.Builder
			for k, r := range raw {
				text.WriteString(r.Text + "\n")
				fmt.Fprintf(&sums, "%d %s\n", k+1, r.Digest)
			}
			files := unzip(t, write(t, m.b))
			for k := range files {
				switch files[k].name {
				case ledgerName:
					files[k].data = []byte(text.String())
				case digestsName:
					files[k].data = []byte(sums.String())
				}
			}
			f := verify(t, rezip(t, files), Options{Fit: stub})
			tried++
			if f.Failed() {
				found++
			} else {
				t.Errorf("entry %d %s: nothing failed", i+1, e.name)
			}
			if strings.Contains(failed(f), fmt.Sprintf("entry %d", i+1)) || strings.Contains(failed(f), fmt.Sprintf("entry %d", i+2)) {
				located++
			} else {
				t.Logf("entry %d %s is not located:\n%s", i+1, e.name, failed(f))
			}
			if e.name == "doubled" && i == n-2 {
				continue // chained anew, the second of the two comes after the receipt
			}
			// the chain made anew
			changed.entries = e.do(slices.Clone(m.entries), i)
			changed.b.Receipts = nil
			changed.seal()
			var buf bytes.Buffer
			if err := Write(&buf, changed.b); err != nil {
				continue // the writer itself refuses what the ledger contradicts
			}
			tried++
			f = verify(t, buf.Bytes(), Options{Receipts: []trial.Receipt{receipt}, Fit: stub})
			if !f.Failed() {
				t.Errorf("entry %d %s and chained anew: the receipt does not show it", i+1, e.name)
				continue
			}
			found++
			located++ // by the receipt: at or before its entry
		}
	}
	// the tail cut off, and the last entry (which no receipt covers) changed
	cut := *m
	cut.entries = slices.Clone(m.entries[:n-2])
	cut.b.Receipts, cut.b.Runs, cut.b.Results, cut.b.Data, cut.b.Flow, cut.b.ReportHTML, cut.b.Numbers = nil, nil, "", nil, nil, nil, nil
	cut.seal()
	if f := verify(t, write(t, cut.b), Options{Receipts: []trial.Receipt{receipt}}); !strings.Contains(failed(f), "cut off") {
		t.Errorf("a tail cut off: the failures are\n%s", failed(f))
	}
	last := *m
	last.entries = slices.Clone(m.entries)
	last.entries[n-1].Actor = "mallory"
	last.b.Receipts = nil
	last.seal()
	f := verify(t, write(t, last.b), Options{Receipts: []trial.Receipt{receipt}, Fit: stub})
	if f.Failed() || !strings.Contains(f.Text(), fmt.Sprintf("NOTE   %d  not covered", checkCovered)) {
		t.Errorf("a change after the last receipt is to be a note, never a pass of its own:\n%s", f.Text())
	}
	if located < found*99/100 {
		t.Errorf("%d of %d edits located", located, found)
	}
	t.Logf("%d edits of ledger entries: %d found, %d located (%.1f%%)", tried, found, located, 100*float64(located)/float64(found))
}

// storedResult is the bundle's own result, in place of a fit.
func storedResult(t testing.TB, b Bundle, p sap.Plan) *sap.Results {
	for _, text := range append(slices.Collect(maps.Values(b.Runs)), b.Results) {
		var all []sap.Results
		if err := json.Unmarshal([]byte(text), &all); err != nil {
			t.Fatal(err)
		}
		for i := range all {
			if all[i].Plan.Outcome == p.Outcome && all[i].Plan.Role == p.Role {
				return &all[i]
			}
		}
	}
	t.Fatalf("no result of %q", p.Outcome)
	return nil
}

// A number that is off by more than the tolerance fails, with its place; one
// within does not. This is also the test that the comparison can fail.
func TestComparison(t *testing.T) {
	m := finished(t, 12, 3)
	zip := write(t, m.b)
	for _, c := range []struct {
		off  float64
		want bool
	}{{0, false}, {5e-10, false}, {3e-9, true}, {1, true}} {
		f := verify(t, zip, Options{Fit: func(p sap.Plan, _ *analysis.Dataset) (*sap.Results, error) {
			r := *storedResult(t, m.b, p)
			r.Contrasts = slices.Clone(r.Contrasts)
			r.Contrasts[0].EffectSize.Value *= 1 + c.off
			return &r, nil
		}})
		if f.Failed() != c.want {
			t.Errorf("off by %g of the number: failed is %v, want %v\n%s", c.off, f.Failed(), c.want, failed(f))
		}
		if c.want && !strings.Contains(failed(f), "contrasts[0].effect_size.value") {
			t.Errorf("the number is not named:\n%s", failed(f))
		}
	}
}

// What somebody lodged elsewhere is compared word by word.
func TestOutsideCopies(t *testing.T) {
	m := finished(t, 12, 3)
	zip := write(t, m.b)
	f := verify(t, zip, Options{Commitment: strings.Replace(m.b.Commitment, "version 2", "version 1", 1)})
	if !strings.Contains(failed(f), "your copy of the commitment") || !strings.Contains(failed(f), "line 3") {
		t.Errorf("another commitment:\n%s", failed(f))
	}
	r := m.receipt(4)
	r.Head = trial.DigestOf("something else")
	if f := verify(t, zip, Options{Receipts: []trial.Receipt{r}}); !strings.Contains(failed(f), "your receipt 1") {
		t.Errorf("a receipt of another ledger:\n%s", failed(f))
	}
	r = m.receipt(4)
	r.Trial = "another"
	if f := verify(t, zip, Options{Receipts: []trial.Receipt{r}}); !strings.Contains(failed(f), `"another"`) {
		t.Errorf("a receipt of another trial:\n%s", failed(f))
	}
}

// A trial that has not come so far has a bundle too.
func TestUnfinished(t *testing.T) {
	m := finished(t, 12, 3)
	for _, n := range []int{1, 3, 5, 6} { // protocol; locked; committed; drawn
		part := *m
		part.entries = slices.Clone(m.entries[:n])
		part.b.Receipts, part.b.Runs, part.b.Results, part.b.Data, part.b.Flow, part.b.ReportHTML, part.b.Numbers = nil, nil, "", nil, nil, nil, nil
		if n < 6 {
			part.b.Allocation, part.b.Chance = "", ""
		}
		if n < 5 {
			part.b.Commitment = ""
		}
		if n < 3 {
			part.b.Rosters = nil
		}
		part.seal()
		if f := verify(t, write(t, part.b), Options{}); f.Failed() {
			t.Errorf("a bundle after %d entries fails:\n%s", n, failed(f))
		}
	}
}

// Crafted, cut and hostile files are refused with a reason, and never read
// further.
func TestHygiene(t *testing.T) {
	m := finished(t, 12, 3)
	good := write(t, m.b)
	craft := func(fn func(*zip.Writer)) []byte {
		var buf bytes.Buffer
		z := zip.NewWriter(&buf)
		fn(z)
		z.Close()
		return buf.Bytes()
	}
	file := func(z *zip.Writer, h *zip.FileHeader, data string) {
		w, err := z.CreateHeader(h)
		if err == nil {
			_, err = io.WriteString(w, data)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	link := &zip.FileHeader{Name: "design.txt"}
	link.SetMode(0o777 | fs.ModeSymlink)
	cases := map[string][]byte{
		"empty":           {},
		"no zip":          []byte(strings.Repeat("no zip file at all\n", 100)),
		"cut in half":     good[:len(good)/2],
		"without its end": good[:len(good)-1],
		"with a tail":     append(slices.Clone(good), 0),
		"with a head":     append([]byte("#!/bin/sh\n"), good...),
		"compressed":      craft(func(z *zip.Writer) { file(z, &zip.FileHeader{Name: "README.txt", Method: zip.Deflate}, "x") }),
		"a bomb": craft(func(z *zip.Writer) {
			file(z, &zip.FileHeader{Name: "README.txt", Method: zip.Deflate}, strings.Repeat("\x00", 50<<20))
		}),
		"traversal": craft(func(z *zip.Writer) { file(z, &zip.FileHeader{Name: "../../etc/passwd"}, "x") }),
		"absolute":  craft(func(z *zip.Writer) { file(z, &zip.FileHeader{Name: "/etc/passwd"}, "x") }),
		"backslash": craft(func(z *zip.Writer) { file(z, &zip.FileHeader{Name: `data\x.csv`}, "x") }),
		"a device":  craft(func(z *zip.Writer) { file(z, &zip.FileHeader{Name: "CON"}, "x") }),
		"a link":    craft(func(z *zip.Writer) { file(z, link, "/etc/passwd") }),
		"a folder":  craft(func(z *zip.Writer) { file(z, &zip.FileHeader{Name: "data/"}, "") }),
		"twice": craft(func(z *zip.Writer) {
			file(z, &zip.FileHeader{Name: "README.txt"}, "x")
			file(z, &zip.FileHeader{Name: "README.txt"}, "y")
		}),
		"another case": craft(func(z *zip.Writer) {
			file(z, &zip.FileHeader{Name: "data/a.csv"}, "x")
			file(z, &zip.FileHeader{Name: "data/A.csv"}, "y")
		}),
		"a lie about size": craft(func(z *zip.Writer) {
			w, err := z.CreateRaw(&zip.FileHeader{Name: "README.txt", Method: zip.Store, CRC32: crc32.ChecksumIEEE([]byte("x")), CompressedSize64: 1, UncompressedSize64: 1 << 40})
			if err == nil {
				_, err = w.Write([]byte("x"))
			}
			if err != nil {
				t.Fatal(err)
			}
		}),
		"many files": craft(func(z *zip.Writer) {
			for i := range maxFiles + 1 {
				file(z, &zip.FileHeader{Name: fmt.Sprintf("data/f%d.csv", i)}, "")
			}
		}),
		"overlapping": overlap(t),
	}
	for name, b := range cases {
		f := verify(t, b, Options{})
		if !f.Failed() {
			t.Errorf("%s: nothing failed", name)
		}
		for _, x := range f.List {
			if x.Kind == Pass && x.Number == checkFiles {
				t.Errorf("%s: the file set passed", name)
			}
		}
	}
	if len(cases) < 18 {
		t.Fatalf("only %d cases", len(cases))
	}
}

// overlap is a zip file whose directory names the same bytes many times.
func overlap(t testing.TB) []byte {
	var buf bytes.Buffer
	z := zip.NewWriter(&buf)
	big := strings.Repeat("x", 1<<16)
	w, _ := z.CreateRaw(header("data/a.csv", int64(len(big)), crc32.ChecksumIEEE([]byte(big))))
	io.WriteString(w, big)
	z.Close()
	b := buf.Bytes()
	i := bytes.Index(b, []byte("PK\x01\x02"))
	end := bytes.LastIndex(b, []byte("PK\x05\x06"))
	one := slices.Clone(b[i:end])
	var dir []byte
	for k := range 200 {
		e := slices.Clone(one)
		e[len(e)-5] = 'a' // data/?.csv
		copy(e[46:], fmt.Sprintf("data/%c.csv", 'A'+k%26))
		dir = append(dir, e...)
	}
	out := append(slices.Clone(b[:i]), dir...)
	tail := slices.Clone(b[end:])
	tail[8], tail[10] = 200, 200
	size := len(dir)
	tail[12], tail[13], tail[14], tail[15] = byte(size), byte(size>>8), byte(size>>16), byte(size>>24)
	return append(out, tail...)
}

func FuzzVerify(f *testing.F) {
	var buf bytes.Buffer
	if err := writeZip(&buf, []entry{{manifestName, []byte("x")}, {readmeName, []byte("y")}}); err != nil {
		f.Fatal(err)
	}
	f.Add(buf.Bytes())
	m := finished(f, 12, 2)
	f.Add(write(f, m.b))
	f.Fuzz(func(t *testing.T, b []byte) {
		if _, err := Verify(bytes.NewReader(b), int64(len(b)), Options{}); err != nil {
			t.Fatal(err)
		}
	})
}
