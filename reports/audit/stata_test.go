package audit

import (
	"regexp"
	"strings"
	"testing"
	"unicode"

	"evenhand/analysis/rows"
)

// No Stata is at hand. What can be held without one: every line is a command of
// a few known kinds, quotes and braces are closed, every number of the plan's
// main models stands in it, and no text of the data can be read as a command.
func TestStataScript(t *testing.T) {
	m := finished(t, 12, 3)
	var text string
	for _, e := range unzip(t, write(t, m.b)) {
		if e.name == "scripts/analysis.do" {
			text = string(e.data)
		}
	}
	checkStata(t, text)
	all, err := resultsOf(m.b.Results)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range all {
		c := r.Contrasts[0]
		for _, v := range []float64{c.Difference.Value, c.Difference.SE, c.Difference.DF, c.Difference.P, c.Difference.Interval.Low, c.EffectSize.Value, c.EffectSize.SE, r.Arms[0].Mean, r.Fit.Criterion, r.Variances[0].Value} {
			if !strings.Contains(text, "scalar s_ours = "+rows.Decimal(v)+"\n") {
				t.Errorf("%s: %v is not compared", r.Plan.Outcome, v)
			}
		}
	}
	if n := strings.Count(text, "\nhold "); n < 40 {
		t.Errorf("only %d numbers are compared", n)
	}
}

func checkStata(t *testing.T, text string) {
	t.Helper()
	known := regexp.MustCompile(`^(\*.*|version 15|clear all|set more off|args .*|if .*|local .*|scalar s_.*|capture program drop hold|program define hold .*|end|display .*|import delimited using .*|egen .*|destring v\d+, generate\((y|x\d+)\)|generate byte .*|replace arm = \d+ if v4 == .*|quietly (summarize|count|egen|mixed|regress) .*|matrix T = r\(table\)|hold ".*"|exit 9|file (open|write|close) .*|keep pupil \w+|rename \w+ \w+|tempfile scores|save ".scores.*|merge 1:1 v1 using .*|destring score, generate\(y\)|replace y = \. if v7 != ".*"|\}|)$`)
	depth := 0
	for i, line := range strings.Split(text, "\n") {
		bare := strings.TrimSpace(line)
		if !known.MatchString(bare) {
			t.Errorf("line %d is no command that is known: %s", i+1, line)
		}
		if strings.ContainsFunc(line, func(r rune) bool { return r > 126 || unicode.IsControl(r) }) {
			t.Errorf("line %d has signs that Stata could read otherwise: %q", i+1, line)
		}
		if !strings.HasPrefix(bare, "*") && (strings.Count(line, `"`)%2 != 0 || strings.Count(line, "(") != strings.Count(line, ")") || strings.Count(line, "[") != strings.Count(line, "]")) {
			t.Errorf("line %d: quotes or brackets are not closed: %s", i+1, line)
		}
		if !strings.HasPrefix(bare, "*") {
			depth += strings.Count(line, "{") - strings.Count(line, "}")
		}
	}
	if depth != 0 {
		t.Errorf("%d braces are open at the end", depth)
	}
}

// Names that Stata would expand, end a string with, or run, do none of it.
func TestStataText(t *testing.T) {
	for in, want := range map[string]string{
		"North":           `"North"`,
		"":                `""`,
		"`c(os)'":         `char(96) + "c" + char(40) + "os" + char(41) + char(39)`,
		"a\"$S_FN\nshell": `"a" + char(34) + char(36) + "S_FN" + char(10) + "shell"`,
		"Zoë":             `"Zo" + uchar(235)`,
	} {
		if got := stataString(in); got != want {
			t.Errorf("%q: %s, want %s", in, got, want)
		}
		if strings.ContainsAny(stataWord(in), "`'\"$\n\\") {
			t.Errorf("%q as a word: %s", in, stataWord(in))
		}
	}
}
