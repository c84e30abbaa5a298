package conduct

import (
	"cmp"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"time"

	"evenhand/randomize"
	"evenhand/trial"
	"evenhand/trial/store"
)

// AlreadyDrawnError says that the one draw of the trial, or of its last wave
// committed, was made.
type AlreadyDrawnError struct {
	Wave       int // 1, 2, …
	At         time.Time
	Actor      string
	Roster     int
	Commitment string // digest of the commitment it was made from
	Digest     string // of the allocation
}

func (e *AlreadyDrawnError) Error() string {
	which := "this trial's draw"
	if e.Wave > 1 {
		which = fmt.Sprintf("the draw of wave %d", e.Wave)
	}
	return fmt.Sprintf("%s was made on %s by %s, from roster version %d and commitment %.12s…; its allocation has digest %.12s…: nothing was changed", which, e.At.UTC().Format("2006-01-02 at 15:04:05 UTC"), e.Actor, e.Roster, e.Commitment, e.Digest)
}

// ErrRosterChanged says that the locked roster no longer is what the records
// say.
var ErrRosterChanged = errors.New("something changed since the roster was locked")

// chance reads 32 bytes of this computer's randomness.
func (t *Trial) chance() (randomize.Chance, error) {
	var b [32]byte
	if _, err := io.ReadFull(t.Who.Entropy, b[:]); err != nil {
		return "", fmt.Errorf("read this computer's random source: %w", err)
	}
	return randomize.ParseChance(hex.EncodeToString(b[:]))
}

// Rehearsal is what many rehearsals showed: sizes and shares, never an arm by
// school.
type Rehearsal struct {
	Times   int              `json:"times"`
	Arms    []RehearsalArm   `json:"arms"`
	Pairs   *RehearsalPairs  `json:"pairs,omitempty"` // left out of rosters of more than 1,000 schools
	Balance BalanceRehearsal `json:"balance"`
}

// RehearsalPairs is how often two schools came into one arm, over all pairs.
type RehearsalPairs struct {
	Pairs   int     `json:"pairs"`
	Lowest  float64 `json:"lowest"` // of the pairs' shares of the rehearsals
	Highest float64 `json:"highest"`
	Mean    float64 `json:"mean"`
	Never   int     `json:"never"`  // pairs that never were in one arm
	Always  int     `json:"always"` // pairs that always were
}

// RehearsalArm is one arm over all rehearsals.
type RehearsalArm struct {
	Arm         string  `json:"arm"`
	Planned     float64 `json:"planned"`      // every school's chance, in [0,1]
	Realised    float64 `json:"realised"`     // mean share over schools and rehearsals
	LowestOf    float64 `json:"lowest"`       // of the schools' shares
	HighestOf   float64 `json:"highest"`      // of the schools' shares
	Expected    float64 `json:"expected"`     // half-width within which a school's share lies 999 times of 1,000, were chance fair
	Smallest    int     `json:"smallest"`     // size of the arm over the rehearsals
	Largest     int     `json:"largest"`      //
	Communities []int   `json:"communities"`  // sizes that communities had, ascending, each once
	WorstSpread int     `json:"worst_spread"` // greatest difference from the planned number in any stratum, rounded up
}

// Rehearse makes rehearsals of the locked roster, from chance of their own
// domain: none of them can become the draw.
func (t *Trial) Rehearse(ctx context.Context, times int, progress func(done, of int)) (r Rehearsal, err error) {
	if times < 1 || times > 1_000_000 {
		return r, fmt.Errorf("%d rehearsals: ask for 1 to 1,000,000", times)
	}
	var locked store.LockedRoster
	var waves []DrawnWave
	var tally *balanceTally
	var schools []trial.School
	err = t.read(ctx, func(tx *store.Tx) error {
		facts, err := t.facts(tx)
		if err != nil {
			return err
		}
		if err := facts.Allow(trial.Rehearse); err != nil {
			return err
		}
		if waves, err = drawnWaves(tx); err != nil {
			return err
		}
		var listed trial.Roster
		if listed, locked, err = t.lockedRoster(tx); err != nil {
			return err
		}
		all, err := t.covariates(tx, listed)
		tally, schools = newBalanceTally(t, all), listed.Schools
		return err
	})
	if err != nil {
		return r, err
	}
	design, roster, err := parseLocked(locked)
	if err != nil {
		return r, err
	}
	chance, err := t.chance()
	if err != nil {
		return r, err
	}
	// Long work, during which others may write.
	each := func(a *randomize.Allocation) {
		tally.add(t.armsOf(schools, func(id string) string {
			x, _ := a.Of(id)
			return x.Arm
		}))
	}
	if r, err = rehearse(ctx, design, roster, chance, earlier(waves), times, each, progress); err != nil {
		return Rehearsal{}, err
	}
	if r.Balance, err = tally.done(nil); err != nil {
		return Rehearsal{}, err
	}
	return r, t.write(ctx, trial.Rehearse, func(tx *store.Tx) error { return t.logRehearsals(tx, locked, times) })
}

