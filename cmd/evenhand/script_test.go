package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"evenhand/trial/trialtest"
)

// scriptCommands are the scripts' own commands, beside testscript's.
//
//	trial STAGE            the files of a prepared trial of 20 schools (see stages)
//	status N COMMAND …     run a command that must end with status N
//	json FILE [PATH WANT]  FILE (stdout for the last command's output) is one JSON value
//	                       and, at a path such as schools.0.id, matches WANT: a pattern
//	                       for the whole of it; a length as #3; ? for anything that is there
//	change FILE OLD NEW    replace the first OLD by a NEW; in a store, each by one as long
//	bytes FILE TEXT        write a file of the bytes of a Go string, without its quotes
//	rows FILE N HEAD ROW   write a file of a header and N rows, {} standing for the number
var scriptCommands = map[string]func(*testscript.TestScript, bool, []string){
	"trial":  trialCommand,
	"status": statusCommand,
	"json":   jsonCommand,
	"change": changeCommand,
	"bytes":  bytesCommand,
	"rows":   rowsCommand,
}

func wants(ts *testscript.TestScript, neg bool, args []string, n ...int) {
	if neg || !slices.Contains(n, len(args)) {
		ts.Fatalf("a script's command is used wrongly: %v", args)
	}
}

// stages are the moments at which the prepared trial's folder is kept, each
// with the commands that lead to it from the one before.
var stages = []struct {
	name     string
	commands []string
}{
	{"listed", []string{"init DIR", "school import DIR/schools.csv --on 2014-01-13"}},
	{"ready", []string{"survey staff DIR/staff.csv", "survey responses DIR/responses.csv --round baseline", "school leaders DIR/leaders.csv", "pupil import DIR/pupils.csv", "recruitment import DIR/moves.csv"}},
	{"locked", []string{"roster lock"}},
	{"committed", []string{"draw commit"}},
	{"drawn", []string{"draw run", "draw show --part allocation --out DIR/allocation.txt"}},
	{"collected", []string{"session import DIR/attendance.csv", "withdrawal import DIR/withdrawals.csv", "outcome import DIR/outcomes.csv"}},
	{"analysed", []string{"analysis unblind", "analysis run", "report build --out DIR/report.html", "ledger receipt --out DIR/receipt.txt", "audit export --out DIR/audit.zip"}},
}

// prepared makes the trial once, and gives its folder's files at each stage.
var prepared = sync.OnceValues(func() (map[string]map[string][]byte, error) {
	dir, err := os.MkdirTemp("", "evenhand-prepared-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	s := trialtest.Make(5, 20)
	files := map[string]string{"trial.yaml": s.Protocol, "schools.csv": s.Schools, "staff.csv": s.Staff, "responses.csv": s.Responses, "leaders.csv": s.Leaders, "pupils.csv": s.Pupils, "moves.csv": s.Moves}
	write := func() error {
		for name, text := range files {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
				return err
			}
		}
		return nil
	}
	if err := write(); err != nil {
		return nil, err
	}
	clock := time.Date(2014, 9, 29, 9, 0, 0, 0, time.UTC)
	all := map[string]map[string][]byte{}
	for _, stage := range stages {
		for _, c := range stage.commands {
			args := []string{"--protocol", filepath.Join(dir, "trial.yaml"), "--as", "sam"}
			for _, word := range strings.Fields(c) {
				args = append(args, strings.Replace(word, "DIR", dir, 1))
			}
			var errs bytes.Buffer
			a := &app{stdin: strings.NewReader(""), stdout: io.Discard, stderr: &errs, entropy: strings.NewReader(strings.Repeat("of no chance, so that every run of the tests is the same. ", 9)), getenv: func(string) string { return "" }, user: func() string { return "sam" },
				now: func() time.Time { clock = clock.Add(time.Second); return clock }}
			if status := a.run(context.Background(), args); status != exitDone {
				return nil, fmt.Errorf("evenhand %s: status %d: %s", c, status, errs.String())
			}
		}
		if stage.name == "drawn" {
			text, err := os.ReadFile(filepath.Join(dir, "allocation.txt"))
			if err != nil {
				return nil, err
			}
			assigned, err := assignedFrom(text)
			if err != nil {
				return nil, err
			}
			after := s.After(assigned)
			files = map[string]string{"attendance.csv": after.Attendance, "withdrawals.csv": after.Withdrawals, "outcomes.csv": after.Outcomes}
			if err := write(); err != nil {
				return nil, err
			}
		}
		entries, err := os.ReadDir(dir)
		if err != nil {
			return nil, err
		}
		all[stage.name] = map[string][]byte{}
		for _, e := range entries {
			if all[stage.name][e.Name()], err = os.ReadFile(filepath.Join(dir, e.Name())); err != nil {
				return nil, err
			}
		}
	}
	return all, nil
})

