package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"evenhand/trial"
	"evenhand/trial/conduct"
	"evenhand/trial/sign"
)

// This computer remembers, in the user's folder for settings and not beside the
// store, how large each trial's ledger was and which head it had when a command
// last ended well: in the form of a receipt. A store that is put back to an
// older state, or written anew, is noticed with the next command.
//
// It notices that the state changed under the same name of the store, on a
// computer and for a user who has seen the later state. It does not notice what
// happened under another name or on another computer, nor anything once
// somebody has also changed or taken away what is remembered: it is a guard
// against mistakes with backups. Against the owner of the computer only a
// receipt that somebody else holds is evidence.

// memory is where the ledger of one trial in one store is remembered.
type memory struct {
	file  string // "" where this computer has no place for it
	where string // the store's name, without a password
	trial string
}

func (a *app) memoryOf(trialID string) memory {
	m := memory{where: storeName(a.storeAddress()), trial: trialID}
	if a.settings == nil {
		return m
	}
	if dir, err := a.settings(); err == nil && dir != "" {
		m.file = filepath.Join(dir, "evenhand", "ledgers", trial.DigestOf(m.where + "\n" + trialID)[:32]+".txt")
	}
	return m
}

// storeName is a store's address as it is remembered: the file's full path, or
// the database's address without user, password and options.
func storeName(address string) string {
	if u, err := url.Parse(address); err == nil && (u.Scheme == "postgres" || u.Scheme == "postgresql") {
		return "postgres://" + u.Host + u.Path
	}
	if full, err := filepath.Abs(address); err == nil {
		address = full
	}
	if real, err := filepath.EvalSymlinks(address); err == nil {
		address = real
	}
	return address
}

const memoryHead = "What this computer last saw of the ledger of a trial, to notice when an older copy is put\nin its place. Written by evenhand; not evidence for anybody else.\n\nstore %s\n\n"

// seen gives what is remembered; nil for nothing.
func (m memory) seen() (*trial.Receipt, error) {
	if m.file == "" {
		return nil, nil
	}
	text, err := os.ReadFile(m.file)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read what this computer saw last: %w", err)
	}
	r, err := trial.ParseReceipt(string(text))
	if err != nil {
		return nil, fmt.Errorf("read what this computer saw last, %s: %w", m.file, err)
	}
	return &r, nil
}

// keep remembers a state.
func (m memory) keep(size int, head string, at time.Time) error {
	if m.file == "" {
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(m.file), 0o700); err != nil {
		return err
	}
	r := trial.Receipt{Trial: m.trial, Size: size, Head: head, At: at.UTC().Truncate(time.Second)}
	return writeFile(m.file, true, func(w io.Writer) error {
		_, err := fmt.Fprintf(w, memoryHead+"%s", m.where, r.Text())
		return err
	})
}

// rollback is what is wrong with a ledger by what this computer saw; "" for
// nothing.
func rollback(seen trial.Receipt, size int, then string) string {
	day := seen.At.Format("2006-01-02 15:04 UTC")
	switch {
	case size < seen.Size:
		return fmt.Sprintf("this computer saw %s in this ledger on %s, and now there are %d: an older copy of the store was put in place, or entries were cut off", entries(seen.Size), day, size)
	case then != seen.Head:
		return fmt.Sprintf("entry %d of this ledger is not the one that this computer saw on %s: the store was put back to an older state and went on from there, or was written anew", seen.Size, day)
	}
	return ""
}

// watched runs fn on a trial, warns first if its ledger is not what this
// computer saw, and remembers it as it is afterwards. Nothing is remembered
// where something was warned of: that goes on until `ledger restored`.
func (a *app) watched(ctx context.Context, t *conduct.Trial, fn func(*conduct.Trial) error) error {
	m := a.memoryOf(t.ID())
	seen, err := m.seen()
	known := trial.Receipt{Head: trial.ZeroDigest}
	warned := false
	switch {
	case err != nil:
		a.note("%v", err)
	case seen != nil:
		known = *seen
		size, _, then, err := t.Head(ctx, seen.Size)
		if err != nil {
			return err
		}
		if what := rollback(*seen, size, then); what != "" {
			warned = true
			fmt.Fprintf(a.stderr, "evenhand: WARNING: %s\nevenhand: hint: if somebody did so on purpose, `evenhand ledger restored --reason \"…\"` records it; otherwise keep the store as it is and look for the later copy\n", what)
		}
	}
	if err := fn(t); err != nil {
		return err
	}
	if a.remind {
		a.coverNote(ctx, t)
	}
	if m.file == "" {
		return nil
	}
	size, head, then, err := t.Head(ctx, known.Size)
	if err != nil || warned && then != known.Head || size == known.Size && head == known.Head {
		return nil // the command itself ended well
	}
	if err := m.keep(size, head, a.now()); err != nil && seen != nil {
		a.note("what this computer saw of the ledger could not be written down: %v", err)
	}
	return nil
}

