package conduct

import (
	"context"
	"fmt"
	"strings"
	"time"

	"evenhand/trial"
	"evenhand/trial/store"
)

// Versions lists the versions of the protocol, oldest first.
func (t *Trial) Versions(ctx context.Context) (all []store.ProtocolVersion, err error) {
	err = t.read(ctx, func(tx *store.Tx) error {
		all, err = tx.Protocols()
		return err
	})
	return all, err
}

// Ledger gives every entry in order.
func (t *Trial) Ledger(ctx context.Context) (all []trial.Record, err error) {
	err = t.read(ctx, func(tx *store.Tx) error {
		all, err = tx.Ledger()
		return err
	})
	return all, err
}

// Receipt makes a receipt of the ledger as it stands.
func (t *Trial) Receipt(ctx context.Context) (r trial.Receipt, err error) {
	err = t.read(ctx, func(tx *store.Tx) error {
		records, err := tx.Ledger()
		if err != nil {
			return err
		}
		head, err := trial.CheckLedger(records)
		if err != nil {
			return err
		}
		r = trial.Receipt{Trial: t.ID(), Size: len(records), Head: head, At: t.Who.Now().UTC().Truncate(time.Second), Tree: trial.Root(records)}
		return nil
	})
	return r, err
}

// HandOut records that somebody holds a receipt, which is an entry after it.
func (t *Trial) HandOut(ctx context.Context, r trial.Receipt, holder string) error {
	return t.write(ctx, "", func(tx *store.Tx) error {
		records, err := tx.Ledger()
		if err != nil {
			return err
		}
		if err := r.Check(t.ID(), records); err != nil {
			return err
		}
		if err := tx.SaveReceipt(r, holder); err != nil {
			return fmt.Errorf("keep the receipt of %q: %w", holder, err)
		}
		return t.log(tx, t.at(), actionReceipt, heldBy+holder, nil, receiptNote{r.Size, r.Head, r.Tree, r.Key, r.Signature}, "")
	})
}

// CheckRecords holds what is stored beside the ledger to the digests that the
// ledger names: every version of the protocol, the locked texts, the
// commitment, the draw and the results. The error wraps trial.ErrLedger.
func (t *Trial) CheckRecords(ctx context.Context) error {
	return t.read(ctx, func(tx *store.Tx) error {
		named, err := t.namedDigests(tx)
		if err != nil {
			return err
		}
		check := func(what, text string) error {
			if digest := trial.DigestOf(text); !named[digest] {
				return fmt.Errorf("%w: %s has digest %s, which no entry names", trial.ErrLedger, what, digest)
			}
			return nil
		}
		versions, err := tx.Protocols()
		if err != nil {
			return err
		}
		for _, v := range versions {
			if err := check(fmt.Sprintf("version %d of the protocol", v.Version), v.Text); err != nil {
				return err
			}
		}
		rosters, err := tx.Rosters()
		if err != nil {
			return err
		}
		for _, l := range rosters {
			for _, part := range []struct{ what, text string }{{"design", l.DesignText}, {"roster", l.RosterText}, {"list of pupils", l.PupilsText}} {
				if err := check(fmt.Sprintf("the %s of roster version %d", part.what, l.Version), part.text); err != nil {
					return err
				}
			}
		}
		commitments, err := tx.Commitments()
		if err != nil {
			return err
		}
		for _, c := range commitments {
			if err := check("the commitment", c.Text); err != nil {
				return err
			}
		}
		waves, err := drawnWaves(tx)
		if err != nil {
			return err
		}
		for _, w := range waves {
			if err := check("the allocation", w.Draw.AllocationText); err != nil {
				return err
			}
		}
		if len(waves) > 0 {
			if err := t.drawLines(tx, waves); err != nil {
				return err
			}
			if err := t.drawInLedger(tx, waves); err != nil {
				return err
			}
		}
		if err := t.checkAfterDraw(tx, waves, check); err != nil {
			return err
		}
		runs, err := tx.Analyses()
		if err != nil {
			return err
		}
		for _, a := range runs {
			if err := check(fmt.Sprintf("the results of analysis %d", a.Run), a.ResultsText); err != nil {
				return err
			}
		}
		return nil
	})
}

// drawLines says whether the lines used for queries are the allocations'.
func (t *Trial) drawLines(tx *store.Tx, waves []DrawnWave) error {
	for _, w := range waves {
		if w.Allocation.Digest() != w.Draw.Digest {
			return fmt.Errorf("%w: the draw was recorded with digest %s, its text has %s", ErrDisagrees, w.Draw.Digest, w.Allocation.Digest())
		}
	}
	lines, err := tx.Assignments()
	if err != nil {
		return err
	}
	said := map[string]store.Assignment{}
	for _, a := range assignments(waves) {
		said[a.School] = a
	}
	if len(lines) != len(said) {
		return fmt.Errorf("%w: the allocation has %d lines, the table of assignments %d", ErrDisagrees, len(said), len(lines))
	}
	for _, l := range lines {
		if a := said[l.School]; a != l {
			return fmt.Errorf("%w: school %s stands as %s, community %d in the table of assignments; the allocation says %s, community %d", ErrDisagrees, l.School, l.Arm, l.Community, a.Arm, a.Community)
		}
	}
	return nil
}

// namedDigests collects every digest that an entry's "after" names.
func (t *Trial) namedDigests(tx *store.Tx) (map[string]bool, error) {
	records, err := tx.Ledger()
	if err != nil {
		return nil, err
	}
	named := map[string]bool{}
	for _, r := range records {
		e, err := r.Entry()
		if err != nil {
			return nil, fmt.Errorf("%w: %w", trial.ErrLedger, err)
		}
		for _, word := range strings.FieldsFunc(string(e.After), func(r rune) bool { return r == '"' }) {
			if len(word) == 64 {
				named[word] = true
			}
		}
	}
	return named, nil
}
