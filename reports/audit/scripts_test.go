package audit

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"evenhand/randomize/redraw"
)

// unpack writes a bundle's files into a folder.
func unpack(t *testing.T, zip []byte) string {
	t.Helper()
	dir := t.TempDir()
	for _, e := range unzip(t, zip) {
		path := filepath.Join(dir, filepath.FromSlash(e.name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, e.data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// need gives a program's path. Where it is missing the test is skipped, unless
// EVENHAND_NEED_R says (as continuous integration does) that it must be there.
func need(t *testing.T, program string, probe ...string) string {
	t.Helper()
	path, err := exec.LookPath(program)
	if err == nil {
		err = exec.Command(path, probe...).Run()
	}
	if err != nil {
		if os.Getenv("EVENHAND_NEED_R") != "" {
			t.Fatalf("%s is needed: %v", program, err)
		}
		t.Skipf("NOT TESTED: %s with what the script needs is not on this machine (%v)", program, err)
	}
	return path
}

// status runs a program and gives its output and exit status.
func status(t *testing.T, path string, args ...string) (string, int) {
	t.Helper()
	out, err := exec.Command(path, args...).CombinedOutput()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	if exit != nil {
		return string(out), exit.ExitCode()
	}
	return string(out), 0
}

func change(t *testing.T, file, old, new string) {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	s := strings.Replace(string(b), old, new, 1)
	if s == string(b) {
		t.Fatalf("%s: %q is not in it", file, old)
	}
	if err := os.WriteFile(file, []byte(s), 0o644); err != nil {
		t.Fatal(err)
	}
}

// R gives every number of the results, or names it among those that nobody else
// can make; and it sees one that was changed.
func TestRScript(t *testing.T) {
	r := need(t, "Rscript", "-e", `for (p in c("lme4", "lmerTest", "clubSandwich", "AER", "digest", "jsonlite")) stopifnot(requireNamespace(p, quietly = TRUE))`)
	dir := unpack(t, write(t, finished(t, 24, 12).b))
	script := filepath.Join(dir, "scripts", "analysis.R")
	out, code := status(t, r, script)
	m := regexp.MustCompile(`(\d+) numbers compared, (\d+) differ by .*; the largest difference is (\S+)\n(\d+) numbers of results.json in all: (\d+) compared, (\d+) cannot be \(named above\), 0 not compared`).FindStringSubmatch(out)
	if code != 0 || m == nil || strings.Contains(out, "NOT COMPARED") {
		t.Fatalf("status %d:\n%s", code, out)
	}
	if n, _ := strconv.Atoi(m[5]); n < 500 {
		t.Errorf("only %d numbers were compared", n)
	}
	allowed := regexp.MustCompile(`^CANNOT (\[\d\]\.missing\.(seed|imputation\.\(rhat\|burn_in\|between\|chains\|parameters\)|reference\[\.\*\]\.shifts|bounds\[\d\]\.lee\.\(se_low\|se_high\|interval\|replicates\|failed\))|\\\.plan\\\.|\\\.fit\\\.\(iterations\|gradient\)\$): `)
	for _, line := range strings.Split(out, "\n") {
		if strings.HasPrefix(line, "CANNOT") && !allowed.MatchString(line) {
			t.Errorf("R should be able to: %s", line)
		}
	}
	t.Logf("%s numbers compared with R, the largest difference is %s of the number; %s of %s cannot be", m[1], m[3], m[6], m[4])
	change(t, filepath.Join(dir, "results.json"), `"se":0.`, `"se":0.0`)
	if out, code := status(t, r, script, dir, "--brief"); code != 3 || !strings.Contains(out, "<-- differs") {
		t.Errorf("a standard error was changed: status %d, and nothing differs", code)
	}
}

// With Kenward and Roger's degrees of freedom too, but for the shifted
// imputations, which would take their package hours.
func TestRScriptKenwardRoger(t *testing.T) {
	r := need(t, "Rscript", "-e", `for (p in c("lme4", "pbkrtest", "clubSandwich", "AER", "digest", "jsonlite")) stopifnot(requireNamespace(p, quietly = TRUE))`)
	dir := unpack(t, write(t, finishedWith(t, 24, 12, "covariates: [baseline, strata]", "covariates: [baseline, strata]\n  degrees of freedom: kenward-roger").b))
	out, code := status(t, r, filepath.Join(dir, "scripts", "analysis.R"), dir, "--brief")
	if code != 0 || !strings.Contains(out, ", 0 differ by") || !strings.Contains(out, ", 0 not compared") || strings.Contains(out, "pbkrtest is not installed") {
		t.Errorf("status %d:\n%s", code, out)
	}
}

// The Python program passes what is whole and fails, by name, what is not.
func TestPythonScript(t *testing.T) {
	python := need(t, "python3", "-c", "import hashlib, json, csv")
	m := finished(t, 20, 6)
	zip := write(t, m.b)
	dir := unpack(t, zip)
	script := filepath.Join(dir, "scripts", "verify.py")
	receipt := filepath.Join(t.TempDir(), "receipt.txt")
	if err := os.WriteFile(receipt, []byte(m.receipt(5).Text()), 0o644); err != nil {
		t.Fatal(err)
	}
	out, code := status(t, python, script, "--receipt", receipt)
	if code != 0 || strings.Count(out, "PASS") != 6 || strings.Contains(out, "FAIL") {
		t.Fatalf("status %d:\n%s", code, out)
	}
	for _, c := range []struct{ file, old, new, want string }{
		{"design.txt", "arm rlc 1", "arm rlc 2", "design.txt was changed"},
		{"allocation.txt", "control\t0", "rlc\t1", "allocation.txt is not what entry"},
		{"data/reading.csv", "missing: absent", "missing: Absent", "the files in data are not"},
		{"flow.json", `"analysed": 1`, `"analysed": 2`, "flow"},
		{"ledger.ndjson", `"sam"`, `"ana"`, "entry 1"},
		{"receipts/0001.txt", "entries 3", "entries 2", "another ledger"},
		{"results.json", `"overall":0.`, `"overall":0.1`, "results.json is not what entry"},
		{"commitment.txt", "trial", "Trial", "commitment.txt"},
	} {
		dir := unpack(t, zip)
		change(t, filepath.Join(dir, filepath.FromSlash(c.file)), c.old, c.new)
		if out, code := status(t, python, filepath.Join(dir, "scripts", "verify.py")); code != 3 || !strings.Contains(out, c.want) {
			t.Errorf("%s changed: status %d, want 3 and %q:\n%s", c.file, code, c.want, out)
		}
	}
}

// The Python script makes draw, flow and attrition again, and sees a number
// that was changed.
func TestPythonAnalysis(t *testing.T) {
	python := need(t, "python3", "-c", "import json, csv, importlib.util")
	m := finished(t, 20, 6)
	m.b.Rule = append(m.b.Rule, File{"redraw.py", redraw.Python})
	zip := write(t, m.b)
	dir := unpack(t, zip)
	out, code := status(t, python, "-B", filepath.Join(dir, "scripts", "analysis.py"))
	got := regexp.MustCompile(`(\d+) numbers made again, 0 differ`).FindStringSubmatch(out)
	if code != 0 || got == nil {
		t.Fatalf("status %d:\n%s", code, out)
	}
	if n, _ := strconv.Atoi(got[1]); n < 50 {
		t.Errorf("only %d numbers were made again:\n%s", n, out)
	}
	for _, c := range []struct{ file, old, new, want string }{
		{"allocation.txt", "control\t0", "rlc\t1", "draw: schools drawn into the same"},
		{"flow.json", `"analysed": 1`, `"analysed": 2`, "analysed"},
		{"flow.json", `"withdrew_programme": 0`, `"withdrew_programme": 4`, "left the programme"},
		{"results.json", `"overall":0.`, `"overall":0.1`, "overall"},
		{"results.json", `"cautious_at":0.0`, `"cautious_at":0.1`, "cautious boundary"},
		{"data/reading.csv", "missing: absent", "missing: Absent", "missing: Absent"},
	} {
		dir := unpack(t, zip)
		change(t, filepath.Join(dir, filepath.FromSlash(c.file)), c.old, c.new)
		out, code := status(t, python, "-B", filepath.Join(dir, "scripts", "analysis.py"))
		line := regexp.MustCompile(`(?m)^.*` + regexp.QuoteMeta(c.want) + `.*<-- differs$`)
		if code != 3 || !line.MatchString(out) {
			t.Errorf("%s changed: status %d, want 3 and a difference at %q:\n%s", c.file, code, c.want, out)
		}
	}
}
