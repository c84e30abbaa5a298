package attrition

import (
	"errors"
	"fmt"
	"sort"

	"evenhand/analysis"
)

// Use says of each row whether an analysis used it, and if not, why.
type Use struct {
	Used   []bool
	Reason []string // why the row was not used; "" where Used
}

// Reasons given where a Dataset gives none of its own.
const (
	ReasonUnknown          = "reason not recorded"
	ReasonCovariateMissing = "covariate missing: " // followed by the covariate's name
)

// UseOf says which rows of d an analysis set uses: those with an observed
// outcome, and for the complete-case set with every covariate observed too.
// The reason of a row without an outcome is the Dataset's own.
func UseOf(d *analysis.Dataset, set analysis.AnalysisSet) (Use, error) {
	if err := checkDataset(d); err != nil {
		return Use{}, err
	}
	if set != analysis.IntentionToTreat && set != analysis.CompleteCase {
		return Use{}, fmt.Errorf("analysis set %q is not known; use %q or %q", set, analysis.IntentionToTreat, analysis.CompleteCase)
	}
	u := Use{Used: make([]bool, len(d.Arm)), Reason: make([]string, len(d.Arm))}
	for i := range d.Arm {
		if !d.Observed[i] {
			u.Reason[i] = ReasonUnknown
			if d.Lost != nil && d.Lost[i] != "" {
				u.Reason[i] = d.Lost[i]
			}
			continue
		}
		u.Used[i] = true
		if set != analysis.CompleteCase {
			continue
		}
		for _, col := range d.Covariates {
			if col.Observed != nil && !col.Observed[i] {
				u.Used[i], u.Reason[i] = false, ReasonCovariateMissing+col.Name
				break
			}
		}
	}
	return u, nil
}

// Count counts rows used and lost at both levels, for the rows of arm (an
// index into d.Arms), or of all arms where arm is negative.
//
// A school is used if at least one of its randomised pupils is. A school that
// is not used has one reason: the commonest among its pupils, the first in
// order of spelling among equals.
func Count(d *analysis.Dataset, use Use, arm int) (analysis.Counts, error) {
	if err := checkDataset(d); err != nil {
		return analysis.Counts{}, fmt.Errorf("count rows: %w", err)
	}
	if len(use.Used) != len(d.Arm) || len(use.Reason) != len(d.Arm) {
		return analysis.Counts{}, fmt.Errorf("count rows: %d rows with %d marks of use and %d reasons: there must be one of each a row", len(d.Arm), len(use.Used), len(use.Reason))
	}
	if arm >= len(d.Arms) {
		return analysis.Counts{}, fmt.Errorf("count rows: arm %d is not one of the %d arms", arm, len(d.Arms))
	}
	var c analysis.Counts
	pupils := map[string]int{}
	type school struct {
		used    bool
		reasons map[string]int
	}
	schools := map[int]*school{}
	for i := range d.Arm {
		if arm >= 0 && d.Arm[i] != arm {
			continue
		}
		s := schools[d.Cluster[i]]
		if s == nil {
			s = &school{reasons: map[string]int{}}
			schools[d.Cluster[i]] = s
		}
		c.PupilsRandomised++
		if use.Used[i] {
			c.PupilsUsed++
			s.used = true
			continue
		}
		reason := use.Reason[i]
		if reason == "" {
			reason = ReasonUnknown
		}
		pupils[reason]++
		s.reasons[reason]++
	}
	lostSchools := map[string]int{}
	for _, s := range schools {
		c.SchoolsRandomised++
		if s.used {
			c.SchoolsUsed++
			continue
		}
		lostSchools[commonest(s.reasons)]++
	}
	c.PupilsLost, c.SchoolsLost = losses(pupils), losses(lostSchools)
	return c, CheckCounts(c)
}

// ArmsOf gives the counts of two arms as attrition wants them: schools, all
// pupils, and the pupils of schools that stayed.
type ArmsOf struct {
	SchoolsT, SchoolsC Arm
	PupilsT, PupilsC   Arm // all pupils randomised
	StayedT, StayedC   Arm // pupils randomised in schools of which at least one pupil was used
}

