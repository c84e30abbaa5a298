package conduct

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"evenhand/randomize"
	"evenhand/trial"
	"evenhand/trial/store"
)

// DesignNow is what would be drawn from now: the locked roster, or before the
// lock the schools that are ready. Version is 0 where nothing is locked.
func (t *Trial) DesignNow(ctx context.Context) (l LockedDesign, err error) {
	err = t.read(ctx, func(tx *store.Tx) error {
		facts, err := t.facts(tx)
		if err != nil {
			return err
		}
		waves, err := drawnWaves(tx)
		if err != nil {
			return err
		}
		l.Earlier = earlier(waves)
		all, err := tx.Schools()
		if err != nil {
			return err
		}
		if _, next := facts.Next(); facts.Locked && next != trial.Recruiting {
			_, locked, err := t.lockedRoster(tx)
			if err != nil {
				return err
			}
			l.Version = locked.Version
			l.Design, l.Roster, err = parseLocked(locked)
			l.Design = l.Design.WithProgress(t.Who.Progress)
			l.InWords = func(text string) string { return t.Protocol.InWords(text, l.Roster, all) }
			return err
		}
		schools, before := undrawn(all, waves)
		if len(schools) == 0 {
			return errors.New("no school is at the stage \"ready\" yet, so that there is nothing to draw from")
		}
		if l.Design, err = t.Protocol.Design(); err != nil {
			return err
		}
		l.Design = l.Design.WithProgress(t.Who.Progress)
		l.Roster, err = t.units(schools, before)
		l.InWords = func(text string) string { return t.Protocol.InWords(text, l.Roster, all) }
		return err
	})
	return l, err
}

// trialChance is the chance of what is tried before the draw: it is made of
// the design and the roster, so that everybody tries the same, and that it can
// never be the draw's. Only rehearsals are made from it.
func trialChance(l LockedDesign) randomize.Chance {
	return randomize.Chance(trial.DigestOf("evenhand-trial 1\n" + randomize.Digest(l.Design.Text()) + "\n" + randomize.Digest(l.Roster.Text()) + "\n"))
}

// CommunityCheck says whether communities can be formed, however chance falls.
type CommunityCheck struct {
	Feasible   bool              `json:"feasible"`
	Reasons    []string          `json:"reasons"`    // why not; empty where feasible
	Rules      []string          `json:"rules"`      // the fewest rules that cannot be met together, if any
	Decided    bool              `json:"decided"`    // false where the exact search had to be given up
	Rehearsals int               `json:"rehearsals"` // on so many rehearsals it was decided exactly
	Formed     int               `json:"formed"`     // in so many of them communities exist
	Arms       []ArmCommunities  `json:"arms"`
	Searches   []CommunitySearch `json:"searches"` // of the first rehearsal, where communities are formed by search
}

// ArmCommunities is an arm with the communities that it may come into.
type ArmCommunities struct {
	Arm      string `json:"arm"`
	Notional bool   `json:"notional"` // formed for comparison only
	Schools  [2]int `json:"schools"`  // fewest and most that the arm may get
	Size     [2]int `json:"size"`     // smallest and largest community
	Number   [2]int `json:"number"`   // fewest and most communities; 0 where they cannot be formed
}

// CommunitySearch is what a search left to chance.
type CommunitySearch struct {
	Arm      string `json:"arm"`
	Starts   int    `json:"starts"`
	Feasible int    `json:"feasible"`
	Distinct int    `json:"distinct"`
	Kept     int    `json:"kept"`
	Always   int    `json:"always"` // pairs of schools together in every kept partition
	Never    int    `json:"never"`
	Often    int    `json:"often"` // in more than half, but not all
}

// ErrNoCommunities says that the protocol forms none.
var ErrNoCommunities = errors.New("the protocol forms no communities")

