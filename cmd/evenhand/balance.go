package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/big"
	"strings"

	"github.com/spf13/cobra"

	"evenhand/randomize"
	"evenhand/trial/conduct"
)

func (a *app) balanceCommand() *cobra.Command {
	var times int
	c := command("balance", "How alike the arms are in what was known before the draw",
		"After the draw: schools by stratum and arm, and for every column the arms' means over their\nschools with the difference in SDs (a love plot in signs: o is the difference, | is zero).\nWith --rehearsals, how such differences fall over many rehearsals, as a histogram. Before the draw\nonly this can be asked; no arm of a school is ever shown. Rehearsals are of the arms alone.\nThe differences are described, not tested: after a fair draw they are chance.",
		"evenhand draw balance --rehearsals 1000\nevenhand draw balance", noArgs,
		func(ctx context.Context, _ []string) error {
			if times < 0 || times > 1_000_000 {
				return usagef("--rehearsals: 1 to 1,000,000")
			}
			if times > 0 {
				return a.withTrial(ctx, true, func(t *conduct.Trial) error {
					r, err := t.RehearseBalance(ctx, times, a.progress("rehearsing"))
					if err != nil {
						return err
					}
					return a.print(struct {
						conduct.BalanceRehearsal
						Edges []float64 `json:"bin_edges"`
					}{r, conduct.BinEdges()}, func() {
						a.say("%s. None of them can become the draw.", count(r.Times, "rehearsal"))
						a.histograms(r)
					})
				})
			}
			return a.withTrial(ctx, false, func(t *conduct.Trial) error {
				b, err := t.Balance(ctx)
				if err != nil {
					if f, ferr := t.Facts(ctx); ferr == nil && !f.Drawn {
						return withHint(err, "before the draw, `evenhand draw balance --rehearsals 1000` shows what balance will be like")
					}
					return err
				}
				return a.print(b, func() { a.table(balanceRows(b)); a.say(""); a.table(strataRows(b)) })
			})
		})
	c.Flags().IntVar(&times, "rehearsals", 0, "show the distribution over so many rehearsals")
	return c
}

// balanceRows is the table of means.
func balanceRows(b conduct.DrawBalance) [][]string {
	head := []string{"column (over schools)"}
	for _, arm := range b.Arms {
		head = append(head, arm.Arm+" mean", "SD")
	}
	rows := [][]string{append(head, "difference in SDs", "-1.0     -0.5     0       0.5     1.0")}
	for _, m := range b.Means {
		row := []string{m.Column}
		for i := range b.Arms {
			row = append(row, fmt.Sprintf("%.2f", m.Means[i]), fmt.Sprintf("%.2f", m.SDs[i]))
		}
		var values []string
		for _, d := range m.Difference {
			value := fmt.Sprintf("%+.2f", d.Value)
			if len(m.Difference) > 1 {
				value = d.Arm + " " + value
			}
			values = append(values, value)
		}
		if len(values) == 0 {
			values = []string{"not computable"}
		}
		rows = append(rows, append(row, strings.Join(values, ", "), lovePlot(m.Difference)))
	}
	return rows
}

// lovePlot marks differences on a line from -1 to 1.
func lovePlot(all []conduct.Difference) string {
	const half = 18
	line := []byte(strings.Repeat(".", 2*half+1))
	line[half] = '|'
	for _, d := range all {
		at := half + int(math.Round(d.Value*half))
		line[min(max(at, 0), 2*half)] = 'o'
	}
	return string(line)
}

// strataRows is the table of schools by stratum and arm.
func strataRows(b conduct.DrawBalance) [][]string {
	head := []string{"stratum"}
	for _, arm := range b.Arms {
		head = append(head, arm.Arm)
	}
	rows := [][]string{append(head, "all")}
	line := func(name string, counts []int) {
		row, sum := []string{name}, 0
		for _, n := range counts {
			row = append(row, fmt.Sprint(n))
			sum += n
		}
		rows = append(rows, append(row, fmt.Sprint(sum)))
	}
	schools, pupils := make([]int, len(b.Arms)), make([]int, len(b.Arms))
	for i, arm := range b.Arms {
		schools[i], pupils[i] = arm.Schools, arm.Pupils
	}
	for _, s := range b.Strata {
		line(s.Stratum, s.Schools)
	}
	line("all schools", schools)
	line("pupils", pupils)
	return rows
}

