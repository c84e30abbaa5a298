package conduct

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"

	"evenhand/analysis/describe"
	"evenhand/randomize"
	"evenhand/trial"
	"evenhand/trial/store"
)

// DrawBalance is how alike the arms are in what was known of the schools
// before the draw.
type DrawBalance struct {
	Arms   []ArmSize        `json:"arms"` // in the protocol's order
	Strata []StratumBalance `json:"strata"`
	Means  []MeanBalance    `json:"columns"`
}

// ArmSize is an arm with its schools and pupils.
type ArmSize struct {
	Arm     string `json:"arm"`
	Label   string `json:"label"`
	Control bool   `json:"control"`
	Schools int    `json:"schools"`
	Pupils  int    `json:"pupils"`
}

// StratumBalance is how many schools of a stratum each arm has.
type StratumBalance struct {
	Stratum string `json:"stratum"`
	Schools []int  `json:"schools"` // in the order of the arms
}

// MeanBalance compares a column of the schools.
type MeanBalance struct {
	Column     string       `json:"column"`
	Known      int          `json:"known"` // schools with a value; the others are left out of this line only
	Means      []float64    `json:"means"` // over the schools of each arm, in their order
	SDs        []float64    `json:"sds"`   // over the schools, n − 1
	Difference []Difference `json:"differences"`
}

// Difference is an arm's mean less the control arm's, in pooled SDs of schools.
type Difference struct {
	Arm   string  `json:"arm"`
	Value float64 `json:"value"`
}

// covariate is a number known of schools before the draw, in the roster's order.
type covariate struct {
	name  string
	value []float64
	known []bool
}

// covariates lists the numbers that are compared: pupils on the roster, the
// columns of schools that the protocol uses and the register's usual ones as
// far as they are numbers, and every school's mean at baseline.
func (t *Trial) covariates(tx *store.Tx, roster trial.Roster) ([]covariate, error) {
	at := map[string]int{}
	for i, s := range roster.Schools {
		at[s.ID] = i
	}
	n := len(roster.Schools)
	blank := func(name string) covariate {
		return covariate{name, make([]float64, n), make([]bool, n)}
	}
	var all []covariate
	if t.Protocol.Trial.Measured == "pupils" {
		c := blank("pupils on the roster")
		for i := range c.known {
			c.known[i] = true
		}
		for _, p := range roster.Pupils {
			c.value[at[p.School]]++
		}
		all = append(all, c)
	}
	names := slices.Clone(t.Protocol.NeededColumns())
	for _, usual := range []string{"pupils", "fsm"} {
		if slices.Contains(t.Protocol.AttributeNames(), usual) && !slices.Contains(names, usual) {
			names = append(names, usual)
		}
	}
	for _, name := range names {
		if name == randomize.ColumnEasting || name == randomize.ColumnNorthing {
			continue // places, not amounts
		}
		c := blank(name)
		numbers := true
		for i, s := range roster.Schools {
			if text := s.Attributes[name]; text != "" {
				x, err := trial.ParseDecimal(text)
				numbers = numbers && err == nil
				c.value[i], c.known[i] = x, true
			}
		}
		if numbers && slices.Contains(c.known, true) {
			all = append(all, c)
		}
	}
	scores, err := tx.Scores()
	if err != nil {
		return nil, err
	}
	schoolOf := map[string]string{}
	for _, p := range roster.Pupils {
		schoolOf[p.ID] = p.School
	}
	for _, s := range roster.Schools {
		schoolOf[s.ID] = s.ID
	}
	for _, o := range t.Protocol.Outcomes {
		if o.Baseline.Column == "" {
			continue
		}
		name := o.Baseline.Label
		if name == "" {
			name = o.Baseline.Column
		}
		c, count := blank(name+" (school mean)"), make([]int, n)
		for _, s := range scores {
			if i, ok := at[schoolOf[s.Person]]; ok && s.Measure == trial.BaselineOf(o.ID) && s.Missing == "" {
				c.value[i] += s.Value
				count[i]++
			}
		}
		for i, k := range count {
			if k > 0 {
				c.value[i] /= float64(k)
				c.known[i] = true
			}
		}
		all = append(all, c)
	}
	return all, nil
}

