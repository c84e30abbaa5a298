package attrition

import (
	"fmt"
	"strings"
	"testing"

	"evenhand/analysis"
)

// followed is a trial of four schools by hand: A and B treated, C and D
// control, five pupils each. B withdrew on 1 March with all of its pupils; one
// pupil of A on 2 May; two of C have no score.
func followed() (*analysis.Dataset, Use, Course) {
	d := &analysis.Dataset{Arms: []string{"t", "c"}, Control: 1, Clusters: []string{"A", "B", "C", "D"}, Strata: []string{"north", "south"}, Communities: []string{"t 01"}}
	var u Use
	c := Course{Stages: []string{"early", "late", "end"}}
	for s := range 4 {
		for k := range 5 {
			d.Arm, d.Cluster = append(d.Arm, s/2), append(d.Cluster, s)
			d.Stratum, d.Community = append(d.Stratum, s%2), append(d.Community, -1)
			if s < 2 {
				d.Community[len(d.Community)-1] = 0
			}
			used, when, stage, why := true, "", 0, ""
			switch {
			case s == 1:
				used, when, stage, why = false, "2015-03-01", 0, "school withdrew"
			case s == 0 && k == 0:
				used, when, stage, why = false, "2015-05-02", 1, "pupil withdrew"
			case s == 2 && k < 2:
				used, when, stage, why = false, "2016-05-09", 2, "absent"
			}
			d.Observed, d.Lost = append(d.Observed, used), append(d.Lost, why)
			u.Used, u.Reason = append(u.Used, used), append(u.Reason, why)
			c.When, c.Stage = append(c.When, when), append(c.Stage, stage)
		}
	}
	return d, u, c
}

func TestFollow(t *testing.T) {
	d, u, c := followed()
	s, err := Follow(d, u, c)
	if err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprint(s.Stages); got != "[{early [{t 1 5} {c 0 0}]} {late [{t 0 1} {c 0 0}]} {end [{t 0 0} {c 0 2}]}]" {
		t.Errorf("stages %s", got)
	}
	if p := s.Steps.Pupils; s.Steps.Schools.Overall != 0.25 || p.Arms[0].Randomised != 5 || p.Arms[0].Lost != 1 || p.Arms[1].Randomised != 10 || p.Arms[1].Lost != 2 {
		t.Errorf("steps %+v", s.Steps)
	}
	if g := s.Groups; len(g) != 1 || g[0].Arms[0].PupilsRandomised != 10 || g[0].Arms[0].PupilsUsed != 4 || g[0].Arms[1].PupilsRandomised != 0 {
		t.Errorf("communities %+v", g)
	}
	if l := Lost(s.Strata); len(l) != 2 || l[0].Label != "south" || l[1].Label != "north" {
		t.Errorf("strata %+v", l)
	}
	m := s.Timeline.Pupils
	if len(m) != 3 || m[0].When != "2015-03-01" || m[0].Assessment.Arms[0].Lost != 5 || m[2].Assessment.Arms[1].Lost != 2 || m[2].Assessment.Overall != 0.4 {
		t.Errorf("timeline %+v", m)
	}
	if m := s.Timeline.Schools; len(m) != 1 || m[0].When != "2015-03-01" || len(m[0].Crossed) != 2 {
		t.Errorf("timeline of schools %+v", m)
	}
	// A school is lost with its last pupil.
	c.When[7], c.Stage[7] = "2015-06-30", 1
	if s, err = Follow(d, u, c); err != nil || s.Timeline.Schools[0].When != "2015-06-30" || s.Stages[1].Arms[0].Schools != 1 || s.Stages[0].Arms[0].Schools != 0 {
		t.Errorf("%+v, %v", s, err)
	}
}

func TestFollowRefuses(t *testing.T) {
	d, u, c := followed()
	c.When[0] = ""
	if _, err := Follow(d, u, c); err == nil || !strings.Contains(err.Error(), "row 1 is lost, but it is not said when") {
		t.Errorf("%v", err)
	}
	d, u, c = followed()
	c.Stage = c.Stage[1:]
	if _, err := Follow(d, u, c); err == nil || !strings.Contains(err.Error(), "one of each a row") {
		t.Errorf("%v", err)
	}
	// An arm that is gone, and a trial of three arms, have no verdict but counts.
	d, u, c = followed()
	for i := range u.Used {
		if d.Arm[i] == 0 {
			u.Used[i], u.Reason[i], c.When[i] = false, "gone", "2015-01-01"
		}
	}
	if s, err := Follow(d, u, c); err != nil || s.Steps != nil || s.Stages[0].Arms[0].Schools != 1 || len(s.Strata) != 2 {
		t.Errorf("%+v, %v", s, err)
	}
}