// CheckCommunities decides, before any chance is spent, whether communities can
// be formed: for every number of schools that an arm may get, and exactly for
// the arms of so many rehearsals.
func CheckCommunities(l LockedDesign, rehearsals int) (c CommunityCheck, err error) {
	c.Reasons, c.Rules, c.Arms, c.Searches, c.Decided = []string{}, []string{}, []ArmCommunities{}, []CommunitySearch{}, true
	if len(l.Design.Communities) == 0 {
		return c, ErrNoCommunities
	}
	sizes, err := randomize.ArmSizes(l.Design, l.Roster)
	if err != nil {
		return c, err
	}
	for _, rule := range l.Design.Communities {
		at := slices.IndexFunc(sizes, func(s randomize.SizeRange) bool { return s.Arm == rule.Arm })
		arm := ArmCommunities{Arm: rule.Arm, Notional: rule.Notional, Schools: [2]int{sizes[at].Min, sizes[at].Max}, Size: [2]int{rule.Min, rule.Max}}
		for n := sizes[at].Min; n <= sizes[at].Max; n++ {
			if each, ok := randomize.CommunitySizes(n, rule.Min, rule.Max); ok && rule.Number == 0 {
				if arm.Number[0] == 0 || len(each) < arm.Number[0] {
					arm.Number[0] = len(each)
				}
				arm.Number[1] = max(arm.Number[1], len(each))
			}
		}
		if rule.Number > 0 {
			arm.Number = [2]int{rule.Number, rule.Number}
		}
		c.Arms = append(c.Arms, arm)
	}
	if err := randomize.Check(l.Design, l.Roster); err != nil {
		return c, c.reason(l, err)
	}
	c.Rehearsals = rehearsals
	if c.Formed, err = randomize.RehearseCommunities(l.Design, l.Roster, trialChance(l), rehearsals, l.Earlier...); err != nil {
		return c, c.reason(l, err)
	}
	c.Feasible = true
	choices, err := randomize.RehearseChoices(l.Design, l.Roster, trialChance(l), 0, l.Earlier...)
	if err != nil {
		return c, err
	}
	for _, x := range choices {
		c.Searches = append(c.Searches, CommunitySearch{x.Arm, x.Starts, x.Feasible, x.Distinct, x.Kept, len(x.Always), len(x.Never), len(x.Often)})
	}
	return c, nil
}

// reason takes up why communities cannot be formed; any other error it gives
// back.
func (c *CommunityCheck) reason(l LockedDesign, err error) error {
	var cannot *randomize.ConstraintError
	var sizes *randomize.InfeasibleError
	var invalid *randomize.InvalidError
	switch {
	case errors.As(err, &cannot):
		c.Reasons, c.Rules, c.Decided = append(c.Reasons, l.InWords(cannot.Reason)), append(c.Rules, cannot.Rules...), cannot.Decided
	case errors.As(err, &sizes):
		c.Reasons = append(c.Reasons, l.InWords(sizes.Error()))
	case errors.As(err, &invalid):
		for _, f := range invalid.Faults {
			c.Reasons = append(c.Reasons, l.InWords(f.String()))
		}
	default:
		return err
	}
	return nil
}

// FrontierOf shows what communities of an arm would be like for shares of
// balance in the score, in thousandths. Only rehearsal 0 of a chance that can
// never be the draw's is looked at.
func FrontierOf(l LockedDesign, arm string, mixes []int) ([]randomize.FrontierPoint, error) {
	return randomize.Frontier(l.Design, l.Roster, trialChance(l), 0, arm, mixes, l.Earlier...)
}

// CommunityMap is the communities as they were drawn, and as they are now.
type CommunityMap struct {
	Arm         string           `json:"arm"`
	Number      int              `json:"community"`
	Schools     []CommunityPlace `json:"schools"`
	Longest     float64          `json:"longest_km"` // between two of its schools as the crow flies; 0 where places are not known
	Mean        float64          `json:"mean_km"`    // over its pairs
	SizeNow     int              `json:"size_now"`
	Smallest    int              `json:"smallest"` // that its rule allows
	KnownPlaces int              `json:"known_places"`
}

