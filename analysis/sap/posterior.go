package sap

import (
	"errors"
	"fmt"
	"math"

	"evenhand/analysis"
	"evenhand/analysis/bayes"
	"evenhand/analysis/mixed"
)

// Posterior is what is believed of the effect after the data, under weak
// priors, by the model of the plan.
type Posterior struct {
	Role     string             `json:"role"`  // sensitivity, or exploratory
	Model    string             `json:"model"` // with its priors
	Chains   int                `json:"chains"`
	Draws    int                `json:"draws"` // of each chain
	Seed     uint64             `json:"seed"`
	Arms     []PosteriorArm     `json:"arms"`
	Warnings []analysis.Warning `json:"warnings"`
}

// PosteriorArm is one arm's effect size: its difference over the SD of the
// plan's effect size, taken as known.
type PosteriorArm struct {
	Arm      string              `json:"arm"`
	Against  string              `json:"against"`
	SD       float64             `json:"sd"`   // of the outcome, that the difference is divided by
	Mean     float64             `json:"mean"` // of the posterior
	Spread   float64             `json:"spread"`
	Interval analysis.Interval   `json:"interval"` // of equal tails
	RHat     float64             `json:"rhat"`
	Bulk     float64             `json:"ess_bulk"`
	Tail     float64             `json:"ess_tail"`
	Exceeds  []ExceedProbability `json:"exceeds"` // by rising Above
}

// ExceedProbability is the probability that the effect size is above a value.
type ExceedProbability struct {
	Above       float64 `json:"above"`
	Probability float64 `json:"probability"`
}

// The chains of a plan's posterior.
const posteriorChains, posteriorDraws = 4, 1000

// posterior draws from the posterior of the plan's model.
func (r *Results) posterior(d *analysis.Dataset) error {
	if r.Plan.Model == LinearModel {
		return errPupils
	}
	fit, _, err := r.fit(d)
	if err != nil {
		return err
	}
	p, err := bayes.Run(fit, bayes.Options{Seed: r.seed(), Chains: posteriorChains, Draws: posteriorDraws, Level: r.Plan.Level})
	if err != nil {
		return err
	}
	out := &Posterior{Model: p.Description, Chains: posteriorChains, Draws: posteriorDraws, Seed: r.seed(), Warnings: append([]analysis.Warning{}, p.Warnings...)}
	for _, c := range r.Contrasts {
		sd := c.EffectSize.SD
		if !(sd > 0) {
			return errors.New("the plan's effect size has no SD to divide by")
		}
		name := mixed.ArmTerm(c.Arm, c.Against)
		q, ok := p.Quantity(name)
		if !ok {
			return fmt.Errorf("the posterior has no difference of arm %q", c.Arm)
		}
		a := PosteriorArm{Arm: c.Arm, Against: c.Against, SD: sd, Mean: q.Mean / sd, Spread: q.SD / sd, RHat: q.RHat, Bulk: q.Bulk, Tail: q.Tail,
			Interval: analysis.Interval{Low: q.Low / sd, High: q.High / sd, Level: q.Level, Method: "posterior, equal tails"}}
		above := thresholds(a.Mean, a.Spread)
		inUnits := make([]float64, len(above))
		for i, x := range above {
			inUnits[i] = x * sd
		}
		share, err := p.Exceeds(name, inUnits)
		if err != nil {
			return err
		}
		for i, x := range above {
			a.Exceeds = append(a.Exceeds, ExceedProbability{x, share[i]})
		}
		out.Arms = append(out.Arms, a)
	}
	r.Posterior = out
	return nil
}

// thresholds are effect sizes in steps of 0.025, or wider ones of that kind,
// from where the posterior begins to where it ends, 0 always among them.
func thresholds(mean, spread float64) (all []float64) {
	step := 1.0 // fortieths
	for (math.Abs(mean)+8*spread)*40/step > 300 {
		step *= 2
	}
	low := math.Floor(math.Min(-0.1, mean-4*spread) * 40 / step)
	high := math.Ceil(math.Max(0.3, mean+4*spread) * 40 / step)
	for k := low; k <= high; k++ {
		all = append(all, k*step/40)
	}
	return all
}