// logRehearsals records how often was rehearsed.
func (t *Trial) logRehearsals(tx *store.Tx, locked store.LockedRoster, times int) error {
	return t.log(tx, t.at(), "draw rehearse", fmt.Sprintf("roster version %d", locked.Version), nil, map[string]int{"times": times}, "")
}

func parseLocked(l store.LockedRoster) (randomize.Design, randomize.Roster, error) {
	design, err := randomize.ParseDesign([]byte(l.DesignText))
	if err != nil {
		return design, randomize.Roster{}, err
	}
	roster, err := randomize.ParseRoster([]byte(l.RosterText))
	return design, roster, err
}

func rehearse(ctx context.Context, design randomize.Design, roster randomize.Roster, chance randomize.Chance, earlier []randomize.Drawn, times int, each func(*randomize.Allocation), progress func(done, of int)) (Rehearsal, error) {
	r := Rehearsal{Times: times}
	planned, err := design.Planned(roster)
	if err != nil {
		return r, err
	}
	total := 0
	for _, a := range design.Arms {
		total += a.Weight
	}
	at := map[string]int{}
	for i, a := range design.Arms {
		at[a.Name] = i
		p := float64(a.Weight) / float64(total)
		r.Arms = append(r.Arms, RehearsalArm{Arm: a.Name, Communities: []int{}, Planned: p, Smallest: len(roster.Units), Expected: 3.2905267314919255 * math.Sqrt(p*(1-p)/float64(times))})
	}
	stratumOf := map[string]int{}
	for i, s := range planned.Strata {
		stratumOf[s.Name] = i
	}
	got := make([][]int, len(roster.Units))
	for i := range got {
		got[i] = make([]int, len(design.Arms))
	}
	communitySizes := make([]map[int]bool, len(design.Arms))
	for i := range communitySizes {
		communitySizes[i] = map[int]bool{}
	}
	pairs := newPairTally(len(roster.Units))
	for n := range times {
		if err := ctx.Err(); err != nil {
			return r, fmt.Errorf("%w: %w", store.ErrInterrupted, err)
		}
		a, err := randomize.Rehearse(design, roster, chance, n, earlier...)
		if err != nil {
			return r, err
		}
		each(a)
		pairs.add(a)
		size := make([]int, len(design.Arms))
		inStratum := make([][]int, len(planned.Strata))
		communities := map[[2]int]int{}
		for i, line := range a.Assignments {
			arm := at[line.Arm]
			got[i][arm]++
			size[arm]++
			s := stratumOf[roster.Units[i].Stratum]
			if inStratum[s] == nil {
				inStratum[s] = make([]int, len(design.Arms))
			}
			inStratum[s][arm]++
			if line.Community > 0 {
				communities[[2]int{arm, line.Community}]++
			}
		}
		for arm, k := range size {
			r.Arms[arm].Smallest, r.Arms[arm].Largest = min(r.Arms[arm].Smallest, k), max(r.Arms[arm].Largest, k)
		}
		for key, k := range communities {
			communitySizes[key[0]][k] = true
		}
		for _, counts := range inStratum {
			in := 0
			for _, k := range counts {
				in += k
			}
			for arm, k := range counts {
				off := k*total - in*design.Arms[arm].Weight
				if off < 0 {
					off = -off
				}
				r.Arms[arm].WorstSpread = max(r.Arms[arm].WorstSpread, (off+total-1)/total)
			}
		}
		if progress != nil {
			progress(n+1, times)
		}
	}
	r.Pairs = pairs.done(times)
	for arm := range r.Arms {
		low, high, sum := 1.0, 0.0, 0
		for i := range got {
			share := float64(got[i][arm]) / float64(times)
			low, high, sum = min(low, share), max(high, share), sum+got[i][arm]
		}
		a := &r.Arms[arm]
		a.LowestOf, a.HighestOf, a.Realised = low, high, float64(sum)/float64(times)/float64(len(got))
		for k := range communitySizes[arm] {
			a.Communities = append(a.Communities, k)
		}
		slices.Sort(a.Communities)
	}
	return r, nil
}

