package audit

import (
	"bytes"
	_ "embed" // the room's programs
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"

	"evenhand/analysis/rows"
	"evenhand/analysis/sap"
	"evenhand/trial"
)

var (
	//go:embed scripts/room.R
	roomR []byte
	//go:embed scripts/room.py
	roomPython []byte
)

// RoomPack is what is carried into a secure room where outcomes stay: the plan,
// the roster's rows without outcomes, and programs that need nothing of ours.
type RoomPack struct {
	Trial    string // ID
	Title    string
	Protocol Protocol     // in force
	Plans    []sap.Plan   // all of the protocol's
	Rows     []rows.Named // of the outcomes packed: nobody's outcome is in them
}

// terms are the lines by which what comes back is tied to what went in. Their
// digest names the pack.
func (p RoomPack) terms() (string, error) {
	plan, err := json.Marshal(p.Plans)
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("evenhand-room 1\ntrial %s\nprotocol %d\nplan %s\nrows %s\n", p.Trial, p.Protocol.Version, digest(plan), rows.Digest(p.Rows)), nil
}

// Digest names the pack.
func (p RoomPack) Digest() (string, error) {
	terms, err := p.terms()
	return trial.DigestOf(terms), err
}

// PlanDigest is the digest of the plan, as an analysis records it.
func (p RoomPack) PlanDigest() (string, error) {
	plan, err := json.Marshal(p.Plans)
	return digest(plan), err
}

// Files gives the pack's files by their path in its folder.
func (p RoomPack) Files() ([]File, error) {
	var all []File
	add := func(name string, data []byte) { all = append(all, File{name, data}) }
	terms, err := p.terms()
	if err != nil {
		return nil, err
	}
	var table bytes.Buffer
	w := csv.NewWriter(&table)
	lines := [][]string{{"outcome", "model", "covariates", "df", "effect_size", "level"}}
	var blank []sap.Results
	for _, n := range p.Rows {
		i := slices.IndexFunc(p.Plans, func(x sap.Plan) bool { return x.Outcome == n.Outcome })
		if i < 0 {
			return nil, fmt.Errorf("the plan has no outcome %q", n.Outcome)
		}
		x := p.Plans[i]
		if x.Model != "mixed" && x.Model != "linear" {
			return nil, fmt.Errorf("outcome %s: the scripts of the room know the models mixed and linear, and the plan asks for %s", x.Outcome, x.Model)
		}
		d, err := rows.Read(n.Files)
		if err != nil {
			return nil, err
		}
		if slices.Contains(d.Observed, true) {
			return nil, fmt.Errorf("outcome %s: its rows hold scores; what goes into the room holds none", x.Outcome)
		}
		lines = append(lines, []string{x.Outcome, x.Model, strings.Join(x.Covariates, ";"), x.DF, string(x.EffectSize), rows.Decimal(x.Level)})
		names := rows.Names(n.Outcome)
		for k, data := range [][]byte{n.Files.People, n.Files.Schools, n.Files.Codebook} {
			add("rows/"+strings.TrimPrefix(names[k], "data/"), data)
		}
		blank = append(blank, sap.Results{Plan: x})
	}
	if err := w.WriteAll(lines); err != nil {
		return nil, err
	}
	stata, err := roomStata(trial.DigestOf(terms), blank, p.Rows)
	if err != nil {
		return nil, err
	}
	plans, err := json.Marshal(p.Plans)
	if err != nil {
		return nil, err
	}
	var form strings.Builder
	form.WriteString("outcome,quantity,arm,value\n,pack,," + trial.DigestOf(terms) + "\n")
	for _, q := range roomQuantities {
		form.WriteString("OUTCOME,\"" + q.name + "\"," + map[bool]string{true: "", false: "ARM"}[q.of == ofTrial] + ",\n")
	}
	add("pack.txt", []byte(terms+"pack "+trial.DigestOf(terms)+"\n"))
	add("plan.csv", table.Bytes())
	add("plan.json", plans)
	add("protocol.yaml", []byte(p.Protocol.Text))
	add("form-of-results.csv", []byte(form.String()))
	add("scripts/room.R", roomR)
	add("scripts/room.py", roomPython)
	add("scripts/room.do", stata)
	add("README.txt", []byte(fmt.Sprintf(roomReadme, p.Title, p.Trial, trial.DigestOf(terms))))
	slices.SortFunc(all, func(a, b File) int { return strings.Compare(a.Name, b.Name) })
	var list []byte
	for _, f := range all {
		list = fmt.Appendf(list, "%s  %s\n", digest(f.Data), f.Name)
	}
	return append(all, File{manifestName, list}), nil
}