// placeTrial writes the prepared trial's files at a stage into a folder.
func placeTrial(stage, dir string) error {
	all, err := prepared()
	if err != nil {
		return err
	}
	files, ok := all[stage]
	if !ok {
		return fmt.Errorf("there is no stage %q", stage)
	}
	for name, data := range files {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o644); err != nil {
			return err
		}
	}
	return nil
}

func trialCommand(ts *testscript.TestScript, neg bool, args []string) {
	wants(ts, neg, args, 1)
	// Another computer: this one has seen none of its stores.
	ts.Check(os.RemoveAll(filepath.Join(ts.Getenv("HOME"), ".config")))
	ts.Check(placeTrial(args[0], ts.MkAbs(".")))
}

func statusCommand(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: status N COMMAND …")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	got := 0
	var ended *exec.ExitError
	if err := ts.Exec(args[1], args[2:]...); errors.As(err, &ended) {
		got = ended.ExitCode()
	} else {
		ts.Check(err)
	}
	if got != want {
		ts.Fatalf("%s ended with status %d, want %d", strings.Join(args[1:], " "), got, want)
	}
}

func jsonCommand(ts *testscript.TestScript, neg bool, args []string) {
	wants(ts, neg, args, 1, 3)
	text := ts.ReadFile(args[0])
	path, want := "", "?"
	if len(args) == 3 {
		path, want = args[1], args[2]
	}
	if err := checkJSON(text, path, want); err != nil {
		ts.Fatalf("%v, in\n%s", err, text)
	}
}

// checkJSON holds a JSON text, at a path, to what is wanted there.
func checkJSON(text, path, want string) error {
	dec := json.NewDecoder(strings.NewReader(text))
	dec.UseNumber()
	var v any
	if err := dec.Decode(&v); err != nil {
		return fmt.Errorf("it is not JSON: %w", err)
	}
	if _, err := dec.Token(); err != io.EOF {
		return errors.New("there is more than one JSON value")
	}
	for _, step := range strings.FieldsFunc(path, func(r rune) bool { return r == '.' }) {
		switch at := v.(type) {
		case map[string]any:
			next, ok := at[step]
			if !ok {
				return fmt.Errorf("%s: there is no field %q", path, step)
			}
			v = next
		case []any:
			i, err := strconv.Atoi(step)
			if err != nil || i >= len(at) {
				return fmt.Errorf("%s: %q in a list of %d", path, step, len(at))
			}
			v = at[i]
		default:
			return fmt.Errorf("%s: %q is in neither an object nor a list", path, step)
		}
	}
	if want == "?" {
		return nil
	}
	if n, ok := strings.CutPrefix(want, "#"); ok {
		got := -1
		switch at := v.(type) {
		case map[string]any:
			got = len(at)
		case []any:
			got = len(at)
		}
		if strconv.Itoa(got) != n {
			return fmt.Errorf("%s has length %d, want %s", path, got, n)
		}
		return nil
	}
	got := fmt.Sprint(v)
	if v == nil {
		got = "null"
	}
	if !regexp.MustCompile("^(?s:" + want + ")$").MatchString(got) {
		return fmt.Errorf("%s is %s, want %s", path, got, want)
	}
	return nil
}

func changeCommand(ts *testscript.TestScript, neg bool, args []string) {
	wants(ts, neg, args, 3)
	file := ts.MkAbs(args[0])
	data, err := os.ReadFile(file)
	ts.Check(err)
	if !bytes.Contains(data, []byte(args[1])) {
		ts.Fatalf("%s has no %q", args[0], args[1])
	}
	if strings.HasSuffix(args[0], ".db") && len(args[1]) != len(args[2]) {
		ts.Fatalf("%q and %q differ in length: the store would be broken, not changed", args[1], args[2])
	}
	n := 1
	if strings.HasSuffix(args[0], ".db") {
		n = -1 // the first may stand on a page that is not in use
	}
	ts.Check(os.WriteFile(file, bytes.Replace(data, []byte(args[1]), []byte(args[2]), n), 0o644))
}

func bytesCommand(ts *testscript.TestScript, neg bool, args []string) {
	wants(ts, neg, args, 2)
	text, err := strconv.Unquote(`"` + strings.ReplaceAll(args[1], `"`, `\"`) + `"`)
	ts.Check(err)
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte(text), 0o644))
}

func rowsCommand(ts *testscript.TestScript, neg bool, args []string) {
	wants(ts, neg, args, 4)
	n, err := strconv.Atoi(args[1])
	ts.Check(err)
	var b strings.Builder
	b.WriteString(args[2] + "\n")
	for i := range n {
		b.WriteString(strings.ReplaceAll(args[3], "{}", strconv.Itoa(i+1)) + "\n")
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte(b.String()), 0o644))
}
