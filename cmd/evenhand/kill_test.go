package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"evenhand/trial"
	"evenhand/trial/conduct"
	"evenhand/trial/store"
	"evenhand/trial/store/storetest"
	"evenhand/trial/trialtest"
)

// committed makes a trial up to its commitment.
func committed(t *testing.T, w *world, schools int) {
	t.Helper()
	s := trialtest.Make(3, schools)
	for name, text := range map[string]string{"trial.yaml": s.Protocol, "schools.csv": s.Schools, "staff.csv": s.Staff, "responses.csv": s.Responses, "leaders.csv": s.Leaders, "pupils.csv": s.Pupils, "moves.csv": s.Moves} {
		w.file(name, text)
	}
	for _, args := range [][]string{
		{"init", "{}"},
		{"school", "import", "{}/schools.csv", "--on", "2014-01-13"}, {"survey", "staff", "{}/staff.csv"}, {"survey", "responses", "{}/responses.csv", "--round", "baseline"},
		{"school", "leaders", "{}/leaders.csv"}, {"pupil", "import", "{}/pupils.csv"}, {"recruitment", "import", "{}/moves.csv"},
		{"roster", "lock"}, {"draw", "commit"},
	} {
		w.must(args...)
	}
}

// whole says whether a trial has no draw or the whole draw: text, lines and
// ledger entry, all agreeing.
func whole(address string) (drawn bool, err error) {
	ctx := context.Background()
	db, err := store.Open(ctx, address, false)
	if err != nil {
		return false, err
	}
	defer db.Close()
	t, err := conduct.Open(ctx, db, conduct.Who{Actor: "checker", Now: time.Now}, "rlc")
	if err != nil {
		return false, err
	}
	records, err := t.Ledger(ctx)
	if err != nil {
		return false, err
	}
	if _, err := trial.CheckLedger(records); err != nil {
		return false, err
	}
	entries := 0
	for _, r := range records {
		if e, err := r.Entry(); err != nil {
			return false, err
		} else if e.Action == "draw run" {
			entries++
		}
	}
	facts, err := t.Facts(ctx)
	if err != nil {
		return false, err
	}
	if !facts.Drawn {
		if entries != 0 {
			return false, fmt.Errorf("no draw, but %d entries of one", entries)
		}
		return false, nil
	}
	if _, err := t.VerifyDraw(ctx); err != nil {
		return true, err
	}
	return true, t.CheckRecords(ctx)
}

// program builds the program, with a build tag if one is given.
func program(t *testing.T, tags string) string {
	t.Helper()
	bin := filepath.Join(t.TempDir(), "evenhand")
	args := []string{"build", "-o", bin}
	if tags != "" {
		args = append(args, "-tags", tags)
	}
	if out, err := exec.Command("go", append(args, ".")...).CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	return bin
}

// copyFile copies a SQLite store that nobody has open.
func copyFile(t *testing.T, from, to string) {
	t.Helper()
	data, err := os.ReadFile(from)
	if err != nil {
		t.Fatal(err)
	}
	for _, suffix := range []string{"-wal", "-shm"} {
		os.Remove(to + suffix)
	}
	if err := os.WriteFile(to, data, 0o600); err != nil {
		t.Fatal(err)
	}
}

// kills says how often the program is killed: a few times in everyday runs,
// 500 times where EVENHAND_TEST_KILLS says so (.ci/run does).
func kills(t *testing.T) int {
	if n, err := strconv.Atoi(os.Getenv("EVENHAND_TEST_KILLS")); err == nil {
		return n
	}
	t.Log("40 kills; EVENHAND_TEST_KILLS=500 makes it more")
	return 40
}

// killer runs `draw run` again and again, killing it at a random moment, and
// counts what it left.
type killer struct {
	t     *testing.T
	bin   string
	w     *world
	reset func() string // gives a store with a fresh committed trial
}

type outcome struct{ none, whole, half int }

