package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"evenhand/randomize"
	"evenhand/trial"
	"evenhand/trial/trialtest"
)

func (a *app) demoCommand() *cobra.Command {
	var dir string
	var schools int
	var seed uint64
	c := command("demo", "Run a whole synthetic trial, from recruitment to report",
		"Make a synthetic trial like that of the Research Learning Communities, and take it through every\ncommand, from the list of schools to the report and the audit bundle. The files come from --seed;\nthe draw itself is from this computer's chance, as a real one.",
		"evenhand demo\nevenhand demo --dir mydemo --schools 60 --seed 7\nevenhand demo --store postgres://ana@db.example.org/trials", noArgs,
		func(ctx context.Context, _ []string) error { return a.demo(ctx, dir, schools, seed) })
	c.Flags().StringVar(&dir, "dir", "", "a new folder (default: evenhand-demo, or the next free name)")
	c.Flags().IntVar(&schools, "schools", 114, "how many schools get ready for the draw, 20 to 2,000")
	c.Flags().Uint64Var(&seed, "seed", 1, "of the synthetic files")
	return c
}

// demoFolder gives the folder of a demo: the one asked for, which must be new
// or empty, or the next free name.
func demoFolder(dir string) (string, error) {
	if dir != "" {
		entries, err := os.ReadDir(dir)
		if err == nil && len(entries) > 0 {
			return "", withHint(fmt.Errorf("%s is not empty, and nothing in it was touched", dir), "give the demo a new folder with --dir")
		}
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			return "", fmt.Errorf("open %s: %w", dir, err)
		}
		return dir, nil
	}
	for n := 1; ; n++ {
		name := "evenhand-demo"
		if n > 1 {
			name += fmt.Sprint("-", n)
		}
		if _, err := os.Lstat(name); errors.Is(err, os.ErrNotExist) {
			return name, nil
		}
	}
}

// demonstration is a demo that runs: each step is a command as a user would
// give it, through the same code.
type demonstration struct {
	a                       *app
	dir                     string
	evaluator, statistician string
	steps                   int
	failed                  error
}

