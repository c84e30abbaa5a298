package conduct

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"evenhand/trial"
	"evenhand/trial/store"
)

// ReportError records an error at or after the draw, and gives its number.
// Nothing of the allocation changes: the draw is accepted, the truth recorded,
// and the school stays in the analysis. The ledger holds the note's digest only,
// since a note may tell an arm.
func (t *Trial) ReportError(ctx context.Context, e trial.DrawError) (seq int, err error) {
	if e.On == "" {
		e.On = t.Today()
	}
	if err := e.Check(); err != nil {
		return 0, err
	}
	err = t.write(ctx, trial.ReportError, func(tx *store.Tx) error {
		lines, err := tx.Assignments()
		if err != nil {
			return err
		}
		if !slices.ContainsFunc(lines, func(l store.Assignment) bool { return l.School == e.School }) {
			return fmt.Errorf("school %s was not drawn: an error of the draw is one of a school in it", e.School)
		}
		at := t.at()
		if seq, err = tx.AddDrawError(e, at, t.Who.Actor); err != nil {
			return fmt.Errorf("record an error of school %s: %w", e.School, err)
		}
		return t.log(tx, at, "draw report-error", "school "+e.School, nil, struct {
			Error int             `json:"error"`
			Kind  trial.ErrorKind `json:"kind"`
			Found trial.Date      `json:"found"`
			Note  string          `json:"note"` // digest
		}{seq, e.Kind, e.On, trial.DigestOf(e.Note)}, "")
	})
	return seq, err
}

// AnnulDraw declares the trial's draw void, that of every wave. It takes two people. The draw
// stays as it was, for everybody to see, and no other is made in this trial.
func (t *Trial) AnnulDraw(ctx context.Context, why, confirmedBy string) (a store.Annulment, err error) {
	var faults []string
	if strings.TrimSpace(why) == "" {
		faults = append(faults, "the reason is missing: it stands in the record for ever")
	}
	if strings.TrimSpace(confirmedBy) == "" {
		faults = append(faults, "it takes two people: name the second")
	} else if samePerson(confirmedBy, t.Who.Actor) {
		faults = append(faults, fmt.Sprintf("%s cannot confirm it alone: the second person is another", t.Who.Actor))
	}
	if len(faults) > 0 {
		return a, errors.New("annul the draw: " + strings.Join(faults, "; "))
	}
	err = t.write(ctx, trial.AnnulDraw, func(tx *store.Tx) error {
		draws, err := tx.Draws()
		if err != nil {
			return err
		}
		digests := make([]string, len(draws))
		for i, d := range draws {
			digests[i] = d.Digest
		}
		a = store.Annulment{Why: why, At: t.at(), Actor: t.Who.Actor, ConfirmedBy: confirmedBy}
		if err := tx.SaveAnnulment(a); err != nil {
			return fmt.Errorf("annul the draw: %w", err)
		}
		return t.log(tx, a.At, "draw annul", "the draw", nil, struct {
			Allocation  string   `json:"allocation"`
			Later       []string `json:"later_waves,omitempty"`
			ConfirmedBy string   `json:"confirmed_by"`
		}{digests[0], digests[1:], confirmedBy}, why)
	})
	return a, err
}
