package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"evenhand/trial/store/storetest"
)

// TestMain lets this binary be the program itself: testscript runs it under
// the name evenhand, and the tests that kill it start it with an environment
// variable.
func TestMain(m *testing.M) {
	if os.Getenv("EVENHAND_TEST_AS_PROGRAM") != "" {
		main()
	}
	testscript.Main(withPostgres{m}, map[string]func(){"evenhand": main})
}

// withPostgres stops the tests' Postgres server after them.
type withPostgres struct{ m *testing.M }

func (w withPostgres) Run() int {
	dir, err := os.MkdirTemp("", "evenhand-settings-")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	os.Setenv("XDG_CONFIG_HOME", dir) // not the user's own
	return storetest.Main(w.m)
}

// result is what a command gave.
type result struct {
	status      int
	out, stderr string
}

// world is a folder in which commands are given, at a clock that moves on by
// a second at every look.
type world struct {
	t     *testing.T
	dir   string
	store string // "" for the SQLite file beside the protocol
	clock time.Time
}

func newWorld(t *testing.T) *world {
	return &world{t: t, dir: t.TempDir(), clock: time.Date(2014, 9, 29, 9, 0, 0, 0, time.UTC)}
}

// give runs a command in this process. {} in an argument is the folder.
func (w *world) give(args ...string) result {
	w.t.Helper()
	var out, stderr bytes.Buffer
	a := &app{stdin: strings.NewReader(""), stdout: &out, stderr: &stderr, entropy: rand.Reader,
		now:    func() time.Time { w.clock = w.clock.Add(time.Second); return w.clock },
		getenv: func(string) string { return "" }, user: func() string { return "tester" }}
	full := []string{"--protocol", filepath.Join(w.dir, "trial.yaml")}
	if w.store != "" {
		full = append(full, "--store", w.store)
	}
	for _, arg := range args {
		full = append(full, strings.ReplaceAll(arg, "{}", w.dir))
	}
	return result{a.run(context.Background(), full), out.String(), stderr.String()}
}

// must runs a command that has to succeed.
func (w *world) must(args ...string) string {
	w.t.Helper()
	r := w.give(args...)
	if r.status != exitDone {
		w.t.Fatalf("evenhand %s: status %d\n%s%s", strings.Join(args, " "), r.status, r.out, r.stderr)
	}
	return r.out
}

// file writes a file into the folder.
func (w *world) file(name, text string) string {
	w.t.Helper()
	path := filepath.Join(w.dir, name)
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		w.t.Fatal(err)
	}
	return path
}

func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		Cmds:                scriptCommands,
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		ContinueOnError:     testing.Verbose(),
		Setup: func(e *testscript.Env) error {
			e.Setenv("USER", "tester")
			e.Setenv("HOME", e.WorkDir)
			return nil
		},
	})
}

// The demo, which runs every command of a trial's life, on both stores.
func TestDemo(t *testing.T) {
	for _, dialect := range []string{"sqlite", "postgres"} {
		t.Run(dialect, func(t *testing.T) {
			w := newWorld(t)
			args := []string{"demo", "--dir", "{}/demo", "--schools", "40", "--seed", "7"}
			if dialect == "postgres" {
				w.store = storetest.Postgres(t)
			}
			out := w.must(args...)
			for _, want := range []string{"report.html", "audit.zip", "40 of 40 schools are ready", "refused: this trial's draw was made", "PASS"} {
				if !strings.Contains(out, want) {
					t.Errorf("the demo does not print %q:\n%s", want, out)
				}
			}
			for _, name := range []string{"report.html", "audit.zip", "backup.db"} {
				if info, err := os.Stat(filepath.Join(w.dir, "demo", name)); err != nil || info.Size() < 1000 {
					t.Errorf("%s: %v, %v", name, info, err)
				}
			}
			if dialect == "postgres" {
				w.must(args[0], "--dir", "{}/demo2", "--schools", "20") // a second one in the same store
			}
		})
	}
}
