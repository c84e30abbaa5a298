package store_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"evenhand/trial"
	"evenhand/trial/store"
	"evenhand/trial/store/storetest"
)

func TestMain(m *testing.M) { os.Exit(storetest.Main(m)) }

var at = time.Date(2014, 9, 30, 10, 2, 3, 456789000, time.UTC)

// onBoth runs the suite's test on SQLite and on Postgres.
func onBoth(t *testing.T, test func(t *testing.T, db *store.DB, address string)) {
	t.Helper()
	for _, dialect := range []string{"sqlite", "postgres"} {
		t.Run(dialect, func(t *testing.T) {
			address := filepath.Join(t.TempDir(), "evenhand ü?#%20.db") // a name that must be escaped
			if dialect == "postgres" {
				address = storetest.Postgres(t)
			}
			db := open(t, address)
			test(t, db, address)
		})
	}
}

func open(t *testing.T, address string) *store.DB {
	t.Helper()
	db, err := store.Open(context.Background(), address, true)
	if err != nil {
		t.Fatalf("Open(%s): %v", address, err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

func write(t *testing.T, db *store.DB, fn func(*store.Tx) error) {
	t.Helper()
	if err := db.Write(context.Background(), "rlc", fn); err != nil {
		t.Fatal(err)
	}
}

func read(t *testing.T, db *store.DB, fn func(*store.Tx) error) {
	t.Helper()
	if err := db.Read(context.Background(), "rlc", fn); err != nil {
		t.Fatal(err)
	}
}

// must gives a value or ends the test.
func must[T any](t *testing.T) func(T, error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func same(t *testing.T, what string, got, want any) {
	t.Helper()
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("%s: (-want +got)\n%s", what, d)
	}
}

// A little trial with a row or more in every table.
var (
	schools = []trial.School{
		{ID: "100001", Name: "Ash <Primary> & co", Attributes: map[string]string{"region": "North", "trust": "Oak"}, Stage: trial.Listed, Since: "2014-03-01", Source: "schools.csv row 2"},
		{ID: "100002", Name: "Beech Primary", Attributes: map[string]string{"region": "South"}, Stage: trial.Listed, Since: "2014-03-01", Source: "schools.csv row 3"},
	}
	pupils = []trial.Pupil{
		{ID: "P1", School: "100001", Attributes: map[string]string{"fsm": "yes"}},
		{ID: "P2", School: "100001", Attributes: map[string]string{"fsm": "no"}},
		{ID: "P3", School: "100002", Attributes: map[string]string{}},
		{ID: "P4", School: "100002", Joiner: true, Attributes: map[string]string{}},
	}
	flows = map[string]trial.Flow{"ks2": {Arms: []trial.ArmFlow{
		{Arm: "rlc", Schools: trial.LevelFlow{Randomised: 1, Analysed: 1}, Pupils: trial.LevelFlow{Randomised: 2, Analysed: 1, Lost: []trial.Count{{What: "absent", N: 1}}}},
		{Arm: "control", Control: true, Schools: trial.LevelFlow{Randomised: 1, Analysed: 1}, Pupils: trial.LevelFlow{Randomised: 1, Analysed: 1}},
	}}}
)

func fill(t *testing.T, db *store.DB) {
	t.Helper()
	write(t, db, func(tx *store.Tx) error {
		return errors.Join(
			tx.CreateTrial("Research Learning Communities", at),
			tx.AddProtocol(store.ProtocolVersion{Version: 1, Text: "evenhand: 1\n", Digest: trial.DigestOf("evenhand: 1\n"), At: at, Author: "ana", Reason: "first"}),
			tx.AddSchools(schools),
			tx.AddSignature("100001", trial.Signature{Role: "head", On: "2014-05-01"}),
			tx.AddLeader("100001", trial.Leader{Role: "senior leader", Person: "100001-L1"}, "2014-05-02"),
			tx.AddLeader("100001", trial.Leader{Role: "senior leader", Person: "100001-L2"}, "2014-05-02"),
			tx.LeaderLeft("100001-L1", "2014-06-01"),
			tx.AddIdentities([]trial.Identity{{Kind: "leader", ID: "100001-L1", Name: "Zoë O'Neil", Email: "z@example.org"}, {Kind: "pupil", ID: "P1", Name: "A. Pupil", Number: "A123456789012"}}),
			tx.AddStaff([]trial.Staff{{ID: "T1", School: "100001", Role: "teacher", Years: []int{5, 6}}, {ID: "T2", School: "100001", Role: "head"}}),
			tx.AddResponses([]trial.Response{{Survey: "staff", Round: "baseline", Staff: "T1", On: "2014-09-10"}}),
			tx.AddPupils(pupils),
			tx.AddScores([]trial.Score{{Measure: "ks2", Person: "P1", Value: 0.1 + 0.2}, {Measure: "ks2", Person: "P2", Missing: "absent"}, {Measure: "ks2", Person: "P3", Value: -97.25}}),
			tx.SaveRoster(store.LockedRoster{Version: 1, Protocol: 1, DesignText: "d\n", RosterText: "r\n", PupilsText: "p\n", At: at, Actor: "sam"}),
			tx.SaveCommitment(store.Commitment{Wave: 1, Roster: 1, Source: "local", Text: "c\n", At: at, Actor: "sam"}),
			tx.SaveDraw(store.Draw{Wave: 1, Roster: 1, Chance: trial.ZeroDigest, AllocationText: "a\n", Digest: trial.DigestOf("a\n"), At: at, Actor: "sam", ConfirmedBy: "ana"},
				[]store.Assignment{{School: "100001", Arm: "rlc", Community: 1}}),
			tx.SaveEvidence(1, evidence),
			tx.SaveRoster(store.LockedRoster{Version: 2, Protocol: 1, DesignText: "d\n", RosterText: "r2\n", PupilsText: "p2\n", At: at, Actor: "sam"}),
			tx.SaveCommitment(store.Commitment{Wave: 2, Roster: 2, Source: "dice", Text: "c2\n", At: at, Actor: "sam"}),
			tx.SaveDraw(store.Draw{Wave: 2, Roster: 2, Chance: trial.ZeroDigest, AllocationText: "a2\n", Digest: trial.DigestOf("a2\n"), At: at, Actor: "ana"},
				[]store.Assignment{{School: "100002", Arm: "control"}}),
			tx.SaveEvidence(2, evidence[:1]),
			addError(tx, "100001", trial.WrongStratum), addError(tx, "100002", trial.ToldWrongArm),
			tx.AddCommunityChanges(changes, at, "ana"),
			tx.SaveAnnulment(store.Annulment{Why: "the roster was another trial's", At: at, Actor: "ana", ConfirmedBy: "sam"}),
			tx.AddAttendance([]trial.Attendance{{Session: "w1", School: "100001", Person: "100001-L2", Attended: true}}),
			tx.AddWithdrawals([]trial.Withdrawal{{Level: "school", Subject: "100002", From: trial.FromProgramme, On: "2015-01-01", Reason: "no time", Note: "new head"}}),
			tx.AddImport(store.Import{Kind: "pupils", File: "p.csv", Digest: trial.DigestOf("x"), Rows: 5, Stored: 4, NotStored: []trial.Count{{What: "school not in the trial", N: 1}}, At: at, Actor: "ana"}),
			tx.SaveUnblinding(store.Unblinding{Outcome: "ks2", Protocol: 1, PlanDigest: trial.ZeroDigest, DataDigest: trial.DigestOf("x"), At: at, Actor: "sam", ConfirmedBy: "ana"}),
			tx.SaveAnalysis(store.Analysis{Run: 1, Kind: store.ChangedRun, Reason: "marked again", Protocol: 1, DataDigest: trial.ZeroDigest, ResultsText: "{}", Digest: trial.DigestOf("{}"), At: at, Actor: "sam"}, flows),
			tx.SaveReceipt(trial.Receipt{Trial: "rlc", Size: 0, Head: trial.ZeroDigest, At: at.Truncate(time.Second)}, "funder"),
			tx.SaveStop(store.Stop{On: "2014-10-01", Reason: "test", At: at, Actor: "ana"}),
			appendEntry(tx, 1), appendEntry(tx, 2),
		)
	})
}

var (
	evidence = []trial.Evidence{{Name: "numbers", Text: "3 5 1\n"}, {Name: "witnesses", Text: "A. Witness\nÉ. Témoin\n"}}
	changes  = []trial.CommunityChange{
		{Kind: trial.Leaves, School: "100001", Arm: "rlc", From: 1, On: "2015-02-01", Reason: "merged with another school"},
		{Kind: trial.Joins, School: "100001", Arm: "rlc", To: 2, On: "2015-03-01", Reason: "came back"},
	}
)

func addError(tx *store.Tx, school string, kind trial.ErrorKind) error {
	_, err := tx.AddDrawError(trial.DrawError{School: school, Kind: kind, Note: "it is <otherwise>", On: "2015-01-02"}, at, "ana")
	return err
}

func appendEntry(tx *store.Tx, n int) error {
	_, err := tx.Append(at, "ana", "test", fmt.Sprintf("thing %d", n), nil, map[string]any{"b": "<&>", "a": n}, "because")
	return err
}

func TestRoundTrip(t *testing.T) {
	onBoth(t, func(t *testing.T, db *store.DB, address string) {
		fill(t, db)
		// A second connection, as another process would have.
		db = open(t, address)
		read(t, db, func(tx *store.Tx) error {
			got := must[[]trial.School](t)(tx.Schools())
			want := append([]trial.School(nil), schools...)
			want[0].Signatures = []trial.Signature{{Role: "head", On: "2014-05-01"}}
			want[0].Leaders = []trial.Leader{{Role: "senior leader", Person: "100001-L2"}}
			same(t, "Schools", got, want)
			same(t, "Pupils", must[[]trial.Pupil](t)(tx.Pupils()), pupils)
			same(t, "Staff", must[[]trial.Staff](t)(tx.Staff()), []trial.Staff{{ID: "T1", School: "100001", Role: "teacher", Years: []int{5, 6}}, {ID: "T2", School: "100001", Role: "head"}})
			same(t, "Responses", must[[]trial.Response](t)(tx.Responses()), []trial.Response{{Survey: "staff", Round: "baseline", Staff: "T1", On: "2014-09-10"}})
			same(t, "Scores", must[[]trial.Score](t)(tx.Scores()), []trial.Score{{Measure: "ks2", Person: "P1", Value: 0.1 + 0.2}, {Measure: "ks2", Person: "P2", Missing: "absent"}, {Measure: "ks2", Person: "P3", Value: -97.25}})
			same(t, "Leaders", must[map[string]string](t)(tx.Leaders()), map[string]string{"100001-L1": "100001", "100001-L2": "100001"})
			same(t, "Identities", must[[]trial.Identity](t)(tx.Identities("leader")), []trial.Identity{{Kind: "leader", ID: "100001-L1", Name: "Zoë O'Neil", Email: "z@example.org"}})
			same(t, "Rosters", must[[]store.LockedRoster](t)(tx.Rosters()), []store.LockedRoster{{Version: 1, Protocol: 1, DesignText: "d\n", RosterText: "r\n", PupilsText: "p\n", At: at, Actor: "sam"}, {Version: 2, Protocol: 1, DesignText: "d\n", RosterText: "r2\n", PupilsText: "p2\n", At: at, Actor: "sam"}})
			same(t, "Commitments", must[[]store.Commitment](t)(tx.Commitments()), []store.Commitment{{Wave: 1, Roster: 1, Source: "local", Text: "c\n", At: at, Actor: "sam"}, {Wave: 2, Roster: 2, Source: "dice", Text: "c2\n", At: at, Actor: "sam"}})
			same(t, "Draws", must[[]store.Draw](t)(tx.Draws()), []store.Draw{
				{Wave: 1, Roster: 1, Chance: trial.ZeroDigest, AllocationText: "a\n", Digest: trial.DigestOf("a\n"), At: at, Actor: "sam", ConfirmedBy: "ana"},
				{Wave: 2, Roster: 2, Chance: trial.ZeroDigest, AllocationText: "a2\n", Digest: trial.DigestOf("a2\n"), At: at, Actor: "ana"}})
			same(t, "Assignments", must[[]store.Assignment](t)(tx.Assignments()), []store.Assignment{{School: "100001", Arm: "rlc", Community: 1}, {School: "100002", Arm: "control"}})
			same(t, "Attendance", must[[]trial.Attendance](t)(tx.Attendance()), []trial.Attendance{{Session: "w1", School: "100001", Person: "100001-L2", Attended: true}})
			same(t, "Withdrawals", must[[]trial.Withdrawal](t)(tx.Withdrawals()), []trial.Withdrawal{{Level: "school", Subject: "100002", From: trial.FromProgramme, On: "2015-01-01", Reason: "no time", Note: "new head"}})
			same(t, "Imports", must[[]store.Import](t)(tx.Imports()), []store.Import{{Kind: "pupils", File: "p.csv", Digest: trial.DigestOf("x"), Rows: 5, Stored: 4, NotStored: []trial.Count{{What: "school not in the trial", N: 1}}, At: at, Actor: "ana"}})
			same(t, "Unblindings", must[[]store.Unblinding](t)(tx.Unblindings()), []store.Unblinding{{Outcome: "ks2", Protocol: 1, PlanDigest: trial.ZeroDigest, DataDigest: trial.DigestOf("x"), At: at, Actor: "sam", ConfirmedBy: "ana"}})
			same(t, "Analyses", must[[]store.Analysis](t)(tx.Analyses()), []store.Analysis{{Run: 1, Kind: store.ChangedRun, Reason: "marked again", Protocol: 1, DataDigest: trial.ZeroDigest, ResultsText: "{}", Digest: trial.DigestOf("{}"), At: at, Actor: "sam"}})
			same(t, "Stop", *must[*store.Stop](t)(tx.Stop()), store.Stop{On: "2014-10-01", Reason: "test", At: at, Actor: "ana"})
			same(t, "StageChanges", must[[]trial.StageChange](t)(tx.StageChanges()), []trial.StageChange{{School: "100001", To: trial.Listed, On: "2014-03-01"}, {School: "100002", To: trial.Listed, On: "2014-03-01"}})
			same(t, "Receipts", must[[]store.HeldReceipt](t)(tx.Receipts()), []store.HeldReceipt{{Receipt: trial.Receipt{Trial: "rlc", Head: trial.ZeroDigest, At: at.Truncate(time.Second)}, Holder: "funder"}})
			same(t, "Facts", must[trial.Facts](t)(tx.Facts()), trial.Facts{Stopped: true, Locked: true, Committed: true, Drawn: true, Annulled: true, Draws: 2})
			same(t, "Evidence", must[[]trial.Evidence](t)(tx.Evidence(1)), evidence)
			same(t, "Evidence of wave 2", must[[]trial.Evidence](t)(tx.Evidence(2)), evidence[:1])
			same(t, "DrawErrors", must[[]store.DrawError](t)(tx.DrawErrors()), []store.DrawError{
				{DrawError: trial.DrawError{School: "100001", Kind: trial.WrongStratum, Note: "it is <otherwise>", On: "2015-01-02"}, Seq: 1, At: at, Actor: "ana"},
				{DrawError: trial.DrawError{School: "100002", Kind: trial.ToldWrongArm, Note: "it is <otherwise>", On: "2015-01-02"}, Seq: 2, At: at, Actor: "ana"}})
			same(t, "CommunityChanges", must[[]store.RecordedChange](t)(tx.CommunityChanges()), []store.RecordedChange{{CommunityChange: changes[0], At: at, Actor: "ana"}, {CommunityChange: changes[1], At: at, Actor: "ana"}})
			same(t, "Annulment", *must[*store.Annulment](t)(tx.Annulment()), store.Annulment{Why: "the roster was another trial's", At: at, Actor: "ana", ConfirmedBy: "sam"})
			ledger := must[[]trial.Record](t)(tx.Ledger())
			if head, err := trial.CheckLedger(ledger); err != nil || len(ledger) != 2 || head != ledger[1].Digest {
				t.Errorf("CheckLedger of %d entries = %s, %v", len(ledger), head, err)
			}
			return nil
		})
		write(t, db, func(tx *store.Tx) error {
			return tx.AddScores([]trial.Score{{Measure: "ks2", Person: "P1", Value: 99}})
		})
		read(t, db, func(tx *store.Tx) error {
			if got := must[[]trial.Score](t)(tx.Scores()); got[0].Value != 99 || len(got) != 3 {
				t.Errorf("after a correction Scores() = %v, want P1 at 99 and three rows", got)
			}
			return nil
		})
	})
}

// Every table but those that hold a present state refuses change, and every
// table but identity refuses removal, whatever the statement.
func TestAppendOnly(t *testing.T) {
	onBoth(t, func(t *testing.T, db *store.DB, _ string) {
		fill(t, db)
		var before, after []store.TableInfo
		read(t, db, func(tx *store.Tx) (err error) { before, err = tx.Info(); return err })
		tried := 0
		for _, info := range before {
			if info.Rows == 0 {
				t.Errorf("table %s has no row to try", info.Table)
			}
			mayChange := map[string]bool{"school": true, "leader": true, "identity": true, "staff": true}[info.Table]
			statements := []string{}
			if !mayChange {
				statements = append(statements, "UPDATE "+info.Table+" SET trial_id = 'x'")
			}
			if info.Table != "identity" {
				statements = append(statements, "DELETE FROM "+info.Table)
				if db.Dialect() == "postgres" {
					statements = append(statements, "TRUNCATE "+info.Table+" CASCADE")
				}
			}
			for _, s := range statements {
				tried++
				if err := store.ExecForTest(db, s); !errors.Is(err, store.ErrAppendOnly) {
					t.Errorf("%s: %v, want ErrAppendOnly", s, err)
				}
			}
		}
		if tried < 40 {
			t.Errorf("only %d statements tried", tried)
		}
		read(t, db, func(tx *store.Tx) (err error) { after, err = tx.Info(); return err })
		same(t, "the store after the attempts", after, before)
	})
}

func TestRefused(t *testing.T) {
	onBoth(t, func(t *testing.T, db *store.DB, _ string) {
		fill(t, db)
		for _, c := range []struct {
			what string
			want error
			do   func(*store.Tx) error
		}{
			{"a second draw", store.ErrExists, func(tx *store.Tx) error {
				return tx.SaveDraw(store.Draw{Wave: 1, Roster: 1, Chance: trial.ZeroDigest, Digest: trial.ZeroDigest}, nil)
			}},
			{"a second commitment", store.ErrExists, func(tx *store.Tx) error { return tx.SaveCommitment(store.Commitment{Wave: 1}) }},
			{"a second commitment of a wave", store.ErrExists, func(tx *store.Tx) error {
				return tx.SaveCommitment(store.Commitment{Wave: 2, Roster: 2})
			}},
			{"a second draw of a wave", store.ErrExists, func(tx *store.Tx) error {
				return tx.SaveDraw(store.Draw{Wave: 2, Roster: 2, Chance: trial.ZeroDigest, Digest: trial.ZeroDigest}, nil)
			}},
			{"a school drawn in a second wave too", store.ErrExists, func(tx *store.Tx) error {
				return errors.Join(tx.SaveRoster(store.LockedRoster{Version: 3, Protocol: 1}), tx.SaveCommitment(store.Commitment{Wave: 3, Roster: 3}),
					tx.SaveDraw(store.Draw{Wave: 3, Roster: 3, Chance: trial.ZeroDigest, Digest: trial.ZeroDigest}, []store.Assignment{{School: "100002", Arm: "rlc"}}))
			}},
			{"a second annulment", store.ErrExists, func(tx *store.Tx) error {
				return tx.SaveAnnulment(store.Annulment{Why: "again", At: at, Actor: "ana", ConfirmedBy: "sam"})
			}},
			{"a text of the chance twice", store.ErrExists, func(tx *store.Tx) error { return tx.SaveEvidence(1, evidence[:1]) }},
			{"an error of a kind that is none", store.ErrBroken, func(tx *store.Tx) error { return addError(tx, "100001", "bad") }},
			{"a change of a school that is not there", store.ErrBroken, func(tx *store.Tx) error {
				return tx.AddCommunityChanges([]trial.CommunityChange{{Kind: trial.Joins, School: "9", Arm: "rlc", To: 1, On: "2015-03-01", Reason: "x"}}, at, "ana")
			}},
			{"a school twice", store.ErrExists, func(tx *store.Tx) error { return tx.AddSchools(schools[:1]) }},
			{"a pupil of no school", store.ErrBroken, func(tx *store.Tx) error {
				return tx.AddPupils([]trial.Pupil{{ID: "P9", School: "nowhere"}})
			}},
			{"NaN for a score", store.ErrBroken, func(tx *store.Tx) error {
				return tx.AddScores([]trial.Score{{Measure: "ks2", Person: "P9", Value: math.NaN()}})
			}},
			{"infinity for a score", store.ErrBroken, func(tx *store.Tx) error {
				return tx.AddScores([]trial.Score{{Measure: "ks2", Person: "P9", Value: math.Inf(1)}})
			}},
			{"a stage that is none", store.ErrBroken, func(tx *store.Tx) error {
				s := schools[0]
				s.Stage = "lost"
				return tx.SaveSchool(s)
			}},
			{"counts that do not add up", store.ErrConserve, func(tx *store.Tx) error {
				f := map[string]trial.Flow{"ks2": {Arms: []trial.ArmFlow{{Arm: "rlc", Schools: trial.LevelFlow{Randomised: 1}}}}}
				return tx.SaveAnalysis(store.Analysis{Run: 2, Kind: store.PlannedRun}, f)
			}},
			{"counts that are not the records'", store.ErrConserve, func(tx *store.Tx) error {
				f := map[string]trial.Flow{"ks2": {Arms: []trial.ArmFlow{{Arm: "rlc", Schools: trial.LevelFlow{Randomised: 1, Analysed: 1}, Pupils: trial.LevelFlow{Randomised: 3, Analysed: 3}}}}}
				return tx.SaveAnalysis(store.Analysis{Run: 2, Kind: store.PlannedRun}, f)
			}},
			{"a change without a reason", store.ErrBroken, func(tx *store.Tx) error {
				return tx.SaveAnalysis(store.Analysis{Run: 2, Kind: store.ChangedRun}, nil)
			}},
			{"a reason without a change", store.ErrBroken, func(tx *store.Tx) error {
				return tx.SaveAnalysis(store.Analysis{Run: 2, Kind: store.PlannedRun, Reason: "x"}, nil)
			}},
			{"a second unblinding of an outcome", store.ErrExists, func(tx *store.Tx) error {
				return tx.SaveUnblinding(store.Unblinding{Outcome: "ks2", At: at})
			}},
			{"an unbalanced row of flow", store.ErrBroken, func(tx *store.Tx) error {
				return store.TxExecForTest(tx, `INSERT INTO flow (trial_id, run, outcome, level, arm, randomised, analysed, lost) VALUES ('rlc', 1, 'o', 'pupil', 'rlc', 5, 3, 1)`)
			}},
		} {
			var before, after []store.TableInfo
			read(t, db, func(tx *store.Tx) (err error) { before, err = tx.Info(); return err })
			if err := db.Write(context.Background(), "rlc", c.do); !errors.Is(err, c.want) {
				t.Errorf("%s: %v, want %v", c.what, err, c.want)
			}
			read(t, db, func(tx *store.Tx) (err error) { after, err = tx.Info(); return err })
			same(t, "the store after "+c.what, after, before)
		}
	})
}

// Two writers at once never lose or fork an entry.
func TestWritersTakeTurns(t *testing.T) {
	onBoth(t, func(t *testing.T, _ *store.DB, address string) {
		db := open(t, address)
		write(t, db, func(tx *store.Tx) error { return tx.CreateTrial("t", at) })
		const writers, each = 8, 12
		var wg sync.WaitGroup
		for w := range writers {
			wg.Add(1)
			go func() {
				defer wg.Done()
				own, err := store.Open(context.Background(), address, false)
				if err != nil {
					t.Errorf("writer %d: %v", w, err)
					return
				}
				defer own.Close()
				for i := range each {
					if err := own.Write(context.Background(), "rlc", func(tx *store.Tx) error { return appendEntry(tx, i) }); err != nil {
						t.Errorf("writer %d: %v", w, err)
					}
				}
			}()
		}
		wg.Wait()
		read(t, db, func(tx *store.Tx) error {
			ledger := must[[]trial.Record](t)(tx.Ledger())
			if _, err := trial.CheckLedger(ledger); err != nil || len(ledger) != writers*each {
				t.Errorf("%d entries, want %d; %v", len(ledger), writers*each, err)
			}
			return nil
		})
	})
}

// A failed transaction leaves nothing, not even its first statements.
func TestAllOrNothing(t *testing.T) {
	onBoth(t, func(t *testing.T, db *store.DB, _ string) {
		write(t, db, func(tx *store.Tx) error { return tx.CreateTrial("t", at) })
		stop := errors.New("stop")
		err := db.Write(context.Background(), "rlc", func(tx *store.Tx) error {
			return errors.Join(tx.AddSchools(schools), appendEntry(tx, 1), stop)
		})
		if !errors.Is(err, stop) {
			t.Fatalf("Write = %v, want %v", err, stop)
		}
		read(t, db, func(tx *store.Tx) error {
			if s, l := must[[]trial.School](t)(tx.Schools()), must[[]trial.Record](t)(tx.Ledger()); len(s)+len(l) != 0 {
				t.Errorf("%d schools and %d entries were kept", len(s), len(l))
			}
			return nil
		})
	})
}

// Every connection of the pool has the settings, not only the first.
func TestSettingsOnEveryConnection(t *testing.T) {
	db := open(t, filepath.Join(t.TempDir(), "e.db"))
	for _, c := range []struct{ pragma, want string }{{"foreign_keys", "1"}, {"journal_mode", "wal"}, {"synchronous", "2"}, {"busy_timeout", "20000"}} {
		got := store.PragmaOnTwoConnections(t, db, c.pragma)
		if got[0] != c.want || got[1] != c.want {
			t.Errorf("PRAGMA %s = %v on two connections, want %s", c.pragma, got, c.want)
		}
	}
}

func TestCopyBetweenDialects(t *testing.T) {
	ctx := context.Background()
	laptop := open(t, filepath.Join(t.TempDir(), "laptop.db"))
	team := open(t, storetest.Postgres(t))
	fill(t, laptop)
	copyTo := func(from, to *store.DB) (info []store.TableInfo, err error) {
		err = from.Read(ctx, "rlc", func(tx *store.Tx) error { info, err = tx.CopyTo(ctx, to); return err })
		return info, err
	}
	first, err := copyTo(laptop, team)
	if err != nil {
		t.Fatal(err)
	}
	for _, info := range first {
		if info.Rows == 0 {
			t.Errorf("table %s was copied without a row", info.Table)
		}
	}
	back := open(t, filepath.Join(t.TempDir(), "back.db"))
	second, err := copyTo(team, back)
	if err != nil {
		t.Fatal(err)
	}
	same(t, "the tables there and back", second, first)
	if _, err := copyTo(back, team); !errors.Is(err, store.ErrExists) {
		t.Errorf("copying onto an existing trial: %v, want ErrExists", err)
	}
	file := filepath.Join(t.TempDir(), "backup.db")
	third, err := team.Backup(ctx, "rlc", file)
	if err != nil {
		t.Fatal(err)
	}
	same(t, "the backup", third, first)
}

func TestParity(t *testing.T) {
	lite, team := open(t, filepath.Join(t.TempDir(), "e.db")), open(t, storetest.Postgres(t))
	want := store.TablesForTest()
	if len(want) < 20 {
		t.Fatalf("only %d tables are listed", len(want))
	}
	same(t, "SQLite's tables", store.ColumnsForTest(t, lite), want)
	same(t, "Postgres's tables", store.ColumnsForTest(t, team), want)
}

func TestOpenRefuses(t *testing.T) {
	ctx, dir := context.Background(), t.TempDir()
	missing := filepath.Join(dir, "missing.db")
	if _, err := store.Open(ctx, missing, false); !errors.Is(err, store.ErrNoStore) {
		t.Errorf("a missing file: %v, want ErrNoStore", err)
	}
	if _, err := os.Stat(missing); err == nil {
		t.Error("a refused Open left a file")
	}
	text := filepath.Join(dir, "text.db")
	os.WriteFile(text, []byte("not a database, but long enough to be one"), 0o600)
	if _, err := store.Open(ctx, text, false); !errors.Is(err, store.ErrNotAStore) {
		t.Errorf("a text file: %v, want ErrNotAStore", err)
	}
	if _, err := store.Open(ctx, dir, false); !errors.Is(err, store.ErrNotAStore) {
		t.Errorf("a folder: %v, want ErrNotAStore", err)
	}
	if _, err := store.Open(ctx, "postgres://nobody:hunter2@127.0.0.1:1/x?sslmode=disable", false); !errors.Is(err, store.ErrGone) || strings.Contains(fmt.Sprint(err), "hunter2") {
		t.Errorf("an unreachable server: %v, want ErrGone without the password", err)
	}
	onBoth(t, func(t *testing.T, db *store.DB, address string) {
		if err := store.ExecForTest(db, `INSERT INTO migration (version, name, digest) VALUES (99, '0099_future.sql', 'x')`); err != nil {
			t.Fatal(err)
		}
		var newer *store.NewerError
		if _, err := store.Open(ctx, address, false); !errors.As(err, &newer) {
			t.Errorf("a store newer than the program: %v, want *NewerError", err)
		}
	})
	onBoth(t, func(t *testing.T, db *store.DB, address string) {
		if err := store.ExecForTest(db, `UPDATE migration SET digest = 'x'`); err != nil {
			t.Fatal(err)
		}
		if _, err := store.Open(ctx, address, false); !errors.Is(err, store.ErrNotAStore) {
			t.Errorf("an edited migration: %v, want ErrNotAStore", err)
		}
	})
}

func TestDiskFull(t *testing.T) {
	db := open(t, filepath.Join(t.TempDir(), "e.db"))
	write(t, db, func(tx *store.Tx) error { return tx.CreateTrial("t", at) })
	store.LimitPages(t, db)
	err := db.Write(context.Background(), "rlc", func(tx *store.Tx) error {
		for i := range 20000 {
			if err := appendEntry(tx, i); err != nil {
				return err
			}
		}
		return nil
	})
	if !errors.Is(err, store.ErrFull) {
		t.Fatalf("a full disk: %v, want ErrFull", err)
	}
	read(t, db, func(tx *store.Tx) error {
		if l := must[[]trial.Record](t)(tx.Ledger()); len(l) != 0 {
			t.Errorf("%d entries were kept", len(l))
		}
		return nil
	})
}

func TestPostgresGoneMidCommand(t *testing.T) {
	address := storetest.Postgres(t)
	db, other := open(t, address), open(t, address)
	write(t, db, func(tx *store.Tx) error { return tx.CreateTrial("t", at) })
	err := db.Write(context.Background(), "rlc", func(tx *store.Tx) error {
		if err := appendEntry(tx, 1); err != nil {
			return err
		}
		if err := store.ExecForTest(other, `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()`); err != nil {
			return err
		}
		return appendEntry(tx, 2)
	})
	if !errors.Is(err, store.ErrGone) {
		t.Errorf("the server went away: %v, want ErrGone", err)
	}
	read(t, other, func(tx *store.Tx) error {
		if l := must[[]trial.Record](t)(tx.Ledger()); len(l) != 0 {
			t.Errorf("%d entries were kept", len(l))
		}
		return nil
	})
}

func TestReadOnlyFolder(t *testing.T) {
	if os.Geteuid() == 0 {
		t.Log("root may write anywhere: a read-only folder is not tried")
		return
	}
	dir := filepath.Join(t.TempDir(), "d")
	os.Mkdir(dir, 0o500)
	if _, err := store.Open(context.Background(), filepath.Join(dir, "e.db"), true); !errors.Is(err, store.ErrReadOnly) {
		t.Errorf("a read-only folder: %v, want ErrReadOnly", err)
	}
}
