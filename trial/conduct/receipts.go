package conduct

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"time"

	"evenhand/trial"
	"evenhand/trial/store"
)

// receiptNote is what the ledger keeps of a receipt that was handed out. With
// its date and holder, which stand in the store, it is the whole receipt.
type receiptNote struct {
	Entries   int    `json:"entries"`
	Head      string `json:"head"`
	Tree      string `json:"tree,omitempty"`
	Key       string `json:"key,omitempty"`
	Signature string `json:"signature,omitempty"`
}

const (
	actionReceipt = "ledger receipt"
	heldBy        = "receipt held by "
)

// wholeReceipts gives the receipts on record as they were handed out, with
// root and signature where they had them.
func wholeReceipts(held []store.HeldReceipt, records []trial.Record) []store.HeldReceipt {
	type key struct {
		size   int
		holder string
	}
	notes := map[key]receiptNote{}
	for _, r := range records {
		e, err := r.Entry()
		if err != nil || e.Action != actionReceipt {
			continue // whatever is wrong with the ledger, trial.CheckLedger says
		}
		var n receiptNote
		if json.Unmarshal(e.After, &n) == nil {
			notes[key{n.Entries, strings.TrimPrefix(e.About, heldBy)}] = n
		}
	}
	all := make([]store.HeldReceipt, len(held))
	for i, h := range held {
		if n := notes[key{h.Size, h.Holder}]; n.Head == h.Head {
			h.Tree, h.Key, h.Signature = n.Tree, n.Key, n.Signature
		}
		all[i] = h
	}
	return all
}

// Receipts lists the receipts that others hold by the record, by size.
func (t *Trial) Receipts(ctx context.Context) (all []store.HeldReceipt, err error) {
	err = t.read(ctx, func(tx *store.Tx) error {
		held, err := tx.Receipts()
		if err != nil {
			return err
		}
		records, err := tx.Ledger()
		all = wholeReceipts(held, records)
		return err
	})
	return all, err
}

// Cover is how far the receipts that others hold, by the record, reach.
type Cover struct {
	Entries int                // of the ledger
	Latest  *store.HeldReceipt // nil while there is none
}

// Cover gives it.
func (t *Trial) Cover(ctx context.Context) (c Cover, err error) {
	err = t.read(ctx, func(tx *store.Tx) error {
		held, err := tx.Receipts()
		if err != nil {
			return err
		}
		if n := len(held); n > 0 {
			c.Latest = &held[n-1]
		}
		c.Entries, _, err = tx.Head()
		return err
	})
	return c, err
}

// Head gives the ledger's size and last digest, and the digest of an earlier
// entry ("" for none): enough to see whether it still is the ledger that was
// seen then.
func (t *Trial) Head(ctx context.Context, earlier int) (size int, head, then string, err error) {
	err = t.read(ctx, func(tx *store.Tx) error {
		if size, head, err = tx.Head(); err != nil {
			return err
		}
		if earlier == 0 {
			then = trial.ZeroDigest
			return nil
		}
		then, err = tx.DigestAt(earlier)
		return err
	})
	return size, head, then, err
}

// Restored records, with a reason, that an older state of the store was put in
// place of one that had been seen: so that whoever reads the ledger knows.
func (t *Trial) Restored(ctx context.Context, seen trial.Receipt, reason string) error {
	if strings.TrimSpace(reason) == "" {
		return errors.New("that an older state was put in place needs a reason: it stands in the record for ever")
	}
	return t.write(ctx, "", func(tx *store.Tx) error {
		size, head, err := tx.Head()
		if err != nil {
			return err
		}
		return t.log(tx, t.at(), "ledger restore", "ledger", map[string]any{"entries": seen.Size, "head": seen.Head, "seen": seen.At.UTC().Format(time.RFC3339)}, map[string]any{"entries": size, "head": head}, reason)
	})
}
