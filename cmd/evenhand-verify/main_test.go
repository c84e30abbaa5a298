package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"evenhand/randomize"
	"evenhand/reports/audit"
	"evenhand/trial"
)

const protocol = `evenhand: 1
trial: {id: verifytest, title: A trial}
arms:
  - {id: rlc, label: Communities}
  - {id: control, label: Control, control: yes}
recruitment: {target: 20 schools}
strata: [region]
draw: {method: stratified}
outcomes:
  - {id: reading, label: Reading, column: READING, primary: yes}
`

// drawnTrial writes the bundle of a trial that has just been drawn, a receipt and
// the commitment into a folder.
func drawnTrial(t *testing.T) (dir string) {
	t.Helper()
	p, err := trial.ParseProtocol("protocol.yaml", []byte(protocol))
	if err != nil {
		t.Fatal(err)
	}
	var schools []trial.School
	for i := range 20 {
		schools = append(schools, trial.School{ID: fmt.Sprint(100001 + i), Attributes: map[string]string{"region": []string{"North", "South"}[i%2], "size": fmt.Sprint(10 + i*i%7)}})
	}
	design, err := p.Design()
	if err != nil {
		t.Fatal(err)
	}
	roster, err := p.Units(schools, nil)
	if err != nil {
		t.Fatal(err)
	}
	roster.Columns = []string{"pupils"}
	for i := range roster.Units {
		roster.Units[i].Balance = []int64{int64(10 + i*i%17)}
	}
	chance := randomize.Chance(trial.DigestOf("chance"))
	allocation, err := randomize.Draw(design, roster, chance)
	if err != nil {
		t.Fatal(err)
	}
	list := "evenhand-pupils 1\npupil\tschool\n"
	commitment := "evenhand-commitment 1\ntrial verifytest\n"
	b := audit.Bundle{Trial: "verifytest", Title: "A trial", Program: "test", Protocols: []audit.Protocol{{Version: 1, Text: protocol}},
		Rosters:    []audit.Roster{{Version: 1, Design: string(design.Text()), Roster: string(roster.Text()), Pupils: list}},
		Commitment: commitment, Chance: string(chance), Allocation: string(allocation.Text())}
	at, prev := time.Date(2016, 1, 2, 9, 0, 0, 0, time.UTC), trial.ZeroDigest
	for i, e := range []struct {
		action string
		after  map[string]any
	}{
		{"protocol record", map[string]any{"version": 1, "digest": trial.DigestOf(protocol)}},
		{"roster lock", map[string]any{"protocol": 1, "design": trial.DigestOf(b.Rosters[0].Design), "roster": trial.DigestOf(b.Rosters[0].Roster), "pupil_list": trial.DigestOf(list)}},
		{"draw commit", map[string]any{"commitment": trial.DigestOf(commitment), "design": trial.DigestOf(b.Rosters[0].Design), "roster": trial.DigestOf(b.Rosters[0].Roster)}},
		{"draw run", map[string]any{"commitment": trial.DigestOf(commitment), "roster": 1, "chance": string(chance), "allocation": allocation.Digest()}},
	} {
		after, err := json.Marshal(e.after)
		if err != nil {
			t.Fatal(err)
		}
		r, err := trial.Entry{Seq: i + 1, At: at.Add(time.Duration(i) * time.Hour), Actor: "sam", Action: e.action, About: "it", After: after, Prev: prev}.Seal()
		if err != nil {
			t.Fatal(err)
		}
		prev = r.Digest
		b.Ledger = append(b.Ledger, r)
	}
	var buf bytes.Buffer
	if err := audit.Write(&buf, b); err != nil {
		t.Fatal(err)
	}
	dir = t.TempDir()
	receipt := trial.Receipt{Trial: "verifytest", Size: 3, Head: b.Ledger[2].Digest, At: at}
	other := receipt
	other.Head = trial.ZeroDigest
	changed := bytes.Replace(slices.Clone(buf.Bytes()), []byte("misfits pooled"), []byte("misfits within"), 1)
	for name, data := range map[string][]byte{
		"good.zip": buf.Bytes(), "changed.zip": changed, "receipt.txt": []byte("Dear funder,\r\n" + strings.ReplaceAll(receipt.Text(), "\n", "\r\n")), "other.txt": []byte(other.Text()),
		"commit.txt": []byte(commitment), "no.txt": []byte("hello\n"), "empty.txt": nil,
	} {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestRun(t *testing.T) {
	dir := drawnTrial(t)
	in := func(name string) string { return filepath.Join(dir, name) }
	for name, c := range map[string]struct {
		args   []string
		status int
		out    string // in standard output
		err    string // in standard error
	}{
		"good":                {[]string{in("good.zip")}, 0, "PASS    6  draw", ""},
		"flags after":         {[]string{in("good.zip"), "--receipt", in("receipt.txt"), "--commit", in("commit.txt")}, 0, "entry 4 came after your latest receipt", ""},
		"flags before":        {[]string{"--receipt=" + in("receipt.txt"), in("good.zip")}, 0, "1 of yours agree", ""},
		"what if":             {[]string{in("good.zip"), "--what-if", "drop=100004"}, 0, "of the 19 others would be in another arm", ""},
		"redraws":             {[]string{in("good.zip"), "--redraws", "200"}, 0, "roster column pupils", ""},
		"json":                {[]string{in("good.zip"), "--json"}, 0, `"failed": false`, ""},
		"help":                {[]string{"--help"}, 0, "Usage:", ""},
		"changed":             {[]string{in("changed.zip")}, 3, "design.txt", ""},
		"changed, json":       {[]string{in("changed.zip"), "--json"}, 3, `"failed": true`, ""},
		"another receipt":     {[]string{in("good.zip"), "--receipt", in("other.txt")}, 3, "FAIL    3  receipts", ""},
		"another commitment":  {[]string{in("good.zip"), "--commit", in("no.txt")}, 3, "your copy of the commitment", ""},
		"no zip":              {[]string{in("no.txt")}, 3, "too short to be a zip file", ""},
		"no bundle":           {nil, 2, "", "name the bundle"},
		"two bundles":         {[]string{"a", "b"}, 2, "", "2 bundles are named"},
		"no such flag":        {[]string{"--verbose", "a"}, 2, "", "verbose"},
		"wrong what-if":       {[]string{in("good.zip"), "--what-if", "100004"}, 2, "", "drop="},
		"wrong redraws":       {[]string{in("good.zip"), "--redraws", "-3"}, 2, "", "--redraws"},
		"missing file":        {[]string{in("missing.zip")}, 1, "", "missing.zip"},
		"a folder":            {[]string{dir}, 1, "", "is not a file"},
		"receipt is none":     {[]string{in("good.zip"), "--receipt", in("no.txt")}, 1, "", "not a receipt"},
		"receipt missing":     {[]string{in("good.zip"), "--receipt", in("x")}, 1, "", "x"},
		"commitment is empty": {[]string{in("good.zip"), "--commit", in("empty.txt")}, 1, "", "is empty"},
		"what if nobody":      {[]string{in("good.zip"), "--what-if", "drop=1"}, 1, "", "not on the roster"},
	} {
		var out, errs bytes.Buffer
		status := run(c.args, &out, &errs)
		if status != c.status || !strings.Contains(out.String(), c.out) || !strings.Contains(errs.String(), c.err) {
			t.Errorf("%s: status %d, want %d\nstdout (want %q):\n%s\nstderr (want %q):\n%s", name, status, c.status, c.out, out.String(), c.err, errs.String())
		}
		if status != 0 && status != 3 && out.Len() > 0 {
			t.Errorf("%s: an error wrote to standard output: %s", name, out.String())
		}
	}
}

// The program links nothing that could open a database, a connection or
// another program, and no code of the store.
func TestLinksNothingItDoesNotNeed(t *testing.T) {
	out, err := exec.Command("go", "list", "-deps", ".").Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	deps := strings.Fields(string(out))
	if len(deps) < 50 {
		t.Fatalf("go list names %d packages only", len(deps))
	}
	for _, bad := range []string{"database/sql", "net/http", "os/exec", "crypto/tls", "evenhand/trial/store", "evenhand/trial/conduct", "github.com/lib/pq", "github.com/jmoiron/sqlx", "modernc.org/sqlite"} {
		if slices.Contains(deps, bad) {
			t.Errorf("the program links %s", bad)
		}
	}
	if !slices.Contains(deps, "evenhand/reports/audit") {
		t.Error("go list does not name what the program is made of")
	}
}
