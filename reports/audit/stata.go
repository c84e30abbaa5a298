package audit

import (
	"fmt"
	"slices"
	"strings"

	"evenhand/analysis"
	"evenhand/analysis/rows"
	"evenhand/analysis/sap"
)

// stataHead begins the do-file: what it is, and the program that compares.
const stataHead = `* Repeats a trial's main models with Stata and compares them with the bundle's numbers.
*
*     do scripts/analysis.do FOLDER
*
* FOLDER is the unpacked audit bundle (default: the working folder). Written for
* Stata 15 or later. It was written by a program from the plan and the results and
* has NOT been run by those who made the bundle, who have no Stata: what it finds is
* new. Where Stata itself is at odds with a line, say so; scripts/analysis.R repeats
* more. Prints number, ours (the bundle's), theirs (Stata's), their difference as a
* share of the number or, where that is larger, of its standard error. Ends with
* error 9 if a share is above 1e-5 (Stata's own search stops about there).

version 15
clear all
set more off
args folder
if ` + "`\"`folder'\"' == \"\"" + ` local folder "."

scalar s_compared = 0
scalar s_bad = 0
capture program drop hold
program define hold // what; ours, theirs and its standard error (or 0) stand in scalars
    args what
    local off = abs(scalar(s_theirs) - scalar(s_ours)) / max(abs(scalar(s_ours)), abs(scalar(s_theirs)), scalar(s_se), 1e-12)
    scalar s_compared = scalar(s_compared) + 1
    local flag ""
    if missing(` + "`off') | `off'" + ` > 1e-5 {
        scalar s_bad = scalar(s_bad) + 1
        local flag "  <-- differs"
    }
    display as text %-58s "` + "`what'" + `" as result %18.10g scalar(s_ours) %18.10g scalar(s_theirs) %10.1e ` + "`off' \"`flag'\"" + `
end
display as text %-58s "number" %18s "ours" %18s "theirs" %10s "share"
`

const stataTail = `
display _newline scalar(s_compared) " numbers compared, " scalar(s_bad) " differ"
if scalar(s_bad) > 0 | scalar(s_compared) == 0 {
    exit 9
}
`

// stataScript is the do-file of a bundle's results and data.
func stataScript(results []sap.Results, data []rows.Named) ([]byte, error) {
	var b strings.Builder
	b.WriteString(stataHead)
	for _, r := range results {
		k := slices.IndexFunc(data, func(n rows.Named) bool { return n.Outcome == r.Plan.Outcome })
		if k < 0 {
			fmt.Fprintf(&b, "\n* ---- %s: its data are not here\n", stataWord(r.Plan.Outcome))
			continue
		}
		d, err := rows.Read(data[k].Files)
		if err != nil {
			return nil, err
		}
		s := stataOutcome{&b, r, d}
		s.write()
	}
	b.WriteString(stataTail)
	return []byte(b.String()), nil
}

// stataOutcome writes one outcome's part. Variables have names of our own, by
// their place in the file: no text of the data is ever Stata's to read as a name
// or a macro.
type stataOutcome struct {
	b *strings.Builder
	r sap.Results
	d *analysis.Dataset
}

func (s stataOutcome) line(format string, a ...any) { fmt.Fprintf(s.b, format+"\n", a...) }

// hold compares a number with a Stata expression.
func (s stataOutcome) hold(what string, ours float64, theirs string, se float64) {
	s.line("scalar s_theirs = %s", theirs)
	s.line("scalar s_ours = %s", rows.Decimal(ours))
	s.line("scalar s_se = %s", rows.Decimal(se))
	s.line(`hold "%s: %s"`, stataWord(s.r.Plan.Outcome), what)
}

// load reads a file of rows; columns go by their place.
func (s stataOutcome) load(file string) {
	s.line(`import delimited using "%s", varnames(nonames) rowrange(2) stringcols(_all) bindquote(strict) maxquotedrows(unlimited) encoding("UTF-8") clear`, file)
	s.line("* v1 pupil, v2 school, v3 stratum, v4 arm, v5 community, v6 outcome, v7 lost, then covariates")
}

