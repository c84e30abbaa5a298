package audit

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"evenhand/randomize"
	"evenhand/randomize/beacon"
	"evenhand/trial"
)

const (
	firstNumber  = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"
	secondNumber = "ffeeddccbbaa99887766554433221100ffeeddccbbaa99887766554433221100"
)

// drawnFrom is a trial that is drawn from evidence and not analysed yet.
func drawnFrom(t *testing.T, terms trial.ChanceTerms, evidence []trial.Evidence) *maker {
	t.Helper()
	base := finished(t, 12, 2)
	m := &maker{t: t, clock: base.clock}
	m.b = Bundle{Trial: base.b.Trial, Title: base.b.Title, Program: base.b.Program, Protocols: base.b.Protocols, Rosters: base.b.Rosters, Evidence: evidence}
	m.entries = base.entries[:slices.IndexFunc(base.entries, func(e trial.Entry) bool { return e.Action == actionCommit })]
	locked := m.b.Rosters[1]
	m.b.Commitment = "evenhand-commitment 1\ntrial bundletest\nroster version 2 " + trial.DigestOf(locked.Roster) + "\n" + terms.Lines() + "program test\n"
	m.log(actionCommit, "roster version 2", map[string]string{"commitment": trial.DigestOf(m.b.Commitment), "design": trial.DigestOf(locked.Design), "roster": trial.DigestOf(locked.Roster), "source": terms.Source})
	taken, err := terms.Take(evidence)
	if err != nil {
		t.Fatal(err)
	}
	design, err := randomize.ParseDesign([]byte(locked.Design))
	if err != nil {
		t.Fatal(err)
	}
	roster, err := randomize.ParseRoster([]byte(locked.Roster))
	if err != nil {
		t.Fatal(err)
	}
	allocation, err := randomize.Draw(design, roster, taken.Chance)
	if err != nil {
		t.Fatal(err)
	}
	m.b.Chance, m.b.Allocation = string(taken.Chance), string(allocation.Text())
	var notes []evidenceNote
	for _, e := range evidence {
		notes = append(notes, evidenceNote{e.Name, trial.DigestOf(e.Text)})
	}
	m.log(actionDraw, "the draw", map[string]any{"commitment": trial.DigestOf(m.b.Commitment), "roster": 2, "chance": m.b.Chance, "allocation": allocation.Digest(), "evidence": notes})
	m.seal()
	return m
}

func twoParty() (trial.ChanceTerms, []trial.Evidence) {
	return trial.ChanceTerms{Source: trial.ChanceTwoParty, Sealed: []trial.Seal{
			{Party: "evaluator", Digest: trial.DigestOf(firstNumber)}, {Party: "funder", Digest: trial.DigestOf(secondNumber)}}},
		[]trial.Evidence{{Name: "sealed-1", Text: firstNumber + "\n"}, {Name: "sealed-2", Text: secondNumber + "\n"}}
}

