package main

import (
	"fmt"
	"math"
	"strconv"

	"evenhand/analysis"
	"evenhand/analysis/bayes"
	"evenhand/analysis/mixed"
)

// fitPosterior is what the draws of model bayes say.
type fitPosterior struct {
	Chains     int           `json:"chains"`
	Draws      int           `json:"draws"` // of each chain
	Seed       uint64        `json:"seed"`
	Quantities []fitQuantity `json:"quantities"`
	// Exceeds is the probability that the effect size in the total SD of the
	// model without covariates is above a threshold, arm by arm.
	Exceeds []fitExceeds `json:"exceeds"`
}

type fitQuantity struct {
	Name   string     `json:"name"`
	Mean   float64    `json:"mean"`
	SD     float64    `json:"sd"`
	Median float64    `json:"median"`
	CI     [2]float64 `json:"ci"` // equal tails
	RHat   float64    `json:"rhat"`
	Bulk   float64    `json:"ess_bulk"`
	Tail   float64    `json:"ess_tail"`
	MCSE   float64    `json:"mcse"`
}

type fitExceeds struct {
	Term        string    `json:"term"`
	Thresholds  []float64 `json:"thresholds"` // in SDs
	Probability []float64 `json:"probability"`
}

// prior is the prior that --prior-sd asks for.
func (f *fitFlags) prior() (bayes.Prior, error) {
	switch f.priorSD {
	case "":
		return bayes.Prior{}, nil
	case "flat":
		return bayes.Prior{SDScale: math.Inf(1)}, nil
	}
	scale, err := strconv.ParseFloat(f.priorSD, 64)
	if err != nil || !(scale > 0) || math.IsInf(scale, 0) {
		return bayes.Prior{}, fmt.Errorf("--prior-sd: %q is neither a positive number nor flat", f.priorSD)
	}
	return bayes.Prior{SDScale: scale}, nil
}

// bayes draws from the posterior of the mixed model. Coefficients and variances
// are posterior means, standard errors posterior SDs, intervals of equal tails.
func (r *fitRows) bayes(out *fitJSON) error {
	fit, err := mixed.New(r.data, r.mixedModel())
	if err != nil {
		return err
	}
	plain, err := mixed.New(r.data.Unconditional(), r.mixedModel())
	if err != nil {
		return err
	}
	prior, err := r.prior()
	if err != nil {
		return err
	}
	options := bayes.Options{Prior: prior, Seed: r.seed, Chains: 4, Draws: r.draws, Level: r.confidence}
	unconditional, err := bayes.Run(plain, options)
	if err != nil {
		return err
	}
	options.Unconditional = unconditional
	// The two posteriors' draws are paired, so that their streams must differ.
	options.Seed = r.seed ^ 0x9e3779b97f4a7c15
	p, err := bayes.Run(fit, options)
	if err != nil {
		return err
	}
	out.Model, out.statistic = p.Description, "–"
	out.Warnings = append(out.Warnings, p.Warnings...)
	out.groups(fit.Groups)
	for _, c := range fit.Coefficients {
		q, _ := p.Quantity(c.Name)
		out.Coefficients = append(out.Coefficients, fitCoefficient{Term: c.Name, Estimate: q.Mean, SE: q.SD, CI: [2]float64{q.Low, q.High}, DFMethod: "posterior"})
	}
	for _, v := range fit.Variances {
		name := "SD " + v.Level
		if v.Term != "" {
			name += ", " + v.Term
		}
		if draws := p.Draws(name); draws != nil { // a covariance has none of its own: its correlation is among the quantities
			mean, n := 0.0, 0
			for _, chain := range draws {
				for _, x := range chain {
					mean += x * x
					n++
				}
			}
			out.Variances = append(out.Variances, fitVariance{Level: v.Level, Term: v.Term, Value: mean / float64(n)})
		}
	}
	for _, l := range r.data.Levels {
		if q, ok := p.Quantity("ICC " + l.Name); ok {
			out.ICC = append(out.ICC, fitICC{l.Name, q.Mean, &[2]float64{q.Low, q.High}})
		}
	}
	out.Posterior = &fitPosterior{Chains: 4, Draws: r.draws, Seed: r.seed}
	for _, q := range p.Quantities {
		out.Posterior.Quantities = append(out.Posterior.Quantities, fitQuantity{q.Name, q.Mean, q.SD, q.Median, [2]float64{q.Low, q.High}, q.RHat, q.Bulk, q.Tail, q.MCSE})
	}
	thresholds := make([]float64, 21) // −0.5 to 0.5
	for i := range thresholds {
		thresholds[i] = math.Round(float64(i-10)*5) / 100
	}
	for a, arm := range r.data.Arms {
		if a == r.data.Control {
			continue
		}
		term := mixed.ArmTerm(arm, out.Control)
		for _, scale := range []analysis.Scale{analysis.ScaleTotalUnconditional, analysis.ScaleWithinUnconditional, analysis.ScaleTotalConditional, analysis.ScaleWithinConditional} {
			if q, ok := p.Quantity(bayes.EffectName(arm, scale)); ok {
				out.EffectSizes = append(out.EffectSizes, fitEffect{Term: term, Denominator: scale, Value: q.Mean, SE: some(q.SD), CI: [2]float64{q.Low, q.High}, Method: "posterior, equal tails"})
			}
		}
		// The difference over SDs that are taken as known.
		empty, err := mixed.New(r.data.Empty(), mixed.Model{})
		if err != nil {
			return err
		}
		q, _ := p.Quantity(term)
		raw, err := r.rawSDs(a)
		if err != nil {
			return err
		}
		raw[analysis.ScaleTotalEmpty] = denominator{sd: totalSD(empty)}
		raw[analysis.ScaleWithinEmpty] = denominator{sd: math.Sqrt(empty.VarianceOf(mixed.Residual))}
		for _, scale := range []analysis.Scale{analysis.ScaleTotalEmpty, analysis.ScaleWithinEmpty, analysis.ScalePooledSD, analysis.ScaleControlSD} {
			if s := raw[scale].sd; s > 0 {
				out.EffectSizes = append(out.EffectSizes, fitEffect{Term: term, Denominator: scale, SD: some(s), Value: q.Mean / s, SE: some(q.SD / s), CI: [2]float64{q.Low / s, q.High / s}, Method: "posterior, equal tails; the SD taken as known"})
			}
		}
		above, err := p.Exceeds(bayes.EffectName(arm, analysis.ScaleTotalUnconditional), thresholds)
		if err != nil {
			return err
		}
		out.Posterior.Exceeds = append(out.Posterior.Exceeds, fitExceeds{term, thresholds, above})
	}
	return nil
}

func (a *app) showPosterior(p *fitPosterior) {
	if p == nil {
		return
	}
	worst, fewest := 0.0, math.Inf(1)
	for _, q := range p.Quantities {
		worst, fewest = max(worst, q.RHat), min(fewest, q.Bulk, q.Tail)
	}
	a.say("")
	a.say("%d chains of %d draws, seed %d: largest R-hat %.4f, fewest independent draws %.0f", p.Chains, p.Draws, p.Seed, worst, fewest)
	for _, e := range p.Exceeds {
		for i, t := range e.Thresholds {
			if t >= 0 && t <= 0.3 && i%2 == 0 {
				a.say("probability that the effect size of %s is above %.1f: %.3f", e.Term, t, e.Probability[i])
			}
		}
	}
}