const roomReadme = `FOR THE SECURE ROOM

Trial    %s (%s)
Pack     %s

This folder goes into a room where outcomes stay and no outside program may be
installed. It holds who was randomised (under pseudonymous numbers, with arm,
school, stratum and covariates; no name and no UPN), the plan, and programs in R,
Stata and Python that need nothing else of ours. No outcome is in it.

1. Check that it came in whole:      sha256sum -c MANIFEST.txt
2. Make a file of the outcomes there, OUTCOMES.csv: a column pupil, with the
   numbers of rows/, and a column for each outcome, named as in plan.csv. A score
   that is missing stays empty.
3. Look it through, and count:       python3 scripts/room.py OUTCOMES.csv
   (writes counts.csv; needs Python 3 alone)
4. Run the plan:                     Rscript scripts/room.R OUTCOMES.csv
   (writes results.csv; needs R with lme4, and lmerTest or pbkrtest as the plan
   asks). With Stata: do scripts/room.do OUTCOMES.csv . (it was never run by those
   who wrote it, who have no Stata).
5. Have results.csv (and counts.csv) cleared, and carry out nothing else. A number
   that may not leave is replaced by the word suppressed; numbers may be rounded.
   The line "pack" stays: it ties the results to this plan and these rows. The line
   "scores" of counts.csv has the SHA-256 of OUTCOMES.csv: with it an auditor who
   may enter the room can tell that these are the scores analysed.
6. Outside:  evenhand analysis room-return results.csv --cleared "who, when"

form-of-results.csv shows the form, for those who fit the plan with other software.
The columns of rows/ are explained in its codebooks.
`

// Where a quantity belongs.
const (
	ofTrial    = iota // to no arm
	ofArm             // to every arm
	ofContrast        // to an arm that is not the control arm
)

// Kinds of quantity.
const (
	wholeNumber = iota
	anyNumber
	positive // above 0
	share    // 0 to 1
)

// roomQuantities are the numbers that may come back.
var roomQuantities = []struct {
	name     string
	of, kind int
	needed   bool
}{
	{"pupils randomised", ofArm, wholeNumber, false}, {"pupils analysed", ofArm, wholeNumber, false},
	{"schools randomised", ofArm, wholeNumber, false}, {"schools analysed", ofArm, wholeNumber, false},
	{"mean", ofArm, anyNumber, false}, {"sd", ofArm, positive, false},
	{"variance, school", ofTrial, anyNumber, false}, {"variance, residual", ofTrial, positive, false}, {"ICC", ofTrial, share, false},
	{"difference", ofContrast, anyNumber, true}, {"difference, SE", ofContrast, positive, true}, {"difference, df", ofContrast, positive, false},
	{"difference, p", ofContrast, share, false}, {"difference, low", ofContrast, anyNumber, true}, {"difference, high", ofContrast, anyNumber, true},
	{"effect size", ofContrast, anyNumber, true}, {"effect size, low", ofContrast, anyNumber, true}, {"effect size, high", ofContrast, anyNumber, true},
	{"effect size, SD", ofContrast, positive, false},
}

// RoomResult is a number made in the room. Value is nil where it may not leave it.
type RoomResult struct {
	Outcome  string   `json:"outcome"`
	Quantity string   `json:"quantity"`
	Arm      string   `json:"arm,omitempty"`
	Value    *float64 `json:"value"`
}

// RoomReturn is one file that came out of the room.
type RoomReturn struct {
	Pack    string // digest
	Scores  string // digest of the file of outcomes in the room; "" where it did not leave it
	Results []RoomResult
	Lines   []int // where each stands
}

// suppressed is what stands for a number that was not cleared.
const suppressed = "suppressed"

// mostRoomRows is more rows than results of any plan have.
const mostRoomRows = 20_000