// compare gives a covariate's line for an allocation: arm holds each school's
// place among the arms.
func (t *Trial) compare(c covariate, arm []int) MeanBalance {
	k := len(t.Protocol.Arms)
	m := MeanBalance{Column: c.name, Means: make([]float64, k), SDs: make([]float64, k)}
	count := make([]int, k)
	for i, a := range arm {
		if c.known[i] {
			count[a]++
			m.Known++
			m.Means[a] += (c.value[i] - m.Means[a]) / float64(count[a])
		}
	}
	for i, a := range arm {
		if c.known[i] {
			d := c.value[i] - m.Means[a]
			m.SDs[a] += d * d
		}
	}
	for a := range m.SDs {
		if count[a] > 1 {
			m.SDs[a] = math.Sqrt(m.SDs[a] / float64(count[a]-1))
		} else {
			m.SDs[a] = 0
		}
	}
	control := t.Protocol.ControlArm()
	for a, spec := range t.Protocol.Arms {
		if a == control || control < 0 || count[a] < 2 || count[control] < 2 {
			continue
		}
		if sd := describe.PooledSD(m.SDs[a], count[a], m.SDs[control], count[control]); sd > 0 {
			m.Difference = append(m.Difference, Difference{spec.ID, (m.Means[a] - m.Means[control]) / sd})
		}
	}
	return m
}

// armsOf gives each school's place among the protocol's arms, in the roster's
// order.
func (t *Trial) armsOf(schools []trial.School, armOf func(school string) string) []int {
	place := map[string]int{}
	for i, a := range t.Protocol.Arms {
		place[a.ID] = i
	}
	arm := make([]int, len(schools))
	for i, s := range schools {
		arm[i] = place[armOf(s.ID)]
	}
	return arm
}

// errNotDrawn is said where something is to be shown of a draw that was not made.
var errNotDrawn = errors.New("no draw was made yet: `evenhand draw run` makes it")

// Balance compares the arms as they were drawn. Somebody who is to stay blind
// gets a *BlindError.
func (t *Trial) Balance(ctx context.Context) (b DrawBalance, err error) {
	err = t.read(ctx, func(tx *store.Tx) error {
		if err := t.mayKnowArms(tx); err != nil {
			return err
		}
		b, _, err = t.balance(tx)
		return err
	})
	return b, err
}

func (t *Trial) balance(tx *store.Tx) (b DrawBalance, arm []int, err error) {
	lines, err := tx.Assignments()
	if err != nil {
		return b, nil, err
	}
	if len(lines) == 0 {
		return b, nil, errNotDrawn
	}
	roster, err := t.drawnRoster(tx)
	if err != nil {
		return b, nil, err
	}
	drawn := map[string]string{}
	for _, l := range lines {
		drawn[l.School] = l.Arm
	}
	arm = t.armsOf(roster.Schools, func(id string) string { return drawn[id] })
	for _, a := range t.Protocol.Arms {
		b.Arms = append(b.Arms, ArmSize{Arm: a.ID, Label: a.Label, Control: a.Control})
	}
	strata := map[string][]int{}
	at := map[string]int{}
	for i, s := range roster.Schools {
		at[s.ID] = i
		b.Arms[arm[i]].Schools++
		name := roster.Strata[s.ID]
		if strata[name] == nil {
			strata[name] = make([]int, len(b.Arms))
		}
		strata[name][arm[i]]++
	}
	for _, p := range roster.Pupils {
		b.Arms[arm[at[p.School]]].Pupils++
	}
	for _, name := range sortedKeys(strata) {
		b.Strata = append(b.Strata, StratumBalance{name, strata[name]})
	}
	all, err := t.covariates(tx, roster)
	if err != nil {
		return b, nil, err
	}
	for _, c := range all {
		b.Means = append(b.Means, t.compare(c, arm))
	}
	return b, arm, nil
}

// BalanceRehearsal is how the differences between the arms fall over many
// rehearsals. It tells nothing of any school.
type BalanceRehearsal struct {
	Times   int             `json:"times"`
	Columns []BalanceSpread `json:"columns"`
}

// BalanceSpread is one column's difference between an arm and the control arm
// over the rehearsals, in pooled SDs of schools.
type BalanceSpread struct {
	Column   string   `json:"column"`
	Arm      string   `json:"arm"`
	Mean     float64  `json:"mean"`
	SD       float64  `json:"sd"`
	Low      float64  `json:"low"`              // 2.5 % of the rehearsals are below
	High     float64  `json:"high"`             // 2.5 % are above
	Beyond   float64  `json:"beyond_quarter"`   // share further than 0.25 from zero
	Bins     []int    `json:"bins"`             // see BinEdges
	Drawn    *float64 `json:"drawn,omitempty"`  // what the draw gave; before the draw, nothing
	AsFar    *float64 `json:"as_far,omitempty"` // share of rehearsals at least as far from zero as the draw
	measured []float64
}