func (k killer) run(n int, stopAtHalf bool) (o outcome, halves []string) {
	k.t.Helper()
	address := k.reset()
	command := func() *exec.Cmd {
		return exec.Command(k.bin, "--protocol", filepath.Join(k.w.dir, "trial.yaml"), "--store", address, "--as", "sam", "draw", "run")
	}
	// How long a whole run takes, so that kills fall everywhere in it.
	began := time.Now()
	if out, err := command().CombinedOutput(); err != nil {
		k.t.Fatalf("draw run: %v\n%s", err, out)
	}
	long := time.Since(began)
	address = k.reset()
	for range n {
		cmd := command()
		if err := cmd.Start(); err != nil {
			k.t.Fatal(err)
		}
		time.Sleep(time.Duration(rand.Int64N(int64(long) * 5 / 4)))
		cmd.Process.Kill()
		cmd.Wait()
		drawn, err := whole(address)
		switch {
		case err != nil:
			o.half++
			halves = append(halves, err.Error())
			if stopAtHalf {
				return o, halves
			}
		case drawn:
			o.whole++
		default:
			o.none++
		}
		if drawn || err != nil {
			address = k.reset()
		}
	}
	return o, halves
}

// killers gives a killer for each store.
func killers(t *testing.T, bin string, each func(t *testing.T, k killer)) {
	t.Run("sqlite", func(t *testing.T) {
		w := newWorld(t)
		committed(t, w, 114)
		from := filepath.Join(w.dir, "evenhand.db")
		to := filepath.Join(w.dir, "killed.db")
		each(t, killer{t, bin, w, func() string { copyFile(t, from, to); return to }})
	})
	t.Run("postgres", func(t *testing.T) {
		w := newWorld(t)
		w.store = storetest.Postgres(t)
		committed(t, w, 114)
		each(t, killer{t, bin, w, func() string { return storetest.Clone(t, w.store) }})
	})
}

// A kill at any instant leaves no draw or the whole draw.
func TestKilledDraw(t *testing.T) {
	bin := program(t, "")
	killers(t, bin, func(t *testing.T, k killer) {
		o, halves := k.run(kills(t), false)
		t.Logf("%d kills: %d left no draw, %d the whole draw, %d half a draw", o.none+o.whole+o.half, o.none, o.whole, o.half)
		if o.half > 0 {
			t.Errorf("half a draw: %s", strings.Join(halves, "; "))
		}
		if o.none == 0 || o.whole == 0 {
			t.Errorf("the kills all fell on one side of the draw (%d before, %d after): they show nothing", o.none, o.whole)
		}
	})
}

// The test above would notice a draw that is not one transaction: on a program
// built with two, it does.
func TestKilledDrawNotices(t *testing.T) {
	bin := program(t, "brokendraw")
	killers(t, bin, func(t *testing.T, k killer) {
		o, _ := k.run(2000, true)
		t.Logf("%d kills of the broken program until half a draw was left", o.none+o.whole+o.half)
		if o.half == 0 {
			t.Error("2,000 kills of a program with two transactions left no half draw: the test above cannot fail")
		}
	})
}

// Sixteen programs at once make one draw, and fifteen are refused politely.
func TestSixteenDrawsAtOnce(t *testing.T) {
	for _, dialect := range []string{"sqlite", "postgres"} {
		t.Run(dialect, func(t *testing.T) {
			w := newWorld(t)
			if dialect == "postgres" {
				w.store = storetest.Postgres(t)
			}
			committed(t, w, 40)
			self, err := os.Executable()
			if err != nil {
				t.Fatal(err)
			}
			args := []string{"--protocol", filepath.Join(w.dir, "trial.yaml"), "--as", "sam"}
			if w.store != "" {
				args = append(args, "--store", w.store)
			}
			const n = 16
			var mu sync.Mutex
			var wg sync.WaitGroup
			drawn, refused := 0, 0
			for range n {
				wg.Add(1)
				go func() {
					defer wg.Done()
					cmd := exec.Command(self, append(args, "draw", "run")...)
					cmd.Env = append(os.Environ(), "EVENHAND_TEST_AS_PROGRAM=1")
					out, err := cmd.CombinedOutput()
					mu.Lock()
					defer mu.Unlock()
					switch {
					case err == nil:
						drawn++
					case cmd.ProcessState.ExitCode() == exitFailed && strings.Contains(string(out), "this trial's draw was made on") && strings.Contains(string(out), "by sam"):
						refused++
					default:
						t.Errorf("%v\n%s", err, out)
					}
				}()
			}
			wg.Wait()
			if drawn != 1 || refused != n-1 {
				t.Errorf("%d drew and %d were refused, want 1 and %d", drawn, refused, n-1)
			}
			address := w.store
			if address == "" {
				address = filepath.Join(w.dir, "evenhand.db")
			}
			if ok, err := whole(address); !ok || err != nil {
				t.Errorf("afterwards: drawn %v, %v", ok, err)
			}
		})
	}
}