// ReadRoomResults reads one file that came out of the room, and gives all faults
// at once, each with its row; the numbers are held to the pack's plan and rows by
// Check.
func ReadRoomResults(r io.Reader) (back RoomReturn, err error) {
	c := csv.NewReader(r)
	c.FieldsPerRecord = -1
	head, err := c.Read()
	if err == nil && len(head) > 0 {
		head[0] = strings.TrimPrefix(head[0], "\ufeff")
	}
	if err != nil || strings.Join(head, ",") != "outcome,quantity,arm,value" {
		return RoomReturn{}, errors.New("its first line is not outcome,quantity,arm,value: give results.csv as room.R wrote it")
	}
	var faults []error
	for {
		line, err := c.Read()
		if err == io.EOF {
			break
		}
		if err != nil {
			faults = append(faults, fmt.Errorf("it cannot be read as CSV: %w", err)) // which names the line
			break
		}
		at, _ := c.FieldPos(0)
		if len(back.Results) > mostRoomRows {
			return RoomReturn{}, fmt.Errorf("it has more than %d rows, and results of a plan have not", mostRoomRows)
		}
		if len(line) != 4 {
			faults = append(faults, fmt.Errorf("row %d has %d columns, and there are 4", at, len(line)))
			continue
		}
		if digest := map[string]*string{"pack": &back.Pack, "scores": &back.Scores}[line[1]]; digest != nil {
			value := strings.TrimSpace(line[3])
			if line[1] == "scores" && (value == "" || strings.EqualFold(value, suppressed)) {
				continue
			}
			if *digest != "" && *digest != value {
				faults = append(faults, fmt.Errorf("row %d: it names the %s %.16s…, an earlier row another", at, line[1], value))
			}
			if line[1] == "scores" && !trial.IsDigest(value) {
				faults = append(faults, fmt.Errorf("row %d: %.40q is no SHA-256 of the file of outcomes, which has 64 characters 0-9a-f", at, value))
			}
			*digest = value
			continue
		}
		x := RoomResult{Outcome: line[0], Quantity: line[1], Arm: line[2]}
		if value := strings.TrimSpace(line[3]); !strings.EqualFold(value, suppressed) {
			v, err := strconv.ParseFloat(value, 64)
			if err != nil || math.IsNaN(v) || math.IsInf(v, 0) {
				faults = append(faults, fmt.Errorf("row %d: %.40q is no number; what may not leave the room is replaced by the word %s", at, line[3], suppressed))
				continue
			}
			x.Value = &v
		}
		back.Results, back.Lines = append(back.Results, x), append(back.Lines, at)
	}
	if back.Pack == "" {
		faults = append(faults, errors.New("the row \"pack\" is missing: nothing ties these numbers to a plan; take them out of the room with it"))
	}
	return back, errors.Join(faults...)
}