// histograms draws the spreads in signs.
func (a *app) histograms(r conduct.BalanceRehearsal) {
	edges := conduct.BinEdges()
	for _, s := range r.Columns {
		a.say("\n%s: %s less control, in SDs of schools", s.Column, s.Arm)
		a.say("  19 of 20 rehearsals lie between %+.2f and %+.2f; SD %.2f; %.0f %% are further than 0.25 from zero", s.Low, s.High, s.SD, 100*s.Beyond)
		most := 0
		first, last := len(s.Bins)-1, 0
		for i, n := range s.Bins {
			most = max(most, n)
			if n > 0 {
				first, last = min(first, i), max(last, i)
			}
		}
		for i := first; i <= last; i++ {
			var label string
			switch {
			case i == 0:
				label = fmt.Sprintf("below %+.1f", edges[0])
			case i == len(edges):
				label = fmt.Sprintf("from %+.1f", edges[len(edges)-1])
			default:
				label = fmt.Sprintf("%+.1f to %+.1f", edges[i-1], edges[i])
			}
			mark := ""
			if s.Drawn != nil && inBin(*s.Drawn, i, edges) {
				mark = fmt.Sprintf("  <- the draw: %+.2f", *s.Drawn)
			}
			a.say("  %12s %6d %s%s", label, s.Bins[i], strings.Repeat("#", (s.Bins[i]*50+most-1)/max(most, 1)), mark)
		}
		if s.Drawn != nil {
			a.say("  the draw gave %+.2f; %.0f %% of rehearsals are as far from zero or further", *s.Drawn, 100**s.AsFar)
		}
	}
}

func inBin(x float64, bin int, edges []float64) bool {
	return (bin == 0 || x >= edges[bin-1]) && (bin == len(edges) || x < edges[bin])
}

func (a *app) probabilitiesCommand() *cobra.Command {
	c := command("probabilities", "Every school's exact chance of each arm, and of two schools being together",
		"Print what the locked design gives, exactly and before any chance is spent: every school's chance\nof each arm, the chance that two schools come into one arm (summarised over all pairs), and how\nmany allocations are possible. Methods without a formula say so: rehearse them instead.",
		"evenhand draw probabilities\nevenhand draw probabilities --format json", noArgs,
		a.reading(func(ctx context.Context, t *conduct.Trial) error {
			l, err := t.LockedDesign(ctx)
			if err != nil {
				return err
			}
			view, err := probabilities(l.Design, l.Roster, len(l.Earlier) > 0)
			if err != nil {
				return err
			}
			return a.print(view, func() { a.printProbabilities(view) })
		}))
	return c
}

type unitProbability struct {
	School string            `json:"school"`
	Arms   map[string]string `json:"arms"` // exact, e.g. 1/2
}

type pairsSummary struct {
	Pairs   int             `json:"pairs"`
	Least   string          `json:"least"`
	Most    string          `json:"most"`
	Mean    string          `json:"mean"`
	Values  []pairFrequency `json:"values"`
	Missing string          `json:"missing,omitempty"` // why there is no formula
}

type pairFrequency struct {
	Chance string `json:"chance"`
	Pairs  int    `json:"pairs"`
}

type probabilityView struct {
	Arms        []string          `json:"arms"`
	Schools     []unitProbability `json:"schools"`
	Missing     string            `json:"missing,omitempty"`
	Pairs       pairsSummary      `json:"pairs_in_one_arm"`
	Possible    string            `json:"possible_allocations"` // a whole number; "" where there is no formula
	WhyNotCount string            `json:"possible_missing,omitempty"`
}

