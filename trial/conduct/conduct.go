// Package conduct does the steps of a trial: it checks that a step is allowed
// in the trial's phase, computes, and writes the result and its line in the
// ledger in one transaction. One file a step.
//
// The clock, the actor and the source of randomness are handed in (see Who);
// nothing here reads the world by itself.
package conduct

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"evenhand/trial"
	"evenhand/trial/store"
)

// Who does a step, when, and with which randomness.
type Who struct {
	Actor   string           // name as given with --as, or the system's user
	Now     func() time.Time // the clock
	Entropy io.Reader        // this computer's random source; read by Draw with local chance and by Rehearse only
	Program string           // name and version of the program, for the record

	// Progress is told how far the search for communities has come; nil where
	// nobody watches.
	Progress func(done, of int)

	// Minutes reads the file of minutes between schools that a protocol names.
	// nil where there are no files.
	Minutes func(file string) (trial.Minutes, error)
}

// Trial is a trial in a store, with the protocol that is in force.
type Trial struct {
	DB       *store.DB
	Who      Who
	Protocol *trial.Protocol
	Version  int    // of the protocol
	Text     string // of the protocol
}

// ErrProtocolChanged says that trial.yaml is not what was recorded, after the
// roster was locked.
var ErrProtocolChanged = errors.New("the protocol has changed since the roster was locked")

// BlindError says that somebody who is to stay blind asked for arms.
type BlindError struct {
	Actor string
	Until string
}

func (e *BlindError) Error() string {
	return fmt.Sprintf("%s stays blind until %q and must not learn an arm: nothing was shown", e.Actor, e.Until)
}

// Create enters a trial into a store with the first version of its protocol.
func Create(ctx context.Context, db *store.DB, who Who, name string, text []byte) (*Trial, error) {
	p, err := trial.ParseProtocol(name, text)
	if err != nil {
		return nil, err
	}
	t := &Trial{DB: db, Who: who, Protocol: p, Version: 1, Text: string(text)}
	err = db.Write(ctx, p.Trial.ID, func(tx *store.Tx) error {
		at := t.at()
		if err := tx.CreateTrial(p.Trial.Title, at); err != nil {
			return fmt.Errorf("enter trial %q: %w", p.Trial.ID, err)
		}
		return t.saveProtocol(tx, at, nil, "first version")
	})
	if err != nil {
		return nil, err
	}
	return t, nil
}

// Open opens a trial of a store with its protocol in force. A trial that is
// not there is store.ErrNoTrial.
func Open(ctx context.Context, db *store.DB, who Who, id string) (*Trial, error) {
	t := &Trial{DB: db, Who: who}
	err := db.Read(ctx, id, func(tx *store.Tx) error {
		versions, err := tx.Protocols()
		if err != nil {
			return err
		}
		if len(versions) == 0 {
			return fmt.Errorf("%w: %q in %s", store.ErrNoTrial, id, db.Where())
		}
		last := versions[len(versions)-1]
		if trial.DigestOf(last.Text) != last.Digest {
			return fmt.Errorf("%w: version %d of the protocol does not have the digest that was recorded", trial.ErrLedger, last.Version)
		}
		t.Version, t.Text = last.Version, last.Text
		t.Protocol, err = trial.ParseProtocol(fmt.Sprintf("protocol version %d", last.Version), []byte(last.Text))
		return err
	})
	if err != nil {
		return nil, err
	}
	return t, nil
}

// ID is the trial's ID.
func (t *Trial) ID() string { return t.Protocol.Trial.ID }

// at is now, as it is recorded.
func (t *Trial) at() time.Time { return t.Who.Now().UTC().Truncate(time.Microsecond) }

// Today is the day of the clock, UTC.
func (t *Trial) Today() trial.Date { return trial.DateOf(t.Who.Now()) }

// write runs a step that is allowed in the trial's phase.
func (t *Trial) write(ctx context.Context, action trial.Action, fn func(*store.Tx) error) error {
	return t.DB.Write(ctx, t.ID(), func(tx *store.Tx) error {
		if action != "" {
			facts, err := t.facts(tx)
			if err != nil {
				return err
			}
			if err := facts.Allow(action); err != nil {
				return err
			}
		}
		return fn(tx)
	})
}

// read runs fn on one unchanging state.
func (t *Trial) read(ctx context.Context, fn func(*store.Tx) error) error {
	return t.DB.Read(ctx, t.ID(), fn)
}

// log writes the ledger's line of a step.
func (t *Trial) log(tx *store.Tx, at time.Time, action, about string, before, after any, why string) error {
	_, err := tx.Append(at, t.Who.Actor, action, about, before, after, why)
	return err
}

// saveProtocol records t.Text as version t.Version.
func (t *Trial) saveProtocol(tx *store.Tx, at time.Time, before any, reason string) error {
	v := store.ProtocolVersion{Version: t.Version, Text: t.Text, Digest: trial.DigestOf(t.Text), At: at, Author: t.Who.Actor, Reason: reason}
	if err := tx.AddProtocol(v); err != nil {
		return fmt.Errorf("record version %d of the protocol: %w", v.Version, err)
	}
	return t.log(tx, at, "protocol record", fmt.Sprintf("protocol version %d", v.Version), before, protocolNote{v.Version, v.Digest}, reason)
}

