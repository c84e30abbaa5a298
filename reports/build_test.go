package reports_test

import (
	"errors"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"evenhand/analysis/sap"
	"evenhand/reports"
	"evenhand/reports/internal/sample"
	"evenhand/trial"
)

// cell finds a cell by the row's heading and the column's title.
func cell(t *testing.T, r *reports.Report, table, row, column string) *reports.Cell {
	t.Helper()
	for _, tab := range r.Tables() {
		if tab.ID != table {
			continue
		}
		for _, line := range tab.Rows {
			for i, c := range tab.Columns {
				if line.Cells[0].String() == row && c.Title == column {
					return line.Cells[i]
				}
			}
		}
	}
	t.Fatalf("no cell %s / %s / %s", table, row, column)
	return nil
}

func build(t *testing.T, in reports.Input) *reports.Report {
	t.Helper()
	r, err := reports.Build(in)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// The cells hold the results' numbers unrounded.
func TestCellsAreUnrounded(t *testing.T) {
	in := sample.Input()
	r := build(t, in)
	e := in.Results[0].Contrasts[0].EffectSize
	for column, want := range map[string]float64{"Effect size": e.Value, "from": e.Interval.Low, "to": e.Interval.High, "p": e.P, "Pupils": 308, "Schools": 24} {
		if c := cell(t, r, "headline", "Key Stage 2 reading, scaled score", column); c.Value != want {
			t.Errorf("headline, %s: %v, want %v", column, c.Value, want)
		}
	}
	if c := cell(t, r, "attrition-rates", "Differential attrition, percentage points", "Pupils"); c.Value != 10.0/172 || c.String() != "5.8" {
		t.Errorf("differential attrition: %v, shown as %s", c.Value, c)
	}
	if c := cell(t, r, "secondary-effects", "Key Stage 2 mathematics", "Effect size"); c.Kind != reports.Absent || c.String() != "not analysed" {
		t.Errorf("an outcome without a result shows %q", c)
	}
}

// Counts that don't add up make no report.
func TestRefusesCountsThatDisagree(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*reports.Input)
		want   string
	}{
		"a pupil lost twice": {func(in *reports.Input) { in.Flow.Arms[0].Pupils.Lost[0].N++ }, "make 173"},
		"a published slip":   {func(in *reports.Input) { in.Results[0].Counts.PupilsUsed += 18 }, "the flow has 308"},
		"no clock":           {func(in *reports.Input) { in.GeneratedAt = time.Time{} }, "the time at which"},
		"two primaries":      {func(in *reports.Input) { in.Results[1].Plan.Role = sap.Primary }, "first and alone"},
		"no protocol":        {func(in *reports.Input) { in.Protocol = nil }, "no protocol"},
	} {
		in := sample.Input()
		c.change(&in)
		_, err := reports.Build(in)
		var e *reports.InputError
		if !errors.As(err, &e) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error %v, want an InputError with %q", name, err, c.want)
		}
	}
}

// text is all the report's running text.
func text(r *reports.Report) string {
	var b strings.Builder
	for _, s := range r.Sections {
		b.WriteString(s.Title + "\n")
		for _, block := range s.Blocks {
			if block.Paragraph != nil {
				for _, span := range block.Paragraph.Spans {
					b.WriteString(span.Words)
					if span.Cell != nil {
						b.WriteString(span.Cell.String())
					}
				}
				b.WriteString("\n")
			}
			if block.Gap != nil {
				b.WriteString(block.Gap.What + ": " + block.Gap.Why + "\n")
			}
		}
	}
	return b.String()
}

func TestGapsSayWhy(t *testing.T) {
	r := build(t, sample.Recruiting())
	if got := text(r); strings.Count(got, "schools have not been drawn yet") < 5 {
		t.Errorf("a trial that is recruiting should say in every section that schools were not drawn:\n%s", got)
	}
	if r.Draft == "" {
		t.Error("an interim report does not say that it is one")
	}
	in := sample.Input()
	in.Results, in.NoResults = nil, "The outcomes arrive in July."
	if got := text(build(t, in)); strings.Count(got, "The outcomes arrive in July.") < 4 {
		t.Errorf("missing results do not say why:\n%s", got)
	}
	in = sample.Input()
	in.Results[0].Attrition = nil
	if got := text(build(t, in)); !strings.Contains(got, "It compares two arms") {
		t.Error("attrition of three arms leaves no gap that says why")
	}
}

// A report that shows small counts says at its top that it is not for
// publication, where the protocol has a threshold, and only there.
func TestWorkingReportSaysSo(t *testing.T) {
	in := sample.Input()
	if r := build(t, in); !strings.Contains(r.Draft, "not for publication") || !strings.Contains(r.Draft, "under 10,") {
		t.Errorf("the working report says %q at its top", r.Draft)
	}
	p := *in.Protocol
	p.Disclosure = trial.Disclosure{Rule: "none"}
	in.Protocol = &p
	if r := build(t, in); r.Draft != "" {
		t.Errorf("without a threshold the report says %q at its top", r.Draft)
	}
	if r := build(t, sample.Stopped()); r.Draft != "" {
		t.Errorf("a report without any pupil says %q at its top", r.Draft)
	}
}