// pairTally counts how often each pair of schools is in one arm; nil for rosters
// that are too large.
type pairTally [][]int32

func newPairTally(n int) pairTally {
	if n > 1000 || n < 2 {
		return nil
	}
	p := make(pairTally, n)
	for i := range p {
		p[i] = make([]int32, i)
	}
	return p
}

func (p pairTally) add(a *randomize.Allocation) {
	for i := range p {
		for j := range i {
			if a.Assignments[i].Arm == a.Assignments[j].Arm {
				p[i][j]++
			}
		}
	}
}

func (p pairTally) done(times int) *RehearsalPairs {
	if p == nil {
		return nil
	}
	r := &RehearsalPairs{Lowest: 1}
	for i := range p {
		for _, n := range p[i] {
			share := float64(n) / float64(times)
			r.Pairs++
			r.Lowest, r.Highest, r.Mean = min(r.Lowest, share), max(r.Highest, share), r.Mean+share
			switch int(n) {
			case 0:
				r.Never++
			case times:
				r.Always++
			}
		}
	}
	r.Mean /= float64(r.Pairs)
	return r
}

// commitmentText is what is lodged before the draw: short enough to read over
// the telephone.
func commitmentText(t *Trial, waves []DrawnWave, l store.LockedRoster, units, pupils int, terms trial.ChanceTerms, at time.Time) string {
	wave := ""
	if n := len(waves); n > 0 {
		wave = fmt.Sprintf("wave %d after %s\n", n+1, waves[n-1].Draw.Digest)
	}
	return fmt.Sprintf(`evenhand-commitment 1
trial %s
%sprotocol version %d %s
design %s
roster version %d %s
schools %d
pupils %d %s
rule 1
%sprogram %s
made %s
by %s
`, t.ID(), wave, t.Version, trial.DigestOf(t.Text), randomize.Digest([]byte(l.DesignText)), l.Version, randomize.Digest([]byte(l.RosterText)), units, pupils, trial.DigestOf(l.PupilsText), terms.Lines(), t.Who.Program, at.UTC().Format(time.RFC3339), t.Who.Actor)
}

// CommitDraw says what will be drawn, and from which chance. It refuses if
// anything that the locked roster was made from has changed since, and terms of
// chance that are not the protocol's or do not hold.
func (t *Trial) CommitDraw(ctx context.Context, terms trial.ChanceTerms) (c store.Commitment, err error) {
	err = t.write(ctx, trial.CommitDraw, func(tx *store.Tx) error {
		roster, locked, err := t.lockedRoster(tx)
		if err != nil {
			return err
		}
		waves, err := drawnWaves(tx)
		if err != nil {
			return err
		}
		now, err := t.candidate(tx)
		if err != nil {
			return err
		}
		var changed []string
		for _, check := range now.checks {
			if !check.OK {
				changed = append(changed, check.Name+": "+strings.Join(check.Names, ", "))
			}
		}
		if len(changed) == 0 {
			for _, part := range []struct{ name, was, is string }{
				{"design", locked.DesignText, string(now.design.Text())},
				{"roster", locked.RosterText, string(now.roster.Text())},
				{"list of pupils", locked.PupilsText, now.pupilsText},
			} {
				if part.was != part.is {
					changed = append(changed, "the "+part.name+" is no longer what was locked")
				}
			}
		}
		if len(changed) > 0 {
			return fmt.Errorf("%w: %s", ErrRosterChanged, strings.Join(changed, "; "))
		}
		at := t.at()
		if err := t.checkTerms(terms, at); err != nil {
			return err
		}
		c = store.Commitment{Wave: len(waves) + 1, Roster: locked.Version, Source: terms.Source, At: at, Actor: t.Who.Actor}
		c.Text = commitmentText(t, waves, locked, len(roster.Schools), len(roster.Pupils), terms, at)
		if err := tx.SaveCommitment(c); err != nil {
			return fmt.Errorf("commit the draw: %w", err)
		}
		return t.log(tx, at, "draw commit", fmt.Sprintf("roster version %d", locked.Version), nil, struct {
			Commitment string `json:"commitment"`
			Design     string `json:"design"`
			Roster     string `json:"roster"`
			Source     string `json:"source"`
			Wave       int    `json:"wave,omitempty"` // 2, 3, …
		}{trial.DigestOf(c.Text), randomize.Digest([]byte(locked.DesignText)), randomize.Digest([]byte(locked.RosterText)), terms.Source, laterWave(c.Wave)}, "")
	})
	return c, err
}

