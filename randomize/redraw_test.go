package randomize

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// redrawCase is three texts and what is asked of them.
type redrawCase struct {
	design, roster []byte
	chance         Chance
	how            string // "draw", "rehearsal", "redraw" or "wave"
	number         int
	earlier        []Drawn // how "wave": the wave before
	want           []byte
}

// genRedrawCase is a random design of any method with communities of any kind,
// on a random roster on which it can be drawn.
func genRedrawCase(method Method) *rapid.Generator[redrawCase] {
	return rapid.Custom(func(t *rapid.T) redrawCase {
		d := genDesign(method).Draw(t, "design")
		r := genWhole.Draw(t, "roster")
		if rapid.IntRange(0, 2).Draw(t, "communities") > 0 {
			withCommunities(t, &d, &r)
		}
		x := redrawCase{design: d.Text(), roster: r.Text(), chance: genChance.Draw(t, "chance"),
			how: rapid.SampledFrom([]string{"draw", "draw", "rehearsal", "redraw"}).Draw(t, "how"), number: rapid.IntRange(0, 99).Draw(t, "number")}
		if rapid.IntRange(0, 3).Draw(t, "waves") == 0 {
			w := genWaves(method).Draw(t, "wave")
			drawn, err := DrawWaves(w.d, w.waves)
			if err != nil {
				t.Fatal(err)
			}
			last := w.waves[1]
			return redrawCase{design: w.d.Text(), roster: last.Roster.Text(), chance: last.Chance, how: "wave", earlier: drawn[:1], want: drawn[1].Allocation.Text()}
		}
		a, err := x.allocation(d, r)
		if err != nil {
			// Not every random rule can be met; the arms alone can always be drawn.
			d.Communities = nil
			x.design = d.Text()
			if a, err = x.allocation(d, r); err != nil {
				t.Fatal(err)
			}
		}
		x.want = a.Text()
		return x
	})
}

func (x redrawCase) allocation(d Design, r Roster) (*Allocation, error) {
	switch x.how {
	case "rehearsal":
		return Rehearse(d, r, x.chance, x.number)
	case "redraw":
		redraw, err := Redraws(d, Wave{r, x.chance})
		if err != nil {
			return nil, err
		}
		a := &Allocation{}
		for i, arm := range redraw(x.number) {
			a.Assignments = append(a.Assignments, Assignment{Unit: r.Units[i].ID, Arm: d.Arms[arm].Name})
		}
		return a, nil
	}
	return Draw(d, r, x.chance)
}

// genWhole is a roster with the columns that methods and communities use.
var genWhole = rapid.Custom(func(t *rapid.T) Roster {
	units := genUnits(26).Draw(t, "units")
	columns := append(append([]string{}, genColumns...), placeColumns...)
	for i := range units {
		units[i].Balance = append(units[i].Balance,
			int64(rapid.IntRange(400_000, 500_000).Draw(t, "easting")), int64(rapid.IntRange(200_000, 300_000).Draw(t, "northing")),
			int64(rapid.IntRange(0, 12).Draw(t, "trust")), int64(rapid.IntRange(0, 40).Draw(t, "federation")),
			int64(rapid.IntRange(-3000, 3000).Draw(t, "ks2")), int64(rapid.IntRange(0, 1).Draw(t, "high")),
			int64(rapid.IntRange(-1, 2).Draw(t, "region")), int64(rapid.IntRange(1, 90).Draw(t, "a")), int64(rapid.IntRange(1, 90).Draw(t, "b")))
	}
	r, err := NewRoster(columns, units)
	if err != nil {
		t.Fatal(err)
	}
	return r
})