// CommunityPlace is a school in a community.
type CommunityPlace struct {
	School string `json:"school"`
	Name   string `json:"name"`
	Region string `json:"region"`
	Drawn  bool   `json:"drawn"` // into this community
	Now    bool   `json:"now"`   // in it now
}

// CommunityView is what `communities show` shows.
type CommunityView struct {
	Communities []CommunityMap  `json:"communities"`
	Pairs       []CommunityPair `json:"pairs"` // of arms whose communities were formed by search
	Changes     int             `json:"changes"`
}

// CommunityPair lists pairs that the search put together always or never.
type CommunityPair struct {
	Arm    string           `json:"arm"`
	Wave   int              `json:"wave,omitempty"` // 2, 3, … where schools came in waves
	Pairs  int              `json:"pairs"`          // of schools of the arm (and wave)
	Kept   int              `json:"kept"`           // partitions among which chance chose
	Always []randomize.Pair `json:"always"`
	Never  int              `json:"never"`
	Often  int              `json:"often"`
}

// Communities shows them. Somebody who is to stay blind gets a *BlindError.
func (t *Trial) Communities(ctx context.Context) (v CommunityView, err error) {
	v.Communities, v.Pairs = []CommunityMap{}, []CommunityPair{}
	err = t.read(ctx, func(tx *store.Tx) error {
		if err := t.mayKnowArms(tx); err != nil {
			return err
		}
		waves, err := drawnWaves(tx)
		if err != nil {
			return err
		}
		if len(waves) == 0 {
			return errNotDrawn
		}
		m, err := t.membership(tx)
		if err != nil {
			return err
		}
		if len(m.design.Communities) == 0 {
			return ErrNoCommunities
		}
		schools, err := tx.Schools()
		if err != nil {
			return err
		}
		v.Changes = len(m.changes)
		for _, rule := range m.design.Communities {
			v.Communities = append(v.Communities, t.mapped(m, rule, schools)...)
		}
		for i, w := range waves {
			choices, err := randomize.Choices(w.Design.WithProgress(t.Who.Progress), w.Roster, randomize.Chance(w.Draw.Chance), earlier(waves[:i])...)
			if err != nil {
				return err
			}
			for _, c := range choices {
				n := len(c.Units)
				v.Pairs = append(v.Pairs, CommunityPair{c.Arm, laterWave(w.Draw.Wave), n * (n - 1) / 2, c.Kept, append([]randomize.Pair{}, c.Always...), len(c.Never), len(c.Often)})
			}
		}
		return nil
	})
	return v, err
}

// membership is who is in which community, as drawn and since. The texts and
// the chance are the first wave's, from whose keys later changes are decided.
type membership struct {
	design  randomize.Design
	roster  randomize.Roster
	chance  randomize.Chance
	drawn   map[string]trial.Assigned
	changes []trial.CommunityChange
}

func (t *Trial) membership(tx *store.Tx) (m membership, err error) {
	waves, err := drawnWaves(tx)
	if err != nil {
		return m, err
	}
	if len(waves) == 0 {
		return m, errNotDrawn
	}
	m.design, m.roster, m.chance = waves[0].Design, waves[0].Roster, randomize.Chance(waves[0].Draw.Chance)
	lines, err := tx.Assignments()
	if err != nil {
		return m, err
	}
	m.drawn = map[string]trial.Assigned{}
	for _, l := range lines {
		m.drawn[l.School] = trial.Assigned{Arm: l.Arm, Community: l.Community}
	}
	changes, err := tx.CommunityChanges()
	for _, c := range changes {
		m.changes = append(m.changes, c.CommunityChange)
	}
	return m, err
}

