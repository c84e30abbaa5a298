package audit

import (
	"errors"
	"fmt"
	"strings"

	"evenhand/randomize"
	"evenhand/trial"
)

// Wave is a later wave of schools, drawn after the first from its own roster and
// chance.
type Wave struct {
	Roster     int // version of its roster
	Commitment string
	Chance     string // 64 hex digits
	Evidence   []trial.Evidence
	Allocation string
}

// waveFile names a file of a wave: those of the first stand in the bundle's
// root and its folder chance, those of wave n in the folder wave-n.
func waveFile(wave int, name string) string {
	if wave == 1 {
		return name
	}
	return fmt.Sprintf("wave-%d/%s", wave, strings.Replace(name, "/", "-", 1))
}

// drawnWave is a wave as the bundle's files have it.
type drawnWave struct {
	wave       randomize.Wave
	allocation *randomize.Allocation
}

// waves reads the design and the waves drawn, oldest first; there is one for
// each entry of a draw.
func (v *verifier) waves() (d randomize.Design, all []drawnWave, err error) {
	if d, err = randomize.ParseDesign(v.files[designName]); err != nil {
		return d, nil, fmt.Errorf("%s: %w", designName, err)
	}
	for n := 1; n <= len(v.of(actionDraw)); n++ {
		rosterFile, chanceFile, allocationFile := waveFile(n, rosterName), waveFile(n, chanceName), waveFile(n, allocationName)
		roster, err1 := randomize.ParseRoster(v.files[rosterFile])
		chance, err2 := randomize.ParseChance(string(v.files[chanceFile]))
		allocation, err3 := randomize.ParseAllocation(v.files[allocationFile])
		for _, x := range []struct {
			name string
			err  error
		}{{rosterFile, err1}, {chanceFile, err2}, {allocationFile, err3}} {
			if x.err != nil {
				err = errors.Join(err, fmt.Errorf("%s: %w", x.name, x.err))
			}
		}
		if err != nil {
			return d, all, err
		}
		all = append(all, drawnWave{randomize.Wave{Roster: roster, Chance: chance}, allocation})
	}
	return d, all, nil
}

// earlierOf gives waves as later ones are drawn after them.
func earlierOf(all []drawnWave) []randomize.Drawn {
	var drawn []randomize.Drawn
	for _, w := range all {
		drawn = append(drawn, randomize.Drawn{Roster: w.wave.Roster, Allocation: w.allocation})
	}
	return drawn
}

// together gives everybody drawn, with the communities of all waves side by side.
func together(all []drawnWave) *randomize.Allocation {
	var each []*randomize.Allocation
	for _, w := range all {
		each = append(each, w.allocation)
	}
	return trial.Joined(each)
}

// plannedWaves is how many waves the protocol in force has.
func (v *verifier) plannedWaves() int {
	name := fmt.Sprintf("protocol/%d.yaml", len(v.of(actionProtocol)))
	p, err := trial.ParseProtocol(name, v.files[name])
	if err != nil {
		return 1
	}
	return p.Waves()
}

// wrapped lists the errors that errors.Join put together.
func wrapped(err error) []error {
	if many, ok := err.(interface{ Unwrap() []error }); ok {
		return many.Unwrap()
	}
	if err == nil {
		return nil
	}
	return []error{err}
}