// columns makes school, stratum, arm and covariates of what was read, and marks
// the rows that the plan uses; y is there already. It gives the arms' numbers and
// the plan's terms.
func (s stataOutcome) columns() (code map[string]int, terms []string) {
	r, d := s.r, s.d
	s.line("egen school = group(v2)")
	s.line("egen stratum = group(v3)")
	s.line("generate byte arm = .")
	code = map[string]int{}
	next := 1
	for a, name := range d.Arms {
		if a != d.Control {
			code[name] = next
			next++
		}
		s.line("replace arm = %d if v4 == %s", code[name], stataString(name))
	}
	for i, c := range d.Covariates {
		s.line("* %s", stataWord(c.Name))
		if c.Levels != nil {
			s.line("egen x%d = group(v%d)", i+1, 8+i)
		} else {
			s.line("destring v%d, generate(x%d)", 8+i, i+1)
		}
	}
	var needed []string
	for _, name := range r.Plan.Covariates {
		if name == "Stratum" {
			if len(d.Strata) > 1 {
				terms = append(terms, "i.stratum")
			}
			continue
		}
		i := slices.IndexFunc(d.Covariates, func(c analysis.Column) bool { return c.Name == name })
		if i < 0 {
			continue
		}
		kind := "c"
		if d.Covariates[i].Levels != nil {
			kind = "i"
		}
		terms = append(terms, fmt.Sprintf("%s.x%d", kind, i+1))
		needed = append(needed, fmt.Sprintf("!missing(x%d)", i+1))
	}
	s.line("generate byte used = %s", strings.Join(append([]string{"!missing(y)"}, needed...), " & "))
	return code, terms
}

func (s stataOutcome) write() {
	r := s.r
	s.line("\n* ---- %s", stataWord(r.Plan.Outcome))
	s.load("`folder'/" + rows.Names(r.Plan.Outcome)[0])
	s.line("destring v6, generate(y)")
	code, terms := s.columns()
	for _, a := range r.Arms {
		name := stataWord(a.Arm)
		s.line("quietly summarize y if arm == %d", code[a.Arm])
		s.hold(name+", pupils with a score", float64(a.N), "r(N)", 0)
		s.hold(name+", mean", a.Mean, "r(mean)", a.SD)
		s.hold(name+", SD", a.SD, "r(sd)", 0)
	}
	s.line("quietly count if used")
	s.hold("pupils analysed", float64(r.Counts.PupilsUsed), "r(N)", 0)
	s.line("quietly egen byte tag = tag(school) if used")
	s.line("quietly count if tag == 1")
	s.hold("schools analysed", float64(r.Counts.SchoolsUsed), "r(N)", 0)
	switch r.Plan.Model {
	case "mixed":
		s.mixed(code, terms)
	case "linear":
		s.linear(code, terms)
	default:
		s.line("* the model %s is not repeated here", stataWord(r.Plan.Model))
	}
}

// dfMethods are Stata's names of ways to degrees of freedom.
var dfMethods = map[string]string{"satterthwaite": "dfmethod(satterthwaite)", "kenward-roger": "dfmethod(kroger)", "z": "", "residual": "dfmethod(residual)"}

