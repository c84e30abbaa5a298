package reports_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"evenhand/analysis/sap"
	"evenhand/reports"
	"evenhand/reports/internal/sample"
)

// No template takes the annex out of a document that shows results, and no
// document shows it twice.
func TestAnnexStays(t *testing.T) {
	in := sample.Input()
	r := in.Results[0]
	r.Plan.Role = sap.Exploratory
	in.Outside = []reports.OutsideRun{{Run: 3, On: time.Date(2017, 3, 14, 0, 0, 0, 0, time.UTC), By: "ana", Exploratory: true, Why: "the referee asks for it", Results: []sap.Results{r}}}
	for _, c := range []struct {
		template string
		want     int
	}{
		{"report template: 1\nkind: Short\nsections:\n  - {heading: Effect, parts: [summary]}\n", 1},
		{"report template: 1\nkind: Short\nsections:\n  - {heading: Effect, parts: [summary]}\n  - {heading: More, parts: [annex]}\n", 1},
		{"report template: 1\nkind: Short\nsections:\n  - {heading: Who, parts: [design]}\n", 0},
	} {
		template, err := reports.ParseTemplate("t.yaml", []byte(c.template))
		if err != nil {
			t.Fatal(err)
		}
		report, err := reports.BuildFrom(in, template)
		if err != nil {
			t.Fatal(err)
		}
		n := 0
		for _, s := range report.Sections {
			for _, b := range s.Blocks {
				if b.Table != nil && b.Table.ID == "outside-runs" {
					n++
					if row := b.Table.Rows[0].Cells; !slices.ContainsFunc(row, func(c *reports.Cell) bool { return strings.Contains(c.String(), "the referee asks for it") }) {
						t.Errorf("the reason is not there: %v", row)
					}
				}
			}
		}
		if n != c.want {
			t.Errorf("%q: the annex stands there %d times, want %d", c.template, n, c.want)
		}
	}
}