// laterWave is the number of a wave as the ledger has it: 0 for the first, which
// most trials have alone.
func laterWave(wave int) int {
	if wave == 1 {
		return 0
	}
	return wave
}

// RunDraw makes the draw that is committed: once, whole or not at all. Everything of it, its
// line in the ledger too, is one transaction; a second call is an
// *AlreadyDrawnError and changes nothing. confirmedBy is the second person
// where the protocol asks for two. offered is what chance is taken from, unless
// it is local (see ChanceOffer); Taken says what of it was shown.
func (t *Trial) RunDraw(ctx context.Context, confirmedBy string, offered ChanceOffer) (d store.Draw, _ trial.Taken, err error) {
	if err := t.confirmed(confirmedBy); err != nil {
		return d, trial.Taken{}, err
	}
	var taken takenChance
	var commitment *store.Commitment
	err = t.inDrawTransaction(ctx, func(tx *store.Tx) error {
		waves, err := drawnWaves(tx)
		if err != nil {
			return err
		}
		commitments, err := tx.Commitments()
		if err != nil {
			return err
		}
		facts, err := t.facts(tx)
		if err != nil {
			return err
		}
		_, next := facts.Next()
		if n := len(waves); n > 0 && (next == "" || next == trial.Recruiting) {
			there := waves[n-1].Draw
			return &AlreadyDrawnError{there.Wave, there.At, there.Actor, there.Roster, trial.DigestOf(commitments[n-1].Text), there.Digest}
		}
		if err := facts.Allow(trial.RunDraw); err != nil {
			return err
		}
		commitment = &commitments[len(waves)]
		locked, err := committedRoster(tx, commitment)
		if err != nil {
			return err
		}
		design, roster, err := parseLocked(locked)
		if err != nil {
			return err
		}
		if taken, err = t.take(commitment, offered); err != nil {
			return err
		}
		chance := taken.Chance
		allocation, err := randomize.Draw(design.WithProgress(t.Who.Progress), roster, chance, earlier(waves)...)
		if err != nil {
			return err
		}
		d = store.Draw{Wave: commitment.Wave, Roster: locked.Version, Chance: string(chance), AllocationText: string(allocation.Text()), Digest: allocation.Digest(), At: t.at(), Actor: t.Who.Actor, ConfirmedBy: confirmedBy}
		return nil
	}, func(tx *store.Tx) error {
		if err := t.saveDraw(tx, d); err != nil {
			return err
		}
		return tx.SaveEvidence(d.Wave, taken.evidence)
	}, func(tx *store.Tx) error {
		about := "the draw"
		if d.Wave > 1 {
			about = fmt.Sprintf("the draw of wave %d", d.Wave)
		}
		return t.log(tx, d.At, "draw run", about, nil, struct {
			Commitment  string `json:"commitment"`
			Roster      int    `json:"roster"`
			Chance      string `json:"chance"`
			Allocation  string `json:"allocation"`
			ConfirmedBy string `json:"confirmed_by,omitempty"`
			Wave        int    `json:"wave,omitempty"` // 2, 3, …
			chanceNote
		}{trial.DigestOf(commitment.Text), d.Roster, d.Chance, d.Digest, confirmedBy, laterWave(d.Wave), taken.note()}, "")
	})
	return d, taken.Taken, err
}

