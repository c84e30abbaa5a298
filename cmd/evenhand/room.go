package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"evenhand/analysis/rows"
	"evenhand/reports"
	"evenhand/reports/audit"
	"evenhand/trial"
	"evenhand/trial/conduct"
	"evenhand/trial/store"
)

// Entries of the ledger about a secure room.
const (
	actionRoomPack   = "analysis room-pack"
	actionRoomReturn = "analysis room-return"
)

// roomPacked is the entry of what was carried in.
type roomPacked struct {
	Pack     string   `json:"pack"`
	Protocol int      `json:"protocol"`
	Plan     string   `json:"plan"` // digest
	Rows     string   `json:"rows"` // digest
	Outcomes []string `json:"outcomes"`
}

// lockedForRoom checks that the plan of every outcome was locked before the arms'
// names go where its results will be made: nil, *conduct.ChangedError, or all
// that are not locked.
func lockedForRoom(s conduct.Snapshot, outcomes []string, plan string) error {
	var faults []error
	var changed *conduct.ChangedError
	for _, o := range outcomes {
		i := slices.IndexFunc(s.Unblinded, func(u store.Unblinding) bool { return u.Outcome == o })
		switch {
		case i < 0:
			faults = append(faults, fmt.Errorf("%s: its plan is not locked, and the pack has the arms' names: results made with it could not be shown to follow the plan", o))
		case s.Unblinded[i].PlanDigest != plan:
			changed = &conduct.ChangedError{What: []string{"the plan"}, At: s.Unblinded[i].At}
		}
	}
	if len(faults) > 0 {
		return withHint(errors.Join(faults...), "`evenhand analysis unblind --room OUTCOME` locks the plan where the scores stay in the room, `evenhand analysis unblind` plan and data where they are stored here")
	}
	if changed != nil {
		return changed
	}
	return nil
}

// roomReturned is the entry of what came back: the numbers themselves, since
// nothing else of the trial holds them.
type roomReturned struct {
	Pack    string             `json:"pack"`
	Plan    string             `json:"plan"` // digest
	Rows    string             `json:"rows"` // digest
	Files   []string           `json:"files"`
	Scores  string             `json:"scores,omitempty"` // digest of the file of outcomes in the room, where it was cleared
	Results []audit.RoomResult `json:"results"`
}

// roomPack is the pack of some outcomes as the records stand.
func roomPack(t *conduct.Trial, s conduct.Snapshot, outcomes []string) (audit.RoomPack, error) {
	p := audit.RoomPack{Trial: t.ID(), Title: t.Protocol.Trial.Title, Protocol: audit.Protocol{Version: t.Version, Text: string(t.Text)}, Plans: t.Protocol.Plans()}
	for _, outcome := range outcomes {
		records := s.Records
		records.Scores = slices.DeleteFunc(slices.Clone(records.Scores), func(x trial.Score) bool { return x.Measure == outcome })
		d, err := t.Protocol.Dataset(records, outcome)
		if err != nil {
			return p, err
		}
		files, err := rows.Write(d)
		if err != nil {
			return p, err
		}
		p.Rows = append(p.Rows, rows.Named{Outcome: outcome, Files: files})
	}
	return p, nil
}

