package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"evenhand/trial"
	"evenhand/trial/conduct"
	"evenhand/trial/store"
	"evenhand/trial/store/storetest"
)

// onPostgres puts the prepared trial at a stage into a new database, and gives
// its address.
func onPostgres(t *testing.T, w *world, stage string) string {
	t.Helper()
	if err := placeTrial(stage, w.dir); err != nil {
		t.Fatal(err)
	}
	address := storetest.Postgres(t)
	w.must("--store", filepath.Join(w.dir, "evenhand.db"), "store", "copy", "--to", address)
	return address
}

// The server goes away at any moment of a command: it fails, says so, and
// nothing was stored; or it was reached again, and all of it was.
func TestPostgresGoneMidCommand(t *testing.T) {
	for _, c := range []struct {
		stage string
		args  []string
	}{
		{"listed", []string{"school", "add", "104233", "--name", "Oak"}},
		{"ready", []string{"roster", "lock"}},
		{"committed", []string{"draw", "run"}},
		{"drawn", []string{"outcome", "import", "{}/outcomes.csv"}},
	} {
		t.Run(strings.Join(c.args[:2], " "), func(t *testing.T) {
			w := newWorld(t)
			base := onPostgres(t, w, c.stage)
			if c.stage == "drawn" { // its outcome file comes with the next stage
				if err := placeTrial("collected", w.dir); err != nil {
					t.Fatal(err)
				}
			}
			failed := 0
			for at := 1; ; at++ {
				if at > 20 {
					t.Fatal("the command looks at the clock for ever")
				}
				w.store = storetest.Clone(t, base)
				before := w.must("store", "info", "--format", "json")
				var out, errs bytes.Buffer
				looks := 0
				a := &app{stdin: strings.NewReader(""), stdout: &out, stderr: &errs, entropy: rand.Reader, getenv: func(string) string { return "" }, user: func() string { return "tester" },
					now: func() time.Time {
						if looks++; looks == at {
							storetest.Terminate(t, w.store)
						}
						return w.clock
					}}
				args := []string{"--protocol", filepath.Join(w.dir, "trial.yaml"), "--store", w.store}
				for _, arg := range c.args {
					args = append(args, strings.ReplaceAll(arg, "{}", w.dir))
				}
				status := a.run(context.Background(), args)
				after := w.must("store", "info", "--format", "json")
				w.must("ledger", "check")
				if looks < at {
					if status != exitDone || after == before {
						t.Errorf("undisturbed: status %d, %s", status, errs.String())
					}
					break
				}
				switch status {
				case exitFailed:
					failed++
					if after != before {
						t.Errorf("gone at look %d: something was stored", at)
					}
					if !strings.Contains(errs.String(), "the database went away; nothing was stored") || !strings.Contains(errs.String(), "evenhand: hint: see that the database server runs") || out.Len() > 0 {
						t.Errorf("gone at look %d: %q, %q", at, out.String(), errs.String())
					}
				case exitDone:
					if after == before {
						t.Errorf("gone at look %d: it says that it is done, and nothing was stored", at)
					}
				default:
					t.Errorf("gone at look %d: status %d, %s", at, status, errs.String())
				}
			}
			if failed == 0 {
				t.Error("the server never went away while it was needed: nothing was shown")
			}
		})
	}
}

// A trial moves from a laptop's SQLite to Postgres and back, with every row
// and digest equal, at every stage.
func TestCopyThereAndBack(t *testing.T) {
	for _, stage := range []string{"listed", "analysed"} {
		w := newWorld(t)
		address := onPostgres(t, w, stage)
		w.must("--store", address, "store", "copy", "--to", "{}/back.db")
		type info struct {
			Trials []struct {
				Phase  trial.Phase
				Tables []store.TableInfo
			}
		}
		first := decode[info](t, w.must("--store", filepath.Join(w.dir, "evenhand.db"), "store", "info", "--format", "json"))
		team := decode[info](t, w.must("--store", address, "store", "info", "--format", "json"))
		back := decode[info](t, w.must("--store", filepath.Join(w.dir, "back.db"), "store", "info", "--format", "json"))
		if len(first.Trials) != 1 || len(first.Trials[0].Tables) < 20 {
			t.Fatalf("%s: %+v", stage, first)
		}
		rows := 0
		for i, table := range first.Trials[0].Tables {
			rows += table.Rows
			if team.Trials[0].Tables[i] != table || back.Trials[0].Tables[i] != table {
				t.Errorf("%s: table %+v is %+v on Postgres and %+v back home", stage, table, team.Trials[0].Tables[i], back.Trials[0].Tables[i])
			}
		}
		if rows < 40 {
			t.Errorf("%s: only %d rows", stage, rows)
		}
		w.store = filepath.Join(w.dir, "back.db")
		w.must("ledger", "check")
		if stage == "analysed" {
			w.must("draw", "verify")
			w.must("analysis", "show")
			w.must("audit", "export", "--out", "{}/back.zip")
			w.must("audit", "verify", "{}/back.zip")
		}
	}
}

