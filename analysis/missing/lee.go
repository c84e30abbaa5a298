package missing

import (
	"errors"
	"fmt"
	"math"
	"slices"

	"evenhand/analysis"
	"evenhand/analysis/internal/dist"
	"evenhand/analysis/permute"
)

// Lee are bounds of the effect on those who would be observed in either arm, if
// the arm can only ever keep people or only ever lose them (Lee, Review of Economic
// Studies 76(3), 2009). The arm that kept more is trimmed.
type Lee struct {
	Low     float64 `json:"low"`
	High    float64 `json:"high"`
	Naive   float64 `json:"naive"`   // difference of the observed means
	Trimmed string  `json:"trimmed"` // "treated" or "control": the arm with the smaller loss
	Share   float64 `json:"share"`   // of that arm's observed outcomes trimmed
	ShareT  float64 `json:"observed_treated"`
	ShareC  float64 `json:"observed_control"`
	SELow   float64 `json:"se_low"`  // Lee's, for independent people; too small where schools were randomised
	SEHigh  float64 `json:"se_high"` //
	// Interval is Imbens and Manski's (Econometrica 72(6), 2004) for the effect, by
	// these standard errors.
	Interval analysis.Interval `json:"interval"`
}

// arm is one arm's observed outcomes.
type arm struct {
	y     []float64
	total int
}

func (a arm) share() float64 { return float64(len(a.y)) / float64(a.total) }
func (a arm) mean() float64 {
	s := 0.0
	for _, v := range a.y {
		s += v
	}
	return s / float64(len(a.y))
}

func split(y []float64, observed, treated []bool) (t, c arm, err error) {
	if len(observed) != len(y) || len(treated) != len(y) {
		return t, c, fmt.Errorf("%d outcomes, %d marks of observation, %d arms: there must be one of each a row", len(y), len(observed), len(treated))
	}
	for i, v := range y {
		side := &c
		if treated[i] {
			side = &t
		}
		side.total++
		if !observed[i] {
			continue
		}
		if !(math.Abs(v) <= largest) {
			return t, c, fmt.Errorf("row %d: outcome %v is not a number that can be reckoned with; mark it as not observed", i+1, v)
		}
		side.y = append(side.y, v)
	}
	switch {
	case t.total == 0 || c.total == 0:
		err = errors.New("an arm has nobody in it")
	case len(t.y) == 0 || len(c.y) == 0:
		err = fmt.Errorf("an arm: %w", ErrAllMissing)
	}
	return t, c, err
}

// BoundLee gives Lee's bounds with an interval of the level given.
func BoundLee(y []float64, observed, treated []bool, level float64) (Lee, error) {
	if !(level > 0 && level < 1) {
		return Lee{}, fmt.Errorf("Lee bounds: a confidence level of %v is not between 0 and 1", level)
	}
	t, c, err := split(y, observed, treated)
	if err != nil {
		return Lee{}, fmt.Errorf("Lee bounds: %w", err)
	}
	b, err := bound(t, c)
	if err != nil {
		return Lee{}, fmt.Errorf("Lee bounds: %w", err)
	}
	crit := imbensManski((b.High-b.Low)/math.Max(b.SELow, b.SEHigh), level)
	b.Interval = analysis.Interval{Low: b.Low - crit*b.SELow, High: b.High + crit*b.SEHigh, Level: level, Method: "Imbens-Manski, Lee's standard errors (people independent)"}
	return b, nil
}

func bound(t, c arm) (Lee, error) {
	b := Lee{Naive: t.mean() - c.mean(), Trimmed: "treated", ShareT: t.share(), ShareC: c.share()}
	more, fewer := t, c
	flip := t.share() < c.share()
	if flip {
		b.Trimmed = "control"
		more, fewer = c, t
	}
	q := 1 - fewer.share()/more.share()
	b.Share = q
	if q*float64(len(more.y)) > float64(len(more.y))-1 {
		return Lee{}, fmt.Errorf("%.0f %% of the %s arm would be trimmed, which leaves nobody", 100*q, b.Trimmed)
	}
	sorted := slices.Clone(more.y)
	slices.Sort(sorted)
	upMean, upVar, upCut := trimLowest(sorted, q)
	slices.Reverse(sorted)
	lowMean, lowVar, lowCut := trimLowest(sorted, q)
	other := fewer.mean()
	otherVar := 0.0
	for _, v := range fewer.y {
		otherVar += (v - other) * (v - other) / float64(len(fewer.y))
	}
	n := float64(len(more.y))
	vq := (1 - q) * (1 - q) * ((1-more.share())/(more.share()*float64(more.total)) + (1-fewer.share())/(fewer.share()*float64(fewer.total)))
	se := func(mean, variance, cut float64) float64 {
		return math.Sqrt(variance/(n*(1-q)) + (cut-mean)*(cut-mean)*q/(n*(1-q)) + (mean-cut)*(mean-cut)/((1-q)*(1-q))*vq + otherVar/float64(len(fewer.y)))
	}
	b.Low, b.High = lowMean-other, upMean-other
	b.SELow, b.SEHigh = se(lowMean, lowVar, lowCut), se(upMean, upVar, upCut)
	if flip {
		b.Low, b.High = -b.High, -b.Low
		b.SELow, b.SEHigh = b.SEHigh, b.SELow
	}
	return b, nil
}