func TestStopped(t *testing.T) {
	r := build(t, sample.Stopped())
	got := text(r)
	for _, want := range []string{"stopped on 20 September 2014", "6 schools of 24 signed", "no comparison and no effect", "Of 61 schools listed"} {
		if !strings.Contains(got, want) {
			t.Errorf("the report does not say %q:\n%s", want, got)
		}
	}
	if strings.Contains(got, "Executive summary") {
		t.Error("a stopped trial has no executive summary")
	}
}

// A blinded report tells the arms' names nowhere but in the design.
func TestBlind(t *testing.T) {
	r := build(t, sample.Blind())
	for _, s := range r.Sections {
		if s.ID == "s-trial" || s.ID == "s-consort" { // they repeat the protocol
			continue
		}
		for _, block := range s.Blocks {
			if block.Table == nil {
				continue
			}
			for _, row := range block.Table.Rows {
				for _, c := range row.Cells {
					if strings.Contains(c.String(), "Business as usual") {
						t.Errorf("table %s names an arm: %s", block.Table.ID, c)
					}
				}
			}
			for _, g := range block.Table.Groups {
				if strings.Contains(g.Title, "Business as usual") {
					t.Errorf("table %s names an arm in %q", block.Table.ID, g.Title)
				}
			}
		}
	}
}

// Where schools are measured, no column and no sentence counts pupils.
func TestSchoolsMeasured(t *testing.T) {
	in := sample.Input()
	p := *in.Protocol
	p.Trial.Measured = "schools"
	in.Protocol = &p
	for i := range in.Flow.Arms {
		in.Flow.Arms[i].Pupils = trial.LevelFlow{}
	}
	in.Communities = nil
	r := build(t, in)
	for _, tab := range r.Tables() {
		for _, c := range tab.Columns {
			if c.Title == "Pupils" {
				t.Errorf("table %s has a column of pupils", tab.ID)
			}
		}
	}
	if got := text(r); strings.Contains(got, "pupils") && !strings.Contains(got, "Left the programme counts schools") {
		t.Errorf("sentences speak of pupils:\n%s", got)
	}
}

// Three arms: a column for each, no differential attrition, an effect for each
// arm but control.
func TestThreeArms(t *testing.T) {
	in := sample.Input()
	p := *in.Protocol
	p.Arms = append([]trial.Arm{{ID: "light", Label: "Light programme", Weight: 1}}, p.Arms...)
	in.Protocol = &p
	third := in.Flow.Arms[0]
	third.Arm, third.Label = "light", "Light programme"
	third.Pupils = trial.LevelFlow{Randomised: 10, Analysed: 10}
	third.Schools = trial.LevelFlow{Randomised: 2, Analysed: 2}
	in.Flow.Arms = append([]trial.ArmFlow{third}, in.Flow.Arms...)
	in.Communities = nil
	for i := range in.Results {
		r := &in.Results[i]
		r.Counts.PupilsRandomised += 10
		r.Counts.PupilsUsed += 10
		r.Counts.SchoolsRandomised += 2
		r.Counts.SchoolsUsed += 2
		c := r.Contrasts[0]
		c.Arm = "light"
		r.Contrasts = append(r.Contrasts, c)
		r.Arms = append([]sap.ArmSummary{{Arm: "light", Schools: 2, N: 10, Mean: 101, SD: 6}}, r.Arms...)
		r.Attrition = nil
	}
	r := build(t, in)
	if got := text(r); !strings.Contains(got, "Light programme") {
		t.Error("the third arm is not named")
	}
	if c := cell(t, r, "headline", "Key Stage 2 reading, scaled score: Light programme", "Effect size"); c.Kind != reports.Number {
		t.Error("no effect of the third arm")
	}
}

// The list of pictures' names has every picture of a report.
func TestPicturesAreNamed(t *testing.T) {
	for _, f := range build(t, planned()).Figures() {
		if name := strings.TrimSuffix(f.ID, "-figure"); !slices.Contains(reports.Pictures, name) {
			t.Errorf("%s is not in the list of pictures", name)
		}
	}
}

// The blind picture is made without knowing where a stratum's schools went, and
// shows sizes only.
func TestBlindDraw(t *testing.T) {
	got := reports.BlindDraw([]reports.DrawnInto{{Stratum: "London", Schools: 5}, {Schools: 3}}, []int{3, 5})
	if texts := strings.Join(got.Texts(), " | "); texts != "Stratum, schools | Arms, schools | the draw | 5 | London | 3 | all schools | 5 | arm A | 3 | arm B" {
		t.Errorf("the picture says %q", texts)
	}
	in := sample.Input()
	open, err := reports.DrawPicture(in.Protocol, in.Drawn)
	if err != nil || !strings.Contains(open.Description(), "Business as usual: 12 schools") {
		t.Errorf("%v, %q", err, open.Description())
	}
	var many []reports.DrawnInto
	for i := range 61 {
		many = append(many, reports.DrawnInto{Stratum: strconv.Itoa(i), Arm: "control", Schools: 1})
	}
	if _, err := reports.DrawPicture(in.Protocol, many); err == nil || !strings.Contains(err.Error(), "strata") {
		t.Errorf("61 strata: %v", err)
	}
}

// A trial without communities has a map of its schools by arm.
func TestMapOfArms(t *testing.T) {
	in := sample.Input()
	in.Communities = nil
	for i := range in.Elsewhere {
		in.Elsewhere[i].Arm = "control"
	}
	for _, f := range build(t, in).Figures() {
		if f.ID == "schools-figure" {
			return
		}
	}
	t.Error("there is no map of the schools")
}