// confirmed checks the people that the protocol asks for.
func (t *Trial) confirmed(by string) error {
	switch {
	case t.Protocol.Draw.Confirm >= 2 && strings.TrimSpace(by) == "":
		return errors.New("the protocol asks for two people at the draw: name the second with --confirmed-by")
	case by != "" && samePerson(by, t.Who.Actor):
		return fmt.Errorf("%s cannot confirm %s's own draw: name another person with --confirmed-by", by, t.Who.Actor)
	}
	return nil
}

// saveDraw writes the draw with its lines; those of earlier waves stay.
func (t *Trial) saveDraw(tx *store.Tx, d store.Draw) error {
	waves, err := drawnWaves(tx)
	if err != nil {
		return err
	}
	allocation, err := randomize.ParseAllocation([]byte(d.AllocationText))
	if err != nil {
		return err
	}
	lines := slices.DeleteFunc(assignments(append(waves, DrawnWave{Allocation: allocation})), func(l store.Assignment) bool {
		_, now := allocation.Of(l.School)
		return !now
	})
	return tx.SaveDraw(d, lines)
}

// committedRoster gives the roster that a commitment names, and holds its
// texts to the digests that were lodged.
func committedRoster(tx *store.Tx, c *store.Commitment) (store.LockedRoster, error) {
	rosters, err := tx.Rosters()
	if err != nil {
		return store.LockedRoster{}, err
	}
	for _, l := range rosters {
		if l.Version != c.Roster {
			continue
		}
		for _, part := range []struct{ line, text string }{
			{"design ", l.DesignText},
			{fmt.Sprintf("roster version %d ", l.Version), l.RosterText},
		} {
			if !strings.Contains(c.Text, "\n"+part.line+randomize.Digest([]byte(part.text))+"\n") {
				return l, fmt.Errorf("%w: its %sis not what was committed", ErrRosterChanged, part.line)
			}
		}
		return l, nil
	}
	return store.LockedRoster{}, fmt.Errorf("roster version %d, which was committed, is not in the store", c.Roster)
}

// ErrDisagrees is wrapped when a check of the records fails.
var ErrDisagrees = errors.New("verification disagreed")

// Verification is what VerifyDraw found.
type Verification struct {
	Schools int      `json:"schools"`
	Digest  string   `json:"digest"`          // of the allocation; of the last wave's where there are several
	Waves   []string `json:"waves,omitempty"` // where there are several, the digest of each wave's allocation
}

// VerifyDraw draws again from the stored texts, wave after wave, and compares
// every byte, the lines used for queries, and the ledger's digests.
func (t *Trial) VerifyDraw(ctx context.Context) (v Verification, err error) {
	err = t.read(ctx, func(tx *store.Tx) error {
		waves, err := drawnWaves(tx)
		if err != nil {
			return fmt.Errorf("%w: %w", ErrDisagrees, err)
		}
		if len(waves) == 0 {
			return errors.New("no draw was made yet: there is nothing to verify")
		}
		for i, w := range waves {
			chance, err := randomize.ParseChance(w.Draw.Chance)
			if err == nil {
				err = randomize.Verify([]byte(w.Locked.DesignText), []byte(w.Locked.RosterText), chance, []byte(w.Draw.AllocationText), earlier(waves[:i])...)
			}
			if err == nil {
				err = w.chanceHolds()
			}
			if err == nil && i > 0 && !strings.Contains(w.Commitment.Text, fmt.Sprintf("\nwave %d after %s\n", i+1, waves[i-1].Draw.Digest)) {
				err = fmt.Errorf("its commitment does not name the allocation of wave %d", i)
			}
			if err != nil && len(waves) > 1 {
				err = fmt.Errorf("wave %d: %w", i+1, err)
			}
			if err != nil {
				return fmt.Errorf("%w: %w", ErrDisagrees, err)
			}
			v.Digest = w.Draw.Digest
			if len(waves) > 1 {
				v.Waves = append(v.Waves, w.Draw.Digest)
			}
		}
		if err := t.drawLines(tx, waves); err != nil {
			return err
		}
		v.Schools = len(assignments(waves))
		return t.drawInLedger(tx, waves)
	})
	return v, err
}

