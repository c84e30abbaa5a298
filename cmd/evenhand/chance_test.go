package main

import (
	"os"
	"strings"
	"testing"
	"time"
)

// lockedFor gives a world with a locked roster and a protocol that takes chance
// from a source, at an instant.
func lockedFor(t *testing.T, source string, at time.Time) *world {
	t.Helper()
	w := newWorld(t)
	if err := placeTrial("ready", w.dir); err != nil {
		t.Fatal(err)
	}
	w.clock = at
	text, err := os.ReadFile(w.dir + "/trial.yaml")
	if err != nil {
		t.Fatal(err)
	}
	w.file("trial.yaml", strings.Replace(string(text), "chance: local ", "chance: "+source+" ", 1))
	w.must("roster", "lock")
	return w
}

// A draw from a round that drand really published, at a clock of that day.
func TestDrawFromDrand(t *testing.T) {
	published := time.Date(2023, 9, 15, 11, 0, 3, 0, time.UTC)
	record, err := os.ReadFile("../../randomize/beacon/testdata/drand-657413.json")
	if err != nil {
		t.Fatal(err)
	}
	w := lockedFor(t, "beacon", published.Add(-2*time.Hour))
	w.file("round.json", string(record))
	w.file("forged.json", strings.Replace(string(record), "b713", "b714", 1))
	out := w.must("draw", "commit", "--beacon", "drand", "--at", "2023-09-15T11:00:01Z")
	if !strings.Contains(out, "\nround 657413\npublished 2023-09-15T11:00:03Z\n") {
		t.Errorf("the commitment names another round:\n%s", out)
	}
	if r := w.give("draw", "run", "--beacon-record", "{}/round.json"); r.status != exitFailed || !strings.Contains(r.stderr, "wait for it") {
		t.Errorf("before the round: status %d, %s", r.status, r.stderr)
	}
	w.clock = published.Add(time.Minute)
	if r := w.give("draw", "run", "--beacon-record", "{}/forged.json"); r.status != exitFailed || !strings.Contains(r.stderr, "the beacon's record does not hold") {
		t.Errorf("a forged record: status %d, %s", r.status, r.stderr)
	}
	if r := w.give("draw", "run", "--beacon-record", "{}/round.json", "--beacon-certificate", "{}/round.json"); r.status != exitFailed || !strings.Contains(r.stderr, "needs no certificate") {
		t.Errorf("a certificate for drand: status %d, %s", r.status, r.stderr)
	}
	out = w.must("draw", "run", "--beacon-record", "{}/round.json")
	for _, want := range []string{"chance      8652bf805421c544b7cc67158ccebe1620aae32dab9b2f84270511e40611accd", "checked     the BLS signature", "not shown   that fewer than a threshold"} {
		if !strings.Contains(out, want) {
			t.Errorf("draw run does not print %q:\n%s", want, out)
		}
	}
	w.must("draw", "verify")
	w.must("ledger", "check")
	w.must("report", "build", "--out", "{}/report.html")
	w.must("audit", "export", "--out", "{}/b.zip")
	if out := w.must("audit", "verify", "{}/b.zip"); !strings.Contains(out, "round 657413") {
		t.Errorf("audit verify does not speak of the beacon:\n%s", out)
	}
}

// A pulse of NIST's beacon without its certificate: taken, and the gap recorded.
func TestDrawFromNIST(t *testing.T) {
	published := time.Date(2026, 8, 31, 19, 4, 0, 0, time.UTC)
	record, err := os.ReadFile("../../randomize/beacon/testdata/nist-1921300.json")
	if err != nil {
		t.Fatal(err)
	}
	w := lockedFor(t, "beacon", published.Add(-24*time.Hour))
	w.file("pulse.json", string(record))
	w.must("draw", "commit", "--beacon", "nist", "--at", "2026-08-31T19:04Z")
	w.clock = published.Add(time.Hour)
	out := w.must("draw", "run", "--beacon-record", "{}/pulse.json")
	if !strings.Contains(out, "not shown   the RSA signature: the certificate was not given") {
		t.Errorf("the gap is not said:\n%s", out)
	}
	if out := w.must("ledger", "show", "--last", "1", "--format", "json"); !strings.Contains(out, "the RSA signature") {
		t.Errorf("the gap is not recorded:\n%s", out)
	}
	w.must("draw", "verify")
}
