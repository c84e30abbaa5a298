package audit

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"
	"testing"
	"time"

	"evenhand/analysis"
	"evenhand/analysis/sap"
	"evenhand/trial"
	"evenhand/trial/sign"
)

func testKey(t testing.TB, seed byte) *sign.SecretKey {
	t.Helper()
	k, err := sign.New(rand.NewChaCha8([32]byte{seed}))
	if err != nil {
		t.Fatal(err)
	}
	return k
}

var signedAt = time.Date(2016, 2, 1, 12, 0, 0, 0, time.UTC)

// early is a trial whose roster has just been locked for the second time: a
// bundle as small as they get with most kinds of files.
func early(t testing.TB) *maker {
	t.Helper()
	m := finished(t, 12, 2)
	m.entries = m.entries[:3]
	m.b.Receipts, m.b.Runs, m.b.Results, m.b.Data, m.b.Flow, m.b.ReportHTML, m.b.Rule, m.b.Numbers = nil, nil, "", nil, nil, nil, nil, nil
	m.b.Allocation, m.b.Chance, m.b.Commitment = "", "", ""
	m.seal()
	m.b.Receipts = []trial.Receipt{m.receipt(2)}
	return m
}

// sealAgain makes the manifest and the signature anew, with the key: what the
// operator can always do.
func sealAgain(t testing.TB, files []entry, key *sign.SecretKey) []byte {
	t.Helper()
	files = slices.DeleteFunc(slices.Clone(files), func(e entry) bool { return e.name == manifestName || e.name == signatureName })
	list := manifest(files)
	if key != nil {
		text, err := Signer(key, "bundletest", signedAt)(list)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, entry{signatureName, []byte(text)})
	}
	slices.SortFunc(files, func(a, b entry) int { return strings.Compare(a.name, b.name) })
	var buf bytes.Buffer
	if err := writeZip(&buf, append([]entry{{manifestName, list}}, files...)); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

func keys(all ...*sign.SecretKey) []sign.PublicKey {
	var public []sign.PublicKey
	for _, k := range all {
		public = append(public, k.Public())
	}
	return public
}

func TestSignedBundle(t *testing.T) {
	m := early(t)
	key, other := testKey(t, 1), testKey(t, 2)
	unsigned := write(t, m.b)
	m.b.Sign = Signer(key, m.b.Trial, signedAt)
	good := write(t, m.b)
	if !bytes.Equal(good, write(t, m.b)) {
		t.Error("signed again at the same time, the bundle has other bytes")
	}
	if !bytes.Equal(good, sealAgain(t, unzip(t, good), key)) {
		t.Error("put together anew, the bundle has other bytes")
	}
	for name, c := range map[string]struct {
		zip    []byte
		keys   []sign.PublicKey
		failed bool
		want   string
	}{
		"no signature, no key":    {unsigned, nil, false, "NOTE    1  file set         the bundle is not signed"},
		"signature, no key":       {good, nil, false, "signed by key " + key.Public().IDText() + ", which you did not give"},
		"signature, its key":      {good, keys(key), false, "PASS    1  file set         signed by key " + key.Public().IDText() + ", which you gave; its words: evenhand audit bundle of trial bundletest, made 2016-02-01T12:00:00Z"},
		"signature, two keys":     {good, keys(other, key), false, "signed by key " + key.Public().IDText() + ", which you gave"},
		"signature taken out":     {unsigned, keys(key), true, "FAIL    1  file set         the bundle is not signed"},
		"signed by somebody else": {sealAgain(t, unzip(t, good), other), keys(key), true, "it was made by key " + other.Public().IDText()},
	} {
		f := verify(t, c.zip, Options{PublicKeys: c.keys})
		if f.Failed() != c.failed || !strings.Contains(f.Text(), c.want) {
			t.Errorf("%s: failed %v, want %v and %q\n%s", name, f.Failed(), c.failed, c.want, f.Text())
		}
	}
	// Each byte of the signature changed by somebody who puts the zip file
	// together anew; and the signature of another bundle.
	files := unzip(t, good)
	at := slices.IndexFunc(files, func(e entry) bool { return e.name == signatureName })
	text := files[at].data
	begin := bytes.IndexByte(text, '\n')
	for i := begin; i < len(text); i++ {
		changed := slices.Clone(files)
		changed[at].data = bytes.Clone(text)
		changed[at].data[i] ^= 1
		var buf bytes.Buffer
		if err := writeZip(&buf, changed); err != nil {
			t.Fatal(err)
		}
		v := &verifier{opts: Options{PublicKeys: keys(key)}, found: &Findings{}, files: map[string][]byte{}}
		if err := v.fileSet(bytes.NewReader(buf.Bytes()), int64(buf.Len())); err != nil {
			t.Fatal(err)
		}
		if v.signature(); !v.found.Failed() || !strings.Contains(failed(v.found), signatureName) {
			t.Fatalf("byte %d of the signature changed: not found\n%s", i, v.found.Text())
		}
	}
	// the manifest changed along with a file, the signature left
	forged := slices.Clone(files)
	for i, e := range forged {
		if e.name == notCoveredName {
			forged[i].data = append(bytes.Clone(e.data), '\n')
		}
	}
	resealed := unzip(t, sealAgain(t, forged, nil))
	resealed = append(resealed, entry{signatureName, text})
	slices.SortFunc(resealed[1:], func(a, b entry) int { return strings.Compare(a.name, b.name) })
	var buf bytes.Buffer
	if err := writeZip(&buf, resealed); err != nil {
		t.Fatal(err)
	}
	if f := verify(t, buf.Bytes(), Options{PublicKeys: keys(key)}); !strings.Contains(failed(f), "did not sign these bytes") {
		t.Errorf("another manifest under the signature:\n%s", f.Text())
	}
}

