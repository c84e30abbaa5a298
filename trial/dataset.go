package trial

import (
	"fmt"
	"slices"
	"sort"
	"strconv"
	"strings"

	"evenhand/analysis"
	"evenhand/analysis/sap"
)

// Why somebody randomised has no score, where no reason came with the score
// itself.
const (
	LostSchoolWithdrew = "school withdrew from data collection"
	LostPupilWithdrew  = "pupil withdrew from data collection"
	LostNoScore        = "no score received"
)

// BaselineColumn is the name of the baseline's column in a Dataset.
const BaselineColumn = "baseline"

// Dataset joins the locked roster to the allocation and one outcome's scores:
// the one place where analysis rows are made. It has one row for everybody
// randomised, in the order of IDs, lost ones too; somebody who came after the
// lock is never among them. Arms stand in the protocol's order.
//
// Covariates holds the outcome's baseline (if it has one) under
// BaselineColumn, then the protocol's pupil columns. SchoolCovariates holds
// the strata columns, one entry a school, and where taking part is defined and
// attendance was recorded the number of sessions attended.
func (p *Protocol) Dataset(r Records, outcomeID string) (*analysis.Dataset, error) {
	outcome := p.Outcome(outcomeID)
	if outcome == nil {
		return nil, fmt.Errorf("the protocol has no outcome %q", outcomeID)
	}
	d := &analysis.Dataset{Control: p.ControlArm()}
	for _, a := range p.Arms {
		d.Arms = append(d.Arms, a.ID)
	}
	schools := slices.Clone(r.Roster.Schools)
	sort.Slice(schools, func(i, j int) bool { return schools[i].ID < schools[j].ID })
	clusterOf, armOf, stratumOf, communityOf := map[string]int{}, map[string]int{}, map[string]int{}, map[string]int{}
	d.Strata = sortedValues(r.Roster.Strata)
	communities := map[string]bool{}
	for _, s := range schools {
		got, ok := r.Allocation[s.ID]
		if !ok {
			return nil, fmt.Errorf("school %s is on the roster but not in the allocation", s.ID)
		}
		arm := slices.Index(d.Arms, got.Arm)
		if arm < 0 {
			return nil, fmt.Errorf("school %s was drawn into arm %q, which the protocol does not have", s.ID, got.Arm)
		}
		stratum, ok := slices.BinarySearch(d.Strata, r.Roster.Strata[s.ID])
		if !ok {
			return nil, fmt.Errorf("school %s has no stratum on the roster", s.ID)
		}
		clusterOf[s.ID] = len(d.Clusters)
		d.Clusters = append(d.Clusters, s.ID)
		armOf[s.ID], stratumOf[s.ID] = arm, stratum
		if got.Community > 0 {
			communities[communityName(got)] = true
		}
	}
	if len(r.Allocation) != len(schools) {
		return nil, fmt.Errorf("the allocation has %d schools, the roster %d", len(r.Allocation), len(schools))
	}
	for name := range communities {
		d.Communities = append(d.Communities, name)
	}
	sort.Strings(d.Communities)
	for _, s := range schools {
		communityOf[s.ID] = -1
		if got := r.Allocation[s.ID]; got.Community > 0 {
			communityOf[s.ID], _ = slices.BinarySearch(d.Communities, communityName(got))
		}
	}

	people := r.Roster.Pupils
	if p.Trial.Measured == "schools" {
		people = make([]Pupil, len(schools))
		for i, s := range schools {
			people[i] = Pupil{ID: s.ID, School: s.ID, Attributes: s.Attributes}
		}
	}
	people = slices.Clone(people)
	sort.Slice(people, func(i, j int) bool { return people[i].ID < people[j].ID })
	scores := map[[2]string]Score{}
	for _, s := range r.Scores {
		scores[[2]string{s.Measure, s.Person}] = s
	}
	schoolGone, pupilGone := map[string]bool{}, map[string]bool{}
	for _, w := range r.Withdrawals {
		if w.StopsData() {
			if w.Level == "school" {
				schoolGone[w.Subject] = true
			} else {
				pupilGone[w.Subject] = true
			}
		}
	}
	baseline := analysis.Column{Name: BaselineColumn}
	for _, person := range people {
		if person.Joiner {
			return nil, fmt.Errorf("pupil %s joined after the lock, and cannot be analysed as randomised", person.ID)
		}
		cluster, ok := clusterOf[person.School]
		if !ok {
			return nil, fmt.Errorf("pupil %s is in school %s, which is not on the roster", person.ID, person.School)
		}
		d.ID = append(d.ID, person.ID)
		d.Cluster = append(d.Cluster, cluster)
		d.Arm = append(d.Arm, armOf[person.School])
		d.Stratum = append(d.Stratum, stratumOf[person.School])
		d.Community = append(d.Community, communityOf[person.School])
		s, received := scores[[2]string{outcomeID, person.ID}]
		observed, lost := received && s.Missing == "", ""
		if !observed {
			s.Value = 0
			switch {
			case schoolGone[person.School]:
				lost = LostSchoolWithdrew
			case pupilGone[person.ID]:
				lost = LostPupilWithdrew
			case received:
				lost = "score missing: " + s.Missing
			default:
				lost = LostNoScore
			}
		}
		d.Outcome = append(d.Outcome, s.Value)
		d.Observed = append(d.Observed, observed)
		d.Lost = append(d.Lost, lost)
		b, ok := scores[[2]string{BaselineOf(outcomeID), person.ID}]
		ok = ok && b.Missing == ""
		if !ok {
			b.Value = 0
		}
		baseline.Values = append(baseline.Values, b.Value)
		baseline.Observed = append(baseline.Observed, ok)
	}
	if outcome.Baseline.Column != "" {
		d.Covariates = append(d.Covariates, baseline)
	}
	for _, c := range p.Plan.PupilColumns {
		column, err := pupilColumn(c, people)
		if err != nil {
			return nil, err
		}
		d.Covariates = append(d.Covariates, column)
	}
	for _, name := range p.Strata {
		values := make([]string, len(schools))
		for i, s := range schools {
			values[i] = s.Attributes[name]
		}
		d.SchoolCovariates = append(d.SchoolCovariates, factor(name, values))
	}
	if p.Delivery.Complier.Sessions > 0 && len(r.Attendance) > 0 {
		attended := p.SessionsAttended(r.Attendance, schools)
		dose := analysis.Column{Name: sap.SessionsColumn, Values: make([]float64, len(schools))}
		for i, s := range schools {
			for _, there := range attended[s.ID] {
				if there {
					dose.Values[i]++
				}
			}
		}
		d.SchoolCovariates = append(d.SchoolCovariates, dose)
	}
	return d, nil
}

