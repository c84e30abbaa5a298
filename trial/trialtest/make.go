package trialtest

import (
	"encoding/csv"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"evenhand/trial"
)

// Truth is what the scores were made from.
type Truth struct {
	Effect      float64 // of the programme on both outcomes, in SDs of the outcome (total)
	ICC         float64 // between-school share of the variance of an outcome, before free school meals and rounding add theirs
	Correlation float64 // of baseline and reading, at either level
	FSM         float64 // difference of pupils with free school meals, in SDs
}

// Synthetic is a trial as it comes in, up to the draw: the files' texts, in
// the order in which they are read.
type Synthetic struct {
	Seed     uint64
	N        int // schools that will be ready for the draw
	Truth    Truth
	Protocol string // the template rlc, with the target (and, where 5 to 6 cannot be had, the size of communities) set

	Schools   string // schools.csv: more than twice N, in the register's columns
	Staff     string // staff.csv: of the schools that signed
	Responses string // responses.csv: survey staff, round baseline
	Pupils    string // pupils.csv: of the schools that sent their baseline data
	Moves     string // moves.csv: the recruitment log, by day
	Leaders   string // leaders.csv: two a school

	schools []school // those listed
	joiners int      // number of the last pupil listed
}

// fate is what becomes of a school in recruitment.
type fate int

const (
	ready         fate = iota
	unfit              // listed, but no open primary school
	declinesEarly      // says no when approached
	declinesLate       // says no after showing interest
	dropsOut           // withdraws after signing
	unanswered         // too few of its teachers answer the survey
)

type school struct {
	urn, name, phase, status, kind, group, religion, trust string
	region                                                 string
	la                                                     authority
	number                                                 int // of the establishment
	east, north                                            int
	cohort, roll                                           int
	fsm                                                    float64 // share
	ks2                                                    float64
	u1, u2                                                 float64 // school effects on baseline and outcome
	fate                                                   fate
	pupils                                                 []pupil
}

type pupil struct {
	id, name, upn string
	fsm           bool
	ks1           int
	latent        float64 // reading before the programme's effect, mean 0, SD 1
	gps           float64
	missing       string // why there is no baseline
}

// Make makes the trial in which so many schools, from 20 to 2,000, get ready
// for the draw.
func Make(seed uint64, schools int) *Synthetic {
	if schools < 20 || schools > 2000 {
		panic(fmt.Sprintf("trialtest: %d schools, want 20 to 2,000", schools))
	}
	s := &Synthetic{Seed: seed, N: schools, Truth: Truth{Effect: 0.05, ICC: 0.12, Correlation: 0.7, FSM: -0.35}}
	s.protocol()
	s.list()
	s.enrol()
	s.writeSchools()
	s.writeStaff()
	s.writePupils()
	s.writeMoves()
	s.writeLeaders()
	return s
}

// protocol takes the template and sets what depends on the number of schools.
func (s *Synthetic) protocol() {
	text, err := trial.Template("rlc")
	if err != nil {
		panic(err)
	}
	set := func(old, new string) {
		if strings.Count(text, old) != 1 {
			panic(fmt.Sprintf("trialtest: the template has %d times %q", strings.Count(text, old), old))
		}
		text = strings.Replace(text, old, new, 1)
	}
	set("target: 114 schools", fmt.Sprintf("target: %d schools", s.N))
	for _, n := range []int{s.N / 2, (s.N + 1) / 2} { // schools in the arm, drawn with pooled misfits
		if communities := (n + 5) / 6; n/communities < 5 {
			set("size: 5 to 6", "size: 4 to 6")
			break
		}
	}
	s.Protocol = text
}