// Each kind of error has its exit status and says what to do.
func TestHints(t *testing.T) {
	for _, c := range []struct {
		err    error
		status int
		hint   string
	}{
		{usagef("x"), exitUsage, "--help"},
		{errors.New("x"), exitFailed, ""},
		{withHint(errors.New("x"), "do %s", "y"), exitFailed, "do y"},
		{store.ErrNoStore, exitFailed, "evenhand init"},
		{store.ErrNoTrial, exitFailed, "evenhand store info"},
		{store.ErrFull, exitFailed, "make room on the disk"},
		{store.ErrGone, exitFailed, "database server runs"},
		{&store.NewerError{Where: "e.db", Is: 9, Supported: 1}, exitFailed, "nothing was changed"},
		{conduct.ErrProtocolChanged, exitFailed, "evenhand protocol amend"},
		{conduct.ErrRosterChanged, exitFailed, "evenhand roster lock"},
		{conduct.ErrStaleAnalysis, exitFailed, "evenhand analysis run"},
		{conduct.ErrDisagrees, exitDisagreed, "keep this store as it is"},
		{trial.ErrLedger, exitDisagreed, "keep this store as it is"},
		{&conduct.AlreadyDrawnError{}, exitFailed, "evenhand draw show"},
		{&trial.PhaseError{Action: trial.RunDraw, Is: trial.Recruiting}, exitFailed, "evenhand roster check"},
		{&trial.PhaseError{Action: trial.RunDraw, Is: trial.Locked}, exitFailed, "evenhand draw commit"},
		{&trial.PhaseError{Action: trial.Analyse, Is: trial.Committed}, exitFailed, "evenhand draw run"},
		{&trial.PhaseError{Action: trial.Withdraw, Is: trial.Recruiting}, exitFailed, "withdrew before the draw"},
		{&trial.PhaseError{Action: trial.ChangeSchools, Is: trial.Drawn}, exitFailed, "evenhand withdrawal add school"},
	} {
		err := fmt.Errorf("do something: %w", c.err)
		if status, hint := exitStatus(err), hintFor(err); status != c.status || !strings.Contains(hint, c.hint) || (hint == "") != (c.hint == "") {
			t.Errorf("%v: status %d, hint %q; want %d, %q", err, status, hint, c.status, c.hint)
		}
	}
}

type fullDisk struct{}

func (fullDisk) Write([]byte) (int, error) { return 0, errors.New("no space left on device") }

// Output that could not be written is a failure, not a success.
func TestOutputThatIsNotWritten(t *testing.T) {
	w := newWorld(t)
	if err := placeTrial("listed", w.dir); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"school", "list"}, {"school", "list", "--format", "json"}, {"protocol", "show"}, {"protocol", "schema"}, {"recruitment", "status"}} {
		var errs bytes.Buffer
		a := &app{stdin: strings.NewReader(""), stdout: fullDisk{}, stderr: &errs, now: time.Now, entropy: rand.Reader, getenv: func(string) string { return "" }, user: func() string { return "tester" }}
		status := a.run(context.Background(), append([]string{"--protocol", filepath.Join(w.dir, "trial.yaml")}, args...))
		if status != exitFailed || !strings.Contains(errs.String(), "no space left on device") {
			t.Errorf("%v: status %d, %q", args, status, errs.String())
		}
	}
}

// Ctrl-C ends long work in order: nothing is stored, and it is said.
func TestInterrupted(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("there are no signals of this kind")
	}
	w := newWorld(t)
	if err := placeTrial("locked", w.dir); err != nil {
		t.Fatal(err)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self, "--protocol", filepath.Join(w.dir, "trial.yaml"), "draw", "rehearse", "--times", "1000000")
	cmd.Env = append(os.Environ(), "EVENHAND_TEST_AS_PROGRAM=1", "HOME="+w.dir)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	time.Sleep(2 * time.Second)
	// Meanwhile others may write.
	w.must("school", "note", "101926", "written during a rehearsal")
	if err := cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	select {
	case <-ended:
	case <-time.After(time.Minute):
		cmd.Process.Kill()
		t.Fatal("a minute after Ctrl-C it still runs")
	}
	if status := cmd.ProcessState.ExitCode(); status != exitFailed || !strings.Contains(errs.String(), "interrupted; nothing was stored") || out.Len() > 0 {
		t.Errorf("status %d, %q, %q", status, out.String(), errs.String())
	}
	if after := w.must("ledger", "show", "--last", "1"); !strings.Contains(after, "written during a rehearsal") {
		t.Errorf("the last entry is %s", after)
	}
}

// A file is written whole or not at all, and never over another unless that
// is asked for.
func TestWriteFile(t *testing.T) {
	dir := t.TempDir()
	name := filepath.Join(dir, "f")
	text := func(s string) func(io.Writer) error {
		return func(w io.Writer) error { _, err := io.WriteString(w, s); return err }
	}
	broken := func(w io.Writer) error {
		io.WriteString(w, "half of it")
		return errors.New("no space left on device")
	}
	content := func() string {
		data, err := os.ReadFile(name)
		if err != nil {
			return ""
		}
		return string(data)
	}
	for _, c := range []struct {
		what      string
		overwrite bool
		write     func(io.Writer) error
		wrong     string
		content   string
	}{
		{"a write that fails", false, broken, "no space left on device", ""},
		{"a write", false, text("one"), "", "one"},
		{"a write over it", false, text("two"), "is there already and was not touched", "one"},
		{"a write over it that fails", true, broken, "no space left on device", "one"},
		{"a write over it that is asked for", true, text("three"), "", "three"},
	} {
		err := writeFile(name, c.overwrite, c.write)
		if (err == nil) != (c.wrong == "") || err != nil && !strings.Contains(err.Error(), c.wrong) {
			t.Errorf("%s: %v", c.what, err)
		}
		if got := content(); got != c.content {
			t.Errorf("after %s the file has %q, want %q", c.what, got, c.content)
		}
		entries, err := os.ReadDir(dir)
		if err != nil || len(entries) > 1 {
			t.Errorf("%s left %v (%v)", c.what, entries, err)
		}
	}
}
