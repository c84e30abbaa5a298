package conduct

import (
	"fmt"
	"slices"

	"evenhand/randomize"
	"evenhand/trial"
	"evenhand/trial/store"
)

// DrawnWave is a wave of schools after its draw, with every text it was made
// from. Most trials have one.
type DrawnWave struct {
	Draw       store.Draw
	Commitment store.Commitment
	Locked     store.LockedRoster
	Evidence   []trial.Evidence // what chance was taken from; none where it is local
	Design     randomize.Design
	Roster     randomize.Roster
	Allocation *randomize.Allocation
}

// facts gives what the trial's phase is worked out from.
func (t *Trial) facts(tx *store.Tx) (trial.Facts, error) {
	f, err := tx.Facts()
	f.Waves = t.Protocol.Waves()
	return f, err
}

// drawnWaves reads the waves drawn so far, oldest first. Each one's locked texts
// must have the digests that its commitment names.
func drawnWaves(tx *store.Tx) ([]DrawnWave, error) {
	draws, err := tx.Draws()
	if err != nil {
		return nil, err
	}
	commitments, err := tx.Commitments()
	if err != nil {
		return nil, err
	}
	waves := make([]DrawnWave, len(draws))
	for i, d := range draws {
		if i >= len(commitments) || d.Wave != i+1 || commitments[i].Wave != d.Wave {
			return nil, fmt.Errorf("%w: the draws and commitments of waves do not fit together", ErrDisagrees)
		}
		w := DrawnWave{Draw: d, Commitment: commitments[i]}
		if w.Locked, err = committedRoster(tx, &w.Commitment); err != nil {
			return nil, err
		}
		if w.Design, w.Roster, err = parseLocked(w.Locked); err != nil {
			return nil, err
		}
		if w.Allocation, err = randomize.ParseAllocation([]byte(d.AllocationText)); err != nil {
			return nil, fmt.Errorf("%w: %w", ErrDisagrees, err)
		}
		if w.Evidence, err = tx.Evidence(d.Wave); err != nil {
			return nil, err
		}
		waves[i] = w
	}
	return waves, nil
}

// earlier gives waves as later ones are drawn after them.
func earlier(waves []DrawnWave) []randomize.Drawn {
	var all []randomize.Drawn
	for _, w := range waves {
		all = append(all, randomize.Drawn{Roster: w.Roster, Allocation: w.Allocation})
	}
	return all
}

// assignments gives the lines of all waves, by school (see trial.Joined).
func assignments(waves []DrawnWave) []store.Assignment {
	var all []*randomize.Allocation
	for _, w := range waves {
		all = append(all, w.Allocation)
	}
	joined := trial.Joined(all).Assignments
	lines := make([]store.Assignment, len(joined))
	for i, a := range joined {
		lines[i] = store.Assignment{School: a.Unit, Arm: a.Arm, Community: a.Community}
	}
	return lines
}

// drawnRoster reads everybody who was drawn: the rosters of all waves together.
func (t *Trial) drawnRoster(tx *store.Tx) (trial.Roster, error) {
	waves, err := drawnWaves(tx)
	if err != nil {
		return trial.Roster{}, err
	}
	locks := make([]store.LockedRoster, len(waves))
	for i, w := range waves {
		locks[i] = w.Locked
	}
	return t.rosterOf(tx, locks)
}

// everyRoster reads who was drawn and who is locked for the next wave.
func (t *Trial) everyRoster(tx *store.Tx) (trial.Roster, error) {
	waves, err := drawnWaves(tx)
	if err != nil {
		return trial.Roster{}, err
	}
	rosters, err := tx.Rosters()
	if err != nil {
		return trial.Roster{}, err
	}
	var locks []store.LockedRoster
	for _, w := range waves {
		locks = append(locks, w.Locked)
	}
	if last := rosters[len(rosters)-1]; !slices.ContainsFunc(locks, func(l store.LockedRoster) bool { return l.Version == last.Version }) {
		locks = append(locks, last)
	}
	return t.rosterOf(tx, locks)
}

// notDrawn refuses a change of a school that was drawn: what was true of it at
// its draw stays true of it.
func notDrawn(drawn []store.Assignment, schools ...string) error {
	if len(drawn) == 0 {
		return nil
	}
	lines := map[string]bool{}
	for _, l := range drawn {
		lines[l.School] = true
	}
	for _, id := range schools {
		if lines[id] {
			return fmt.Errorf("school %s was drawn: what was recorded of it before the draw stays as it was", id)
		}
	}
	return nil
}