// BinEdges are the inner edges of BalanceSpread.Bins: −1.0, −0.9, … 1.0. The
// first bin holds all below, the last all from 1.0.
func BinEdges() []float64 {
	edges := make([]float64, 21)
	for i := range edges {
		edges[i] = float64(i-10) / 10
	}
	return edges
}

// RehearseBalance shows how balance falls over rehearsals: before the draw from
// chance of their own, which is recorded like other rehearsals; after it from
// rehearsals seeded by the draw's chance, beside what was drawn. Only arms are
// rehearsed, since communities change none.
func (t *Trial) RehearseBalance(ctx context.Context, times int, progress func(done, of int)) (r BalanceRehearsal, err error) {
	if times < 1 || times > 1_000_000 {
		return r, errors.New("ask for 1 to 1,000,000 rehearsals")
	}
	var in balanceInput
	err = t.read(ctx, func(tx *store.Tx) error {
		in, err = t.balanceInput(tx)
		return err
	})
	if err != nil {
		return r, err
	}
	if in.drawn == nil {
		if in.waves[0].Chance, err = t.chance(); err != nil {
			return r, err
		}
	}
	// Long work, during which others may write.
	if r, err = t.rehearseBalance(ctx, in, times, progress); err != nil || in.drawn != nil {
		return r, err
	}
	return r, t.write(ctx, trial.Rehearse, func(tx *store.Tx) error { return t.logRehearsals(tx, in.locked, times) })
}

// balanceInput is what rehearsals of balance are made from.
type balanceInput struct {
	roster  trial.Roster
	locked  store.LockedRoster // before the draw
	all     []covariate
	design  randomize.Design
	waves   []randomize.Wave  // with the draw's chance; before it with none
	earlier []randomize.Drawn // drawn before these
	drawn   []int             // each school's place among the arms, as drawn; nil before the draw
}

func (t *Trial) balanceInput(tx *store.Tx) (in balanceInput, err error) {
	facts, err := t.facts(tx)
	if err != nil {
		return in, err
	}
	waves, err := drawnWaves(tx)
	if err != nil {
		return in, err
	}
	if facts.Drawn {
		if err := t.mayKnowArms(tx); err != nil {
			return in, err
		}
	}
	if err := facts.Allow(trial.Rehearse); err == nil { // the next wave's
		in.earlier = earlier(waves)
		if in.roster, in.locked, err = t.lockedRoster(tx); err != nil {
			return in, err
		}
		in.waves = []randomize.Wave{{}}
		if in.design, in.waves[0].Roster, err = parseLocked(in.locked); err != nil {
			return in, err
		}
	} else if !facts.Drawn {
		return in, err
	} else {
		in.design = waves[0].Design
		for _, w := range waves {
			in.waves = append(in.waves, randomize.Wave{Roster: w.Roster, Chance: randomize.Chance(w.Draw.Chance)})
		}
		if in.roster, err = t.drawnRoster(tx); err != nil {
			return in, err
		}
		if _, in.drawn, err = t.balance(tx); err != nil {
			return in, err
		}
	}
	in.all, err = t.covariates(tx, in.roster)
	return in, err
}

func (t *Trial) rehearseBalance(ctx context.Context, in balanceInput, times int, progress func(done, of int)) (r BalanceRehearsal, err error) {
	design := in.design
	design.Communities = nil // arms only: communities change no arm
	tally := newBalanceTally(t, in.all)
	for n := range times {
		if err := ctx.Err(); err != nil {
			return r, fmt.Errorf("%w: %w", store.ErrInterrupted, err)
		}
		armOf := map[string]string{}
		earlier := slices.Clone(in.earlier)
		for _, w := range in.waves {
			a, err := randomize.Rehearse(design, w.Roster, w.Chance, n, earlier...)
			if err != nil {
				return r, err
			}
			earlier = append(earlier, randomize.Drawn{Roster: w.Roster, Allocation: a})
			for _, line := range a.Assignments {
				armOf[line.Unit] = line.Arm
			}
		}
		tally.add(t.armsOf(in.roster.Schools, func(id string) string { return armOf[id] }))
		if progress != nil {
			progress(n+1, times)
		}
	}
	return tally.done(in.drawn)
}