// list invents the schools. The schools are in the order of their URNs.
func (s *Synthetic) list() {
	r := stream(s.Seed, "schools")
	n := s.N*21/10 + 1
	urns := map[int]bool{}
	for len(urns) < n {
		urns[100000+r.below(50000)] = true
	}
	fates := make([]fate, n)
	rest := n - s.N
	at := s.N
	for _, part := range []struct {
		fate  fate
		share float64
	}{{unfit, 0.12}, {declinesLate, 0.2}, {dropsOut, 0.08}, {unanswered, 0.12}} {
		for range max(1, int(part.share*float64(rest))) {
			fates[at] = part.fate
			at++
		}
	}
	for ; at < n; at++ {
		fates[at] = declinesEarly
	}
	shuffle(r, fates)
	numbers := map[int]int{}
	trusts := map[string][]string{}
	names := map[string]bool{}
	sorted := make([]int, 0, n)
	for u := range urns {
		sorted = append(sorted, u)
	}
	slices.Sort(sorted)
	for i, urn := range sorted {
		sc := school{urn: strconv.Itoa(urn), fate: fates[i], status: "Open", phase: "Primary"}
		x := r.float()
		k := 0
		for k < len(regions)-1 && x >= regions[k].share {
			x -= regions[k].share
			k++
		}
		sc.region, sc.la = regions[k].name, pick(r, regions[k].authorities)
		numbers[sc.la.code]++
		sc.number = 2000 + numbers[sc.la.code]
		sc.east = int(1000 * (sc.la.east + sc.la.wide*0.5*clamp(r.normal(), -2, 2)))
		sc.north = int(1000 * (sc.la.north + sc.la.wide*0.5*clamp(r.normal(), -2, 2)))
		s.kind(r, &sc, trusts)
		for {
			sc.name = name(r, &sc)
			if !names[sc.name] || r.chance(0.01) { // schools of one name exist
				break
			}
		}
		names[sc.name] = true
		sc.cohort = int(math.Round(clamp(46+14*r.normal(), 14, 110)))
		sc.roll = sc.cohort*7 + r.below(15)
		sc.fsm = clamp(1/(1+math.Exp(-(-1.3+0.7*r.normal()))), 0.02, 0.75)
		c := s.Truth.Correlation
		sd := math.Sqrt(s.Truth.ICC)
		z1, z2, z3 := r.normal(), r.normal(), r.normal()
		sc.u1, sc.u2 = sd*z1, sd*(c*z1+math.Sqrt(1-c*c)*z2)
		sc.ks2 = math.Round(10*clamp(28.25+1.3*(0.6*sc.u2/sd+0.8*z3), 23, 33)) / 10
		if sc.fate == unfit {
			if r.chance(0.6) {
				sc.phase, sc.name = "Secondary", strings.NewReplacer("Primary", "High", "Junior", "High").Replace(sc.name)
			} else {
				sc.status = "Closed"
			}
		} else if r.chance(0.02) {
			sc.phase = "Middle deemed primary"
		}
		s.schools = append(s.schools, sc)
	}
}

// kind gives a school its type, religion and trust.
func (s *Synthetic) kind(r source, sc *school, trusts map[string][]string) {
	switch x := r.float(); {
	case x < 0.45:
		sc.kind, sc.group = "Community school", "Local authority maintained schools"
	case x < 0.58:
		sc.kind, sc.group, sc.religion = "Voluntary aided school", "Local authority maintained schools", "Roman Catholic"
	case x < 0.72:
		sc.kind, sc.group, sc.religion = "Voluntary controlled school", "Local authority maintained schools", "Church of England"
	default:
		sc.kind, sc.group = "Academy converter", "Academies"
		have := trusts[sc.region]
		if len(have) == 0 || r.chance(0.3) {
			have = append(have, fmt.Sprintf("%s %s", pick(r, trustFirst), pick(r, trustSecond)))
			trusts[sc.region] = have
		}
		sc.trust = pick(r, have)
	}
}

