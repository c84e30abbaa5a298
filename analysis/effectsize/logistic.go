package effectsize

import (
	"fmt"
	"math"

	"evenhand/analysis"
	"evenhand/analysis/mixed"
)

// OfLogistic is the effect of an arm in a logistic model by three scales: the
// log odds ratio given the school (exponentiate value and interval for the
// odds ratio), Cox's index in standard deviations, and the difference in the
// shares of pupils expected to pass.
func OfLogistic(f *mixed.Logistic, arm string, level float64) ([]analysis.Estimate, error) {
	if level == 0 {
		level = 0.95
	}
	d := f.Data()
	if d.Arm == nil {
		return nil, fmt.Errorf("effect of arm %q: the model has no arms", arm)
	}
	in, err := f.Test(mixed.ArmTerm(arm, d.Arms[d.Control]), level)
	if err != nil {
		return nil, fmt.Errorf("effect of arm %q: %w", arm, err)
	}
	m, err := f.MarginalDifference(arm, level)
	if err != nil {
		return nil, fmt.Errorf("effect of arm %q: %w", arm, err)
	}
	make1 := func(in mixed.Inference, scale analysis.Scale, method string, k float64) analysis.Estimate {
		e := analysis.Estimate{Method: f.Description + method, Scale: scale, Value: in.Estimate * k, SE: in.SE * k,
			DFMethod: string(in.Method), Statistic: in.Statistic, P: in.P,
			Interval: analysis.Interval{Low: in.Low * k, High: in.High * k, Level: level, Method: in.Method.Label()}}
		e.Estimand.Outcome, e.Estimand.Arm, e.Estimand.Against = f.Outcome, arm, d.Arms[d.Control]
		e.Counts.PupilsUsed, e.Counts.SchoolsUsed = f.N, f.Groups[0].N
		e.Warnings = f.Warnings
		return e
	}
	cox := make1(in, analysis.ScaleCox, "; log odds ratio over 1.65 (Cox's index)", 1/CoxDivisor)
	cox.SD = CoxDivisor
	return []analysis.Estimate{
		make1(in, analysis.ScaleLogOdds, "; log odds ratio given the school", 1),
		cox,
		make1(m.Difference, analysis.ScaleProportionDifference, "; shares averaged over pupils and schools, delta method", 1),
	}, nil
}

// OddsRatio is the odds ratio of a log-odds estimate, with its interval.
func OddsRatio(e analysis.Estimate) (value float64, interval analysis.Interval, err error) {
	if e.Scale != analysis.ScaleLogOdds {
		return 0, analysis.Interval{}, fmt.Errorf("odds ratio: the estimate is in %s, not in log odds", e.Scale)
	}
	iv := e.Interval
	iv.Low, iv.High = math.Exp(iv.Low), math.Exp(iv.High)
	return math.Exp(e.Value), iv, nil
}
