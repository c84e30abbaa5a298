package main

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"evenhand/randomize"
)

// Schools leave, a community that has become too small is merged, one comes
// late: where to, the rule says, and the draw stays as it was.
func TestCommunitiesChange(t *testing.T) {
	w := newWorld(t)
	if err := placeTrial("drawn", w.dir); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(w.dir + "/allocation.txt")
	if err != nil {
		t.Fatal(err)
	}
	allocation, err := randomize.ParseAllocation(text)
	if err != nil {
		t.Fatal(err)
	}
	var first, control []string
	for _, a := range allocation.Assignments {
		switch {
		case a.Community == 1:
			first = append(first, a.Unit)
		case a.Community == 0:
			control = append(control, a.Unit)
		}
	}
	if len(first) != 5 || len(control) != 10 {
		t.Fatalf("%d schools in community 1, %d in the control arm", len(first), len(control))
	}
	if r := w.give("communities", "change", "leave", control[0], "--why", "x"); r.status != exitFailed || !strings.Contains(r.stderr, "is in no community now") {
		t.Errorf("a control school leaves: %d, %s", r.status, r.stderr)
	}
	if r := w.give("communities", "change", "join", control[0], "--why", "x"); r.status != exitFailed || !strings.Contains(r.stderr, "arms cannot be changed") {
		t.Errorf("a control school joins: %d, %s", r.status, r.stderr)
	}
	if r := w.give("communities", "change", "join", first[0], "--why", "x"); r.status != exitFailed || !strings.Contains(r.stderr, "is in community 1 of rlc already") {
		t.Errorf("a school joins twice: %d, %s", r.status, r.stderr)
	}
	r := w.give("communities", "change", "leave", first[0], "--why", "closed")
	if r.status != exitDone || !strings.Contains(r.stderr, "now has 4 schools, fewer than 5") {
		t.Errorf("a school leaves: %d, %s%s", r.status, r.out, r.stderr)
	}
	out := w.must("communities", "change", "merge", "1", "--why", "four are left", "--format", "json")
	var made struct {
		Changes []struct {
			School   string
			From, To int
		}
		Warning string
	}
	if err := json.Unmarshal([]byte(out), &made); err != nil {
		t.Fatal(err)
	}
	if len(made.Changes) != 4 || made.Changes[0].To != 2 || !strings.Contains(made.Warning, "9 schools, more than its rule's largest, 6") {
		t.Errorf("merging: %+v", made)
	}
	for _, c := range made.Changes {
		if !slices.Contains(first[1:], c.School) || c.From != 1 {
			t.Errorf("merging moved %+v", c)
		}
	}
	if r := w.give("communities", "change", "merge", "2", "--why", "x"); r.status != exitFailed {
		t.Errorf("merging the large one: %d", r.status)
	}
	if r := w.give("communities", "change", "join", first[0], "--why", "x"); r.status != exitFailed || !strings.Contains(r.stderr, "the most its rule allows") {
		t.Errorf("no community has room: %d, %s", r.status, r.stderr)
	}
	// Four more leave, so that there is room; then the first comes back.
	var second []string
	for _, a := range allocation.Assignments {
		if a.Community == 2 {
			second = append(second, a.Unit)
		}
	}
	for _, id := range second[:4] {
		w.must("communities", "change", "leave", id, "--why", "closed")
	}
	if out := w.must("communities", "change", "join", first[0], "--why", "came back", "--on", "2015-06-01"); !strings.Contains(out, fmt.Sprintf("school %s joins community 2 of rlc", first[0])) {
		t.Errorf("joining: %s", out)
	}
	show := w.must("communities", "show")
	for _, want := range []string{"rlc 1: 5 schools drawn, 0 now", "rlc 2: 5 schools drawn, 6 now", "(left)", "(came later)", "10 changes since the draw"} {
		if !strings.Contains(show, want) {
			t.Errorf("communities show does not print %q:\n%s", want, show)
		}
	}
	w.must("draw", "verify")
	w.must("ledger", "check")
	if again := w.must("draw", "show", "--part", "allocation"); again != string(text) {
		t.Error("the allocation has changed")
	}
	w.must("report", "build", "--out", "{}/report.html")
	html, err := os.ReadFile(w.dir + "/report.html")
	if err != nil || !strings.Contains(string(html), "went from community 1 to community 2 when the two were merged") {
		t.Errorf("the report does not list the merger (%v)", err)
	}
	// The ledger tells nobody which school is where.
	if out := w.must("ledger", "show", "--last", "12", "--format", "json"); strings.Contains(out, first[1]) {
		t.Errorf("the ledger names a school of a community:\n%s", out)
	}
}