// withCommunities gives each arm of the design a rule that its size allows, as
// far as one is found; the caller drops those that cannot be met.
func withCommunities(t *rapid.T, d *Design, r *Roster) {
	if rapid.IntRange(0, 4).Draw(t, "minutes") == 0 && d.Cluster == "" {
		for _, u := range r.Units {
			r.Columns = append(r.Columns, PrefixMinutes+u.ID)
		}
		for i := range r.Units {
			for range r.Units {
				r.Units[i].Balance = append(r.Units[i].Balance, int64(rapid.IntRange(0, 60).Draw(t, "minutes")))
			}
		}
	}
	for _, arm := range d.Arms {
		c := Community{Arm: arm.Name, Min: 1, Max: rapid.IntRange(1, 5).Draw(t, "largest"), How: FormRandom}
		switch {
		case d.Cluster != "" || rapid.Bool().Draw(t, "plain"):
			c.Column = rapid.SampledFrom([]string{"", "region", "stratum"}).Draw(t, "column")
			if d.Cluster != "" && c.Column == "region" {
				c.Column = "stratum"
			}
		default:
			c = genSearched(1, 5).Draw(t, "searched")
			c.Arm = arm.Name
			c.Starts = rapid.IntRange(1, 4).Draw(t, "starts")
			if len(c.Hubs) > 0 {
				c.Max = 30
				c.Hubs[0].Capacity, c.Hubs[1].Capacity = 9, 30
			}
		}
		one := *d
		one.Communities = append(one.Communities, c)
		if Check(one, *r) == nil {
			*d = one
		}
	}
}

// pythonCases is how many random draws the Python program repeats.
const pythonCases = 1000

// TestPythonRedraws has the independent program in Python draw 1,000 random
// rosters over all methods again and compares bytes. Without Python it is
// skipped aloud, except under CI, where it must run.
func TestPythonRedraws(t *testing.T) {
	python, err := exec.LookPath("python3")
	if err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal("python3 is missing; the draws must be repeated independently under CI")
		}
		t.Skip("SKIPPED: python3 is missing, so no draw was repeated independently")
	}
	cases, list := redrawCases(t, pythonCases)
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "cases"), []byte(list), 0o600); err != nil {
		t.Fatal(err)
	}
	script, err := filepath.Abs("redraw")
	if err != nil {
		t.Fatal(err)
	}
	const driver = `
import sys
sys.dont_write_bytecode = True
sys.path.insert(0, sys.argv[1])
import redraw
for line in open(sys.argv[2]):
    design, roster, chance, how, number, *after = line.split()
    n = {"after": [tuple(map(bytes.fromhex, after))] if after else []}
    if how in ("rehearsal", "redraw"):
        n["again" if how == "redraw" else how] = int(number)
    print(redraw.redraw(bytes.fromhex(design), bytes.fromhex(roster), chance.encode(), **n).hex())
`
	command := exec.Command(python, "-c", driver, script, filepath.Join(dir, "cases"))
	compareRedraws(t, "Python", command, cases)
}

// redrawCases makes the first n random cases and writes them a line each.
func redrawCases(t *testing.T, n int) (cases []redrawCase, list string) {
	t.Helper()
	methods := allMethods()
	var b strings.Builder
	seen := map[string]int{}
	for i := range n {
		m := methods[i%len(methods)]
		x := genRedrawCase(m).Example(i)
		cases = append(cases, x)
		seen[string(m)+" "+x.how]++
		for _, line := range strings.Split(string(x.design), "\n") {
			word, _, _ := strings.Cut(line, " ")
			seen[word]++
			if word == "community" {
				seen["community "+strings.Join(strings.Fields(line)[4:], " ")]++
			}
		}
		fmt.Fprintf(&b, "%s %s %s %s %d", hex.EncodeToString(x.design), hex.EncodeToString(x.roster), x.chance, x.how, x.number)
		for _, e := range x.earlier {
			fmt.Fprintf(&b, " %s %s", hex.EncodeToString(e.Roster.Text()), hex.EncodeToString(e.Allocation.Text()))
		}
		b.WriteByte('\n')
	}
	for _, kind := range []string{"community random", "community within region", "community near", "community mixed", "community near within region",
		"apart", "together", "farthest", "count", "hub", "balance", "mix", "cluster", "misfits", "blocks", "constrained redraw", "minimisation rehearsal", "minimisation wave", "efron wave", "blocks wave"} {
		if seen[kind] < 5 && n == pythonCases {
			t.Errorf("%d cases of %q only; the comparison must cover it", seen[kind], kind)
		}
	}
	return cases, b.String()
}