func name(r source, sc *school) string {
	place := pick(r, placeFirst) + pick(r, placeSecond)
	switch sc.religion {
	case "Roman Catholic":
		return fmt.Sprintf("%s Catholic Primary School, %s", pick(r, saints), place)
	case "Church of England":
		return fmt.Sprintf("%s %s CofE Primary School", place, pick(r, saints))
	}
	switch {
	case sc.trust != "":
		return place + " Primary Academy"
	case r.chance(0.15):
		return place + " Junior School"
	case r.chance(0.5):
		return place + " Community Primary School"
	}
	return place + " Primary School"
}

func clamp(x, low, high float64) float64 { return math.Min(math.Max(x, low), high) }

// sent says whether a school got so far as to send its baseline data.
func (f fate) sent() bool { return f == ready || f == dropsOut || f == unanswered }

// ks1Levels are the points of Key Stage 1 levels (W, 1, 2C, 2B, 2A, 3, 4) and
// the share of pupils below each next level.
var ks1Levels = []struct {
	points int
	upTo   float64
}{{3, 0.02}, {9, 0.10}, {13, 0.22}, {15, 0.45}, {17, 0.71}, {21, 0.995}, {27, 2}}

// enrol invents the pupils of the schools that sent their data.
func (s *Synthetic) enrol() {
	r := stream(s.Seed, "pupils")
	c, sd := s.Truth.Correlation, math.Sqrt(1-s.Truth.ICC)
	n := 0
	for i := range s.schools {
		sc := &s.schools[i]
		if !sc.fate.sent() {
			continue
		}
		for k := range sc.cohort {
			n++
			p := pupil{id: fmt.Sprintf("P%06d", n), fsm: r.chance(sc.fsm)}
			p.name = pick(r, firstNames) + " " + pick(r, lastNames)
			p.upn = upn(sc.la.code, sc.number, 9, k+1)
			z1, z2, z3 := r.normal(), r.normal(), r.normal()
			shift := 0.0
			if p.fsm {
				shift = s.Truth.FSM
			}
			before := sc.u1 + sd*z1 + shift
			p.latent = sc.u2 + sd*(c*z1+math.Sqrt(1-c*c)*z2) + shift
			p.gps = 0.8*p.latent + 0.6*z3
			below := normalCDF(before)
			for _, level := range ks1Levels {
				p.ks1 = level.points
				if below < level.upTo {
					break
				}
			}
			if r.chance(0.012) {
				p.missing = pick(r, []string{"absent", "unknown", "unknown"})
			}
			sc.pupils = append(sc.pupils, p)
		}
	}
	s.joiners = n
}

// upn makes a unique pupil number with its check letter.
func upn(la, establishment, year, serial int) string {
	digits := fmt.Sprintf("%03d%04d%02d%03d", la, establishment, year, serial)
	sum := 0
	for i := range digits {
		sum += (i + 2) * int(digits[i]-'0')
	}
	return string("ABCDEFGHJKLMNPQRTUVWXYZ"[sum%23]) + digits
}

// table writes a CSV text.
type table struct {
	text strings.Builder
	csv  *csv.Writer
}

func newTable(header ...string) *table {
	t := new(table)
	t.csv = csv.NewWriter(&t.text)
	t.row(header...)
	return t
}

func (t *table) row(cells ...string) {
	if err := t.csv.Write(cells); err != nil {
		panic(err) // a strings.Builder does not fail
	}
}

func (t *table) String() string {
	t.csv.Flush()
	return t.text.String()
}

