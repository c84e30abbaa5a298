package conduct_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"evenhand/trial"
	"evenhand/trial/conduct"
	"evenhand/trial/intake"
	"evenhand/trial/store"
	"evenhand/trial/store/storetest"
	"evenhand/trial/trialtest"
)

func TestMain(m *testing.M) { os.Exit(storetest.Main(m)) }

var (
	ctx       = context.Background()
	synthetic = sync.OnceValue(func() *trialtest.Synthetic { return trialtest.Make(11, 20) })
	here      = func(int) string { return "" }
	local     = trial.ChanceTerms{Source: trial.ChanceLocal}
)

// world is a trial in a store with a clock that moves on by a second at every
// look.
type world struct {
	*testing.T
	*conduct.Trial
	address string
	clock   time.Time
}

// onBoth runs a test on SQLite and on Postgres.
func onBoth(t *testing.T, protocol string, test func(w *world)) {
	t.Helper()
	for _, dialect := range []string{"sqlite", "postgres"} {
		t.Run(dialect, func(t *testing.T) {
			address := filepath.Join(t.TempDir(), "evenhand.db")
			if dialect == "postgres" {
				address = storetest.Postgres(t)
			}
			w := &world{T: t, address: address, clock: time.Date(2014, 9, 29, 9, 0, 0, 0, time.UTC)}
			db, err := store.Open(ctx, address, true)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { db.Close() })
			if w.Trial, err = conduct.Create(ctx, db, w.who("sam"), "trial.yaml", []byte(protocol)); err != nil {
				t.Fatal(err)
			}
			test(w)
		})
	}
}

func (w *world) who(name string) conduct.Who {
	return conduct.Who{Actor: name, Program: "test", Entropy: strings.NewReader(strings.Repeat("as if it were chance. ", 100)),
		Now: func() time.Time { w.clock = w.clock.Add(time.Second); return w.clock }}
}

// as gives the trial as somebody else opens it.
func (w *world) as(name string) *conduct.Trial {
	w.Helper()
	t, err := conduct.Open(ctx, w.DB, w.who(name), w.ID())
	if err != nil {
		w.Fatal(err)
	}
	return t
}