// Check holds what came back to the pack: every fault with its row.
func (p RoomPack) Check(all []RoomResult, lines []int) error {
	var faults []error
	say := func(i int, format string, a ...any) {
		faults = append(faults, fmt.Errorf("row %d: "+format, append([]any{lines[i]}, a...)...))
	}
	type key struct{ outcome, quantity, arm string }
	at := map[key]int{}
	value := func(outcome, quantity, arm string) (float64, int, bool) {
		i, ok := at[key{outcome, quantity, arm}]
		if !ok || all[i].Value == nil {
			return 0, i, false
		}
		return *all[i].Value, i, true
	}
	arms := map[string][]string{} // by outcome, the control arm first
	randomised := map[key]int{}
	for _, n := range p.Rows {
		d, err := rows.Read(n.Files)
		if err != nil {
			return err
		}
		arms[n.Outcome] = []string{d.Arms[d.Control]}
		for a, name := range d.Arms {
			if a != d.Control {
				arms[n.Outcome] = append(arms[n.Outcome], name)
			}
		}
		schools := map[int]bool{}
		for i, a := range d.Arm {
			randomised[key{n.Outcome, "pupils", d.Arms[a]}]++
			if !schools[d.Cluster[i]] {
				schools[d.Cluster[i]] = true
				randomised[key{n.Outcome, "schools", d.Arms[a]}]++
			}
		}
	}
	for i, x := range all {
		known, ok := arms[x.Outcome]
		if !ok {
			say(i, "outcome %.40q was not packed", x.Outcome)
			continue
		}
		q := slices.IndexFunc(roomQuantities, func(q struct {
			name     string
			of, kind int
			needed   bool
		}) bool {
			return q.name == x.Quantity
		})
		if q < 0 {
			say(i, "%.40q is no quantity that comes back; form-of-results.csv lists them", x.Quantity)
			continue
		}
		kind := roomQuantities[q]
		switch {
		case kind.of == ofTrial && x.Arm != "":
			say(i, "%s belongs to no arm, and arm %.40q stands there", x.Quantity, x.Arm)
			continue
		case kind.of == ofArm && !slices.Contains(known, x.Arm), kind.of == ofContrast && !slices.Contains(known[1:], x.Arm):
			say(i, "%s: arm %.40q is none that it could belong to (%s)", x.Quantity, x.Arm, strings.Join(known, ", "))
			continue
		}
		k := key{x.Outcome, x.Quantity, x.Arm}
		if first, twice := at[k]; twice {
			was, is := all[first].Value, x.Value
			if (was == nil) != (is == nil) || was != nil && *was != *is {
				say(i, "%s of %s stands in row %d already, with another value", x.Quantity, x.Outcome, lines[first])
			}
			continue
		}
		at[k] = i
		if x.Value == nil {
			continue
		}
		v := *x.Value
		switch {
		case kind.kind == wholeNumber && (v < 0 || v != math.Trunc(v)):
			say(i, "%s is %v, and a count is a whole number", x.Quantity, v)
		case kind.kind == positive && !(v > 0):
			say(i, "%s is %v, and must be above 0", x.Quantity, v)
		case kind.kind == share && !(v >= 0 && v <= 1):
			say(i, "%s is %v, and must lie between 0 and 1", x.Quantity, v)
		}
		if what, is := strings.CutSuffix(x.Quantity, " randomised"); is {
			if n := randomised[key{x.Outcome, what, x.Arm}]; v != float64(n) {
				say(i, "arm %s has %v %s randomised, in the rows that were packed it has %d: these are results of other rows", x.Arm, v, what, n)
			}
		}
		if what, is := strings.CutSuffix(x.Quantity, " analysed"); is {
			if n := randomised[key{x.Outcome, what, x.Arm}]; v > float64(n) {
				say(i, "arm %s has %v %s analysed, and only %d were randomised", x.Arm, v, what, n)
			}
		}
	}
	for _, outcome := range sortedNames(arms) {
		if !slices.ContainsFunc(all, func(x RoomResult) bool { return x.Outcome == outcome }) {
			continue // not analysed in the room
		}
		for _, arm := range arms[outcome][1:] {
			for _, q := range roomQuantities {
				if _, there := at[key{outcome, q.name, arm}]; q.needed && !there && slices.ContainsFunc(all, func(x RoomResult) bool { return x.Outcome == outcome && strings.HasPrefix(x.Quantity, "difference") }) {
					faults = append(faults, fmt.Errorf("%s of %s, arm %s, is missing", q.name, outcome, arm))
				}
			}
			for _, name := range []string{"difference", "effect size"} {
				v, i, ok := value(outcome, name, arm)
				low, _, okLow := value(outcome, name+", low", arm)
				high, _, okHigh := value(outcome, name+", high", arm)
				if ok && okLow && okHigh && !(low <= v && v <= high) {
					say(i, "%s is %v, outside its own interval, %v to %v", name, v, low, high)
				}
			}
			d, _, okD := value(outcome, "difference", arm)
			e, i, okE := value(outcome, "effect size", arm)
			sd, _, okSD := value(outcome, "effect size, SD", arm)
			// numbers may have been rounded to two places
			if okD && okE && okSD && math.Abs(e*sd-d) > 0.0051*(1+sd+math.Abs(e)) {
				say(i, "the effect size %v times its SD %v is not the difference %v", e, sd, d)
			}
		}
	}
	return errors.Join(faults...)
}

// roomStata is the do-file for the room: the same models as analysis.do, written
// to results.csv and not compared.
func roomStata(pack string, blank []sap.Results, data []rows.Named) ([]byte, error) {
	var b strings.Builder
	b.WriteString(roomStataHead)
	fmt.Fprintf(&b, "file write out \",pack,,%s\" _newline\n", pack)
	for _, r := range blank {
		k := slices.IndexFunc(data, func(n rows.Named) bool { return n.Outcome == r.Plan.Outcome })
		d, err := rows.Read(data[k].Files)
		if err != nil {
			return nil, err
		}
		s := stataOutcome{&b, r, d}
		if err := s.room(); err != nil {
			return nil, err
		}
	}
	b.WriteString("\nfile close out\n")
	return []byte(b.String()), nil
}

const roomStataHead = `* Runs a trial's planned models in a secure room, with Stata alone.
*
*     do scripts/room.do OUTCOMES.csv FOLDER
*
* OUTCOMES.csv has a column pupil (the numbers of rows/) and a column for each
* outcome, named as in plan.csv. FOLDER is the folder that was carried in (default:
* the working folder). Writes results.csv to the working folder. Written for Stata 15
* or later; NOT run by those who wrote it, who have no Stata.

version 15
clear all
set more off
args outcomes folder
if ` + "`\"`folder'\"' == \"\"" + ` local folder "."
file open out using "results.csv", write text replace
file write out "outcome,quantity,arm,value" _newline
`