// The tool minisign checks a bundle's signature, as README.txt says.
func TestMinisignChecksBundle(t *testing.T) {
	tool, err := exec.LookPath("minisign")
	if err != nil {
		if os.Getenv("EVENHAND_NEED_MINISIGN") != "" {
			t.Fatal("minisign is not installed, and EVENHAND_NEED_MINISIGN says that it must be")
		}
		t.Skip("SKIPPED: minisign is not installed, so it did not check a bundle (Debian: apt-get install minisign)")
	}
	m := early(t)
	key := testKey(t, 3)
	m.b.Sign = Signer(key, m.b.Trial, signedAt)
	dir := t.TempDir()
	for _, e := range unzip(t, write(t, m.b)) {
		name := filepath.Join(dir, e.name)
		if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, e.data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	give := func() (string, error) {
		cmd := exec.Command(tool, "-Vm", "MANIFEST.txt", "-P", key.Public().Line())
		cmd.Dir = dir
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
	if out, err := give(); err != nil || !strings.Contains(out, "trial bundletest") {
		t.Errorf("minisign: %v\n%s", err, out)
	}
	if err := os.WriteFile(filepath.Join(dir, "MANIFEST.txt"), []byte("changed\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := give(); err == nil {
		t.Errorf("minisign accepts another manifest:\n%s", out)
	}
}

// Every byte of a small signed bundle, without exception: changed, it fails,
// and the failure names the file that the byte belongs to.
func TestEveryByteOfSignedBundle(t *testing.T) {
	m := early(t)
	m.b.Sign = Signer(testKey(t, 1), m.b.Trial, signedAt)
	good := write(t, m.b)
	where := places(t, good)
	owner := make([]string, len(good))
	for _, p := range where {
		for i := p.begin; i < p.end; i++ {
			owner[i] = p.name
		}
	}
	step := 1
	if testing.Short() {
		step = 97
	}
	// Reading a bundle takes more memory than time; there is plenty.
	defer debug.SetGCPercent(debug.SetGCPercent(1000))
	before := map[string]string{} // the file before each
	for k := 1; k < len(where); k++ {
		before[where[k].name] = where[k-1].name
	}
	tried, located := map[string]int{}, map[string]int{}
	try := func(how string, i int, bad []byte) {
		f := verifyFiles(t, bad)
		tried[how]++
		if !f.Failed() {
			t.Fatalf("byte %d (%s) was %s, and nothing failed", i, owner[i], how)
		}
		text := failed(f)
		if owner[i] == "" || strings.Contains(text, owner[i]) || strings.Contains(text, "at the end of "+before[owner[i]]+" or at the beginning") || owner[i] == manifestName && strings.Contains(text, "its first file") {
			located[how]++
		}
	}
	bad := slices.Clone(good)
	for i := 0; i < len(good); i += step {
		bad[i] ^= byte(1 << (i % 8))
		try("changed", i, bad)
		bad[i] = good[i]
		if i+1 < len(good) && good[i] != good[i+1] {
			bad[i], bad[i+1] = good[i+1], good[i]
			try("swapped with the next", i, bad)
			bad[i], bad[i+1] = good[i], good[i+1]
		}
		try("removed", i, slices.Delete(slices.Clone(good), i, i+1))
	}
	for _, how := range sortedNames(tried) {
		if located[how] < tried[how]*99/100 {
			t.Errorf("%s: %d of %d located", how, located[how], tried[how])
		}
		t.Logf("of the bundle's %d bytes %d %s one by one: all found, %.2f%% located by file", len(good), tried[how], how, 100*float64(located[how])/float64(tried[how]))
	}
}

// busy is a finished trial with many more entries, so that shares mean
// something.
func busy(t testing.TB, more int) *maker {
	t.Helper()
	m := finished(t, 12, 3)
	var all []trial.Entry
	for i, e := range m.entries {
		all = append(all, e)
		for k := range more {
			all = append(all, trial.Entry{At: e.At.Add(time.Duration(k) * time.Second), Actor: "sam", Action: "school note", About: fmt.Sprintf("school %d", 100001+k), Why: fmt.Sprintf("note %d.%d", i, k)})
		}
	}
	m.entries = all
	m.seal()
	m.b.Receipts = nil
	return m
}

// The operator, who has the store and the real key, changes, takes out, doubles,
// adds or swaps entries, chains the ledger anew, makes the manifest anew and
// signs it. Only what others kept shows it: a receipt shows that it was done,
// several between which entries, an earlier bundle the very entry.
func TestRechainedWithRealKey(t *testing.T) {
	m := busy(t, 3)
	defer debug.SetGCPercent(debug.SetGCPercent(1000))
	key := testKey(t, 1)
	m.b.Sign = Signer(key, m.b.Trial, signedAt)
	files := unzip(t, write(t, m.b))
	n := len(m.entries)
	covered := n - 2 // entries that the last receipt covers
	const apart = 6
	var one, several []trial.Receipt
	for size := apart; size < covered; size += apart {
		several = append(several, m.receipt(size))
	}
	one = []trial.Receipt{m.receipt(covered)}
	several = append(several, m.receipt(covered))
	earlier := m.b.Ledger[:covered]
	stub := func(p sap.Plan, _ *analysis.Dataset) (*sap.Results, error) { return storedResult(t, m.b, p), nil }

	// forge is the bundle with other entries, chained and signed anew.
	forge := func(entries []trial.Entry) []byte {
		other := *m
		other.entries = entries
		other.seal()
		var text, sums strings.Builder
		for _, r := range other.b.Ledger {
			text.WriteString(r.Text + "\n")
			fmt.Fprintf(&sums, "%d %s\n", r.Seq, r.Digest)
		}
		forged := slices.Clone(files)
		for k := range forged {
			switch forged[k].name {
			case ledgerName:
				forged[k].data = []byte(text.String())
			case digestsName:
				forged[k].data = []byte(sums.String())
			}
		}
		return sealAgain(t, forged, key)
	}
	edits := []struct {
		name string
		do   func([]trial.Entry, int) []trial.Entry
		also int // how far after the entry the finding may point
	}{
		{"changed", func(e []trial.Entry, i int) []trial.Entry { e[i].Actor = "mallory"; return e }, 0},
		{"taken out", func(e []trial.Entry, i int) []trial.Entry { return slices.Delete(e, i, i+1) }, 0},
		{"doubled", func(e []trial.Entry, i int) []trial.Entry { return slices.Insert(e, i, e[i]) }, 1},
		{"added", func(e []trial.Entry, i int) []trial.Entry {
			return slices.Insert(e, i, trial.Entry{At: e[i].At, Actor: "mallory", Action: "school note", About: "school 1"})
		}, 0},
		{"swapped", func(e []trial.Entry, i int) []trial.Entry { e[i], e[i+1] = e[i+1], e[i]; return e }, 0},
		{"cut off", func(e []trial.Entry, i int) []trial.Entry { return e[:max(i, 1)] }, 1},
	}
	tried, unseen, byOne, bySeveral, byBundle := 0, 0, 0, 0, 0
	for i := range covered - 1 {
		for _, e := range edits {
			zip := forge(e.do(slices.Clone(m.entries), i))
			tried++
			// Nothing kept: the signature holds, the chain holds.
			if f := verify(t, zip, Options{PublicKeys: keys(key), Fit: stub}); !strings.Contains(f.Text(), "signed by key "+key.Public().IDText()+", which you gave") {
				t.Fatalf("entry %d %s: the forger did not sign well\n%s", i+1, e.name, f.Text())
			} else if !f.Failed() {
				unseen++
			}
			receiptsFailed := func(f *Findings) string {
				var all []string
				for _, x := range f.List {
					if x.Kind == Fail && x.Number == checkReceipts {
						all = append(all, x.Detail)
					}
				}
				return strings.Join(all, "\n")
			}
			if receiptsFailed(verify(t, zip, Options{PublicKeys: keys(key), Receipts: one, Fit: stub})) == "" {
				t.Errorf("entry %d %s: one receipt of %d entries does not show it", i+1, e.name, covered)
			} else {
				byOne++
			}
			got := receiptsFailed(verify(t, zip, Options{PublicKeys: keys(key), Receipts: several, Fit: stub}))
			from := i/apart*apart + 1
			to := min(from+apart-1, covered)
			switch {
			case got == "":
				t.Errorf("entry %d %s: the receipts do not show it", i+1, e.name)
			case strings.Contains(got, fmt.Sprintf("one of entries %d to %d (", from, to)), strings.Contains(got, "cut off"), // which says where by itself
				// the last of its stretch doubled: the second of the two is the change
				e.also > 0 && (i+1)%apart == 0 && strings.Contains(got, fmt.Sprintf("one of entries %d to %d (", from+apart, min(to+apart, covered))):
				bySeveral++
			default:
				t.Logf("entry %d %s is not located between the receipts:\n%s", i+1, e.name, got)
			}
			got = receiptsFailed(verify(t, zip, Options{PublicKeys: keys(key), Earlier: [][]trial.Record{earlier}, Fit: stub}))
			exact := false
			for k := 0; k <= e.also; k++ {
				exact = exact || strings.Contains(got, fmt.Sprintf("entry %d ", i+k+1)) || strings.Contains(got, fmt.Sprintf("entry %d:", i+k+1)) || strings.Contains(got, fmt.Sprintf("entries %d and %d changed places", i+1, i+2)) || e.name == "cut off" && strings.Contains(got, fmt.Sprintf("follows entry %d was cut off", max(i, 1)))
			}
			switch {
			case got == "":
				t.Errorf("entry %d %s: the earlier bundle does not show it", i+1, e.name)
			case exact:
				byBundle++
			default:
				t.Logf("entry %d %s is not named by the earlier bundle:\n%s", i+1, e.name, got)
			}
		}
	}
	// After the last receipt nothing is found, and that is said.
	late := slices.Clone(m.entries)
	late[n-1].Actor = "mallory"
	f := verify(t, forge(late), Options{PublicKeys: keys(key), Receipts: several, Earlier: [][]trial.Record{earlier}, Fit: stub})
	if f.Failed() || !strings.Contains(f.Text(), fmt.Sprintf("entries %d to %d came after your latest receipt", covered+1, n)) {
		t.Errorf("a change after the last receipt:\n%s", f.Text())
	}
	share := func(k int) float64 { return 100 * float64(k) / float64(tried) }
	if tried < 150 || byOne != tried || share(bySeveral) < 99 || share(byBundle) < 99 {
		t.Errorf("%d edits: found by a receipt %d, located between receipts %d, by an earlier bundle %d", tried, byOne, bySeveral, byBundle)
	}
	t.Logf("%d edits, chained anew and signed with the real key: with nothing kept %d are not seen (%.0f%%); one receipt finds %.1f%%; receipts every %d entries locate %.1f%% to their stretch; an earlier bundle names the entry in %.1f%%",
		tried, unseen, share(unseen), share(byOne), apart, share(bySeveral), share(byBundle))
}

// A forged earlier bundle is no witness, and one of another trial neither.
func TestEarlierBundle(t *testing.T) {
	m := early(t)
	good := write(t, m.b)
	records, err := LedgerOf(bytes.NewReader(good), int64(len(good)))
	if err != nil || !slices.Equal(records, m.b.Ledger) {
		t.Fatalf("the ledger of a bundle: %v", err)
	}
	bad := bytes.Replace(good, []byte(`"actor":"sam"`), []byte(`"actor":"ana"`), 1)
	if _, err := LedgerOf(bytes.NewReader(bad), int64(len(bad))); err == nil || !strings.Contains(err.Error(), "not whole itself") {
		t.Errorf("the ledger of a changed bundle: %v", err)
	}
	if _, err := LedgerOf(strings.NewReader("no zip"), 6); err == nil {
		t.Error("the ledger of no bundle")
	}
	if f := verify(t, good, Options{Earlier: [][]trial.Record{m.b.Ledger[:2]}}); f.Failed() || !strings.Contains(f.Text(), "it begins with the ledger of the earlier bundle that you kept") || !strings.Contains(f.Text(), "entry 3 came after") {
		t.Errorf("an earlier bundle of the same trial:\n%s", f.Text())
	}
}