// communityName tells one community from another over all arms, in an order
// that text keeps.
func communityName(a Assigned) string { return fmt.Sprintf("%s %02d", a.Arm, a.Community) }

// pupilColumn makes a Dataset's column: numbers as they are, yes and no as 1
// and 0, categories as a factor whose first level by name is the reference.
func pupilColumn(c PupilColumn, people []Pupil) (analysis.Column, error) {
	values := make([]string, len(people))
	for i, person := range people {
		values[i] = person.Attributes[c.ID]
	}
	if c.Kind == "category" {
		return factor(c.ID, values), nil
	}
	column := analysis.Column{Name: c.ID, Binary: c.Kind == "yes/no", Values: make([]float64, len(values)), Observed: make([]bool, len(values))}
	for i, v := range values {
		if v == "" {
			continue
		}
		var err error
		switch {
		case c.Kind == "number":
			column.Values[i], err = strconv.ParseFloat(v, 64)
		case strings.EqualFold(v, "yes"):
			column.Values[i] = 1
		case !strings.EqualFold(v, "no"):
			err = fmt.Errorf("it is neither yes nor no")
		}
		if err != nil {
			return column, fmt.Errorf("pupil %s, column %s: value %q: %w", people[i].ID, c.ID, v, err)
		}
		column.Observed[i] = true
	}
	return column, nil
}

// factor makes a factor of texts; "" is missing.
func factor(name string, values []string) analysis.Column {
	c := analysis.Column{Name: name, Codes: make([]int, len(values)), Observed: make([]bool, len(values))}
	seen := map[string]bool{}
	for _, v := range values {
		if v != "" && !seen[v] {
			seen[v] = true
			c.Levels = append(c.Levels, v)
		}
	}
	sort.Strings(c.Levels)
	for i, v := range values {
		if v != "" {
			c.Codes[i], _ = slices.BinarySearch(c.Levels, v)
			c.Observed[i] = true
		}
	}
	return c
}

// sortedValues gives the different values of a map, sorted by bytes.
func sortedValues(m map[string]string) []string {
	seen := map[string]bool{}
	for _, v := range m {
		seen[v] = true
	}
	all := make([]string, 0, len(seen))
	for v := range seen {
		all = append(all, v)
	}
	sort.Strings(all)
	return all
}
