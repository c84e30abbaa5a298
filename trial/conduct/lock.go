package conduct

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sort"
	"strings"

	"evenhand/randomize"
	"evenhand/trial"
	"evenhand/trial/store"
)

// Check is one line of the checklist before the lock: evidence where it is
// good, names where it is not.
type Check struct {
	Name     string   `json:"name"`
	OK       bool     `json:"ok"`
	Evidence string   `json:"evidence"`
	Names    []string `json:"names"` // who or what is in the way
}

// LockError says which checks keep the roster from being locked.
type LockError struct{ Checks []Check }

func (e *LockError) Error() string {
	var failed []string
	for _, c := range e.Checks {
		if !c.OK {
			failed = append(failed, c.Name+": "+c.Evidence)
		}
	}
	return "the roster cannot be locked: " + strings.Join(failed, "; ")
}

// Lock is a locked roster as shown: the checks it passed and its digests.
type Lock struct {
	Version      int     `json:"version"`
	Wave         int     `json:"wave"` // 1, 2, …
	Protocol     int     `json:"protocol"`
	Schools      int     `json:"schools"`
	Pupils       int     `json:"pupils"`
	DesignDigest string  `json:"design_digest"`
	RosterDigest string  `json:"roster_digest"`
	PupilsDigest string  `json:"pupils_digest"`
	Checks       []Check `json:"checks"`
	DesignText   string  `json:"-"`
	RosterText   string  `json:"-"`
}

// candidate is a roster that could be locked: its texts and its checks.
type candidate struct {
	wave       int // 1, 2, …
	design     randomize.Design
	roster     randomize.Roster
	pupilsText string
	schools    []trial.School
	pupils     int
	checks     []Check
}

// Units turns schools into the roster that would be drawn from, with the
// minutes between them where the protocol names a file of those.
func (t *Trial) Units(schools []trial.School) (randomize.Roster, error) { return t.units(schools, nil) }

// units is Units for schools that come after the waves drawn.
func (t *Trial) units(schools []trial.School, earlier []trial.WaveSchools) (randomize.Roster, error) {
	var minutes trial.Minutes
	if file := t.Protocol.MinutesFile(); file != "" {
		if t.Who.Minutes == nil {
			return randomize.Roster{}, fmt.Errorf("the protocol names the file of minutes %s, and no files can be read here", file)
		}
		var err error
		if minutes, err = t.Who.Minutes(file); err != nil {
			return randomize.Roster{}, err
		}
	}
	return t.Protocol.Units(schools, minutes, earlier...)
}

// undrawn parts the schools: those that are ready for the next wave, at the
// stage "ready" and drawn in no wave; and those of each wave drawn.
func undrawn(schools []trial.School, waves []DrawnWave) (ready []trial.School, drawn []trial.WaveSchools) {
	in := map[string]int{}
	for i, w := range waves {
		drawn = append(drawn, trial.WaveSchools{Roster: w.Roster})
		for _, u := range w.Roster.Units {
			in[u.ID] = i
		}
	}
	for _, s := range schools {
		if i, ok := in[s.ID]; ok {
			drawn[i].Schools = append(drawn[i].Schools, s)
		} else if s.Stage == trial.Ready {
			ready = append(ready, s)
		}
	}
	return ready, drawn
}

// Checklist says whether the roster could be locked now.
func (t *Trial) Checklist(ctx context.Context) (checks []Check, err error) {
	err = t.read(ctx, func(tx *store.Tx) error {
		c, err := t.candidate(tx)
		if err == nil {
			checks = c.checks
		}
		return err
	})
	return checks, err
}

// LockRoster runs the checklist and freezes the texts of design and roster.
// Until the draw is committed it may be done again, as a new version; the old
// one stays.
//
// Where schools come in waves it locks those of the next one, by themselves.
// wave is the one that the caller means, 0 for whichever it is.
func (t *Trial) LockRoster(ctx context.Context, wave int) (lock Lock, err error) {
	err = t.write(ctx, trial.LockRoster, func(tx *store.Tx) error {
		c, err := t.candidate(tx)
		if err != nil {
			return err
		}
		if wave != 0 && wave != c.wave {
			return fmt.Errorf("the roster to be locked is that of wave %d, not of wave %d: nothing was changed", c.wave, wave)
		}
		for _, check := range c.checks {
			if !check.OK {
				return &LockError{c.checks}
			}
		}
		rosters, err := tx.Rosters()
		if err != nil {
			return err
		}
		lock = Lock{
			Version: len(rosters) + 1, Wave: c.wave, Protocol: t.Version, Schools: len(c.roster.Units), Pupils: c.pupils, Checks: c.checks,
			DesignText: string(c.design.Text()), RosterText: string(c.roster.Text()),
			DesignDigest: randomize.Digest(c.design.Text()), RosterDigest: randomize.Digest(c.roster.Text()), PupilsDigest: trial.DigestOf(c.pupilsText),
		}
		at := t.at()
		err = tx.SaveRoster(store.LockedRoster{Version: lock.Version, Protocol: t.Version, DesignText: lock.DesignText, RosterText: lock.RosterText, PupilsText: c.pupilsText, At: at, Actor: t.Who.Actor})
		if err != nil {
			return fmt.Errorf("lock the roster: %w", err)
		}
		return t.log(tx, at, "roster lock", fmt.Sprintf("roster version %d", lock.Version), nil, struct {
			Protocol int    `json:"protocol"`
			Schools  int    `json:"schools"`
			Pupils   int    `json:"pupils"`
			Design   string `json:"design"`
			Roster   string `json:"roster"`
			List     string `json:"pupil_list"`
			Wave     int    `json:"wave,omitempty"` // 2, 3, …
		}{t.Version, lock.Schools, lock.Pupils, lock.DesignDigest, lock.RosterDigest, lock.PupilsDigest, laterWave(lock.Wave)}, "")
	})
	return lock, err
}