func (s *Synthetic) writeSchools() {
	t := newTable("URN", "LA (code)", "LA (name)", "EstablishmentNumber", "EstablishmentName", "TypeOfEstablishment (name)", "EstablishmentTypeGroup (name)", "EstablishmentStatus (name)",
		"PhaseOfEducation (name)", "StatutoryLowAge", "StatutoryHighAge", "Gender (name)", "ReligiousCharacter (name)", "NumberOfPupils", "PercentageFSM", "Trusts (name)", "Federations (name)",
		"Postcode", "GOR (name)", "UrbanRural (name)", "Easting", "Northing", "KS2 average")
	r := stream(s.Seed, "addresses")
	for _, sc := range s.schools {
		low, high := 4, 11
		if sc.phase == "Secondary" {
			low, high = 11, 16
		}
		urban := "(England/Wales) Urban city and town"
		if sc.la.wide > 15 && r.chance(0.5) {
			urban = "(England/Wales) Rural town and fringe"
		}
		// ZZ is no postcode area: the addresses are invented.
		postcode := fmt.Sprintf("ZZ%d %d%c%c", 1+r.below(99), r.below(10), 'A'+rune(r.below(26)), 'A'+rune(r.below(26)))
		t.row(sc.urn, fmt.Sprint(sc.la.code), sc.la.name, fmt.Sprint(sc.number), sc.name, sc.kind, sc.group, sc.status,
			sc.phase, fmt.Sprint(low), fmt.Sprint(high), "Mixed", sc.religion, fmt.Sprint(sc.roll), fmt.Sprintf("%.1f", 100*sc.fsm), sc.trust, "",
			postcode, sc.region, urban, fmt.Sprint(sc.east), fmt.Sprint(sc.north), fmt.Sprintf("%.1f", sc.ks2))
	}
	s.Schools = t.String()
}

// writeStaff lists the staff of the schools that signed, and who of them
// answered the baseline survey.
func (s *Synthetic) writeStaff() {
	staff := newTable("school", "staff", "role", "years")
	answers := newTable("school", "staff", "answered")
	r := stream(s.Seed, "staff")
	for _, sc := range s.schools {
		if !sc.fate.sent() {
			continue
		}
		n := 0
		var keyStage2 []string
		var upper []bool
		var on []string
		add := func(role, years string, answered bool) {
			n++
			id := fmt.Sprintf("T%s-%02d", sc.urn, n)
			staff.row(sc.urn, id, role, years)
			if strings.ContainsAny(years, "3456") {
				keyStage2, upper = append(keyStage2, id), append(upper, strings.ContainsAny(years, "56"))
			} else if answered {
				answers.row(sc.urn, id, day(r, "2014-09-08", "2014-09-17"))
			}
		}
		add("head", "", r.chance(0.8))
		classes := []string{"1", "2", "3", "4", "5", "6"}
		if sc.cohort < 22 {
			classes = []string{"1 2", "3 4", "5 6"}
		}
		for _, years := range classes {
			add("teacher", years, r.chance(0.7))
			if sc.cohort > 34 {
				add("teacher", years, r.chance(0.7))
			}
		}
		// Of the teachers of key stage 2: those of years 5 and 6 first, then
		// as many others as there will be, three quarters of all at least;
		// where the school fails, one of year 5 or 6 has not answered.
		need := (3*len(keyStage2) + 3) / 4
		done := 0
		for i := range upper {
			if upper[i] {
				on = append(on, keyStage2[i])
				done++
			}
		}
		for i := range upper {
			if !upper[i] && (done < need || r.chance(0.6)) {
				on = append(on, keyStage2[i])
				done++
			}
		}
		if sc.fate == unanswered {
			on = on[1:]
		}
		for _, id := range on {
			answers.row(sc.urn, id, day(r, "2014-09-08", "2014-09-17"))
		}
	}
	s.Staff, s.Responses = staff.String(), answers.String()
}

// day is a day from one to another.
func day(r source, from, to trial.Date) string {
	a, _ := from.Time()
	b, _ := to.Time()
	return string(trial.DateOf(a.AddDate(0, 0, r.below(int(b.Sub(a).Hours()/24)+1))))
}