// must ends the test after an error.
func (w *world) must(err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

// whole gives the digest of everything stored, and sees that the ledger's
// chain is sound and that all that it names is there.
func (w *world) whole() []store.TableInfo {
	w.Helper()
	records, err := w.Ledger(ctx)
	w.must(err)
	_, err = trial.CheckLedger(records)
	w.must(err)
	w.must(w.CheckRecords(ctx))
	var info []store.TableInfo
	w.must(w.DB.Read(ctx, w.ID(), func(tx *store.Tx) error { info, err = tx.Info(); return err }))
	return info
}

// refuses sees that a step fails with a kind of error (nil for any) and leaves
// nothing behind.
func (w *world) refuses(what string, kind error, step func() error) {
	w.Helper()
	before := w.whole()
	err := step()
	if err == nil || kind != nil && !errors.Is(err, kind) {
		w.Errorf("%s: %v, want %v", what, err, kind)
	}
	if d := cmp.Diff(before, w.whole()); d != "" {
		w.Errorf("%s: it was refused (%v), and something was stored:\n%s", what, err, d)
	}
}

// logs sees that a step makes one entry of the ledger for each of these
// actions, in order.
func (w *world) logs(what string, step func() error, actions ...string) {
	w.Helper()
	before, err := w.Ledger(ctx)
	w.must(err)
	w.must(step())
	after, err := w.Ledger(ctx)
	w.must(err)
	var got []string
	for _, r := range after[len(before):] {
		e, err := r.Entry()
		w.must(err)
		if e.Actor != "sam" || e.At.IsZero() {
			w.Errorf("%s: entry %d is by %q at %v", what, e.Seq, e.Actor, e.At)
		}
		got = append(got, e.Action)
	}
	if !slices.Equal(got, actions) {
		w.Errorf("%s made the entries %q, want %q", what, got, actions)
	}
	w.whole()
}

func file(kind string, c intake.Counts) conduct.File {
	return conduct.File{Kind: kind, Name: kind + ".csv", Digest: trial.DigestOf(kind), Rows: c.Rows, Stored: c.Stored, NotStored: c.NotStored}
}

func (w *world) known() intake.Known {
	w.Helper()
	k, err := w.Known(ctx)
	w.must(err)
	return intake.Known{Protocol: w.Protocol, Schools: k.Schools, OnRoster: k.OnRoster, Staff: k.Staff, Responses: k.Responses, Pupils: k.Pupils, Identities: k.Identities, Scores: k.Scores, Attendance: k.Attendance, Withdrawals: k.Withdrawals}
}

// recruit takes the synthetic trial up to the day before its lock.
func (w *world) recruit() {
	w.Helper()
	s := synthetic()
	schools, err := intake.Schools("schools.csv", strings.NewReader(s.Schools), w.known())
	w.must(err)
	for i := range schools.Schools {
		schools.Schools[i].Since = "2014-01-13"
	}
	w.logs("a file of schools", func() error { return w.ImportSchools(ctx, file("school", schools.Counts), schools.Schools) }, "school import")
	staff, err := intake.Staff("staff.csv", strings.NewReader(s.Staff), w.known())
	w.must(err)
	w.logs("staff", func() error { return w.ImportStaff(ctx, file("staff", staff.Counts), staff.Staff) }, "staff import")
	responses, err := intake.Responses("responses.csv", strings.NewReader(s.Responses), w.known(), "staff", "baseline")
	w.must(err)
	w.logs("responses", func() error { return w.ImportResponses(ctx, file("response", responses.Counts), responses.Responses) }, "response import")
	leaders, err := intake.Leaders("leaders.csv", strings.NewReader(s.Leaders), w.known())
	w.must(err)
	var named []conduct.NewLeader
	for _, l := range leaders.Leaders {
		named = append(named, conduct.NewLeader{School: l.School, Role: l.Role, Name: l.Name, Email: l.Email, On: l.On})
	}
	w.must(w.AddLeaders(ctx, named, here))
	pupils, err := intake.Pupils("pupils.csv", strings.NewReader(s.Pupils), w.known())
	w.must(err)
	w.logs("pupils", func() error {
		joiners, err := w.ImportPupils(ctx, file("pupil", pupils.Counts), pupils.Pupils, pupils.Scores, pupils.Identities)
		if joiners {
			w.Error("pupils listed before the lock are joiners")
		}
		return err
	}, "pupil import")
	moves, err := intake.Moves("moves.csv", strings.NewReader(s.Moves), w.known())
	w.must(err)
	var steps []conduct.Move
	for _, m := range moves.Moves {
		steps = append(steps, conduct.Move{School: m.School, To: m.To, On: m.On, Reason: m.Reason, Note: m.Note, Signatures: m.Signatures})
	}
	w.must(w.MoveSchools(ctx, steps, here))
}

// draw takes it through the draw.
func (w *world) draw() {
	w.Helper()
	w.logs("the lock", func() error { _, err := w.LockRoster(ctx, 0); return err }, "roster lock")
	w.logs("the commitment", func() error { _, err := w.CommitDraw(ctx, local); return err }, "draw commit")
	w.logs("the draw", func() error { _, _, err := w.RunDraw(ctx, "", conduct.ChanceOffer{}); return err }, "draw run")
}

// collect takes in what came after the draw.
func (w *world) collect() {
	w.Helper()
	v, err := w.ShowDraw(ctx)
	w.must(err)
	assigned := map[string]trial.Assigned{}
	for _, l := range v.Lines {
		assigned[l.School] = trial.Assigned{Arm: l.Arm, Community: l.Community}
	}
	after := synthetic().After(assigned)
	attendance, err := intake.Attendance("attendance.csv", strings.NewReader(after.Attendance), w.known())
	w.must(err)
	w.logs("attendance", func() error {
		return w.ImportAttendance(ctx, file("attendance", attendance.Counts), attendance.Attendance)
	}, "attendance import")
	withdrawals, err := intake.Withdrawals("withdrawals.csv", strings.NewReader(after.Withdrawals), w.known())
	w.must(err)
	f := file("withdrawal", withdrawals.Counts)
	w.must(w.Withdraw(ctx, &f, withdrawals.Withdrawals))
	outcomes, err := intake.Outcomes("outcomes.csv", strings.NewReader(after.Outcomes), w.known())
	w.must(err)
	w.logs("outcomes", func() error {
		return w.ImportScores(ctx, file("outcome", outcomes.Counts), outcomes.Scores, outcomes.Joiners, "")
	}, "outcome import")
}

// The life of a trial: each step writes its entry in the ledger, and what is
// not its turn is refused and leaves nothing.
func TestLife(t *testing.T) {
	onBoth(t, synthetic().Protocol, func(w *world) {
		w.refuses("a lock without schools", nil, func() error { _, err := w.LockRoster(ctx, 0); return err })
		w.recruit()
		ready, err := w.Recruitment(ctx)
		w.must(err)
		if ready.Ready != 20 || ready.Needed != 0 {
			w.Errorf("%d schools are ready and %d needed", ready.Ready, ready.Needed)
		}
		early := &trial.PhaseError{}
		for what, step := range map[string]func() error{
			"a rehearsal":  func() error { _, err := w.Rehearse(ctx, 3, nil); return err },
			"a commitment": func() error { _, err := w.CommitDraw(ctx, local); return err },
			"a draw":       func() error { _, _, err := w.RunDraw(ctx, "", conduct.ChanceOffer{}); return err },
			"an analysis":  func() error { _, err := w.Analyse(ctx, ""); return err },
			"a withdrawal": func() error {
				return w.Withdraw(ctx, nil, []trial.Withdrawal{{Level: "school", Subject: "1", From: trial.FromBoth, On: "2015-01-01", Reason: "x"}})
			},
			"attendance": func() error { return w.ImportAttendance(ctx, conduct.File{}, nil) },
			"outcomes":   func() error { return w.ImportScores(ctx, conduct.File{}, nil, nil, "") },
		} {
			w.refuses(what+" before the lock", nil, step)
			if err := step(); !errors.As(err, &early) || early.Is != trial.Recruiting {
				w.Errorf("%s before the lock: %v", what, err)
			}
		}
		w.draw()
		first, err := w.ShowDraw(ctx)
		w.must(err)
		var drawn *conduct.AlreadyDrawnError
		w.refuses("a second draw", nil, func() error { _, _, err := w.RunDraw(ctx, "", conduct.ChanceOffer{}); return err })
		if _, _, err := w.RunDraw(ctx, "", conduct.ChanceOffer{}); !errors.As(err, &drawn) || drawn.Actor != "sam" || drawn.Digest != first.Draw.Digest {
			w.Errorf("a second draw: %v", err)
		}
		for what, step := range map[string]func() error{
			"a lock":       func() error { _, err := w.LockRoster(ctx, 0); return err },
			"a rehearsal":  func() error { _, err := w.Rehearse(ctx, 3, nil); return err },
			"a commitment": func() error { _, err := w.CommitDraw(ctx, local); return err },
			"a stop":       func() error { return w.Stop(ctx, "x") },
			"a new school": func() error { return w.AddSchool(ctx, trial.School{ID: "999999", Name: "x"}) },
			"a correction": func() error { return w.SetSchool(ctx, first.Lines[0].School, "x", nil, "y") },
			"a move": func() error {
				return w.MoveSchools(ctx, []conduct.Move{{School: first.Lines[0].School, To: trial.Declined, Reason: "no time"}}, here)
			},
			"an analysis without scores": func() error { _, err := w.Analyse(ctx, ""); return err },
		} {
			w.refuses(what+" after the draw", nil, step)
		}
		verified, err := w.VerifyDraw(ctx)
		w.must(err)
		if verified.Schools != 20 || verified.Digest != first.Draw.Digest {
			w.Errorf("VerifyDraw = %+v", verified)
		}
		w.collect()
		w.logs("a blind analysis", func() error { _, err := w.Analyse(ctx, ""); return err }, "analysis blind")
		if s, err := w.Snapshot(ctx); err != nil || s.Last != nil || len(s.Beside) > 0 {
			w.Errorf("a blind run counts as results: %v", err)
		}
		w.logs("the unblinding", func() error { _, err := w.Unblind(ctx, "ana", nil); return err }, "analysis unblind")
		w.refuses("a second unblinding", conduct.ErrUnblinded, func() error { _, err := w.Unblind(ctx, "ana", nil); return err })
		w.refuses("a reason without a change", conduct.ErrUnchanged, func() error { _, err := w.Analyse(ctx, "x"); return err })
		w.logs("the analysis", func() error { _, err := w.Analyse(ctx, ""); return err }, "analysis run")
		s, err := w.Snapshot(ctx)
		w.must(err)
		if s.Last == nil || len(s.Last.Results) != 2 || s.Facts.Phase() != trial.Drawn {
			w.Fatalf("the snapshot has %+v", s.Facts)
		}
		pupils := 0
		for _, arm := range s.Flow.Arms {
			for _, level := range []trial.LevelFlow{arm.Schools, arm.Pupils} {
				sum := level.Analysed
				for _, l := range level.Lost {
					sum += l.N
				}
				if sum != level.Randomised || level.Randomised == 0 {
					w.Errorf("arm %s: %d randomised, %d accounted for", arm.Arm, level.Randomised, sum)
				}
			}
			pupils += arm.Pupils.Randomised
		}
		if pupils != len(s.Roster.Pupils) {
			w.Errorf("%d pupils in the flow, %d on the roster", pupils, len(s.Roster.Pupils))
		}
		joiners := 0
		for _, p := range s.Records.Pupils {
			if p.Joiner {
				joiners++
			}
		}
		if joiners == 0 {
			w.Error("the outcome file brought no joiner: nothing is shown about them")
		}
		// The same allocation from the same chance: nothing else goes into it.
		again, err := conduct.Open(ctx, w.DB, w.who("somebody else"), w.ID())
		w.must(err)
		v, err := again.ShowDraw(ctx)
		w.must(err)
		if d := cmp.Diff(first, v); d != "" {
			w.Errorf("opened again the draw is another:\n%s", d)
		}
	})
}

// A list of moves is taken whole or not at all, and all that is wrong with it
// comes at once.
func TestMovesAreTakenTogether(t *testing.T) {
	onBoth(t, synthetic().Protocol, func(w *world) {
		for _, id := range []string{"100001", "100002"} {
			w.logs("a school", func() error { return w.AddSchool(ctx, trial.School{ID: id, Name: "School " + id, Since: "2014-01-13"}) }, "school add")
		}
		w.refuses("the same school again", store.ErrExists, func() error { return w.AddSchool(ctx, trial.School{ID: "100001", Name: "x"}) })
		moves := []conduct.Move{
			{School: "100001", To: trial.Approached, On: "2014-02-01"},
			{School: "100001", To: trial.Agreed, On: "2014-03-01", Signatures: []trial.Signature{{Role: "head", On: "2014-03-01"}, {Role: "chair of governors", On: "2014-03-01"}}},
			{School: "100002", To: trial.Ready, On: "2014-02-01"},
			{School: "100009", To: trial.Approached, On: "2014-02-01"},
			{School: "100002", To: trial.Declined, On: "2014-02-01", Reason: "bored"},
			{School: "100002", To: trial.Agreed, On: "2014-02-01", Signatures: []trial.Signature{{Role: "caretaker", On: "2014-02-01"}}},
		}
		var faults *conduct.FaultsError
		w.refuses("a list with faults", nil, func() error {
			err := w.MoveSchools(ctx, moves, func(i int) string { return fmt.Sprintf("row %d: ", i+2) })
			if !errors.As(err, &faults) || len(faults.Faults) != 4 {
				w.Fatalf("faults: %v", err)
			}
			for i, want := range []string{"row 4: school 100002", "row 5: school \"100009\"", "row 6: ", "row 7: "} {
				if !strings.HasPrefix(faults.Faults[i].Error(), want) {
					w.Errorf("fault %d is %q, want it to begin with %q", i, faults.Faults[i], want)
				}
			}
			return err
		})
		if !errors.Is(faults, conduct.ErrUnknown) {
			w.Error("the unknown school cannot be told from the other faults")
		}
		w.logs("a good list", func() error { return w.MoveSchools(ctx, moves[:2], here) }, "school stage", "school stage")
		v, err := w.School(ctx, "100001")
		w.must(err)
		if v.School.Stage != trial.Agreed || len(v.School.Signatures) != 2 || len(v.History) != 3 {
			w.Errorf("the school is %+v with history %v", v.School, v.History)
		}
		w.refuses("another signature of the same role", nil, func() error {
			return w.MoveSchools(ctx, []conduct.Move{{School: "100001", To: trial.BaselineIn, On: "2014-04-01", Signatures: []trial.Signature{{Role: "head", On: "2014-03-02"}}}}, here)
		})
		w.refuses("leaders, one of no school", conduct.ErrUnknown, func() error {
			return w.AddLeaders(ctx, []conduct.NewLeader{{School: "100001", Role: "senior leader", Name: "A"}, {School: "1", Role: "senior leader", Name: "B"}}, here)
		})
		w.logs("a leader", func() error {
			return w.AddLeaders(ctx, []conduct.NewLeader{{School: "100001", Role: "senior leader", Name: "Zoë Secret"}}, here)
		}, "leader add")
		w.logs("a leader who left", func() error { return w.LeaderLeft(ctx, "100001-L1", "", "new post") }, "leader left")
		w.refuses("the same leader leaving again", nil, func() error { return w.LeaderLeft(ctx, "100001-L1", "", "new post") })
		w.logs("a note", func() error { return w.Note(ctx, "100001", "rang back") }, "school note")
		records, err := w.Ledger(ctx)
		w.must(err)
		for _, r := range records {
			if strings.Contains(r.Text, "Secret") {
				w.Errorf("a leader's name is in the ledger: %s", r.Text)
			}
		}
		many := make([]conduct.Move, 5000)
		for i := range many {
			many[i] = conduct.Move{School: "none", To: trial.Approached}
		}
		if err := w.MoveSchools(ctx, many, here); err == nil || strings.Count(err.Error(), "\n") > 60 || !strings.Contains(err.Error(), "and 4950 more") {
			w.Errorf("5,000 faults make a message of %d lines", strings.Count(fmt.Sprint(err), "\n"))
		}
	})
}

// The protocol changes freely while recruiting, with a reason after the lock,
// and its design not at all after the commitment.
func TestProtocolVersions(t *testing.T) {
	onBoth(t, synthetic().Protocol, func(w *world) {
		original := w.Text
		edit := func(old, new string) []byte {
			w.Helper()
			if !strings.Contains(w.Text, old) {
				w.Fatalf("the protocol has no %q", old)
			}
			return []byte(strings.Replace(w.Text, old, new, 1))
		}
		if recorded, err := w.Sync(ctx, "trial.yaml", []byte(original)); recorded || err != nil {
			w.Errorf("the same text: %v, %v", recorded, err)
		}
		other := w.as("ana")
		w.logs("an edit", func() error {
			recorded, err := w.Sync(ctx, "trial.yaml", edit("target: 20 schools", "target: 21 schools"))
			if !recorded || w.Version != 2 || w.Protocol.Recruitment.Target != 21 {
				w.Errorf("recorded %v as version %d, target %d", recorded, w.Version, w.Protocol.Recruitment.Target)
			}
			return err
		}, "protocol record")
		w.refuses("an edit of the version before", nil, func() error {
			return other.Amend(ctx, "trial.yaml", []byte(strings.Replace(original, "target: 20 schools", "target: 22 schools", 1)), "y")
		})
		w.refuses("an amendment without a reason", nil, func() error { return w.Amend(ctx, "trial.yaml", edit("target: 21", "target: 20"), " ") })
		w.refuses("no amendment", nil, func() error { return w.Amend(ctx, "trial.yaml", []byte(w.Text), "x") })
		w.refuses("a protocol with faults", nil, func() error { _, err := w.Sync(ctx, "trial.yaml", []byte("evenhand: 2\n")); return err })
		w.refuses("another trial's protocol", nil, func() error { _, err := w.Sync(ctx, "trial.yaml", edit("id: rlc ", "id: rlx ")); return err })
		w.must(w.Amend(ctx, "trial.yaml", []byte(original), "as it was"))
		w.recruit()
		_, err := w.LockRoster(ctx, 0)
		w.must(err)
		label := edit("Workshop 1", "Workshop one")
		w.refuses("an edit after the lock", conduct.ErrProtocolChanged, func() error { _, err := w.Sync(ctx, "trial.yaml", label); return err })
		w.logs("an amendment after the lock", func() error { return w.Amend(ctx, "trial.yaml", label, "spelling") }, "protocol record")
		w.must(w.Amend(ctx, "trial.yaml", edit("size: 5 to 6", "size: 4 to 6"), "we think again"))
		w.refuses("a commitment to a design that was not locked", conduct.ErrRosterChanged, func() error { _, err := w.CommitDraw(ctx, local); return err })
		_, err = w.LockRoster(ctx, 0)
		w.must(err)
		_, err = w.CommitDraw(ctx, local)
		w.must(err)
		w.refuses("an amendment of the design after the commitment", conduct.ErrProtocolChanged, func() error {
			return w.Amend(ctx, "trial.yaml", edit("size: 4 to 6", "size: 5 to 6"), "back again")
		})
		w.logs("an amendment of something else", func() error {
			return w.Amend(ctx, "trial.yaml", edit("interval: 95 %", "interval: 90 %"), "as registered")
		}, "protocol record")
		versions, err := w.Versions(ctx)
		w.must(err)
		if len(versions) != 6 || versions[0].Text != original || versions[3].Reason != "spelling" || versions[5].Author != "sam" {
			w.Errorf("%d versions", len(versions))
		}
	})
}

// What changed after the lock keeps the draw from being committed, by name.
func TestLockedIsWhatIsDrawn(t *testing.T) {
	onBoth(t, synthetic().Protocol, func(w *world) {
		w.recruit()
		_, err := w.LockRoster(ctx, 0)
		w.must(err)
		rosters, err := w.Rosters(ctx)
		w.must(err)
		id := strings.Split(strings.Split(rosters[0].RosterText, "\n")[2], "\t")[0]
		v, err := w.School(ctx, id)
		w.must(err)
		region, other := v.School.Attributes["region"], "London"
		if region == other {
			other = "South West"
		}
		w.must(w.SetSchool(ctx, id, "", map[string]string{"region": other}, "typing error"))
		w.refuses("a commitment to another stratum", conduct.ErrRosterChanged, func() error { _, err := w.CommitDraw(ctx, local); return err })
		w.must(w.SetSchool(ctx, id, "", map[string]string{"region": region}, "it was right"))
		w.must(w.SetSchool(ctx, id, "Another name", nil, "it moved")) // a name draws nothing
		joiners, err := w.ImportPupils(ctx, file("pupil", intake.Counts{Rows: 1, Stored: 1}), []trial.Pupil{{ID: "J1", School: id, Attributes: map[string]string{}}}, nil, nil)
		if !joiners || err != nil {
			w.Errorf("a pupil after the lock: joiner %v, %v", joiners, err)
		}
		_, err = w.CommitDraw(ctx, local)
		w.must(err)
		w.refuses("a second commitment", nil, func() error { _, err := w.CommitDraw(ctx, local); return err })
		_, _, err = w.RunDraw(ctx, "", conduct.ChanceOffer{})
		w.must(err)
		s, err := w.Snapshot(ctx)
		w.must(err)
		if slices.ContainsFunc(s.Roster.Pupils, func(p trial.Pupil) bool { return p.ID == "J1" }) {
			w.Error("a joiner is on the roster")
		}
	})
}

// Two people at the draw, where the protocol asks for two.
func TestTwoPeople(t *testing.T) {
	protocol := strings.Replace(synthetic().Protocol, "confirm: 1 person", "confirm: 2 people", 1)
	if protocol == synthetic().Protocol {
		t.Fatal("the protocol has no line on who confirms")
	}
	onBoth(t, protocol, func(w *world) {
		w.recruit()
		_, err := w.LockRoster(ctx, 0)
		w.must(err)
		_, err = w.CommitDraw(ctx, local)
		w.must(err)
		for _, by := range []string{"", " ", "sam", " Sam "} {
			w.refuses(fmt.Sprintf("a draw confirmed by %q", by), nil, func() error { _, _, err := w.RunDraw(ctx, by, conduct.ChanceOffer{}); return err })
		}
		d, _, err := w.RunDraw(ctx, "ana", conduct.ChanceOffer{})
		w.must(err)
		if d.ConfirmedBy != "ana" {
			w.Errorf("confirmed by %q", d.ConfirmedBy)
		}
		w.whole()
	})
}

// Somebody who is to stay blind gets no arm, before and after, however the
// name is spelt; the plan's run ends it.
func TestBlind(t *testing.T) {
	onBoth(t, synthetic().Protocol, func(w *world) {
		w.recruit()
		if blinded, err := w.as("A. Evaluator").Blinded(ctx); !blinded || err != nil {
			w.Errorf("before the draw: blinded %v, %v", blinded, err)
		}
		w.draw()
		var blind *conduct.BlindError
		for _, name := range []string{"A. Evaluator", "a. evaluator", " A.  EVALUATOR "} {
			if _, err := w.as(name).ShowDraw(ctx); !errors.As(err, &blind) {
				w.Errorf("%q was shown the draw: %v", name, err)
			}
			if _, err := w.as(name).Snapshot(ctx); !errors.As(err, &blind) {
				w.Errorf("%q was shown a snapshot: %v", name, err)
			}
		}
		if _, err := w.ShowDraw(ctx); err != nil {
			w.Errorf("somebody who may know: %v", err)
		}
		w.collect()
		_, err := w.as("A. Evaluator").Analyse(ctx, "")
		w.must(err)
		run, err := w.as("A. Evaluator").LastRun(ctx)
		w.must(err)
		if run.Kind != store.BlindRun || strings.Contains(run.ResultsText, "control") || strings.Contains(run.ResultsText, "rlc") {
			w.Errorf("a blind run says which arm is which: %.300s", run.ResultsText)
		}
		if _, err := w.as("A. Evaluator").ShowDraw(ctx); !errors.As(err, &blind) {
			w.Errorf("after a blind run the draw was shown: %v", err)
		}
		_, err = w.Unblind(ctx, "", nil)
		w.must(err)
		if _, err := w.as("A. Evaluator").ShowDraw(ctx); err != nil {
			w.Errorf("after the unblinding: %v", err)
		}
	})
}

// Scores are corrected with a reason only; then the last run of the plan is
// out of date, and says so.
func TestCorrectedScores(t *testing.T) {
	onBoth(t, synthetic().Protocol, func(w *world) {
		w.recruit()
		w.draw()
		w.collect()
		_, err := w.Unblind(ctx, "", nil)
		w.must(err)
		_, err = w.Analyse(ctx, "")
		w.must(err)
		s, err := w.Snapshot(ctx)
		w.must(err)
		i := slices.IndexFunc(s.Records.Scores, func(x trial.Score) bool { return x.Measure == "ks2_reading" && x.Missing == "" })
		was := s.Records.Scores[i]
		corrected := was
		corrected.Value = 200 - was.Value
		if corrected.Value == was.Value {
			corrected.Value++
		}
		f := file("outcome", intake.Counts{Rows: 1, Stored: 1})
		var revision *conduct.RevisionError
		w.refuses("a correction without a reason", nil, func() error {
			err := w.ImportScores(ctx, f, []trial.Score{corrected}, nil, "")
			if !errors.As(err, &revision) || revision.N != 1 || revision.First != was.Person {
				w.Errorf("%v", err)
			}
			return err
		})
		wrong := f
		wrong.Stored = 0
		w.refuses("rows that are not accounted for", store.ErrConserve, func() error { return w.ImportScores(ctx, wrong, []trial.Score{corrected}, nil, "x") })
		w.refuses("a score of somebody who is not there", conduct.ErrUnknown, func() error {
			return w.ImportScores(ctx, f, []trial.Score{{Measure: "ks2_reading", Person: "nobody", Value: 100}}, nil, "x")
		})
		w.logs("a correction", func() error { return w.ImportScores(ctx, f, []trial.Score{corrected}, nil, "marked again") }, "score correct", "outcome import")
		if _, err := w.Snapshot(ctx); !errors.Is(err, conduct.ErrStaleAnalysis) {
			w.Errorf("after a correction: %v", err)
		}
		var changed *conduct.ChangedError
		w.refuses("a run on changed data without a reason", nil, func() error { _, err := w.Analyse(ctx, ""); return err })
		if _, err := w.Analyse(ctx, ""); !errors.As(err, &changed) || len(changed.What) != 1 || changed.What[0] != "the data of ks2_reading" {
			w.Errorf("changed data: %v", err)
		}
		run, err := w.Analyse(ctx, "marked again")
		w.must(err)
		if run.Run != 2 || run.Kind != store.ChangedRun {
			w.Errorf("run %d", run.Run)
		}
		_, err = w.Snapshot(ctx)
		w.must(err)
		w.whole()
	})
}

func TestWithdrawals(t *testing.T) {
	onBoth(t, synthetic().Protocol, func(w *world) {
		w.recruit()
		w.draw()
		v, err := w.ShowDraw(ctx)
		w.must(err)
		on, off := v.Lines[0].School, ""
		schools, err := w.Schools(ctx)
		w.must(err)
		for _, s := range schools {
			if s.School.Stage != trial.Ready {
				off = s.School.ID
			}
		}
		try := func(x trial.Withdrawal) error {
			k, err := w.Known(ctx)
			w.must(err)
			if err := w.CheckWithdrawal(k, x); err != nil {
				return err
			}
			return w.Withdraw(ctx, nil, []trial.Withdrawal{x})
		}
		school := trial.Withdrawal{Level: "school", Subject: on, From: trial.FromProgramme, On: "2015-01-01", Reason: "no time"}
		w.logs("a school's withdrawal", func() error { return try(school) }, "withdrawal")
		w.refuses("the same again", nil, func() error { return try(school) })
		for what, x := range map[string]trial.Withdrawal{
			"a school off the roster": {Level: "school", Subject: off, From: trial.FromBoth, On: "2015-01-01", Reason: "x"},
			"a school of no trial":    {Level: "school", Subject: "1", From: trial.FromBoth, On: "2015-01-01", Reason: "x"},
			"a pupil of no trial":     {Level: "pupil", Subject: "1", From: trial.FromBoth, On: "2015-01-01", Reason: "x"},
			"no reason":               {Level: "school", Subject: v.Lines[1].School, From: trial.FromBoth, On: "2015-01-01", Reason: " "},
		} {
			w.refuses(what, nil, func() error { return try(x) })
		}
		school.From = trial.FromData
		w.logs("from the data too", func() error { return try(school) }, "withdrawal")
		s, err := w.Snapshot(ctx)
		w.must(err)
		left, lost := 0, 0
		for _, arm := range s.Flow.Arms {
			left += arm.Schools.WithdrewProgramme
			for _, l := range arm.Schools.Lost {
				if l.What == trial.LostSchoolWithdrew {
					lost += l.N
				}
			}
		}
		if left != 1 || lost != 1 || len(s.Roster.Schools) != 20 {
			w.Errorf("%d schools left the programme and %d are lost, of %d", left, lost, len(s.Roster.Schools))
		}
	})
}

func TestStop(t *testing.T) {
	onBoth(t, synthetic().Protocol, func(w *world) {
		w.recruit()
		w.refuses("a stop without a reason", nil, func() error { return w.Stop(ctx, "") })
		w.logs("the stop", func() error { return w.Stop(ctx, "too few") }, "trial stop")
		for what, step := range map[string]func() error{
			"a second stop": func() error { return w.Stop(ctx, "again") },
			"a lock":        func() error { _, err := w.LockRoster(ctx, 0); return err },
			"a school":      func() error { return w.AddSchool(ctx, trial.School{ID: "999999", Name: "x"}) },
		} {
			w.refuses(what, nil, step)
		}
		s, err := w.Snapshot(ctx)
		w.must(err)
		if s.Stop == nil || s.Stop.Reason != "too few" || s.Facts.Phase() != trial.Stopped {
			w.Errorf("%+v, %s", s.Stop, s.Facts.Phase())
		}
	})
}

// Receipts held by others, recorded.
func TestReceipts(t *testing.T) {
	onBoth(t, synthetic().Protocol, func(w *world) {
		r, err := w.Receipt(ctx)
		w.must(err)
		if r.Size != 1 || r.Trial != "rlc" {
			w.Errorf("%+v", r)
		}
		w.must(w.AddSchool(ctx, trial.School{ID: "100001", Name: "x"}))
		w.logs("an older receipt, handed out", func() error { return w.HandOut(ctx, r, "the funder") }, "ledger receipt")
		forged := r
		forged.Head = trial.DigestOf("x")
		w.refuses("a receipt of another ledger", trial.ErrLedger, func() error { return w.HandOut(ctx, forged, "the funder") })
		s, err := w.Snapshot(ctx)
		w.must(err)
		if len(s.Receipts) != 1 || s.Receipts[0].Holder != "the funder" || s.Receipts[0].Head != r.Head {
			w.Errorf("%+v", s.Receipts)
		}
	})
}

// Files that come in at the same moment are both stored, or one of them is
// refused; the ledger stays one chain.
func TestAtTheSameTime(t *testing.T) {
	onBoth(t, synthetic().Protocol, func(w *world) {
		const people = 6
		var wg sync.WaitGroup
		errs := make([]error, people)
		for i := range people {
			db, err := store.Open(ctx, w.address, false)
			w.must(err)
			w.Cleanup(func() { db.Close() })
			who := conduct.Who{Actor: fmt.Sprint("person ", i), Now: time.Now, Program: "test"}
			own, err := conduct.Open(ctx, db, who, w.ID())
			w.must(err)
			wg.Add(1)
			go func() {
				defer wg.Done()
				errs[i] = errors.Join(
					own.AddSchool(ctx, trial.School{ID: fmt.Sprint(100000 + i), Name: "own"}),
					own.Note(ctx, fmt.Sprint(100000+i), "hello"),
				)
				if err := own.AddSchool(ctx, trial.School{ID: "200000", Name: "everybody's"}); err != nil && !errors.Is(err, store.ErrExists) {
					errs[i] = errors.Join(errs[i], err)
				}
			}()
		}
		wg.Wait()
		w.must(errors.Join(errs...))
		schools, err := w.Schools(ctx)
		w.must(err)
		records, err := w.Ledger(ctx)
		w.must(err)
		if len(schools) != people+1 || len(records) != 1+2*people+1 {
			w.Errorf("%d schools and %d entries, want %d and %d", len(schools), len(records), people+1, 2*people+2)
		}
		w.whole()
	})
}