// Arms counts arm (an index into d.Arms) and the control arm.
func Arms(d *analysis.Dataset, use Use, arm int) (ArmsOf, error) {
	if arm < 0 || arm >= len(d.Arms) || arm == d.Control {
		return ArmsOf{}, fmt.Errorf("count arms: arm %d is not an arm other than the control arm", arm)
	}
	var out ArmsOf
	for _, side := range []struct {
		arm                     int
		schools, pupils, stayed *Arm
	}{{arm, &out.SchoolsT, &out.PupilsT, &out.StayedT}, {d.Control, &out.SchoolsC, &out.PupilsC, &out.StayedC}} {
		c, err := Count(d, use, side.arm)
		if err != nil {
			return ArmsOf{}, err
		}
		label := d.Arms[side.arm]
		*side.schools = Arm{label, c.SchoolsRandomised, c.SchoolsUsed}
		*side.pupils = Arm{label, c.PupilsRandomised, c.PupilsUsed}
		stayed := make([]bool, len(d.Clusters))
		for i, used := range use.Used {
			if used && d.Arm[i] == side.arm {
				stayed[d.Cluster[i]] = true
			}
		}
		*side.stayed = Arm{Label: label, Analysed: c.PupilsUsed}
		for i, a := range d.Arm {
			if a == side.arm && stayed[d.Cluster[i]] {
				side.stayed.Randomised++
			}
		}
	}
	return out, nil
}

// CheckCounts holds the law of conservation: at both levels, randomised = used
// + each reason, no count negative, no reason empty or said twice. A breach is
// an error wrapping ErrCounts.
func CheckCounts(c analysis.Counts) error {
	return errors.Join(
		conserve("pupils", c.PupilsRandomised, c.PupilsUsed, c.PupilsLost),
		conserve("schools", c.SchoolsRandomised, c.SchoolsUsed, c.SchoolsLost))
}

func conserve(what string, randomised, used int, lost []analysis.Loss) error {
	var faults []error
	say := func(format string, v ...any) {
		faults = append(faults, fmt.Errorf(what+": "+format+": %w", append(v, ErrCounts)...))
	}
	if randomised < 0 || used < 0 {
		say("%d randomised and %d used; a count cannot be negative", randomised, used)
	}
	sum := used
	seen := map[string]bool{}
	for _, l := range lost {
		if l.N <= 0 {
			say("%d lost for %q; a reason that is listed has at least one", l.N, l.Reason)
		}
		if l.Reason == "" {
			say("%d lost without a reason", l.N)
		}
		if seen[l.Reason] {
			say("reason %q is listed twice", l.Reason)
		}
		seen[l.Reason] = true
		sum += l.N
	}
	if sum != randomised {
		say("%d randomised, but used and lost add up to %d", randomised, sum)
	}
	return errors.Join(faults...)
}

func commonest(counts map[string]int) string {
	best, n := "", 0
	for r, k := range counts {
		if k > n || k == n && r < best {
			best, n = r, k
		}
	}
	return best
}

func losses(counts map[string]int) []analysis.Loss {
	out := make([]analysis.Loss, 0, len(counts))
	for r, n := range counts {
		out = append(out, analysis.Loss{Reason: r, N: n})
	}
	sort.Slice(out, func(i, j int) bool { return out[i].Reason < out[j].Reason })
	return out
}

func checkDataset(d *analysis.Dataset) error {
	n := len(d.Arm)
	var faults []error
	say := func(format string, v ...any) { faults = append(faults, fmt.Errorf(format, v...)) }
	if len(d.Observed) != n {
		say("%d rows with %d marks of an observed outcome", n, len(d.Observed))
	}
	if len(d.Cluster) != n {
		say("%d rows with %d schools", n, len(d.Cluster))
	}
	if d.Lost != nil && len(d.Lost) != n {
		say("%d rows with %d reasons for loss", n, len(d.Lost))
	}
	for i := range d.Arm {
		if d.Arm[i] < 0 || d.Arm[i] >= len(d.Arms) {
			say("row %d: arm %d is not one of the %d arms", i+1, d.Arm[i], len(d.Arms))
		}
		if i < len(d.Cluster) && (d.Cluster[i] < 0 || d.Cluster[i] >= len(d.Clusters)) {
			say("row %d: school %d is not one of the %d schools", i+1, d.Cluster[i], len(d.Clusters))
		}
	}
	for _, col := range d.Covariates {
		if col.Observed != nil && len(col.Observed) != n {
			say("covariate %q: %d rows with %d marks of observation", col.Name, n, len(col.Observed))
		}
	}
	return errors.Join(faults...)
}