// sizes counts an arm's communities now. One that was merged away is gone; one
// that has lost all its schools has 0.
func (m membership) sizes(arm string) map[int]int {
	now := map[int]int{}
	for _, a := range m.drawn {
		if a.Arm == arm && a.Community > 0 {
			now[a.Community] = 0
		}
	}
	for _, c := range m.changes {
		if c.Kind == trial.Merges && c.Arm == arm {
			delete(now, c.From)
		}
	}
	for _, g := range trial.MembersNow(m.drawn, m.changes, arm) {
		now[g]++
	}
	return now
}

// mapped lists an arm's communities.
func (t *Trial) mapped(m membership, rule randomize.Community, schools []trial.School) []CommunityMap {
	now := trial.MembersNow(m.drawn, m.changes, rule.Arm)
	numbers := map[int]bool{}
	for _, a := range m.drawn {
		if a.Arm == rule.Arm && a.Community > 0 {
			numbers[a.Community] = true
		}
	}
	var all []CommunityMap
	for number := 1; number <= len(numbers); number++ {
		c := CommunityMap{Arm: rule.Arm, Number: number, Smallest: rule.Min}
		type place struct{ e, n float64 }
		var places []place
		for _, s := range schools {
			a := m.drawn[s.ID]
			drawn := a.Arm == rule.Arm && a.Community == number
			in := now[s.ID] == number
			if in {
				c.SizeNow++
			}
			if !drawn && !in {
				continue
			}
			c.Schools = append(c.Schools, CommunityPlace{s.ID, s.Name, s.Attributes[t.Protocol.Recruitment.Region], drawn, in})
			e, err1 := strconv.ParseFloat(s.Attributes["easting"], 64)
			n, err2 := strconv.ParseFloat(s.Attributes["northing"], 64)
			if drawn && err1 == nil && err2 == nil {
				places = append(places, place{e, n})
			}
		}
		c.KnownPlaces = len(places)
		pairs := 0
		for i, p := range places {
			for _, q := range places[:i] {
				km := math.Hypot(p.e-q.e, p.n-q.n) / 1000
				c.Longest = math.Max(c.Longest, km)
				c.Mean += km
				pairs++
			}
		}
		if pairs > 0 {
			c.Mean /= float64(pairs)
		}
		all = append(all, c)
	}
	return all
}

// ChangeAsked is a change of communities that somebody asks for.
type ChangeAsked struct {
	Kind      trial.ChangeKind
	School    string // join, leave
	Arm       string // join, merge; "" where one arm has communities
	Community int    // merge: the one that has become too small
	On        trial.Date
	Reason    string
}

// ChangeCommunity changes a community after the draw by the declared rule (see
// randomize/RULE.md, section 14): nobody chooses where a school goes. The drawn
// communities stay as they are, and stay the variable of the analysis.
func (t *Trial) ChangeCommunity(ctx context.Context, asked ChangeAsked) (made []trial.CommunityChange, warn string, err error) {
	if strings.TrimSpace(asked.Reason) == "" {
		return nil, "", errors.New("change a community: the reason is missing")
	}
	if asked.On == "" {
		asked.On = t.Today()
	}
	err = t.write(ctx, trial.ChangeMembers, func(tx *store.Tx) error {
		if err := t.mayKnowArms(tx); err != nil {
			return err
		}
		m, err := t.membership(tx)
		if err != nil {
			return err
		}
		if len(m.design.Communities) == 0 {
			return ErrNoCommunities
		}
		if made, warn, err = t.worked(tx, m, asked); err != nil {
			return err
		}
		at := t.at()
		if err := tx.AddCommunityChanges(made, at, t.Who.Actor); err != nil {
			return err
		}
		digests := make([]string, len(made))
		for i, c := range made {
			digests[i] = trial.DigestOf(c.Text())
		}
		// Digests only: which school is in which community tells its arm.
		return t.log(tx, at, "communities change", "communities", nil, struct {
			Kind    trial.ChangeKind `json:"kind"`
			Changes []string         `json:"changes"`
		}{asked.Kind, digests}, "")
	})
	return made, warn, err
}