// findings checks the entries of a bundle, past Write's own checks.
func findings(t *testing.T, b Bundle) *Findings {
	t.Helper()
	entries, err := b.entries()
	if err != nil {
		t.Fatal(err)
	}
	var z bytes.Buffer
	if err := writeZip(&z, entries); err != nil {
		t.Fatal(err)
	}
	found, err := Verify(bytes.NewReader(z.Bytes()), int64(z.Len()), Options{})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func TestChanceFromEvidence(t *testing.T) {
	m := drawnFrom(t, func() trial.ChanceTerms { c, _ := twoParty(); return c }(), func() []trial.Evidence { _, e := twoParty(); return e }())
	found := findings(t, m.b)
	if found.Failed() {
		t.Errorf("a true bundle fails:\n%s", found.Text())
	}
	for _, want := range []string{"chance taken again as committed: the number of evaluator is the one that was sealed", "chance is strong if one of the two is honest", "not shown: that the two parties did not agree"} {
		if !strings.Contains(found.Text(), want) {
			t.Errorf("Verify does not say %q:\n%s", want, found.Text())
		}
	}
	var z bytes.Buffer
	if err := Write(&z, m.b); err != nil {
		t.Errorf("Write: %v", err)
	}
}

// The Python program takes the chance again too, of every source, and sees a
// number that was changed along with the manifest and the ledger.
func TestPythonTakesChance(t *testing.T) {
	python := need(t, "python3", "-c", "import hashlib, json")
	record, err := os.ReadFile("../../randomize/beacon/testdata/drand-657413.json")
	if err != nil {
		t.Fatal(err)
	}
	pulse, err := os.ReadFile("../../randomize/beacon/testdata/nist-1921300.json")
	if err != nil {
		t.Fatal(err)
	}
	two, numbers := twoParty()
	dice := trial.ChanceTerms{Source: trial.ChanceDice, Sides: 6, Event: "50 dice in Room 4"}
	thrown, err := dice.ParseNumbers(strings.Repeat("35162", 10))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		terms    trial.ChanceTerms
		evidence []trial.Evidence
	}{
		{two, numbers},
		{trial.ChanceTerms{Source: trial.ChanceBeacon, Beacon: beacon.Drand, Round: 657413, At: time.Date(2023, 9, 15, 11, 0, 3, 0, time.UTC)}, []trial.Evidence{{Name: "record", Text: string(record)}}},
		{trial.ChanceTerms{Source: trial.ChanceBeacon, Beacon: beacon.NIST, At: time.Date(2026, 8, 31, 19, 4, 0, 0, time.UTC)}, []trial.Evidence{{Name: "record", Text: string(pulse)}}},
		{dice, trial.NumbersEvidence(thrown, []string{"A", "B"})},
	} {
		m := drawnFrom(t, c.terms, c.evidence)
		dir := unpack(t, write(t, m.b))
		out, code := status(t, python, filepath.Join(dir, "scripts", "verify.py"))
		if code != 0 || !strings.Contains(out, "PASS  chance: taken again as committed") {
			t.Errorf("%s %s: status %d\n%s", c.terms.Source, c.terms.Beacon, code, out)
		}
	}
	m := drawnFrom(t, two, slices.Clone(numbers))
	m.b.Evidence[1].Text = strings.Replace(secondNumber, "f", "0", 1) + "\n"
	entries, err := m.b.entries()
	if err != nil {
		t.Fatal(err)
	}
	var z bytes.Buffer
	if err := writeZip(&z, entries); err != nil {
		t.Fatal(err)
	}
	out, code := status(t, python, filepath.Join(unpack(t, z.Bytes()), "scripts", "verify.py"))
	if code != 3 || !strings.Contains(out, "the number of funder is not the one that was sealed") {
		t.Errorf("a changed number: status %d\n%s", code, out)
	}
}

// Evidence that is changed, missing, added or of another chance is found, by
// what the ledger recorded and by the chance that it gives.
func TestEvidenceTampered(t *testing.T) {
	terms, evidence := twoParty()
	for _, c := range []struct {
		name   string
		change func(*Bundle)
		says   string
	}{
		{"a number changed", func(b *Bundle) { b.Evidence[1].Text = strings.Replace(secondNumber, "f", "0", 1) + "\n" }, "the number that funder opened has digest"},
		{"a number missing", func(b *Bundle) { b.Evidence = b.Evidence[:1] }, "chance/sealed-2.txt, and the file is missing"},
		{"all missing", func(b *Bundle) { b.Evidence = nil }, "\"sealed-1\" is missing"},
		{"one more", func(b *Bundle) { b.Evidence = append(b.Evidence, trial.Evidence{Name: "record", Text: "{}"}) }, "no entry of the ledger accounts for chance/record.txt"},
		{"the two exchanged", func(b *Bundle) {
			b.Evidence[0].Text, b.Evidence[1].Text = b.Evidence[1].Text, b.Evidence[0].Text
		}, "the number that evaluator opened"},
		{"another chance", func(b *Bundle) { b.Chance = strings.Repeat("ab", 32) }, "the folder chance gives"},
	} {
		m := drawnFrom(t, terms, slices.Clone(evidence))
		c.change(&m.b)
		found := findings(t, m.b)
		if !found.Failed() || !strings.Contains(found.Text(), c.says) {
			t.Errorf("%s: want a failure that says %q:\n%s", c.name, c.says, found.Text())
		}
		if c.name != "all missing" { // Write has no way to know that there was any
			if err := Write(&bytes.Buffer{}, m.b); err == nil {
				t.Errorf("%s: Write writes it", c.name)
			}
		}
	}
	// A bundle of local chance holds no evidence.
	m := drawnFrom(t, terms, slices.Clone(evidence))
	m.b.Commitment = strings.Replace(m.b.Commitment, terms.Lines(), "chance local\n", 1)
	if found := findings(t, m.b); !strings.Contains(found.Text(), "chance was local, and the folder chance has files") {
		t.Errorf("evidence of local chance is not found:\n%s", found.Text())
	}
}