func (a *app) roomPackCommand() *cobra.Command {
	var dir, changed string
	var outcomes []string
	c := command("room-pack --dir FOLDER", "Carry the plan into a secure room where the outcomes stay",
		"Write a new folder to be taken into a secure room where the outcomes stay and no outside program may\nbe installed: who was randomised (pseudonymous numbers, with arm, school, stratum and covariates; no\nname, no UPN and no score), the plan, plain programs in R, Stata and Python, and how to use them. The\nledger keeps its digests, so that what `evenhand analysis room-return` reads is tied to them.\n\nIt has the arms' names, so `evenhand analysis unblind --room OUTCOME` comes first: it locks the\nplan. Where the plan was amended since, --changed says why. Without --outcome it is\nfor the outcomes of which nothing is stored here.",
		"evenhand analysis room-pack --dir room\nevenhand analysis room-pack --dir room --outcome ks2_reading", noArgs,
		a.reading(func(ctx context.Context, t *conduct.Trial) error {
			if dir == "" {
				return usagef("--dir is missing: name the new folder")
			}
			s, err := t.Snapshot(ctx)
			if err != nil {
				return err
			}
			if s.Draw == nil {
				return withHint(errors.New("nobody has been randomised yet"), "what goes into the room has the arms: draw first")
			}
			known := map[string]bool{}
			for _, plan := range t.Protocol.Plans() {
				known[plan.Outcome] = true
			}
			chosen := outcomes
			if len(chosen) == 0 {
				for _, plan := range t.Protocol.Plans() {
					if !slices.ContainsFunc(s.Records.Scores, func(x trial.Score) bool { return x.Measure == plan.Outcome }) {
						chosen = append(chosen, plan.Outcome)
					}
				}
				if len(chosen) == 0 {
					return withHint(errors.New("scores of every outcome are stored here"), "name those that are to be analysed in the room with --outcome")
				}
			}
			for i, o := range chosen {
				if !known[o] {
					return usagef("--outcome %q: the plan has no such outcome", o)
				}
				if slices.Contains(chosen[:i], o) {
					return usagef("--outcome %s is given twice", o)
				}
			}
			pack, err := roomPack(t, s, chosen)
			if err != nil {
				return err
			}
			files, err := pack.Files()
			if err != nil {
				return err
			}
			entry := roomPacked{Protocol: t.Version, Rows: rows.Digest(pack.Rows), Outcomes: chosen}
			if entry.Pack, err = pack.Digest(); err != nil {
				return err
			}
			if entry.Plan, err = pack.PlanDigest(); err != nil {
				return err
			}
			err = lockedForRoom(s, chosen, entry.Plan)
			var other *conduct.ChangedError
			switch {
			case errors.As(err, &other) && changed == "":
				return withHint(err, "say why with --changed")
			case err == nil && changed != "":
				return withHint(errors.New("the plan is as it was when it was locked"), "leave --changed out")
			case err != nil && other == nil:
				return err
			}
			var texts []namedText
			for _, f := range files {
				texts = append(texts, namedText{f.Name, f.Data})
			}
			if err := writeFolder(dir, texts); err != nil {
				return err
			}
			if err := t.LogWhy(ctx, actionRoomPack, "pack "+entry.Pack[:16], entry, changed); err != nil {
				return errors.Join(err, os.RemoveAll(dir))
			}
			return a.print(struct {
				Dir string `json:"dir"`
				roomPacked
				Files int `json:"files"`
			}{dir, entry, len(files)}, func() {
				a.say("%s holds %d files for the room, for %s; its README.txt says what to do there", dir, len(files), strings.Join(chosen, ", "))
				a.say("pack %s", entry.Pack)
			})
		}))
	c.Flags().StringVar(&dir, "dir", "", "the new folder")
	c.Flags().Var(textFlag{&changed}, "changed", "why the plan changed since it was locked")
	c.Flags().StringArrayVar(&outcomes, "outcome", nil, "an outcome that stays in the room (may be given several times)")
	return c
}