// candidate works out what would be locked now, and what is in the way.
func (t *Trial) candidate(tx *store.Tx) (candidate, error) {
	var c candidate
	views, err := t.schools(tx)
	if err != nil {
		return c, err
	}
	pupils, err := tx.Pupils()
	if err != nil {
		return c, err
	}
	scores, err := tx.Scores()
	if err != nil {
		return c, err
	}
	waves, err := drawnWaves(tx)
	if err != nil {
		return c, err
	}
	c.wave = len(waves) + 1
	all := make([]trial.School, len(views))
	for i, v := range views {
		all[i] = v.School
	}
	var before []trial.WaveSchools
	c.schools, before = undrawn(all, waves)
	drawn := 0
	for _, w := range before {
		drawn += len(w.Schools)
	}
	var ready []SchoolView
	for _, v := range views {
		if slices.ContainsFunc(c.schools, func(s trial.School) bool { return s.ID == v.School.ID }) {
			ready = append(ready, v)
		}
	}
	check := func(name, good string, bad []string, badly string) {
		if len(bad) == 0 {
			c.checks = append(c.checks, Check{Name: name, OK: true, Evidence: good, Names: []string{}})
			return
		}
		c.checks = append(c.checks, Check{Name: name, Evidence: badly, Names: bad})
	}
	plural := func(n int) string { return fmt.Sprintf("%d schools", n) }

	var none []string
	if len(ready) == 0 {
		none = []string{"no school is at the stage \"ready\""}
	}
	recruited := fmt.Sprintf("%s are ready, %d were wanted", plural(len(ready)), t.Protocol.Recruitment.Target)
	if c.wave > 1 {
		recruited = fmt.Sprintf("wave %d: %s are ready, %d were drawn before, %d were wanted", c.wave, plural(len(ready)), drawn, t.Protocol.Recruitment.Target)
	}
	check("recruited", recruited, none, "there is nothing to draw")

	var ineligible []string
	rules := len(t.Protocol.Recruitment.Eligible)
	for _, v := range ready {
		for _, f := range v.Findings {
			if !f.OK {
				ineligible = append(ineligible, fmt.Sprintf("%s: rule %q: %s", v.School.ID, f.Rule.Text, f.Evidence))
			}
		}
	}
	check("eligible", fmt.Sprintf("%d rules hold for each of %s", rules, plural(len(ready))), ineligible, "schools that are ready do not keep a rule")

	var incomplete []string
	for _, v := range ready {
		for _, role := range t.Protocol.Recruitment.Agreement {
			if !slices.ContainsFunc(v.School.Signatures, func(g trial.Signature) bool { return g.Role == role }) {
				incomplete = append(incomplete, fmt.Sprintf("%s: agreement not signed by the %s", v.School.ID, role))
			}
		}
		for _, fault := range t.Protocol.LeaderFaults(v.School) {
			incomplete = append(incomplete, v.School.ID+": "+fault)
		}
	}
	check("complete", "every agreement is signed and every leader named", incomplete, "agreements or leaders are missing")

	byName := map[string][]string{}
	for _, v := range ready {
		name := strings.ToLower(strings.Join(strings.Fields(v.School.Name), " "))
		byName[name] = append(byName[name], v.School.ID)
	}
	var twice []string
	for _, name := range sortedKeys(byName) {
		if ids := byName[name]; len(ids) > 1 {
			twice = append(twice, fmt.Sprintf("%q: %s", name, strings.Join(ids, ", ")))
		}
	}
	// Two schools may really share a name (and many do): said, not refused.
	unique := "every ID occurs once"
	if len(twice) > 0 {
		unique = fmt.Sprintf("every ID occurs once; schools of the same name, each kept as its own: %s", strings.Join(twice, "; "))
	}
	check("unique", unique, nil, "")

	var unstratified []string
	for _, v := range ready {
		for _, column := range v.Missing {
			unstratified = append(unstratified, fmt.Sprintf("%s: no value of %s", v.School.ID, column))
		}
	}
	check("strata", fmt.Sprintf("every school has its values of: %s", orNone(t.Protocol.Strata)), unstratified, "a school without a stratum cannot be drawn within one")

	c.pupilsText, c.pupils = pupilsText(pupils, c.schools)
	evidence, faults := t.baseline(ready, c.pupils, pupils, scores)
	check("baseline", evidence, faults, "the baseline must be finished before anybody can know an arm")

	c.design, err = t.Protocol.Design()
	if err != nil {
		return c, err
	}
	var infeasible []string
	feasible := "the design can be drawn on this roster, communities too, however chance falls"
	if len(unstratified) == 0 && len(ready) > 0 {
		c.roster, err = t.units(c.schools, before)
		if err != nil {
			infeasible = strings.Split(err.Error(), "\n")
		} else {
			infeasible = infeasibilities(c.design, c.roster, earlier(waves))
			for i, x := range infeasible {
				infeasible[i] = t.Protocol.InWords(x, c.roster, c.schools)
			}
			matched, err := t.Protocol.Matching(c.roster)
			if err != nil {
				return c, err
			}
			if matched != "" {
				feasible += "; matched: " + matched
			}
			for _, w := range randomize.Warnings(c.design, c.roster) {
				feasible += "; to be known: " + t.Protocol.InWords(w, c.roster, c.schools)
			}
		}
	}
	check("feasible", feasible, infeasible, "the design cannot be drawn on this roster")

	if len(infeasible) == 0 && len(c.roster.Units) > 0 {
		evidence, err := chances(c.design, c.roster, c.wave)
		if err != nil {
			return c, err
		}
		check("chances", evidence, nil, "")
	}
	return c, nil
}