type protocolNote struct {
	Version int    `json:"version"`
	Digest  string `json:"digest"`
}

// Sync compares trial.yaml with the protocol in force. While the trial is
// recruiting, a change is recorded as a new version (recorded is true); after
// the roster was locked it is ErrProtocolChanged, since a change then needs a
// reason: see Amend.
func (t *Trial) Sync(ctx context.Context, name string, text []byte) (recorded bool, err error) {
	if string(text) == t.Text {
		return false, nil
	}
	err = t.change(ctx, name, text, func(f trial.Facts) error {
		if f.Phase() != trial.Recruiting {
			return fmt.Errorf("%w: %s is not version %d, which is in force", ErrProtocolChanged, name, t.Version)
		}
		return nil
	}, "edited while recruiting")
	return err == nil, err
}

// Amend records a changed protocol with its reason, at any phase. After the
// draw nothing that the draw was made from may change.
func (t *Trial) Amend(ctx context.Context, name string, text []byte, reason string) error {
	if strings.TrimSpace(reason) == "" {
		return errors.New("an amendment needs a reason: it stands in the record for ever")
	}
	if string(text) == t.Text {
		return fmt.Errorf("%s is version %d of the protocol already: there is nothing to amend", name, t.Version)
	}
	return t.change(ctx, name, text, func(trial.Facts) error { return nil }, reason)
}

func (t *Trial) change(ctx context.Context, name string, text []byte, allowed func(trial.Facts) error, reason string) error {
	p, err := trial.ParseProtocol(name, text)
	if err != nil {
		return err
	}
	if p.Trial.ID != t.ID() {
		return fmt.Errorf("%s is of trial %q, the store's is %q: a trial keeps its ID for life", name, p.Trial.ID, t.ID())
	}
	next := &Trial{DB: t.DB, Who: t.Who, Protocol: p, Version: t.Version + 1, Text: string(text)}
	err = t.DB.Write(ctx, t.ID(), func(tx *store.Tx) error {
		facts, err := t.facts(tx)
		if err != nil {
			return err
		}
		if err := allowed(facts); err != nil {
			return err
		}
		if facts.Committed {
			if err := sameDesign(t.Protocol, p); err != nil {
				return err
			}
		}
		versions, err := tx.Protocols()
		if err != nil {
			return err
		}
		if n := len(versions); n != t.Version {
			return fmt.Errorf("somebody else recorded version %d of the protocol meanwhile: read it with `evenhand protocol show` and try again", n)
		}
		return next.saveProtocol(tx, t.at(), protocolNote{t.Version, trial.DigestOf(t.Text)}, reason)
	})
	if err != nil {
		return err
	}
	*t = *next
	return nil
}

// sameDesign says whether two protocols draw alike.
func sameDesign(a, b *trial.Protocol) error {
	was, err := a.Design()
	if err != nil {
		return err
	}
	is, err := b.Design()
	if err != nil {
		return err
	}
	if string(was.Text()) != string(is.Text()) || !slices.Equal(a.Strata, b.Strata) {
		return fmt.Errorf("%w: the draw is committed or made, so arms, strata, draw and communities stay as they were", ErrProtocolChanged)
	}
	return nil
}

// mayKnowArms refuses somebody who is to stay blind. Being blind until "plan
// locked" ends when the analysis is unblinded, which locks plan and data; until
// "report" when a report was built after the plan was run then.
func (t *Trial) mayKnowArms(tx *store.Tx) error {
	blind := t.Protocol.Trial.Blind
	if !slices.ContainsFunc(blind.People, func(name string) bool { return samePerson(name, t.Who.Actor) }) {
		return nil
	}
	refused := &BlindError{Actor: t.Who.Actor, Until: blind.Until}
	switch blind.Until {
	case "plan locked":
		locked, err := tx.Unblindings()
		if err != nil || len(locked) > 0 {
			return err
		}
	case "report":
		ledger, err := tx.Ledger()
		if err != nil {
			return err
		}
		analysed := false // a report before that has no results, and ends nothing
		for _, r := range ledger {
			e, err := r.Entry()
			if err != nil {
				return err
			}
			analysed = analysed || e.Action == "analysis run"
			if analysed && e.Action == "report build" {
				return nil
			}
		}
	}
	return refused
}

func samePerson(a, b string) bool { return trial.SamePerson(a, b) }

// Blinded says whether the actor must not see arms now.
func (t *Trial) Blinded(ctx context.Context) (bool, error) {
	err := t.read(ctx, t.mayKnowArms)
	var blind *BlindError
	if errors.As(err, &blind) {
		return true, nil
	}
	return false, err
}

// Facts gives what the trial's phase is worked out from.
func (t *Trial) Facts(ctx context.Context) (f trial.Facts, err error) {
	err = t.read(ctx, func(tx *store.Tx) error {
		f, err = t.facts(tx)
		return err
	})
	return f, err
}
