package audit

import (
	"bytes"
	"encoding/csv"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"evenhand/analysis/rows"
)

// Where the data stay in a secure room no value of theirs is in the bundle; what
// can be checked without them still is, and the checker says what cannot.
func TestDataStay(t *testing.T) {
	m := finished(t, 20, 6)
	m.b.DataStay = true
	zip := write(t, m.b)
	if !bytes.Equal(zip, write(t, m.b)) {
		t.Error("the same bundle was written as other bytes")
	}
	files := map[string][]byte{}
	for _, e := range unzip(t, zip) {
		files[e.name] = e.data
		if strings.HasPrefix(e.name, "data/") {
			t.Errorf("%s is in the bundle", e.name)
		}
	}
	if string(files[dataDigestsName]) != rows.DigestText(m.b.Data) {
		t.Errorf("%s is\n%s", dataDigestsName, files[dataDigestsName])
	}
	read := func(b []byte) [][]string {
		lines, err := csv.NewReader(bytes.NewReader(b)).ReadAll()
		if err != nil {
			t.Fatal(err)
		}
		return lines
	}
	real, made := read(m.b.Data[0].Files.People), read(files["synthetic/reading.csv"])
	if len(real) != len(made) || !slices.Equal(real[0], made[0]) {
		t.Fatalf("the stand-in has %d lines of %q, the data %d of %q", len(made), made[0], len(real), real[0])
	}
	differ := 0
	for i := range real {
		if !slices.Equal(real[i][:5], made[i][:5]) {
			t.Fatalf("line %d: %q stands in for %q", i+1, made[i], real[i])
		}
		if real[i][5] != made[i][5] {
			differ++
		}
	}
	if differ < len(real)*8/10 {
		t.Errorf("only %d of %d scores differ from the real ones", differ, len(real)-1)
	}
	if _, err := rows.Read(rows.Files{People: files["synthetic/reading.csv"], Schools: files["synthetic/reading.schools.csv"], Codebook: files["synthetic/reading.codebook.csv"]}); err != nil {
		t.Errorf("the stand-in cannot be read: %v", err)
	}
	f := verify(t, zip, Options{})
	text := f.Text()
	if f.Failed() || !strings.Contains(text, "CANNOT 10  analysis") || !strings.Contains(text, "left out of the bundle: the data themselves") || !strings.Contains(text, "counts made again from the ledger, the draw and the list of pupils") {
		t.Errorf("verified:\n%s", text)
	}
	for _, c := range []struct{ file, old, new, want string }{
		{dataDigestsName, "1", "2", "records"},
		{"flow.json", `"analysed": 1`, `"analysed": 2`, "analysed"},
		{"flow.json", `"randomised": 10`, `"randomised": 11`, "randomised"},
	} {
		all := unzip(t, zip)
		i := slices.IndexFunc(all, func(e entry) bool { return e.name == c.file })
		all[i].data = []byte(strings.Replace(string(all[i].data), c.old, c.new, 1))
		if f := verify(t, rezip(t, all), Options{}); !strings.Contains(failed(f), c.want) {
			t.Errorf("%s changed: %s", c.file, failed(f))
		}
	}
	both := append(unzip(t, zip), entry{"data/reading.csv", m.b.Data[0].Files.People})
	if f := verify(t, rezip(t, both), Options{}); !strings.Contains(failed(f), "data/reading.csv") {
		t.Errorf("data beside the stand-in: %s", failed(f))
	}
	python := need(t, "python3", "-c", "import json, csv")
	if out, code := status(t, python, "-B", filepath.Join(unpack(t, zip), "scripts", "verify.py")); code != 0 || !strings.Contains(out, "the data stay in a secure room") {
		t.Errorf("verify.py: status %d\n%s", code, out)
	}
}