// infeasibilities lists what keeps a design from being drawn on a roster, or
// leaves too little of it to chance. No chance of the draw is spent on it.
func infeasibilities(d randomize.Design, r randomize.Roster, earlier []randomize.Drawn) []string {
	var list []string
	add := func(err error) {
		var invalid *randomize.InvalidError
		switch {
		case err == nil:
		case errors.As(err, &invalid):
			for _, f := range invalid.Faults {
				list = append(list, f.String())
			}
		default:
			list = append(list, err.Error())
		}
	}
	if add(randomize.Check(d, r)); len(list) > 0 {
		return list
	}
	if d.Method == randomize.Constrained {
		_, err := randomize.Gate(d, r)
		add(err)
	}
	for _, c := range d.Communities {
		if !c.Plain() {
			// Check holds for any arms; here the arms of some rehearsals, from a
			// chance that no draw can have, are put into communities.
			_, err := randomize.RehearseCommunities(d, r, randomize.Chance(trial.DigestOf(string(d.Text())+string(r.Text()))), 20, earlier...)
			add(err)
			break
		}
	}
	return list
}

func orNone(names []string) string {
	if len(names) == 0 {
		return "(no strata: one draw over all schools)"
	}
	return strings.Join(names, ", ")
}

// baseline lists ready schools without pupils or without any baseline score.
func (t *Trial) baseline(ready []SchoolView, listed int, pupils []trial.Pupil, scores []trial.Score) (evidence string, faults []string) {
	measures := []string{}
	for _, o := range t.Protocol.Outcomes {
		if o.Baseline.Column != "" {
			measures = append(measures, trial.BaselineOf(o.ID))
		}
	}
	schoolOf := map[string]string{}
	for _, p := range pupils {
		schoolOf[p.ID] = p.School
	}
	have := map[string]map[string]int{}
	for _, s := range scores {
		if !slices.Contains(measures, s.Measure) || s.Missing != "" {
			continue
		}
		school := s.Person
		if t.Protocol.Trial.Measured == "pupils" {
			school = schoolOf[s.Person]
		}
		if have[s.Measure] == nil {
			have[s.Measure] = map[string]int{}
		}
		have[s.Measure][school]++
	}
	for _, v := range ready {
		if t.Protocol.Trial.Measured == "pupils" && v.Pupils == 0 {
			faults = append(faults, v.School.ID+": no pupil is listed")
			continue
		}
		for _, m := range measures {
			if have[m][v.School.ID] == 0 {
				faults = append(faults, fmt.Sprintf("%s: no score of %s", v.School.ID, m))
			}
		}
	}
	if t.Protocol.Trial.Measured == "pupils" {
		evidence = fmt.Sprintf("%d pupils are listed; ", listed)
	}
	return evidence + "every school has baseline scores of: " + orNoBaseline(measures), faults
}