func (a *app) roomReturnCommand() *cobra.Command {
	var cleared string
	c := command("room-return FILE... --cleared WHO", "Read back what was cleared to leave a secure room",
		"Read results that were made in a secure room with the programs of `evenhand analysis room-pack`, and\nwere cleared. They are held to the plan and the rows that were carried in, and every fault is listed\nwith its row. They become an entry of the ledger, marked as made outside this program: nobody can\ncompute them again here, and report and audit bundle say so.",
		"evenhand analysis room-return results.csv --cleared \"ONS, 3 May 2027, request 1234\"\nevenhand analysis room-return counts.csv results.csv --cleared \"ONS, 3 May 2027\"", someFiles,
		func(ctx context.Context, args []string) error {
			if strings.TrimSpace(cleared) == "" {
				return usagef("--cleared is missing: say who cleared the numbers, and when; it stands in the record")
			}
			var all []audit.RoomResult
			pack := ""
			var faults []error
			entry := roomReturned{}
			type part struct {
				audit.RoomReturn
				file string
			}
			var parts []part
			for _, file := range args {
				text, err := a.readFile(file)
				if err != nil {
					return err
				}
				back, err := audit.ReadRoomResults(bytes.NewReader(text))
				if err != nil {
					faults = append(faults, rowsIn(file, err))
					continue
				}
				if pack != "" && pack != back.Pack {
					faults = append(faults, fmt.Errorf("%s: it names the pack %.16s…, the file before it %.16s…", file, back.Pack, pack))
				}
				if entry.Scores != "" && back.Scores != "" && entry.Scores != back.Scores {
					faults = append(faults, fmt.Errorf("%s: it was made from scores with digest %.16s…, the file before it from others, %.16s…", file, back.Scores, entry.Scores))
				}
				if len(back.Results) == 0 {
					faults = append(faults, fmt.Errorf("%s holds no number", file))
				}
				pack = back.Pack
				if back.Scores != "" {
					entry.Scores = back.Scores
				}
				parts = append(parts, part{back, file})
				entry.Files = append(entry.Files, trial.DigestOf(string(text)))
				all = append(all, back.Results...)
			}
			if err := errors.Join(faults...); err != nil {
				return err
			}
			return a.withTrial(ctx, true, func(t *conduct.Trial) error {
				s, err := t.Snapshot(ctx)
				if err != nil {
					return err
				}
				packed, err := packedAs(s.Ledger, pack)
				if err != nil {
					return fmt.Errorf("%s: %w", strings.Join(args, ", "), err)
				}
				now, err := roomPack(t, s, packed.Outcomes)
				if err != nil {
					return err
				}
				for _, p := range parts {
					if err := now.Check(p.Results, p.Lines); err != nil {
						faults = append(faults, rowsIn(p.file, err))
					}
				}
				if err := errors.Join(faults...); err != nil {
					return err
				}
				entry.Pack, entry.Plan, entry.Rows, entry.Results = pack, packed.Plan, packed.Rows, all
				if err := t.LogWhy(ctx, actionRoomReturn, "pack "+pack[:16], entry, cleared); err != nil {
					return err
				}
				planNow, err := now.PlanDigest()
				if err != nil {
					return err
				}
				out := struct {
					roomReturned
					Cleared     string `json:"cleared"`
					PlanChanged bool   `json:"plan_changed"` // since it was packed
					RowsChanged bool   `json:"rows_changed"`
				}{entry, cleared, planNow != packed.Plan, rows.Digest(now.Rows) != packed.Rows}
				if out.PlanChanged {
					a.note("the plan was amended since it was packed: these are results of the plan of protocol version %d", packed.Protocol)
				}
				if out.RowsChanged {
					a.note("withdrawals or corrections came after the rows were packed: these are results of the rows as they were then")
				}
				return a.print(out, func() {
					a.say("%d numbers are on record, made outside this program and cleared by %s.", len(all), cleared)
					if entry.Scores != "" {
						a.say("scores %s (of the file of outcomes, which stays in the room)", entry.Scores)
					}
					table := [][]string{{"outcome", "arm", "quantity", "value"}}
					for _, x := range all {
						value := "suppressed"
						if x.Value != nil {
							value = fmt.Sprintf("%.6g", *x.Value)
						}
						table = append(table, []string{x.Outcome, x.Arm, x.Quantity, value})
					}
					a.table(table)
				})
			})
		})
	c.Flags().Var(textFlag{&cleared}, "cleared", "who cleared the numbers to leave the room, and when")
	return c
}

// someFiles asks for one file or more.
func someFiles(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return usagef("%s needs the file of results", cmd.CommandPath())
	}
	return nil
}

// rowsIn names the file in every fault of an error.
func rowsIn(file string, err error) error {
	var all []error
	for _, line := range strings.Split(err.Error(), "\n") {
		all = append(all, fmt.Errorf("%s, %s", filepath.Base(file), line))
	}
	return errors.Join(all...)
}

// packedAs finds the entry of a pack.
func packedAs(ledger []trial.Record, pack string) (roomPacked, error) {
	packs := 0
	for _, r := range ledger {
		e, err := r.Entry()
		if err != nil {
			return roomPacked{}, err
		}
		if e.Action != actionRoomPack {
			continue
		}
		packs++
		var x roomPacked
		if err := json.Unmarshal(e.After, &x); err != nil {
			return x, fmt.Errorf("read entry %d: %w", e.Seq, err)
		}
		if x.Pack == pack {
			return x, nil
		}
	}
	return roomPacked{}, withHint(fmt.Errorf("pack %.16s… was not made from this trial (%d were)", pack, packs), "its plan or rows are others: results tie to the pack that `evenhand analysis room-pack` made")
}

// madeInRoom lists what came back, for the report. An entry that cannot be read
// is for `ledger check` to find.
func madeInRoom(ledger []trial.Record) []reports.RoomReturn {
	var all []reports.RoomReturn
	for _, r := range ledger {
		e, err := r.Entry()
		var x roomReturned
		if err != nil || e.Action != actionRoomReturn || json.Unmarshal(e.After, &x) != nil {
			continue
		}
		back := reports.RoomReturn{Entry: e.Seq, On: e.At.Truncate(time.Second), By: e.Actor, Cleared: e.Why}
		for _, n := range x.Results {
			back.Numbers = append(back.Numbers, reports.RoomNumber{Outcome: n.Outcome, Quantity: n.Quantity, Arm: n.Arm, Value: n.Value})
		}
		all = append(all, back)
	}
	return all
}
