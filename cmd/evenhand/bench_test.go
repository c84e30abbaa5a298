//go:build unix

package main

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"evenhand/analysis/sap"
	"evenhand/randomize"
	"evenhand/trial"
	"evenhand/trial/conduct"
	"evenhand/trial/store"
)

// BenchmarkPlan runs the whole plan of the template rlc, both outcomes, on its
// trial of 114 schools with 10,000 redraws of the design.
func BenchmarkPlan(b *testing.B) {
	dir := filepath.Join(b.TempDir(), "demo")
	a := &app{stdin: strings.NewReader(""), stdout: io.Discard, stderr: os.Stderr, entropy: strings.NewReader(strings.Repeat("always the same, so that runs can be compared. ", 99)), getenv: func(string) string { return "" }, user: func() string { return "sam" }, now: time.Now}
	if status := a.run(context.Background(), []string{"demo", "--dir", dir}); status != exitDone {
		b.Fatalf("the demo ended with status %d", status)
	}
	ctx := context.Background()
	db, err := store.Open(ctx, filepath.Join(dir, "evenhand.db"), false)
	if err != nil {
		b.Fatal(err)
	}
	defer db.Close()
	t, err := conduct.Open(ctx, db, conduct.Who{Actor: "sam", Now: time.Now}, "rlc")
	if err != nil {
		b.Fatal(err)
	}
	s, err := t.Snapshot(ctx)
	if err != nil {
		b.Fatal(err)
	}
	design, err := randomize.ParseDesign([]byte(s.Rosters[0].DesignText))
	if err != nil {
		b.Fatal(err)
	}
	roster, err := randomize.ParseRoster([]byte(s.Rosters[0].RosterText))
	if err != nil {
		b.Fatal(err)
	}
	began := processorTime()
	for b.Loop() {
		redraws, err := trial.NewRedraws(design, []randomize.Wave{{Roster: roster, Chance: randomize.Chance(s.Draw.Chance)}}, 10_000)
		if err != nil {
			b.Fatal(err)
		}
		var jobs []sap.Job
		for _, plan := range t.Protocol.Plans() {
			plan.Redraws = 10_000
			d, err := t.Protocol.Dataset(s.Records, plan.Outcome)
			if err != nil {
				b.Fatal(err)
			}
			redraw, err := redraws.For(d)
			if err != nil {
				b.Fatal(err)
			}
			jobs = append(jobs, sap.Job{Plan: plan, Data: d, Redraw: redraw})
		}
		if _, err := sap.RunAll(jobs); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64((processorTime()-began).Milliseconds())/float64(b.N), "cpu-ms/op")
}

// processorTime is what this program has used of all processors: on a machine
// that others use, the clock says less.
func processorTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