// worked works out what the rule makes of a change.
func (t *Trial) worked(tx *store.Tx, m membership, asked ChangeAsked) (made []trial.CommunityChange, warn string, err error) {
	c := trial.CommunityChange{Kind: asked.Kind, School: asked.School, Arm: asked.Arm, On: asked.On, Reason: asked.Reason}
	if asked.Kind == trial.Leaves {
		for _, rule := range m.design.Communities {
			if g := trial.MembersNow(m.drawn, m.changes, rule.Arm)[asked.School]; g > 0 {
				c.Arm, c.From = rule.Arm, g
				if left := m.sizes(rule.Arm)[g] - 1; left < rule.Min {
					warn = fmt.Sprintf("community %d of %s now has %d schools, fewer than %d: `evenhand communities change merge %d --arm %s` merges it by the rule", g, rule.Arm, left, rule.Min, g, rule.Arm)
				}
				return []trial.CommunityChange{c}, warn, nil
			}
		}
		return nil, "", fmt.Errorf("school %s is in no community now", asked.School)
	}
	if c.Arm == "" {
		real := slices.DeleteFunc(slices.Clone(m.design.Communities), func(x randomize.Community) bool { return x.Notional })
		if len(real) != 1 {
			return nil, "", errors.New("several arms have communities: name one")
		}
		c.Arm = real[0].Arm
	}
	if _, ok := m.design.CommunityOf(c.Arm); !ok {
		return nil, "", fmt.Errorf("arm %q has no communities", c.Arm)
	}
	now := m.sizes(c.Arm)
	if asked.Kind == trial.Merges {
		if c.To, err = randomize.MergeInto(m.design, m.roster, m.chance, c.Arm, asked.Community, now); err != nil {
			return nil, "", err
		}
		members := trial.MembersNow(m.drawn, m.changes, c.Arm)
		for _, school := range sortedKeys(members) {
			if members[school] == asked.Community {
				one := c
				one.School, one.From = school, asked.Community
				made = append(made, one)
			}
		}
		if len(made) == 0 {
			return nil, "", fmt.Errorf("community %d of %s has no school left that could move", asked.Community, c.Arm)
		}
		if n := now[c.To] + len(made); n > maxOf(m.design, c.Arm) {
			warn = fmt.Sprintf("community %d of %s now has %d schools, more than its rule's largest, %d", c.To, c.Arm, n, maxOf(m.design, c.Arm))
		}
		return made, warn, nil
	}
	schools, err := tx.Schools()
	if err != nil {
		return nil, "", err
	}
	if !slices.ContainsFunc(schools, func(s trial.School) bool { return s.ID == asked.School }) {
		return nil, "", fmt.Errorf("there is no school %s", asked.School)
	}
	if a, drawn := m.drawn[asked.School]; drawn && a.Arm != c.Arm {
		return nil, "", fmt.Errorf("school %s was drawn into another arm than %s, and arms cannot be changed: that it received something else is recorded with `evenhand draw report-error --kind received-other-arm`", asked.School, c.Arm)
	}
	for _, rule := range m.design.Communities {
		if g := trial.MembersNow(m.drawn, m.changes, rule.Arm)[asked.School]; g > 0 {
			return nil, "", fmt.Errorf("school %s is in community %d of %s already", asked.School, g, rule.Arm)
		}
	}
	if c.To, err = randomize.LateCommunity(m.design, m.roster, m.chance, c.Arm, asked.School, now); err != nil {
		return nil, "", err
	}
	if _, drawn := m.drawn[asked.School]; !drawn {
		warn = fmt.Sprintf("school %s was not drawn: it takes part in the community, and never stands in the analysis", asked.School)
	}
	return []trial.CommunityChange{c}, warn, nil
}

func maxOf(d randomize.Design, arm string) int {
	rule, _ := d.CommunityOf(arm)
	return rule.Max
}