// Group is the loss of one part of the trial: a stratum, a community, a region.
type Group struct {
	Label string            `json:"label"`
	Arms  []analysis.Counts `json:"arms"` // in the Dataset's order of arms
}

// By counts rows used and lost within parts of the trial: part gives each row's
// part as an index into labels, negative for a row in none (such as a control
// school, which is in no community). The law of conservation holds in each.
func By(d *analysis.Dataset, use Use, part []int, labels []string) ([]Group, error) {
	if err := checkDataset(d); err != nil {
		return nil, fmt.Errorf("count rows by part: %w", err)
	}
	if len(part) != len(d.Arm) || len(use.Used) != len(d.Arm) || len(use.Reason) != len(d.Arm) {
		return nil, fmt.Errorf("count rows by part: %d rows with %d parts, %d marks of use and %d reasons: there must be one of each a row", len(d.Arm), len(part), len(use.Used), len(use.Reason))
	}
	for i, p := range part {
		if p >= len(labels) {
			return nil, fmt.Errorf("count rows by part: row %d is in part %d, and there are %d", i+1, p, len(labels))
		}
	}
	out := make([]Group, len(labels))
	for g, label := range labels {
		out[g].Label = label
		sub := &analysis.Dataset{Arms: d.Arms, Clusters: d.Clusters}
		var u Use
		for i, p := range part {
			if p != g {
				continue
			}
			sub.Arm, sub.Cluster, sub.Observed = append(sub.Arm, d.Arm[i]), append(sub.Cluster, d.Cluster[i]), append(sub.Observed, d.Observed[i])
			u.Used, u.Reason = append(u.Used, use.Used[i]), append(u.Reason, use.Reason[i])
		}
		for arm := range d.Arms {
			c, err := Count(sub, u, arm)
			if err != nil {
				return nil, fmt.Errorf("part %q: %w", label, err)
			}
			out[g].Arms = append(out[g].Arms, c)
		}
	}
	return out, nil
}

// Departure is the loss of units of one arm at one time.
type Departure struct {
	When    string // sorts by spelling, as 2026-02-14 does
	Treated bool
	N       int
}

// Moment is how attrition stood after a time's departures.
type Moment struct {
	When       string     `json:"when"`
	Assessment Assessment `json:"assessment"`
	// Crossed names the lines ("cautious", "optimistic") that were low before and
	// are not any more.
	Crossed []string `json:"crossed"`
}

// Timeline follows attrition through the departures, those of one time together;
// the arms' Analysed counts at the start are ignored: everybody randomised is there.
func Timeline(treated, control Arm, departures []Departure) ([]Moment, error) {
	treated.Analysed, control.Analysed = treated.Randomised, control.Randomised
	last, err := Assess(treated, control)
	if err != nil {
		return nil, fmt.Errorf("timeline of attrition: %w", err)
	}
	sorted := append([]Departure(nil), departures...)
	sort.SliceStable(sorted, func(i, j int) bool { return sorted[i].When < sorted[j].When })
	var out []Moment
	for i := 0; i < len(sorted); {
		when := sorted[i].When
		for ; i < len(sorted) && sorted[i].When == when; i++ {
			if sorted[i].N < 0 {
				return nil, fmt.Errorf("timeline of attrition: %d units left at %s: %w", sorted[i].N, when, ErrCounts)
			}
			if sorted[i].Treated {
				treated.Analysed -= sorted[i].N
			} else {
				control.Analysed -= sorted[i].N
			}
		}
		now, err := Assess(treated, control)
		if err != nil {
			return nil, fmt.Errorf("timeline of attrition at %s: %w", when, err)
		}
		m := Moment{When: when, Assessment: now, Crossed: []string{}}
		if last.WWC.Cautious.Low && !now.WWC.Cautious.Low {
			m.Crossed = append(m.Crossed, "cautious")
		}
		if last.WWC.Optimistic.Low && !now.WWC.Optimistic.Low {
			m.Crossed = append(m.Crossed, "optimistic")
		}
		out, last = append(out, m), now
	}
	return out, nil
}
