package permute

import (
	"testing"
	"time"

	"evenhand/analysis/internal/golden"
	"evenhand/analysis/robust"
)

// Replicates from sums equal refits of the rows.
func TestSumsAgainstRefitting(t *testing.T) {
	d := load(t)
	arm := make([]float64, len(d.y))
	for i, s := range d.school {
		arm[i] = float64(d.drawn[s])
	}
	x := [][]float64{ones(len(d.y)), arm, d.pre}
	sums, err := NewSums(d.y, x, d.school, 1)
	if err != nil {
		t.Fatal(err)
	}
	r := Resampling{What: Schools, Cluster: d.school, Replicates: 40, Seed: 2, Level: 0.9, NeedRows: true, Group: d.drawn, Statistic: sums.Coefficient}
	p, err := r.plan()
	if err != nil {
		t.Fatal(err)
	}
	for i := range 40 {
		s := p.draw(i)
		var data robust.Data
		cols := []robust.Column{{Name: "(Intercept)"}, {Name: "arm"}, {Name: "pre"}}
		for _, row := range s.Rows {
			data.Y = append(data.Y, d.y[row])
			for j := range cols {
				cols[j].Values = append(cols[j].Values, x[j][row])
			}
		}
		data.X = cols
		f, err := robust.Least(data)
		if err != nil {
			t.Fatal(err)
		}
		got, err := sums.Coefficient(s)
		if err != nil {
			t.Fatal(err)
		}
		golden.Close(t, "coefficient", got, f.Beta[1], 1e-9)
		es, err := sums.EffectSize(s)
		if err != nil {
			t.Fatal(err)
		}
		golden.Close(t, "effect size", es, f.Beta[1]/f.Sigma, 1e-9)
	}
	none := make([]int, 24)
	none[0] = 3
	if _, err := sums.Coefficient(Sample{Counts: none}); err == nil {
		t.Error("one school tells arm and intercept apart")
	}
	if _, err := sums.EffectSize(Sample{Counts: []int{1}}); err == nil {
		t.Error("a sample of other schools accepted")
	}
	for name, f := range map[string]func() error{
		"no column":    func() error { _, e := NewSums(d.y, x, d.school, 3); return e },
		"collinear":    func() error { _, e := NewSums(d.y, [][]float64{arm, arm}, d.school, 0); return e },
		"short column": func() error { _, e := NewSums(d.y, [][]float64{{1}}, d.school, 0); return e },
		"few labels":   func() error { _, e := NewSums(d.y, x, d.school[:5], 0); return e },
		"negative":     func() error { _, e := NewSums([]float64{1, 2}, [][]float64{{1, 1}}, []int{0, -1}, 0); return e },
	} {
		if f() == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	start := time.Now()
	r.Replicates, r.NeedRows, r.Statistic = 10_000, false, sums.EffectSize
	b, err := Run(r)
	if err != nil || !b.HasBCa {
		t.Fatalf("%+v, %v", b, err)
	}
	t.Logf("10,000 bootstraps of 24 schools: %v", time.Since(start))
}
