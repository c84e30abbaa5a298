package attrition

import (
	"errors"
	"fmt"
	"slices"
	"sort"

	"evenhand/analysis"
)

// Status is attrition as a trial's records stand: the two steps of the
// Clearinghouse, what may still be lost, and who was lost when and where.
// Steps, Margins and Timeline compare two arms, and are nil in a trial of more.
type Status struct {
	Steps    *Clustered       `json:"steps"`
	Margins  *LevelMargins    `json:"margins"`
	Stages   []StageLoss      `json:"stages"` // in order of time; stages without a loss too
	Strata   []Group          `json:"strata"`
	Groups   []Group          `json:"communities"`
	Timeline *LevelsTimelines `json:"timeline"`
}

// LevelMargins are the margins of schools, and of pupils in schools that
// stayed, on both lines.
type LevelMargins struct {
	Schools LineMargins `json:"schools"`
	Pupils  LineMargins `json:"pupils_in_schools_that_stayed"`
}

// LineMargins are the arms' margins, treated first.
type LineMargins struct {
	Cautious   []Margin `json:"cautious"`
	Optimistic []Margin `json:"optimistic"`
}

// BothMargins gives the margins on both lines.
func BothMargins(treated, control Arm) (LineMargins, error) {
	c, err := Margins(treated, control, true)
	if err != nil {
		return LineMargins{}, err
	}
	o, err := Margins(treated, control, false)
	return LineMargins{c, o}, err
}

// StageLoss is who was lost at one stage of a trial.
type StageLoss struct {
	Stage string     `json:"stage"`
	Arms  []LostUnit `json:"arms"` // in the Dataset's order of arms
}

// LostUnit is how many of an arm were lost.
type LostUnit struct {
	Arm     string `json:"arm"`
	Schools int    `json:"schools"`
	Pupils  int    `json:"pupils"`
}

// LevelsTimelines is how attrition grew at both levels: of schools, and of all
// pupils.
type LevelsTimelines struct {
	Schools []Moment `json:"schools"`
	Pupils  []Moment `json:"pupils"`
}

// Course says of each row of a Dataset when it was lost: the day (or another
// word that sorts by spelling), and the stage, as an index into Stages. Rows
// that are used have neither.
type Course struct {
	When   []string
	Stage  []int
	Stages []string
}

// Follow puts a Status together. A school is lost when its last pupil is.
func Follow(d *analysis.Dataset, use Use, course Course) (*Status, error) {
	n := len(d.Arm)
	if err := checkDataset(d); err != nil {
		return nil, fmt.Errorf("follow attrition: %w", err)
	}
	if len(use.Used) != n || len(course.When) != n || len(course.Stage) != n {
		return nil, fmt.Errorf("follow attrition: %d rows with %d marks of use, %d days and %d stages: there must be one of each a row", n, len(use.Used), len(course.When), len(course.Stage))
	}
	type school struct {
		arm, stage int
		when       string
		used       bool
	}
	schools := map[int]*school{}
	for i, c := range d.Cluster {
		s := schools[c]
		if s == nil {
			s = &school{arm: d.Arm[i], stage: -1}
			schools[c] = s
		}
		switch {
		case use.Used[i]:
			s.used = true
		case course.Stage[i] < 0 || course.Stage[i] >= len(course.Stages) || course.When[i] == "":
			return nil, fmt.Errorf("follow attrition: row %d is lost, but it is not said when (%q) and at which of %d stages (%d)", i+1, course.When[i], len(course.Stages), course.Stage[i])
		case s.when == "" || course.When[i] > s.when:
			s.when, s.stage = course.When[i], course.Stage[i]
		}
	}
	out := &Status{}
	for _, name := range course.Stages {
		loss := StageLoss{Stage: name}
		for _, a := range d.Arms {
			loss.Arms = append(loss.Arms, LostUnit{Arm: a})
		}
		out.Stages = append(out.Stages, loss)
	}
	var departed [2][]Departure // schools, pupils
	treated := 1 - d.Control
	for i, used := range use.Used {
		if used {
			continue
		}
		out.Stages[course.Stage[i]].Arms[d.Arm[i]].Pupils++
		departed[1] = append(departed[1], Departure{course.When[i], d.Arm[i] == treated, 1})
	}
	for _, s := range schools {
		if s.used {
			continue
		}
		out.Stages[s.stage].Arms[s.arm].Schools++
		departed[0] = append(departed[0], Departure{s.when, s.arm == treated, 1})
	}
	var err error
	if d.Stratum != nil {
		if out.Strata, err = By(d, use, d.Stratum, d.Strata); err != nil {
			return nil, err
		}
	}
	if d.Community != nil {
		if out.Groups, err = By(d, use, d.Community, d.Communities); err != nil {
			return nil, err
		}
	}
	if len(d.Arms) != 2 {
		return out, nil
	}
	of, err := Arms(d, use, treated)
	if err != nil {
		return nil, err
	}
	if of.StayedT.Randomised == 0 || of.StayedC.Randomised == 0 {
		return out, nil // an arm is gone: there is nothing to judge
	}
	steps, err := AssessClustered(of.SchoolsT, of.SchoolsC, of.StayedT, of.StayedC, false)
	if err != nil {
		return nil, err
	}
	out.Steps = &steps
	out.Margins, out.Timeline = &LevelMargins{}, &LevelsTimelines{}
	var faults [4]error
	out.Margins.Schools, faults[0] = BothMargins(of.SchoolsT, of.SchoolsC)
	out.Margins.Pupils, faults[1] = BothMargins(of.StayedT, of.StayedC)
	out.Timeline.Schools, faults[2] = Timeline(of.SchoolsT, of.SchoolsC, departed[0])
	out.Timeline.Pupils, faults[3] = Timeline(of.PupilsT, of.PupilsC, departed[1])
	return out, errors.Join(faults[:]...)
}

// Lost lists the groups that lost a pupil, those that lost the largest share
// first, by name among equals.
func Lost(groups []Group) []Group {
	share := func(g Group) (lost int, of float64) {
		all := 0
		for _, c := range g.Arms {
			lost += c.PupilsRandomised - c.PupilsUsed
			all += c.PupilsRandomised
		}
		return lost, float64(lost) / float64(max(all, 1))
	}
	out := slices.DeleteFunc(slices.Clone(groups), func(g Group) bool { lost, _ := share(g); return lost == 0 })
	sort.SliceStable(out, func(i, j int) bool {
		_, a := share(out[i])
		_, b := share(out[j])
		return a > b || a == b && out[i].Label < out[j].Label
	})
	return out
}
