package audit

import (
	"fmt"
	"slices"
	"strings"

	"evenhand/trial"
)

// chanceFolder holds what chance was taken from, unless it was this computer's:
// sealed-1.txt and sealed-2.txt, record.txt and certificate.txt of a beacon,
// numbers.txt and witnesses.txt.
const chanceFolder = "chance/"

func evidenceName(name string) string { return chanceFolder + name + ".txt" }

// evidenceNote is one text of the entry "draw run".
type evidenceNote struct {
	Name   string `json:"name"`
	Digest string `json:"digest"`
}

// checkEvidence says whether the evidence gives the wave's chance, by the
// commitment's terms.
func (b Wave) checkEvidence() error {
	if len(b.Evidence) == 0 {
		return nil
	}
	terms, err := trial.ParseChanceTerms(b.Commitment)
	if err != nil {
		return err
	}
	taken, err := terms.Take(b.Evidence)
	if err == nil && string(taken.Chance) != b.Chance {
		err = fmt.Errorf("the evidence gives chance %s, the draw was made from %s", taken.Chance, b.Chance)
	}
	return err
}

// chance takes the chance again from the evidence, as the commitment says.
func (v *verifier) chance() {
	f := v.check(checkDraw)
	for _, e := range v.of("draw annul") {
		v.say(Note, checkDraw, "the draw was annulled by entry %d: %s", e.Seq, e.Why)
	}
	for wave := range v.of(actionDraw) {
		v.chanceOf(f, wave+1)
	}
}

// chanceOf takes the chance of one wave again.
func (v *verifier) chanceOf(f *failures, wave int) {
	commitmentName, chanceName := waveFile(wave, commitmentName), waveFile(wave, chanceName)
	text, ok := v.files[commitmentName]
	if !ok {
		return // said at the order
	}
	var evidence []trial.Evidence
	for _, name := range sortedNames(v.files) {
		if rest, ok := strings.CutPrefix(name, waveFile(wave, chanceFolder)); ok {
			evidence = append(evidence, trial.Evidence{Name: strings.TrimSuffix(rest, ".txt"), Text: string(v.files[name])})
		}
	}
	terms, err := trial.ParseChanceTerms(string(text))
	if err != nil {
		if len(evidence) > 0 {
			f.add("%s: %v", commitmentName, err)
			return
		}
		v.say(Note, checkDraw, "%s: %v", commitmentName, err)
		return
	}
	strength, trust := terms.Strength()
	if terms.Source == trial.ChanceLocal {
		if len(evidence) > 0 {
			f.add("chance was local, and the folder chance has files")
		}
		v.say(Note, checkDraw, "chance is %s: %s", strength, trust)
		return
	}
	taken, err := terms.Take(evidence)
	if err != nil {
		f.add("taking the chance again: %v", err)
		return
	}
	if got := strings.TrimSuffix(string(v.files[chanceName]), "\n"); got != string(taken.Chance) {
		f.add("the folder chance gives %s, %s holds %.70s", taken.Chance, chanceName, got)
	}
	f.done("chance taken again as committed: %s", strings.Join(taken.Shown, "; "))
	v.say(Note, checkDraw, "chance is %s: %s", strength, trust)
	for _, n := range taken.NotShown {
		v.say(Note, checkDraw, "not shown: %s", n)
	}
}

// evidenceRecorded holds the folder chance to the digests in the entry of the
// draw; it gives the names that the entry accounts for.
func evidenceRecorded(wave int, notes []evidenceNote, same func(name, want string)) (names []string) {
	for _, n := range notes {
		name := waveFile(wave, evidenceName(n.Name))
		if !slices.Contains(names, name) {
			names = append(names, name)
			same(name, n.Digest)
		}
	}
	return names
}