// probabilities asks the design everything, of the first wave or a later one.
func probabilities(d randomize.Design, r randomize.Roster, later bool) (v probabilityView, err error) {
	var none *randomize.NoClosedFormError
	for _, arm := range d.Arms {
		v.Arms = append(v.Arms, arm.Name)
	}
	v.Schools = []unitProbability{}
	if later && d.Remembers() {
		v.Missing = fmt.Sprintf("given the schools drawn before, method %s has no formula for it: `evenhand draw rehearse` shows every school's share", d.Method)
		v.Pairs.Values, v.Pairs.Missing, v.WhyNotCount = []pairFrequency{}, v.Missing, v.Missing
		return v, nil
	}
	p, err := d.Probabilities(r)
	switch {
	case errors.As(err, &none):
		v.Missing = err.Error()
	case err != nil:
		return v, err
	default:
		for i, unit := range p.Units {
			u := unitProbability{unit, map[string]string{}}
			for k, arm := range p.Arms {
				u.Arms[arm] = p.P[i][k].RatString()
			}
			v.Schools = append(v.Schools, u)
		}
	}
	v.Pairs.Values = []pairFrequency{}
	pp, err := d.PairProbabilities(r)
	switch {
	case errors.As(err, &none):
		v.Pairs.Missing = err.Error()
	case err != nil:
		return v, err
	case len(r.Units) > 3000:
		v.Pairs.Missing = "more than 3,000 schools have too many pairs to list"
	case len(r.Units) > 1:
		v.Pairs = summarisePairs(pp, len(r.Units))
	}
	n, err := d.Count(r)
	switch {
	case errors.As(err, &none):
		v.WhyNotCount = err.Error()
	case err != nil:
		return v, err
	default:
		v.Possible = n.String()
	}
	return v, nil
}

func summarisePairs(pp *randomize.PairProbabilities, n int) pairsSummary {
	var s pairsSummary
	sum := new(big.Rat)
	var least, most *big.Rat
	found := map[string]int{}
	for i := range n {
		for j := range i {
			p := pp.Same(i, j)
			s.Pairs++
			sum.Add(sum, p)
			if least == nil || p.Cmp(least) < 0 {
				least = p
			}
			if most == nil || p.Cmp(most) > 0 {
				most = p
			}
			key := p.RatString()
			at, ok := found[key]
			if !ok {
				at = len(s.Values)
				found[key] = at
				s.Values = append(s.Values, pairFrequency{Chance: key})
			}
			s.Values[at].Pairs++
		}
	}
	s.Least, s.Most, s.Mean = least.RatString(), most.RatString(), sum.Quo(sum, big.NewRat(int64(s.Pairs), 1)).RatString()
	return s
}

func (a *app) printProbabilities(v probabilityView) {
	if v.Missing != "" {
		a.say("Every school's chance: %s", v.Missing)
	} else {
		// Schools of one chance together: mostly all of them.
		var order []string
		schools := map[string][]string{}
		for _, s := range v.Schools {
			var parts []string
			for _, arm := range v.Arms {
				parts = append(parts, arm+" "+s.Arms[arm])
			}
			key := strings.Join(parts, ", ")
			if schools[key] == nil {
				order = append(order, key)
			}
			schools[key] = append(schools[key], s.School)
		}
		for _, key := range order {
			if len(order) == 1 {
				a.say("Every one of %d schools has the chance: %s", len(v.Schools), key)
			} else {
				a.say("%s: %s", key, strings.Join(schools[key], " "))
			}
		}
	}
	if v.Pairs.Missing != "" {
		a.say("Two schools in one arm: %s", v.Pairs.Missing)
	} else {
		a.say("Two schools in one arm, over %d pairs: from %s to %s, on average %s", v.Pairs.Pairs, v.Pairs.Least, v.Pairs.Most, short(v.Pairs.Mean))
		for i, p := range v.Pairs.Values {
			if i == 8 {
				a.say("  and %d other chances (--format json lists all)", len(v.Pairs.Values)-i)
				break
			}
			a.say("  %-12s %s", p.Chance, count(p.Pairs, "pair"))
		}
	}
	if v.WhyNotCount != "" {
		a.say("Possible allocations: %s", v.WhyNotCount)
	} else {
		n, _ := new(big.Float).SetString(v.Possible)
		a.say("Possible allocations: %s (%.2g)", v.Possible, n)
	}
}

// short writes a fraction, with its decimals where it is long.
func short(rat string) string {
	r, ok := new(big.Rat).SetString(rat)
	if !ok || len(rat) < 12 {
		return rat
	}
	return r.FloatString(6)
}