func (a *app) restoredCommand() *cobra.Command {
	var why string
	c := command("restored --reason TEXT", "Say that an older copy of the store was put in place on purpose",
		"After a backup was put back, this computer warns that the ledger is older than the one it saw. Give\nthe reason here: it becomes an entry of the ledger, with the state that was seen before, so that\nwhoever checks the trial knows; and the warnings end.",
		"evenhand ledger restored --reason \"disk failed on 3 May; back to the backup of 2 May\"", noArgs,
		func(ctx context.Context, _ []string) error {
			if strings.TrimSpace(why) == "" {
				return usagef("--reason is missing: say why an older state was put in place")
			}
			return a.withTrial(ctx, false, func(t *conduct.Trial) error {
				m := a.memoryOf(t.ID())
				seen, err := m.seen()
				if err != nil {
					return err
				}
				if seen == nil {
					return errors.New("this computer has seen no later state of this ledger: there is nothing to explain")
				}
				size, _, then, err := t.Head(ctx, seen.Size)
				if err != nil {
					return err
				}
				if rollback(*seen, size, then) == "" {
					return errors.New("the ledger is the one that this computer saw: there is nothing to explain")
				}
				if err := t.Restored(ctx, *seen, why); err != nil {
					return err
				}
				now, head, _, err := t.Head(ctx, 0)
				if err != nil {
					return err
				}
				if err := m.keep(now, head, a.now()); err != nil {
					return fmt.Errorf("remember the ledger: %w", err)
				}
				return a.print(struct {
					Entries     int `json:"entries"`
					SeenEntries int `json:"seen_entries"`
				}{now, seen.Size}, func() {
					a.say("Entry %d of the ledger says that it was put back to %s, from %d that were seen.", now, entries(size), seen.Size)
				})
			})
		})
	c.Flags().Var(textFlag{&why}, "reason", "why: it stands in the record for ever")
	return c
}

// checkLedger checks the store's ledger with everything that is at hand.
func (a *app) checkLedger(ctx context.Context, t *conduct.Trial, receiptFiles []string, keys []sign.PublicKey) error {
	records, err := t.Ledger(ctx)
	if err != nil {
		return err
	}
	head, err := trial.CheckLedger(records)
	if err != nil {
		return err
	}
	covered := 0
	var lines []string
	for _, file := range receiptFiles {
		r, err := a.readReceipt(file)
		if err != nil {
			return err
		}
		if err := r.Check(t.ID(), records); err != nil {
			return fmt.Errorf("%s: %w", file, err)
		}
		signed, err := a.checkSignature(file, r, keys)
		if err != nil {
			return err
		}
		lines = append(lines, signed...)
		covered = max(covered, r.Size)
	}
	held, err := t.Receipts(ctx)
	if err != nil {
		return err
	}
	for _, h := range held {
		if err := h.Check(t.ID(), records); err != nil {
			return fmt.Errorf("the receipt on record of %q: %w", h.Holder, err)
		}
	}
	seen, err := a.memoryOf(t.ID()).seen()
	if err != nil {
		return err
	}
	if seen != nil {
		then := trial.ZeroDigest
		if seen.Size > 0 {
			then = ""
			if seen.Size <= len(records) {
				then = records[seen.Size-1].Digest
			}
		}
		if what := rollback(*seen, len(records), then); what != "" {
			return fmt.Errorf("%w: %s", trial.ErrLedger, what)
		}
	}
	if err := t.CheckRecords(ctx); err != nil {
		return err
	}
	out := struct {
		Entries    int    `json:"entries"`
		Head       string `json:"head"`
		Tree       string `json:"tree"`
		Covered    int    `json:"covered"`
		NotCovered int    `json:"not_covered"`
		OnRecord   int    `json:"receipts_on_record"`
		Seen       int    `json:"seen_by_this_computer"`
	}{len(records), head, trial.Root(records), covered, len(records) - covered, len(held), 0}
	if seen != nil {
		out.Seen = seen.Size
	}
	return a.print(out, func() {
		a.say("PASS  %d entries, no gap and no edit; head %s", len(records), head)
		a.say("PASS  locked texts, draw and results have the digests that the ledger names")
		if len(receiptFiles) > 0 {
			a.say("PASS  entries 1 to %d are as the receipts saw them", covered)
		}
		for _, line := range lines {
			a.say("%s", line)
		}
		if len(held) > 0 {
			a.say("PASS  the ledger fits all %s on record", count(len(held), "receipt"))
		}
		if seen != nil {
			a.say("PASS  it begins with the %s that this computer saw on %s", entries(seen.Size), seen.At.Format("2006-01-02"))
		} else {
			a.say("NOTE  this computer has not seen this ledger before, so that it could not notice an older copy")
		}
		if n := len(records) - covered; n > 0 {
			a.say("NOTE  %d entries are covered by no receipt given here: only a copy held by somebody else shows that they were not written anew", n)
		}
	})
}

// Commands after which the record should go out of the house.
var receiptMoments = []string{"roster lock", "draw commit", "draw run", "draw annul", "analysis unblind", "analysis run", "report build", "audit export"}

// remindOfReceipts makes those commands end with a note on how far the receipts
// that others hold reach.
func (a *app) remindOfReceipts(root *cobra.Command) {
	for _, moment := range receiptMoments {
		c, _, err := root.Find(strings.Fields(moment))
		if err != nil || c.CommandPath() != "evenhand "+moment {
			panic("there is no command " + moment)
		}
		run := c.RunE
		c.RunE = func(cmd *cobra.Command, args []string) error {
			a.remind = true
			return run(cmd, args)
		}
	}
}

// coverNote is the note.
func (a *app) coverNote(ctx context.Context, t *conduct.Trial) {
	c, err := t.Cover(ctx)
	if err != nil {
		return // the command itself ended well
	}
	const how = "`evenhand ledger receipt --out receipt.txt --holder \"the funder\"` makes one"
	switch {
	case c.Latest == nil:
		a.note("nobody outside holds a receipt: all %s of the ledger could be written anew; %s", entries(c.Entries), how)
	case c.Latest.Size < c.Entries:
		a.note("nobody outside holds a receipt newer than entry %d of %d (%s); %s", c.Latest.Size, c.Entries, c.Latest.At.Format(time.DateOnly), how)
	}
}

// entries counts them in words.
func entries(n int) string {
	if n == 1 {
		return "1 entry"
	}
	return fmt.Sprint(n, " entries")
}
