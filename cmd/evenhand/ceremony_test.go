package main

import (
	"os"
	"strings"
	"testing"

	"evenhand/trial/store/storetest"
)

// The whole ceremony on Postgres: sealed numbers, the draw, errors, changes of
// communities, annulment, and a copy to a laptop that keeps all of it.
func TestCeremonyOnPostgres(t *testing.T) {
	w := newWorld(t)
	if err := placeTrial("ready", w.dir); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(w.dir + "/trial.yaml")
	if err != nil {
		t.Fatal(err)
	}
	w.file("trial.yaml", strings.NewReplacer("chance: local ", "chance: two-party ", "confirm: 1 person", "confirm: 2 people").Replace(string(text)))
	address := storetest.Postgres(t)
	w.must("store", "copy", "--to", address)
	w.store = address
	first := strings.Fields(w.must("chance", "seal", "--party", "evaluator", "--out", "{}/a.sealed"))[0]
	second := strings.Fields(w.must("chance", "seal", "--party", "funder", "--out", "{}/b.sealed"))[0]
	w.must("roster", "lock")
	w.must("draw", "balance", "--rehearsals", "20")
	w.must("draw", "commit", "--sealed", first, "--sealed", second)
	w.must("draw", "run", "--open", "{}/a.sealed", "--open", "{}/b.sealed", "--confirmed-by", "Sam")
	w.must("draw", "report-error", "--school", "101926", "--kind", "ineligible", "--note", "a middle school")
	w.must("communities", "show")
	school := ""
	for _, line := range strings.Split(w.must("draw", "show", "--part", "allocation"), "\n") {
		if cells := strings.Split(line, "\t"); len(cells) == 3 && cells[2] == "1" {
			school = cells[0]
		}
	}
	w.must("communities", "change", "leave", school, "--why", "closed")
	w.must("draw", "record", "--out", "{}/record.txt")
	w.must("draw", "kit", "--dir", "{}/kit")
	w.must("draw", "letters", "--dir", "{}/letters")
	w.must("draw", "annul", "--why", "the roster was another trial's", "--confirmed-by", "Sam")
	w.must("draw", "verify")
	w.must("ledger", "check")
	w.must("store", "copy", "--to", "{}/laptop.db")
	w.store = w.dir + "/laptop.db"
	w.must("draw", "verify")
	w.must("ledger", "check")
	if out := w.must("draw", "show"); !strings.Contains(out, "VOID: annulled") {
		t.Errorf("the copy has lost the annulment:\n%s", out)
	}
}