func (s *Synthetic) writePupils() {
	t := newTable("school", "pupil", "name", "upn", "KS1_READPOINTS", "KS1_READPOINTS_missing", "EVERFSM_6_P")
	for _, sc := range s.schools {
		for _, p := range sc.pupils {
			points := fmt.Sprint(p.ks1)
			if p.missing != "" {
				points = ""
			}
			fsm := "0"
			if p.fsm {
				fsm = "1"
			}
			t.row(sc.urn, p.id, p.name, p.upn, points, p.missing, fsm)
		}
	}
	s.Pupils = t.String()
}

// writeMoves writes the recruitment log by day.
func (s *Synthetic) writeMoves() {
	r := stream(s.Seed, "recruitment")
	type move struct {
		on  string
		row []string
	}
	var moves []move
	for _, sc := range s.schools {
		to := func(stage trial.Stage, on, reason, note, head, chair string) {
			moves = append(moves, move{on, []string{sc.urn, string(stage), on, reason, note, head, chair}})
		}
		if sc.fate == unfit {
			reason := "not a primary school"
			if sc.status == "Closed" {
				reason = "school closed"
			}
			to(trial.Ineligible, day(r, "2014-01-13", "2014-01-31"), reason, "", "", "")
			continue
		}
		to(trial.Approached, day(r, "2014-02-03", "2014-03-14"), "", "", "", "")
		if sc.fate == declinesEarly {
			reason := pick(r, []string{"no reply", "no reply", "no time", "no time", "cost", "other programme", "other"})
			note := ""
			if reason == "other" {
				note = "building work until the summer"
			}
			to(trial.Declined, day(r, "2014-03-24", "2014-05-16"), reason, note, "", "")
			continue
		}
		to(trial.Interested, day(r, "2014-03-24", "2014-05-09"), "", "", "", "")
		if sc.fate == declinesLate {
			to(trial.Declined, day(r, "2014-05-19", "2014-07-11"), pick(r, []string{"no time", "cost", "leadership change", "other programme"}), "", "", "")
			continue
		}
		signed := day(r, "2014-06-16", "2014-07-18")
		to(trial.Agreed, signed, "", "", day(r, "2014-05-12", "2014-06-13"), day(r, "2014-05-19", "2014-06-16"))
		to(trial.BaselineIn, day(r, "2014-09-08", "2014-09-17"), "", "", "", "")
		switch sc.fate {
		case ready:
			to(trial.Ready, day(r, "2014-09-19", "2014-09-26"), "", "", "", "")
		case dropsOut:
			to(trial.WithdrewEarly, day(r, "2014-09-18", "2014-09-26"), pick(r, []string{"leadership change", "other programme", "no time"}), "", "", "")
		case unanswered:
			to(trial.Ineligible, "2014-09-26", "survey incomplete", "a teacher of year 5 or 6 did not answer", "", "")
		}
	}
	slices.SortStableFunc(moves, func(a, b move) int { return strings.Compare(a.on, b.on) })
	t := newTable("school", "stage", "on", "reason", "note", "head", "chair of governors")
	for _, m := range moves {
		t.row(m.row...)
	}
	s.Moves = t.String()
}

// leaderRoles are the roles of the template, in the order in which leaders get
// their IDs: SCHOOL-L1, SCHOOL-L2.
var leaderRoles = []string{"senior leader", "evidence champion"}

func (s *Synthetic) writeLeaders() {
	r := stream(s.Seed, "leaders")
	t := newTable("school", "role", "name", "email", "on")
	for _, sc := range s.schools {
		if !sc.fate.sent() {
			continue
		}
		on := day(r, "2014-07-21", "2014-07-25")
		var used []string
		for _, role := range leaderRoles {
			person := ""
			for person == "" || slices.Contains(used, person) {
				person = pick(r, firstNames) + " " + pick(r, lastNames)
			}
			used = append(used, person)
			t.row(sc.urn, role, person, strings.ToLower(strings.ReplaceAll(person, " ", "."))+"@school"+sc.urn+".example", on)
		}
	}
	s.Leaders = t.String()
}