// balanceTally counts how far apart the arms are over rehearsals.
type balanceTally struct {
	t       *Trial
	all     []covariate
	times   int
	spreads map[balanceKey]*BalanceSpread
	order   []balanceKey
}

type balanceKey struct{ column, arm string }

func newBalanceTally(t *Trial, all []covariate) *balanceTally {
	return &balanceTally{t: t, all: all, spreads: map[balanceKey]*BalanceSpread{}}
}

// add counts one rehearsal, of which arm is every school's place among the arms.
func (b *balanceTally) add(arm []int) {
	b.times++
	for _, c := range b.all {
		for _, d := range b.t.compare(c, arm).Difference {
			k := balanceKey{c.name, d.Arm}
			if b.spreads[k] == nil {
				b.spreads[k] = &BalanceSpread{Column: c.name, Arm: d.Arm, Bins: make([]int, len(BinEdges())+1)}
				b.order = append(b.order, k)
			}
			b.spreads[k].measured = append(b.spreads[k].measured, d.Value)
		}
	}
}

// done gives the spreads, beside the draw's where it was made (else nil).
func (b *balanceTally) done(drawn []int) (r BalanceRehearsal, err error) {
	r = BalanceRehearsal{Times: b.times, Columns: []BalanceSpread{}}
	now := map[balanceKey]float64{}
	if drawn != nil {
		for _, c := range b.all {
			for _, d := range b.t.compare(c, drawn).Difference {
				now[balanceKey{c.name, d.Arm}] = d.Value
			}
		}
	}
	for _, k := range b.order {
		s := b.spreads[k]
		if err := s.finish(); err != nil {
			return r, err
		}
		if d, ok := now[k]; ok {
			share := shareAsFar(s.measured, d)
			s.Drawn, s.AsFar = &d, &share
		}
		r.Columns = append(r.Columns, *s)
	}
	return r, nil
}

// finish works the spread out of the differences measured.
func (s *BalanceSpread) finish() (err error) {
	edges := BinEdges()
	n := float64(len(s.measured))
	for _, d := range s.measured {
		s.Mean += d / n
		if math.Abs(d) > 0.25 {
			s.Beyond += 1 / n
		}
		// The first edge above d; a value at an edge belongs to the upper bin.
		at, found := slices.BinarySearch(edges, d)
		if found {
			at++
		}
		s.Bins[at]++
	}
	if len(s.measured) > 1 {
		for _, d := range s.measured {
			s.SD += (d - s.Mean) * (d - s.Mean) / (n - 1)
		}
		s.SD = math.Sqrt(s.SD)
	}
	if s.Low, err = describe.Quantile(s.measured, nil, 0.025); err != nil {
		return err
	}
	s.High, err = describe.Quantile(s.measured, nil, 0.975)
	return err
}

// shareAsFar is the share of differences at least as far from zero as d, the
// draw itself counted among them.
func shareAsFar(all []float64, d float64) float64 {
	n := 1
	for _, x := range all {
		if math.Abs(x) >= math.Abs(d)-1e-12 {
			n++
		}
	}
	return float64(n) / float64(len(all)+1)
}

// LockedDesign is the roster in force as it is drawn from.
type LockedDesign struct {
	Version int
	Design  randomize.Design
	Roster  randomize.Roster  // of the wave that is drawn next, or was drawn last
	Earlier []randomize.Drawn // waves drawn before it

	// InWords puts the schools' own words into a sentence of the drawing rule;
	// set by DesignNow.
	InWords func(string) string
}

// LockedDesign gives it: after the commitment the one that was committed.
func (t *Trial) LockedDesign(ctx context.Context) (l LockedDesign, err error) {
	err = t.read(ctx, func(tx *store.Tx) error {
		_, locked, err := t.lockedRoster(tx)
		if err != nil {
			return err
		}
		l.Version = locked.Version
		if l.Design, l.Roster, err = parseLocked(locked); err != nil {
			return err
		}
		waves, err := drawnWaves(tx)
		if n := len(waves); n > 0 && waves[n-1].Locked.Version == locked.Version {
			waves = waves[:n-1]
		}
		l.Earlier = earlier(waves)
		return err
	})
	return l, err
}