// trimLowest drops the share q from the front of a sorted list, weighting the value
// on the edge by what is left of it, and gives mean and variance (divisor n) of
// what stays and the value at the edge.
func trimLowest(sorted []float64, q float64) (mean, variance, cut float64) {
	n := float64(len(sorted))
	drop := q * n
	whole := int(math.Floor(drop + 1e-9))
	first := 1 - math.Max(0, drop-float64(whole)) // weight of the value on the edge
	if first > 1-1e-9 {
		first = 1
	}
	total := 0.0
	for i, v := range sorted[whole:] {
		w := 1.0
		if i == 0 {
			w = first
		}
		mean += w * v
		total += w
	}
	mean /= total
	for i, v := range sorted[whole:] {
		w := 1.0
		if i == 0 {
			w = first
		}
		variance += w * (v - mean) * (v - mean) / total
	}
	return mean, variance, sorted[whole]
}

// imbensManski solves Φ(c + width) − Φ(−c) = level, width in standard errors.
func imbensManski(width, level float64) float64 {
	low, high := 0.0, 20.0
	for range 200 {
		mid := (low + high) / 2
		if dist.NormalCDF(mid+width)-dist.NormalCDF(-mid) < level {
			low = mid
		} else {
			high = mid
		}
	}
	return (low + high) / 2
}

// ClusteredLee are Lee's bounds with standard errors from resampling whole
// schools.
type ClusteredLee struct {
	Lee            // point bounds; SELow, SEHigh and Interval by resampling schools
	Replicates int `json:"replicates"`
	Failed     int `json:"failed"`
}

// BoundLeeClustered gives Lee's bounds where schools were randomised: whole
// schools are resampled within groups (say stratum and arm; nil for within arms),
// the trimming done anew in every replicate. cluster numbers the schools from 0.
func BoundLeeClustered(y []float64, observed, treated []bool, cluster, group []int, replicates int, seed uint64, level float64) (ClusteredLee, error) {
	fail := func(err error) (ClusteredLee, error) {
		return ClusteredLee{}, fmt.Errorf("Lee bounds by schools: %w", err)
	}
	point, err := BoundLee(y, observed, treated, level)
	if err != nil {
		return fail(err)
	}
	if len(cluster) != len(y) {
		return fail(fmt.Errorf("%d schools for %d rows", len(cluster), len(y)))
	}
	if group == nil {
		for i, c := range cluster {
			for c >= len(group) {
				group = append(group, 0)
			}
			if c >= 0 && treated[i] {
				group[c] = 1
			}
		}
	}
	statistic := func(s permute.Sample, out []float64) error {
		var t, c arm
		for _, r := range s.Rows {
			side := &c
			if treated[r] {
				side = &t
			}
			side.total++
			if observed[r] {
				side.y = append(side.y, y[r])
			}
		}
		if len(t.y) == 0 || len(c.y) == 0 {
			return ErrAllMissing
		}
		b, err := bound(t, c)
		out[0], out[1] = b.Low, b.High
		return err
	}
	both, err := permute.Run(permute.Resampling{What: permute.Schools, Cluster: cluster, Group: group, Replicates: replicates, Seed: seed, Level: level, NeedRows: true, Values: 2,
		Statistic: func() func(permute.Sample, []float64) error { return statistic }})
	if err != nil {
		return fail(err)
	}
	low, high := both[0], both[1]
	out := ClusteredLee{Lee: point, Replicates: replicates, Failed: max(low.Failed, high.Failed)}
	out.SELow, out.SEHigh = low.SE, high.SE
	crit := imbensManski((out.High-out.Low)/math.Max(out.SELow, out.SEHigh), level)
	out.Interval = analysis.Interval{Low: out.Low - crit*out.SELow, High: out.High + crit*out.SEHigh, Level: level, Method: "Imbens-Manski, standard errors by resampling schools"}
	return out, nil
}