func (a *app) demo(ctx context.Context, dir string, schools int, seed uint64) error {
	if schools < 20 || schools > 2000 {
		return usagef("--schools: 20 to 2,000")
	}
	if a.json() {
		return usagef("the demo prints for people only")
	}
	dir, err := demoFolder(dir)
	if err != nil {
		return err
	}
	a.settings = nil // a demo's store need not be remembered
	began := time.Now()
	d := &demonstration{a: a, dir: dir, evaluator: "A. Evaluator", statistician: "B. Statistician"}
	s := trialtest.Make(seed, schools)
	protocol := s.Protocol
	if a.storeFlag != "" || a.getenv("EVENHAND_STORE") != "" {
		// A store that others use may hold an earlier demo.
		protocol = strings.Replace(protocol, "id: rlc ", "id: rlc-demo-"+a.now().UTC().Format("20060102-150405.000")+" ", 1)
	}
	for name, text := range map[string]string{"trial.yaml": protocol, "schools.csv": s.Schools, "staff.csv": s.Staff, "responses.csv": s.Responses, "leaders.csv": s.Leaders, "pupils.csv": s.Pupils, "recruitment-log.csv": s.Moves} {
		if err := d.file(name, text); err != nil {
			return err
		}
	}
	a.say("A synthetic trial with %d schools, in the folder %s. Every line is a command, run through the same code.\n", schools, dir)

	e, st := d.evaluator, d.statistician
	d.run(ctx, e, "", "init", dir)
	d.run(ctx, e, "", "protocol", "check")
	d.heading("Recruitment")
	d.run(ctx, e, "", "school", "import", d.in("schools.csv"), "--on", "2014-01-13")
	d.run(ctx, e, "", "school", "add", "999999", "--name", "Late Primary School", "--set", "region=London", "--set", "phase=Primary", "--set", "status=Open", "--on", "2014-05-19")
	d.run(ctx, e, "", "school", "note", "999999", "asked to be listed by letter")
	d.run(ctx, e, "", "school", "stage", "999999", "declined", "--reason", "no time", "--on", "2014-06-02")
	d.run(ctx, e, "", "survey", "staff", d.in("staff.csv"))
	d.run(ctx, e, "", "survey", "responses", d.in("responses.csv"), "--round", "baseline")
	d.run(ctx, e, "", "school", "leaders", d.in("leaders.csv"))
	d.run(ctx, e, "", "pupil", "import", d.in("pupils.csv"))
	d.run(ctx, e, "", "recruitment", "import", d.in("recruitment-log.csv"))
	d.run(ctx, e, "", "recruitment", "status")
	d.heading("Lock, commit, draw")
	d.run(ctx, e, "ok  communities", "communities", "check")
	d.run(ctx, e, "", "roster", "check")
	d.run(ctx, e, "is locked", "roster", "lock")
	d.run(ctx, e, "ID", "key", "new", "--no-password", "--out", d.in("evaluator.key"))
	d.run(ctx, e, "", "ledger", "receipt", "--holder", "the funder", "--key", d.in("evaluator.key"), "--out", d.in("receipt-of-the-lock.txt"))
	d.run(ctx, st, "", "draw", "rehearse", "--times", "200")
	d.run(ctx, st, "commitment", "draw", "commit")
	d.run(ctx, st, "", "draw", "run")
	d.refused(ctx, st, "draw", "run")
	d.run(ctx, st, "", "draw", "verify")
	d.run(ctx, st, "", "draw", "record", "--out", d.in("draw-record.txt"))
	d.run(ctx, st, "", "draw", "kit", "--dir", d.in("kit"))
	for _, part := range []string{"design", "roster", "chance", "allocation"} {
		d.run(ctx, st, "", "draw", "show", "--part", part, "--out", d.in(part+".txt"))
	}
	replayed := d.run(ctx, st, "", "draw", "replay", "--design", d.in("design.txt"), "--roster", d.in("roster.txt"), "--chance", d.in("chance.txt"))
	if d.failed == nil {
		allocation, err := os.ReadFile(d.in("allocation.txt"))
		if err != nil {
			return err
		}
		if replayed != string(allocation) {
			return errors.New("drawn again from the three texts, the allocation is another: please report this")
		}
		assigned, err := assignedFrom(allocation)
		if err != nil {
			return err
		}
		after := s.After(assigned)
		for name, text := range map[string]string{"attendance.csv": after.Attendance, "withdrawals.csv": after.Withdrawals, "outcomes.csv": after.Outcomes} {
			if err := d.file(name, text); err != nil {
				return err
			}
		}
		d.refused(ctx, e, "draw", "show")
	}
	d.heading("Two years of the programme")
	d.run(ctx, st, "", "session", "import", d.in("attendance.csv"))
	d.run(ctx, st, "", "session", "status")
	d.run(ctx, st, "", "withdrawal", "import", d.in("withdrawals.csv"))
	d.run(ctx, st, "", "attrition", "status")
	d.run(ctx, st, "", "outcome", "import", d.in("outcomes.csv"))
	d.heading("Analysis, report, audit")
	d.run(ctx, st, "REHEARSAL", "analysis", "rehearse")
	d.run(ctx, st, "B vs A", "analysis", "run")
	d.run(ctx, st, "unblinded by", "analysis", "unblind", "--confirmed-by", e)
	d.run(ctx, st, "effect size", "analysis", "run")
	d.run(ctx, st, "pupils:", "attrition", "status")
	d.run(ctx, st, "", "report", "build", "--out", d.in("report.html"))
	d.run(ctx, st, "", "ledger", "check", "--receipt", d.in("receipt-of-the-lock.txt"))
	d.run(ctx, st, "", "audit", "export", "--key", d.in("evaluator.key"), "--out", d.in("audit.zip"))
	d.run(ctx, st, "signed by key", "audit", "verify", d.in("audit.zip"), "--receipt", d.in("receipt-of-the-lock.txt"), "--public-key", d.in("evaluator.key.pub"))
	d.run(ctx, st, "", "store", "backup", d.in("backup.db"))
	if d.failed != nil {
		return d.failed
	}
	a.say("\n%d commands in %.1f s.", d.steps, time.Since(began).Seconds())
	a.say("  report  %s", d.in("report.html"))
	a.say("  bundle  %s", d.in("audit.zip"))
	me := calledAs() + " --protocol " + d.in("trial.yaml")
	if a.storeFlag != "" {
		me += " --store …" // as it was given: it may have a password in it
	}
	a.say("Three things to try next:")
	a.say("  %s draw show\n      which school was drawn into which community", me)
	a.say("  %s ledger show --last 10\n      who did what, when and why", me)
	a.say("  %s audit verify %s\n      then change a byte of it, and try again", calledAs(), d.in("audit.zip"))
	return nil
}

