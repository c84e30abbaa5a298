package conduct

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"evenhand/trial"
	"evenhand/trial/store"
)

// ChanceOffer is what the person at the draw hands in for chance: what the
// commitment's source asks for, and nothing else.
type ChanceOffer struct {
	Sealed      []trial.Sealed // two-party: the opened numbers, in any order
	Record      string         // beacon: the round's record
	Certificate string         // beacon: the certificate of NIST's pulse, in PEM form; may be ""
	Numbers     string         // dice: the numbers as typed
	Witnesses   []string       // dice: who saw them fall
}

// checkTerms says whether the draw may be committed on these terms.
func (t *Trial) checkTerms(terms trial.ChanceTerms, now time.Time) error {
	if source := t.Protocol.Draw.Chance; terms.Source != source {
		return fmt.Errorf("%w: the protocol says `chance: %s`, and %s is offered", trial.ErrChance, source, terms.Source)
	}
	return terms.Check(now)
}

// Commitment gives the last commitment with its terms of chance; nil if there
// is none.
func (t *Trial) Commitment(ctx context.Context) (c *store.Commitment, terms trial.ChanceTerms, err error) {
	err = t.read(ctx, func(tx *store.Tx) error {
		all, err := tx.Commitments()
		if err != nil || len(all) == 0 {
			return err
		}
		c = &all[len(all)-1]
		terms, err = trial.ParseChanceTerms(c.Text)
		return err
	})
	return c, terms, err
}

// takenChance is a draw's chance with what it was taken from.
type takenChance struct {
	trial.Taken
	evidence  []trial.Evidence
	witnesses []string
}

// chanceNote is what the ledger's entry of the draw says of them, beside the
// chance itself.
type chanceNote struct {
	Evidence  []evidenceNote `json:"evidence,omitempty"`
	Witnesses []string       `json:"witnesses,omitempty"`
	NotShown  []string       `json:"not_shown,omitempty"`
}

type evidenceNote struct {
	Name   string `json:"name"`
	Digest string `json:"digest"`
}

func (c takenChance) note() chanceNote {
	n := chanceNote{Witnesses: c.witnesses, NotShown: c.NotShown}
	for _, e := range c.evidence {
		n.Evidence = append(n.Evidence, evidenceNote{e.Name, trial.DigestOf(e.Text)})
	}
	return n
}

// take takes the chance as the commitment says: from this computer, or from
// what is offered.
func (t *Trial) take(commitment *store.Commitment, o ChanceOffer) (c takenChance, err error) {
	terms, err := trial.ParseChanceTerms(commitment.Text)
	if err != nil {
		return c, err
	}
	given := map[string]bool{trial.ChanceTwoParty: len(o.Sealed) > 0, trial.ChanceBeacon: o.Record != "" || o.Certificate != "", trial.ChanceDice: o.Numbers != "" || len(o.Witnesses) > 0}
	for _, source := range []string{trial.ChanceTwoParty, trial.ChanceBeacon, trial.ChanceDice} {
		if given[source] && source != terms.Source {
			return c, fmt.Errorf("%w: the commitment says that chance is %s: nothing of %s can be given", trial.ErrChance, terms.Source, source)
		}
	}
	switch terms.Source {
	case trial.ChanceLocal:
		c.Chance, err = t.chance()
		return c, err
	case trial.ChanceTwoParty:
		c.evidence, err = opened(terms, o.Sealed)
	case trial.ChanceBeacon:
		if o.Record == "" {
			return c, fmt.Errorf("%w: the record of %s is needed, round %s", trial.ErrChance, terms.Beacon, terms.BeaconRound())
		}
		if now := t.at(); now.Before(terms.At) {
			return c, fmt.Errorf("%w: the round that was committed is published at %s, and it is %s now: wait for it", trial.ErrChance, terms.At.Format(time.RFC3339), now.Format(time.RFC3339))
		}
		c.evidence = []trial.Evidence{{Name: "record", Text: o.Record}}
		if o.Certificate != "" {
			c.evidence = append(c.evidence, trial.Evidence{Name: "certificate", Text: o.Certificate})
		}
	case trial.ChanceDice:
		if slices.ContainsFunc(o.Witnesses, func(w string) bool { return samePerson(w, t.Who.Actor) }) {
			return c, fmt.Errorf("%w: %s makes the draw and cannot be its witness", trial.ErrChance, t.Who.Actor)
		}
		if err := trial.CheckWitnesses(o.Witnesses); err != nil {
			return c, err
		}
		numbers, err := terms.ParseNumbers(o.Numbers)
		if err != nil {
			return c, err
		}
		c.evidence, c.witnesses = trial.NumbersEvidence(numbers, o.Witnesses), o.Witnesses
	}
	if err != nil {
		return c, err
	}
	c.Taken, err = terms.Take(c.evidence)
	return c, err
}