// drawInLedger says whether the ledger has one entry for each wave's draw, with
// its digest.
func (t *Trial) drawInLedger(tx *store.Tx, waves []DrawnWave) error {
	ledger, err := tx.Ledger()
	if err != nil {
		return err
	}
	found := 0
	for _, r := range ledger {
		e, err := r.Entry()
		if err != nil {
			return err
		}
		if e.Action != "draw run" {
			continue
		}
		found++
		if found > len(waves) {
			continue
		}
		d := waves[found-1].Draw
		if !strings.Contains(string(e.After), `"allocation":"`+d.Digest+`"`) || !strings.Contains(string(e.After), `"chance":"`+d.Chance+`"`) {
			return fmt.Errorf("%w: entry %d of the ledger records another allocation or chance than the draw has", ErrDisagrees, e.Seq)
		}
	}
	if found != len(waves) {
		return fmt.Errorf("%w: the ledger has %d entries of a draw, and %d were made", ErrDisagrees, found, len(waves))
	}
	return nil
}

// DrawView is the draw as shown. Where there are waves, Draw, Commitment, the
// texts and Evidence are the last wave's, and Lines are those of all.
type DrawView struct {
	Draw       store.Draw
	Commitment store.Commitment
	Design     string // text
	Roster     string // text
	Lines      []store.Assignment
	Evidence   []trial.Evidence // what chance was taken from; none where it is local
	Waves      []DrawnWave      // oldest first
	Errors     []store.DrawError
	Annulment  *store.Annulment
	Rehearsals int // before the draw
	Entry      int // number of the draw's entry in the ledger
}

// DrawnCounts is how many schools were drawn from where into where.
type DrawnCounts struct {
	Strata  []StratumCount // by name
	Arms    []int          // schools of each arm, the largest first: no arm is named
	Crossed []DrawnCount   // by stratum, arm and community; nil for somebody who is to stay blind
}

// StratumCount is a stratum's number of schools.
type StratumCount struct {
	Stratum string
	Schools int
}

// DrawnCount is how many schools of a stratum were drawn into an arm and one of
// its communities; Community is 0 where it has none.
type DrawnCount struct {
	Stratum, Arm string
	Community    int
	Schools      int
}

// DrawnCounts counts the draw. Somebody who is to stay blind gets what the
// locked design and roster say anyway, and no stratum's arms.
func (t *Trial) DrawnCounts(ctx context.Context) (c DrawnCounts, err error) {
	err = t.read(ctx, func(tx *store.Tx) error {
		waves, err := drawnWaves(tx)
		if err != nil {
			return err
		}
		if len(waves) == 0 {
			return errNotDrawn
		}
		lines, err := tx.Assignments()
		if err != nil {
			return err
		}
		stratumOf := map[string]string{}
		for _, w := range waves {
			for _, u := range w.Roster.Units {
				stratumOf[u.ID] = u.Stratum
			}
		}
		strata, arms, crossed := map[string]int{}, map[string]int{}, map[DrawnCount]int{}
		for _, l := range lines {
			s := stratumOf[l.School]
			strata[s]++
			arms[l.Arm]++
			crossed[DrawnCount{Stratum: s, Arm: l.Arm, Community: l.Community}]++
		}
		for _, s := range sortedKeys(strata) {
			c.Strata = append(c.Strata, StratumCount{s, strata[s]})
		}
		for _, n := range arms {
			c.Arms = append(c.Arms, n)
		}
		slices.SortFunc(c.Arms, func(a, b int) int { return b - a })
		var blind *BlindError
		if err := t.mayKnowArms(tx); errors.As(err, &blind) {
			return nil
		} else if err != nil {
			return err
		}
		for d, n := range crossed {
			d.Schools = n
			c.Crossed = append(c.Crossed, d)
		}
		slices.SortFunc(c.Crossed, func(a, b DrawnCount) int {
			return cmp.Or(strings.Compare(a.Stratum, b.Stratum), strings.Compare(a.Arm, b.Arm), a.Community-b.Community)
		})
		return nil
	})
	return c, err
}

// ShowDraw gives the draw with its texts. Somebody who is to stay blind gets
// a *BlindError.
func (t *Trial) ShowDraw(ctx context.Context) (v DrawView, err error) {
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
		lines, err := tx.Assignments()
		if err != nil {
			return err
		}
		last := waves[len(waves)-1]
		v = DrawView{Draw: last.Draw, Commitment: last.Commitment, Design: last.Locked.DesignText, Roster: last.Locked.RosterText, Evidence: last.Evidence, Lines: lines, Waves: waves}
		return v.after(tx)
	})
	return v, err
}