// compareRedraws runs a program that writes one allocation in hexadecimal a
// line and compares.
func compareRedraws(t *testing.T, name string, command *exec.Cmd, cases []redrawCase) {
	t.Helper()
	var stderr bytes.Buffer
	command.Stderr = &stderr
	out, err := command.Output()
	if err != nil {
		t.Fatalf("%s: %v: %s", name, err, stderr.String())
	}
	results := strings.Fields(string(out))
	if len(results) != len(cases) {
		t.Fatalf("%s gave %d results, want %d: %s", name, len(results), len(cases), stderr.String())
	}
	wrong, skipped := 0, 0
	for i, got := range results {
		if got == "too-long" { // R alone: beyond exact doubles
			skipped++
			continue
		}
		if text, err := hex.DecodeString(got); err != nil || !bytes.Equal(text, cases[i].want) {
			wrong++
			if wrong <= 3 {
				t.Errorf("case %d (%s %d): %s draws %s, want %s; design %s", i, cases[i].how, cases[i].number, name, text, cases[i].want, cases[i].design)
			}
		}
	}
	if wrong > 0 {
		t.Errorf("%d of %d cases differ", wrong, len(cases))
	}
	if skipped > len(cases)/5 {
		t.Errorf("%s could not draw %d of %d cases", name, skipped, len(cases))
	}
	t.Logf("%s: %d cases compared, %d too long for it", name, len(cases)-skipped, skipped)
}

// rCases is how many random draws the R program repeats.
const rCases = 240

// TestRRedraws does the same with the program in R, where R and its package
// digest are installed. Scores beyond 2^53, which random balance columns of
// nine digits make, are not within R's reach; it says so instead of drawing.
func TestRRedraws(t *testing.T) {
	rscript, err := exec.LookPath("Rscript")
	if err != nil || exec.Command(rscript, "-e", "library(digest)").Run() != nil {
		if os.Getenv("EVENHAND_NEED_R") != "" {
			t.Fatal("R or its package digest is missing; EVENHAND_NEED_R says that the draws must be repeated in R")
		}
		t.Skip("SKIPPED: R or its package digest is missing, so no draw was repeated in R")
	}
	if testing.Short() {
		t.Skip("SKIPPED: short run")
	}
	cases, list := redrawCases(t, rCases)
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "cases"), []byte(list), 0o600); err != nil {
		t.Fatal(err)
	}
	const driver = `
args <- commandArgs(trailingOnly = TRUE)
source(file.path(args[1], "redraw.R"))
bytes <- function(hex) {
  at <- seq(1, nchar(hex), 2)
  text <- rawToChar(as.raw(strtoi(substring(hex, at, at + 1), 16)))
  Encoding(text) <- "UTF-8"
  text
}
for (line in readLines(args[2])) {
  f <- strsplit(line, " ")[[1]]
  number <- function(how) if (f[4] == how) as.numeric(f[5])
  out <- tryCatch(paste(format(as.hexmode(as.integer(charToRaw(redraw(bytes(f[1]), bytes(f[2]), f[3], number("rehearsal"), number("redraw"),
    after = if (length(f) > 5) list(c(bytes(f[6]), bytes(f[7]))) else list()))))), collapse = ""),
    error = function(e) if (grepl("too long for R", conditionMessage(e))) "too-long" else stop(e))
  cat(out, "\n", sep = "")
}
`
	program := filepath.Join(dir, "driver.R")
	if err := os.WriteFile(program, []byte(driver), 0o600); err != nil {
		t.Fatal(err)
	}
	script, err := filepath.Abs("redraw")
	if err != nil {
		t.Fatal(err)
	}
	compareRedraws(t, "R", exec.Command(rscript, program, script, filepath.Join(dir, "cases")), cases)
}
