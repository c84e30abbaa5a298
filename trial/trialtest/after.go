package trialtest

import (
	"fmt"
	"math"
	"slices"

	"evenhand/trial"
)

// After is what comes in once the draw is made.
type After struct {
	Attendance  string // attendance.csv: both leaders of every school of the arm rlc at every workshop
	Withdrawals string // withdrawals.csv: of schools, then of pupils
	Outcomes    string // outcomes.csv: without the pupils whose data are no longer collected; with joiners
	Joiners     int    // pupils in Outcomes who were not listed
}

// workshops are the days of the template's sessions.
var workshops = []struct {
	id string
	on trial.Date
}{{"w1", "2014-10-14"}, {"w2", "2015-01-20"}, {"w3", "2015-04-21"}, {"w4", "2015-06-23"}, {"w5", "2015-10-13"}, {"w6", "2016-01-19"}, {"w7", "2016-04-19"}, {"w8", "2016-06-21"}}

// After makes what follows from an allocation, by school: the arms are those
// of the template, rlc and control. Schools that are not in it are not on the
// roster and send nothing. The same allocation gives the same texts; and what
// a pupil would score in an arm depends on the seed and the arm alone, whatever
// became of other schools.
func (s *Synthetic) After(allocation map[string]trial.Assigned) After {
	left := s.withdraw(allocation)
	a := After{Attendance: s.attendance(allocation, left)}
	a.Withdrawals = s.withdrawals(allocation, left)
	a.Outcomes, a.Joiners = s.outcomes(allocation, left)
	return a
}

// withdraw decides which schools leave what: a few of the arm rlc leave the
// programme or everything, a few control schools stop sending data.
func (s *Synthetic) withdraw(allocation map[string]trial.Assigned) map[string]trial.Withdrawal {
	r := stream(s.Seed, "withdrawals of schools")
	var treated, control []string
	for _, sc := range s.schools {
		switch allocation[sc.urn].Arm {
		case "rlc":
			treated = append(treated, sc.urn)
		case "control":
			control = append(control, sc.urn)
		}
	}
	shuffle(r, treated)
	shuffle(r, control)
	left := map[string]trial.Withdrawal{}
	take := func(from *[]string, share float64, what trial.WithdrawalFrom, reasons ...string) {
		n := int(math.Round(share * float64(len(*from))))
		if len(*from) > 3 {
			n = max(n, 1)
		}
		for _, urn := range (*from)[:n] {
			left[urn] = trial.Withdrawal{Level: "school", Subject: urn, From: what, On: trial.Date(day(r, "2014-11-03", "2016-03-18")), Reason: pick(r, reasons)}
		}
		*from = (*from)[n:]
	}
	take(&treated, 0.05, trial.FromProgramme, "no time", "leadership change")
	take(&treated, 0.02, trial.FromBoth, "leadership change", "other programme")
	take(&control, 0.025, trial.FromData, "no time", "other")
	return left
}

func (s *Synthetic) attendance(allocation map[string]trial.Assigned, left map[string]trial.Withdrawal) string {
	r := stream(s.Seed, "attendance")
	t := newTable("session", "school", "person", "attended")
	keen := map[string]float64{} // how often the school's leaders come
	for _, sc := range s.schools {
		keen[sc.urn] = clamp(0.86+0.13*r.normal(), 0.3, 1)
	}
	for _, w := range workshops {
		for _, sc := range s.schools {
			if allocation[sc.urn].Arm != "rlc" {
				continue
			}
			gone, ok := left[sc.urn]
			for i := range leaderRoles {
				attended := "no"
				if came := r.chance(keen[sc.urn]); came && !(ok && gone.On <= w.on) {
					attended = "yes"
				}
				t.row(w.id, sc.urn, fmt.Sprintf("%s-L%d", sc.urn, i+1), attended)
			}
		}
	}
	return t.String()
}

// objected says whether a pupil's parents had the data withheld. It must not
// depend on the allocation, so it has a stream of its own for each school.
func (s *Synthetic) objected(sc school) []bool {
	r := stream(s.Seed, "objections "+sc.urn)
	out := make([]bool, len(sc.pupils))
	for i := range out {
		out[i] = r.chance(0.004)
	}
	return out
}

func (s *Synthetic) withdrawals(allocation map[string]trial.Assigned, left map[string]trial.Withdrawal) string {
	t := newTable("level", "id", "from", "date", "reason", "note")
	var all []trial.Withdrawal
	for _, w := range left {
		all = append(all, w)
	}
	r := stream(s.Seed, "withdrawals of pupils")
	for _, sc := range s.schools {
		for i, gone := range s.objected(sc) {
			on := day(r, "2014-11-03", "2016-04-29")
			if _, there := allocation[sc.urn]; there && gone {
				all = append(all, trial.Withdrawal{Level: "pupil", Subject: sc.pupils[i].id, From: trial.FromData, On: trial.Date(on), Reason: "parent objected"})
			}
		}
	}
	slices.SortFunc(all, func(a, b trial.Withdrawal) int {
		switch {
		case a.Level != b.Level && a.Level == "school":
			return -1
		case a.Level != b.Level:
			return 1
		case a.On != b.On && a.On < b.On:
			return -1
		case a.On != b.On:
			return 1
		case a.Subject < b.Subject:
			return -1
		}
		return 1
	})
	for _, w := range all {
		t.row(w.Level, w.Subject, string(w.From), string(w.On), w.Reason, w.Note)
	}
	return t.String()
}

func (s *Synthetic) outcomes(allocation map[string]trial.Assigned, left map[string]trial.Withdrawal) (text string, joined int) {
	t := newTable("school", "pupil", "KS2_READSCORE", "KS2_READSCORE_missing", "KS2_GPSSCORE", "KS2_GPSSCORE_missing")
	n := s.joiners
	for _, sc := range s.schools {
		got, there := allocation[sc.urn]
		if gone, ok := left[sc.urn]; !there || ok && gone.StopsData() {
			continue
		}
		r := stream(s.Seed, "scores "+sc.urn)
		gained := 0.0
		if got.Arm == "rlc" {
			gained = s.Truth.Effect
		}
		gone := s.objected(sc)
		row := func(id string, latent, gps float64) {
			read, readMissing := scaled(103.4, latent+gained), ""
			other, otherMissing := scaled(104.2, gps+gained), ""
			// Weaker pupils are a little more often without a score.
			switch x := r.float(); {
			case x < 0.03:
				read, readMissing, other, otherMissing = "", "left school", "", "left school"
			case x < 0.03+0.025*normalCDF(-latent):
				read, readMissing, other, otherMissing = "", "not entered", "", "not entered"
			case x > 0.985:
				read, readMissing = "", "absent"
			case x > 0.972:
				other, otherMissing = "", "absent"
			}
			t.row(sc.urn, id, read, readMissing, other, otherMissing)
		}
		for i, p := range sc.pupils {
			if gone[i] {
				r.float()
				continue
			}
			row(p.id, p.latent, p.gps)
		}
		for range 2 {
			if r.chance(0.3) {
				n++
				joined++
				z := r.normal()
				row(fmt.Sprintf("P%06d", n), z, 0.8*z+0.6*r.normal())
			}
		}
	}
	return t.String(), joined
}

// scaled is a scaled score of 80 to 120 with a SD of 8.5.
func scaled(mean, z float64) string {
	return fmt.Sprint(int(math.Round(clamp(mean+8.5*z, 80, 120))))
}