// opened puts opened numbers in the order in which they were committed.
func opened(terms trial.ChanceTerms, sealed []trial.Sealed) ([]trial.Evidence, error) {
	var evidence []trial.Evidence
	var missing, strangers []string
	by := map[string]trial.Sealed{}
	for _, s := range sealed {
		if _, twice := by[s.Party]; twice {
			return nil, fmt.Errorf("%w: two numbers of %s are opened", trial.ErrChance, s.Party)
		}
		by[s.Party] = s
		if !slices.ContainsFunc(terms.Sealed, func(c trial.Seal) bool { return c.Party == s.Party }) {
			strangers = append(strangers, s.Party)
		}
	}
	if len(strangers) > 0 {
		return nil, fmt.Errorf("%w: no number of %s was committed; the parties are %s and %s", trial.ErrChance, strings.Join(strangers, ", "), terms.Sealed[0].Party, terms.Sealed[1].Party)
	}
	for i, c := range terms.Sealed {
		s, ok := by[c.Party]
		if !ok {
			missing = append(missing, c.Party)
			continue
		}
		evidence = append(evidence, trial.Evidence{Name: fmt.Sprintf("sealed-%d", i+1), Text: string(s.Number) + "\n"})
	}
	if len(missing) > 0 {
		return nil, fmt.Errorf("%w: the sealed number of %s is not opened", trial.ErrChance, strings.Join(missing, " and that of "))
	}
	return evidence, nil
}

// chanceHolds takes a recorded draw's chance again from its evidence.
func (w DrawnWave) chanceHolds() error {
	terms, err := trial.ParseChanceTerms(w.Commitment.Text)
	if err != nil {
		return err
	}
	if terms.Source == trial.ChanceLocal && len(w.Evidence) == 0 {
		return nil
	}
	taken, err := terms.Take(w.Evidence)
	if err != nil {
		return err
	}
	if string(taken.Chance) != w.Draw.Chance {
		return fmt.Errorf("the evidence gives chance %s, the draw was made from %s", taken.Chance, w.Draw.Chance)
	}
	return nil
}

// checkAfterDraw holds what was recorded at and after the draw to the digests
// that the ledger names.
func (t *Trial) checkAfterDraw(tx *store.Tx, waves []DrawnWave, check func(what, text string) error) error {
	for _, w := range waves {
		for _, e := range w.Evidence {
			if err := check("the evidence of chance "+e.Name, e.Text); err != nil {
				return err
			}
		}
	}
	faults, err := tx.DrawErrors()
	if err != nil {
		return err
	}
	for _, e := range faults {
		if err := check(fmt.Sprintf("the note of error %d", e.Seq), e.Note); err != nil {
			return err
		}
	}
	changes, err := tx.CommunityChanges()
	if err != nil {
		return err
	}
	for i, c := range changes {
		if err := check(fmt.Sprintf("change %d of the communities", i+1), c.Text()); err != nil {
			return err
		}
	}
	return nil
}

// afterDraw reads what was recorded at and after the draw into a snapshot.
func (t *Trial) afterDraw(tx *store.Tx, s *Snapshot) (err error) {
	if s.DrawErrors, err = tx.DrawErrors(); err != nil {
		return err
	}
	if s.Annulment, err = tx.Annulment(); err != nil {
		return err
	}
	s.Changes, err = tx.CommunityChanges()
	return err
}

// after reads what belongs to a draw beside its lines.
func (v *DrawView) after(tx *store.Tx) (err error) {
	if v.Errors, err = tx.DrawErrors(); err != nil {
		return err
	}
	if v.Annulment, err = tx.Annulment(); err != nil {
		return err
	}
	ledger, err := tx.Ledger()
	if err != nil {
		return err
	}
	for _, r := range ledger {
		e, err := r.Entry()
		if err != nil {
			return err
		}
		switch e.Action {
		case "draw run":
			v.Entry = e.Seq
		case "draw rehearse":
			var note struct {
				Times int `json:"times"`
			}
			if err := json.Unmarshal(e.After, &note); err != nil {
				return fmt.Errorf("read ledger entry %d: %w", e.Seq, err)
			}
			v.Rehearsals += note.Times
		}
	}
	return nil
}