// calledAs is how the program was called, as far as it can know.
func calledAs() string {
	if exe, err := os.Executable(); err == nil && strings.Contains(exe, string(filepath.Separator)+"go-build") {
		return "go run ./cmd/evenhand"
	}
	return "evenhand"
}

// in gives a file of the demo's folder.
func (d *demonstration) in(name string) string { return filepath.Join(d.dir, name) }

func (d *demonstration) file(name, text string) error {
	if err := os.MkdirAll(d.dir, 0o755); err != nil {
		return fmt.Errorf("make folder %s: %w", d.dir, err)
	}
	if err := os.WriteFile(d.in(name), []byte(text), 0o644); err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	return nil
}

func (d *demonstration) heading(text string) {
	if d.failed == nil {
		d.a.say("\n%s", text)
	}
}

// give runs one command as somebody, and gives its status and outputs.
func (d *demonstration) give(ctx context.Context, as string, args []string) (status int, stdout, stderr string) {
	var out, errs bytes.Buffer
	own := *d.a
	own.stdout, own.stderr = &out, &errs
	full := append([]string{"--as", as, "--protocol", d.in("trial.yaml")}, args...)
	if d.a.storeFlag != "" {
		full = append([]string{"--store", d.a.storeFlag}, full...)
	}
	own.storeFlag, own.protocolFlag, own.trialFlag, own.asFlag = "", "", "", ""
	return own.run(ctx, full), out.String(), errs.String()
}

// run gives a command and prints it with the line of its output that holds a
// word (the first line for ""). After a failure nothing more is run.
func (d *demonstration) run(ctx context.Context, as, word string, args ...string) string {
	if d.failed != nil {
		return ""
	}
	d.steps++
	status, out, errs := d.give(ctx, as, args)
	if status != exitDone {
		d.failed = fmt.Errorf("the demo's command `evenhand %s` ended with status %d\n%s", strings.Join(args, " "), status, strings.TrimSpace(errs))
		return ""
	}
	d.a.say("  %-62s %s", d.shown(args), lineWith(out, word))
	return out
}

// refused gives a command that must be refused, and shows how.
func (d *demonstration) refused(ctx context.Context, as string, args ...string) {
	if d.failed != nil {
		return
	}
	d.steps++
	status, _, errs := d.give(ctx, as, args)
	if status != exitFailed {
		d.failed = fmt.Errorf("the demo's command `evenhand %s` should have been refused, but ended with status %d", strings.Join(args, " "), status)
		return
	}
	d.a.say("  %-62s %s", d.shown(args), "refused: "+strings.TrimPrefix(lineWith(errs, ""), "evenhand: error: "))
}

// shown is a command as a user in the demo's folder would type it.
func (d *demonstration) shown(args []string) string {
	words := make([]string, len(args))
	for i, w := range args {
		w = strings.TrimPrefix(w, d.dir+string(filepath.Separator))
		if strings.ContainsAny(w, " <>") {
			w = `"` + w + `"`
		}
		words[i] = w
	}
	return clipTo("evenhand "+strings.Join(words, " "), 62)
}

func clipTo(s string, most int) string {
	if r := []rune(s); len(r) > most {
		return string(r[:most-1]) + "…"
	}
	return s
}

// lineWith gives the first line that holds a word, without the spaces around.
func lineWith(text, word string) string {
	for _, line := range strings.Split(text, "\n") {
		if strings.Contains(line, word) && strings.TrimSpace(line) != "" {
			return clipTo(strings.Join(strings.Fields(line), " "), 110)
		}
	}
	return ""
}

// assignedFrom reads an allocation text.
func assignedFrom(text []byte) (map[string]trial.Assigned, error) {
	allocation, err := randomize.ParseAllocation(text)
	if err != nil {
		return nil, err
	}
	m := map[string]trial.Assigned{}
	for _, a := range allocation.Assignments {
		m[a.Unit] = trial.Assigned{Arm: a.Arm, Community: a.Community}
	}
	return m, nil
}