// room writes one outcome's part of the do-file.
func (s stataOutcome) room() error {
	r, d := s.r, s.d
	for _, name := range append([]string{r.Plan.Outcome}, d.Arms...) {
		if stataWord(name) != name {
			return fmt.Errorf("%q cannot be written into a Stata program", name)
		}
	}
	s.line("\n* ---- %s", r.Plan.Outcome)
	s.line("import delimited using \"`outcomes'\", varnames(1) case(preserve) stringcols(_all) bindquote(strict) encoding(\"UTF-8\") clear")
	s.line("keep pupil %s", r.Plan.Outcome)
	s.line("rename pupil v1")
	s.line("rename %s score", r.Plan.Outcome)
	s.line("tempfile scores")
	s.line("save \"`scores'\"")
	s.load("`folder'/rows/" + r.Plan.Outcome + ".csv")
	s.line("merge 1:1 v1 using \"`scores'\", keep(master match) nogenerate")
	s.line("destring score, generate(y)")
	s.line(`replace y = . if v7 != "%s"`, trial.LostNoScore)
	code, terms := s.columns()
	say := func(quantity, arm, expression string) {
		s.line("file write out `\"%s,\"%s\",%s,\"' %%21.17g (%s) _newline", r.Plan.Outcome, quantity, arm, expression)
	}
	for _, arm := range d.Arms {
		s.line("quietly count if arm == %d", code[arm])
		say("pupils randomised", arm, "r(N)")
		s.line("quietly count if arm == %d & used", code[arm])
		say("pupils analysed", arm, "r(N)")
		s.line("quietly summarize y if arm == %d", code[arm])
		say("mean", arm, "r(mean)")
		say("sd", arm, "r(sd)")
	}
	columnOf := func(arm string) string { return fmt.Sprintf(`colnumb(T, "y:%d.arm")`, code[arm]) }
	sd := ""
	part, model, _ := strings.Cut(string(r.Plan.EffectSize), "-")
	if r.Plan.Model == "linear" {
		columnOf = func(arm string) string { return fmt.Sprintf(`colnumb(T, "%d.arm")`, code[arm]) }
		for _, m := range []struct{ name, fixed string }{{"empty", ""}, {"unconditional", "i.arm"}, {"conditional", strings.Join(append([]string{"i.arm"}, terms...), " ")}} {
			s.line("quietly regress y %s if used, vce(hc2)", m.fixed)
			s.line("scalar s_sd_%s = e(rmse)", m.name)
		}
		sd = fmt.Sprintf("scalar(s_sd_%s)", model)
	} else {
		for _, m := range []struct{ name, fixed string }{{"empty", ""}, {"unconditional", "i.arm"}, {"conditional", strings.Join(append([]string{"i.arm"}, terms...), " ")}} {
			s.line("quietly mixed y %s if used || school:, reml %s", m.fixed, dfMethods[r.Plan.DF])
			s.line("scalar s_tau2_%s = exp(2*_b[lns1_1_1:_cons])", m.name)
			s.line("scalar s_sigma2_%s = exp(2*_b[lnsig_e:_cons])", m.name)
		}
		sd = fmt.Sprintf("sqrt(scalar(s_tau2_%s) + scalar(s_sigma2_%s))", model, model)
		if part == "within" {
			sd = fmt.Sprintf("sqrt(scalar(s_sigma2_%s))", model)
		}
		say("variance, school", "", "scalar(s_tau2_conditional)")
		say("variance, residual", "", "scalar(s_sigma2_conditional)")
		say("ICC", "", "scalar(s_tau2_unconditional)/(scalar(s_tau2_unconditional) + scalar(s_sigma2_unconditional))")
	}
	s.line("matrix T = r(table)")
	if part != "total" && part != "within" { // a raw SD
		sd = ""
		s.line("* the plan divides by %s: work the effect size out by hand", stataWord(string(r.Plan.EffectSize)))
	}
	for a, arm := range d.Arms {
		if a == d.Control {
			continue
		}
		column := columnOf(arm)
		for _, x := range []struct {
			name string
			row  int
		}{{"difference", 1}, {"difference, SE", 2}, {"difference, p", 4}, {"difference, low", 5}, {"difference, high", 6}} {
			say(x.name, arm, fmt.Sprintf("T[%d, %s]", x.row, column))
		}
		if sd != "" {
			for _, x := range []struct {
				name string
				row  int
			}{{"effect size", 1}, {"effect size, low", 5}, {"effect size, high", 6}} {
				say(x.name, arm, fmt.Sprintf("T[%d, %s]/%s", x.row, column, sd))
			}
			say("effect size, SD", arm, sd)
		}
	}
	return nil
}