func (s stataOutcome) mixed(code map[string]int, terms []string) {
	r := s.r
	df, known := dfMethods[r.Plan.DF]
	if !known {
		s.line("* Stata has no degrees of freedom by %s: estimates alone are compared", stataWord(r.Plan.DF))
	}
	random := "|| school:, reml " + df
	for _, m := range []struct{ name, fixed string }{{"empty", ""}, {"unconditional", "i.arm"}, {"conditional", strings.Join(append([]string{"i.arm"}, terms...), " ")}} {
		s.line("quietly mixed y %s if used %s", m.fixed, random)
		if m.name == "conditional" {
			s.line("matrix T = r(table)")
			s.hold("REML criterion", r.Fit.Criterion, "-2*e(ll)", 0)
		}
		s.line("scalar s_tau2_%s = exp(2*_b[lns1_1_1:_cons])", m.name)
		s.line("scalar s_sigma2_%s = exp(2*_b[lnsig_e:_cons])", m.name)
		for _, v := range r.Variances {
			if v.Model != m.name {
				continue
			}
			of := "s_tau2_"
			if v.Level == "residual" {
				of = "s_sigma2_"
			}
			s.hold("variance, "+stataWord(v.Level)+", "+m.name, v.Value, "scalar("+of+m.name+")", 0)
		}
	}
	for _, c := range r.Contrasts {
		arm := stataWord(c.Arm)
		column := fmt.Sprintf(`colnumb(T, "y:%d.arm")`, code[c.Arm])
		e := c.Difference
		s.hold(arm+", adjusted difference", e.Value, "T[1, "+column+"]", e.SE)
		s.hold(arm+", adjusted difference, SE", e.SE, "T[2, "+column+"]", 0)
		if known {
			if df != "" {
				s.hold(arm+", adjusted difference, df", e.DF, "T[7, "+column+"]", 0)
			}
			s.hold(arm+", adjusted difference, p", e.P, "T[4, "+column+"]", 1e-3)
			if r.Plan.Level == 0.95 {
				s.hold(arm+", adjusted difference, from", e.Interval.Low, "T[5, "+column+"]", e.SE)
				s.hold(arm+", adjusted difference, to", e.Interval.High, "T[6, "+column+"]", e.SE)
			}
		}
		sizes := append([]analysis.Estimate{c.EffectSize}, c.EffectSizes...)
		for i, size := range sizes {
			part, model, _ := strings.Cut(string(size.Scale), "-")
			var sd string
			switch {
			case part == "total" && slices.Contains([]string{"conditional", "unconditional", "empty"}, model):
				sd = fmt.Sprintf("sqrt(scalar(s_tau2_%s) + scalar(s_sigma2_%s))", model, model)
			case part == "within" && slices.Contains([]string{"conditional", "unconditional", "empty"}, model):
				sd = fmt.Sprintf("sqrt(scalar(s_sigma2_%s))", model)
			default:
				continue // raw SDs stand above
			}
			name := fmt.Sprintf("%s, effect size %s", arm, stataWord(string(size.Scale)))
			if i == 0 {
				name = arm + ", the plan's effect size"
			}
			s.hold(name, size.Value, "T[1, "+column+"]/"+sd, size.SE)
			s.hold(name+", SE", size.SE, "T[2, "+column+"]/"+sd, 0)
		}
	}
	for _, g := range r.Subgroups {
		i := slices.IndexFunc(s.d.Covariates, func(c analysis.Column) bool { return c.Name == g.Variable })
		if i < 0 {
			continue
		}
		own := fmt.Sprintf("c.x%d", i+1)
		rest := slices.DeleteFunc(slices.Clone(terms), func(t string) bool { return t == own })
		s.line("* by x%d", i+1)
		s.line("quietly mixed y i.arm##i.x%d %s if used & !missing(x%d) %s", i+1, strings.Join(rest, " "), i+1, random)
		s.line("matrix T = r(table)")
		for _, e := range g.Interactions {
			column := fmt.Sprintf(`colnumb(T, "y:%d.arm#1.x%d")`, code[e.Arm], i+1)
			s.hold(fmt.Sprintf("%s, interaction with %s", stataWord(e.Arm), stataWord(g.Variable)), e.Difference.Value, "T[1, "+column+"]", e.Difference.SE)
			s.hold(fmt.Sprintf("%s, interaction with %s, SE", stataWord(e.Arm), stataWord(g.Variable)), e.Difference.SE, "T[2, "+column+"]", 0)
		}
		for v, value := range []string{"no", "yes"} {
			s.line("quietly mixed y i.arm %s if used & x%d == %d %s", strings.Join(rest, " "), i+1, v, random)
			s.line("matrix T = r(table)")
			for _, e := range g.Within {
				if e.Value == value {
					column := fmt.Sprintf(`colnumb(T, "y:%d.arm")`, code[e.Arm])
					s.hold(fmt.Sprintf("%s among %s: %s", stataWord(e.Arm), stataWord(g.Variable), value), e.Difference.Value, "T[1, "+column+"]", e.Difference.SE)
				}
			}
		}
	}
}

func (s stataOutcome) linear(code map[string]int, terms []string) {
	s.line("quietly regress y %s if used, vce(hc2)", strings.Join(append([]string{"i.arm"}, terms...), " "))
	s.line("matrix T = r(table)")
	for _, c := range s.r.Contrasts {
		column := fmt.Sprintf(`colnumb(T, "%d.arm")`, code[c.Arm])
		e, arm := c.Difference, stataWord(c.Arm)
		s.hold(arm+", adjusted difference", e.Value, "T[1, "+column+"]", e.SE)
		s.hold(arm+", adjusted difference, SE", e.SE, "T[2, "+column+"]", 0)
		s.hold(arm+", adjusted difference, df", e.DF, "T[7, "+column+"]", 0)
		s.hold(arm+", adjusted difference, p", e.P, "T[4, "+column+"]", 1e-3)
	}
}

// stataWord is a name as it may stand within a comment or a quoted label: letters,
// digits and a few signs; whatever Stata could read as more is a "?".
func stataWord(name string) string {
	const most = 32
	var b strings.Builder
	for _, r := range name {
		if b.Len() >= most {
			break
		}
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == ' ' || r == '_' || r == '-' || r == '.' {
			b.WriteRune(r)
		} else {
			b.WriteByte('?')
		}
	}
	return b.String()
}

// stataString is an expression that gives exactly this text: no sign in it is
// Stata's to expand.
func stataString(s string) string {
	var parts []string
	plain := ""
	end := func() {
		if plain != "" {
			parts = append(parts, `"`+plain+`"`)
		}
		plain = ""
	}
	for _, r := range s {
		switch {
		case stataWord(string(r)) == string(r):
			plain += string(r)
		case r < 128:
			end()
			parts = append(parts, fmt.Sprintf("char(%d)", r))
		default:
			end()
			parts = append(parts, fmt.Sprintf("uchar(%d)", r))
		}
	}
	if end(); parts == nil {
		return `""`
	}
	return strings.Join(parts, " + ")
}