func orNoBaseline(measures []string) string {
	if len(measures) == 0 {
		return "(the protocol has no baseline)"
	}
	return strings.Join(measures, ", ")
}

// pupilsText is the list of pupils as locked: those of the roster's schools.
func pupilsText(pupils []trial.Pupil, schools []trial.School) (string, int) {
	in := map[string]bool{}
	for _, s := range schools {
		in[s.ID] = true
	}
	var lines []string
	for _, p := range pupils {
		if in[p.School] && !p.Joiner {
			lines = append(lines, p.ID+"\t"+p.School)
		}
	}
	sort.Strings(lines)
	return "evenhand-pupils 1\npupil\tschool\n" + strings.Join(append(lines, ""), "\n"), len(lines)
}

// chances says what every school's chance is, and how many will go where.
func chances(d randomize.Design, r randomize.Roster, wave int) (string, error) {
	planned, err := d.Planned(r)
	if err != nil {
		return "", err
	}
	exact := "every school's chance is %d in %d"
	var none *randomize.NoClosedFormError
	if _, err := d.Probabilities(r); errors.As(err, &none) || err == nil && wave > 1 && d.Remembers() {
		exact = "planned share %d in %d (rehearse to see every school's chance)"
	} else if err != nil {
		return "", err
	}
	var b strings.Builder
	total := 0
	for _, a := range d.Arms {
		total += a.Weight
	}
	for i, a := range d.Arms {
		if i > 0 {
			b.WriteString("; ")
		}
		fmt.Fprintf(&b, "%s: "+exact+", %s", a.Name, a.Weight, total, sizeText(planned.Arms[i]))
	}
	strata := "strata"
	if len(planned.Strata) == 1 {
		strata = "stratum"
	}
	fmt.Fprintf(&b, "; %d %s, %d schools left over", len(planned.Strata), strata, planned.Misfits)
	return b.String(), nil
}

func sizeText(s randomize.SizeRange) string {
	if s.Min == s.Max {
		return fmt.Sprintf("%d schools", s.Min)
	}
	return fmt.Sprintf("%d to %d schools", s.Min, s.Max)
}

// Rosters gives the locked rosters' texts, oldest first.
func (t *Trial) Rosters(ctx context.Context) (all []store.LockedRoster, err error) {
	err = t.read(ctx, func(tx *store.Tx) error {
		all, err = tx.Rosters()
		return err
	})
	return all, err
}

// lockedRoster reads the roster that was locked last: who was locked, with
// stratum and pupils.
func (t *Trial) lockedRoster(tx *store.Tx) (trial.Roster, store.LockedRoster, error) {
	rosters, err := tx.Rosters()
	if err != nil {
		return trial.Roster{}, store.LockedRoster{}, err
	}
	if len(rosters) == 0 {
		return trial.Roster{}, store.LockedRoster{}, errors.New("no roster is locked: `evenhand roster lock` does that")
	}
	locked := rosters[len(rosters)-1]
	r, err := t.rosterOf(tx, []store.LockedRoster{locked})
	return r, locked, err
}

// rosterOf reads everybody who is on any of the locked rosters; no school is on
// two. Version and protocol are the last one's.
func (t *Trial) rosterOf(tx *store.Tx, all []store.LockedRoster) (trial.Roster, error) {
	r := trial.Roster{Strata: map[string]string{}}
	listed := map[string]bool{}
	for _, locked := range all {
		units, err := randomize.ParseRoster([]byte(locked.RosterText))
		if err != nil {
			return r, fmt.Errorf("read roster version %d: %w", locked.Version, err)
		}
		r.Version, r.Protocol = locked.Version, locked.Protocol
		for _, u := range units.Units {
			r.Strata[u.ID] = u.Stratum
		}
		for _, line := range strings.Split(locked.PupilsText, "\n") {
			if id, _, ok := strings.Cut(line, "\t"); ok && id != "pupil" {
				listed[id] = true
			}
		}
	}
	schools, err := tx.Schools()
	if err != nil {
		return r, err
	}
	for _, s := range schools {
		if _, ok := r.Strata[s.ID]; ok {
			r.Schools = append(r.Schools, s)
		}
	}
	if len(r.Schools) != len(r.Strata) {
		return r, fmt.Errorf("roster version %d has %d schools, of which %d are in the store", r.Version, len(r.Strata), len(r.Schools))
	}
	pupils, err := tx.Pupils()
	if err != nil {
		return r, err
	}
	for _, p := range pupils {
		if listed[p.ID] {
			r.Pupils = append(r.Pupils, p)
		}
	}
	if len(r.Pupils) != len(listed) {
		return r, fmt.Errorf("roster version %d lists %d pupils, of whom %d are in the store", r.Version, len(listed), len(r.Pupils))
	}
	return r, nil
}
