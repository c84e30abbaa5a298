package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"evenhand/trial"
	"evenhand/trial/conduct"
	"evenhand/trial/intake"
)

// imported is what an import prints.
type imported struct {
	File       string             `json:"file"`
	Kind       string             `json:"kind"`
	Rows       int                `json:"rows"`
	Stored     int                `json:"stored"`
	NotStored  []trial.Count      `json:"not_stored"`
	Notes      []string           `json:"notes"`
	Duplicates []intake.Duplicate `json:"duplicates,omitempty"`
}

// importer takes one kind of file: read turns it into values, and gives back
// what stores them.
type importer func(name string, r io.Reader, k intake.Known) (intake.Report, func(conduct.File) error, error)

// actionOf says which step of the trial it is to take in a kind of file.
var actionOf = map[string]trial.Action{
	"school": trial.ChangeSchools, "recruitment": trial.ChangeSchools, "baseline": trial.ChangeSchools, "pupil": trial.ListPupils,
	"attendance": trial.Deliver, "withdrawal": trial.Withdraw, "outcome": trial.StoreOutcomes,
}

// takeFile reads a file against the records and stores it, whole or not at all.
func (a *app) takeFile(ctx context.Context, t *conduct.Trial, kind, file string, read importer) (imported, error) {
	data, err := a.readFile(file)
	if err != nil {
		return imported{}, err
	}
	known, err := t.Known(ctx)
	if err != nil {
		return imported{}, err
	}
	// Whether it may be done at all comes before what is wrong with the file.
	if action, ok := actionOf[kind]; ok {
		if err := known.Facts.Allow(action); err != nil {
			return imported{}, err
		}
	}
	name := filepath.Base(file)
	report, save, err := read(name, bytes.NewReader(data), intake.Known{
		Protocol: t.Protocol, Schools: known.Schools, OnRoster: known.OnRoster, Staff: known.Staff, Responses: known.Responses, Pupils: known.Pupils,
		Identities: known.Identities, Scores: known.Scores, Attendance: known.Attendance, Withdrawals: known.Withdrawals,
	})
	if err != nil {
		return imported{}, err
	}
	c := report.Counts
	if err := save(conduct.File{Kind: kind, Name: name, Digest: trial.DigestOf(string(data)), Rows: c.Rows, Stored: c.Stored, NotStored: c.NotStored}); err != nil {
		return imported{}, err
	}
	out := imported{File: name, Kind: kind, Rows: c.Rows, Stored: c.Stored, NotStored: c.NotStored, Notes: report.Notes}
	if out.NotStored == nil {
		out.NotStored = []trial.Count{}
	}
	if out.Notes == nil {
		out.Notes = []string{}
	}
	return out, nil
}

// showImport prints what became of a file's rows.
func (a *app) showImport(out imported) error {
	return a.print(out, func() {
		a.say("%s: %s = %d stored%s", out.File, count(out.Rows, "row"), out.Stored, notStored(out.NotStored))
		for _, n := range out.Notes {
			a.say("  note: %s", n)
		}
		for _, d := range out.Duplicates {
			a.say("  look: %s", d.Why)
			for _, s := range d.Schools {
				a.say("        %-12s %-10s %s", s.Where, s.ID, s.Name)
			}
		}
	})
}

func notStored(counts []trial.Count) string {
	var b strings.Builder
	for _, c := range counts {
		fmt.Fprintf(&b, " + %d not stored (%s)", c.N, c.What)
	}
	return b.String()
}

func (a *app) importSchools(ctx context.Context, t *conduct.Trial, file string, on trial.Date) error {
	var duplicates []intake.Duplicate
	out, err := a.takeFile(ctx, t, "school", file, func(name string, r io.Reader, k intake.Known) (intake.Report, func(conduct.File) error, error) {
		f, err := intake.Schools(name, r, k)
		if err != nil {
			return intake.Report{}, nil, err
		}
		duplicates = f.Duplicates
		for i := range f.Schools {
			f.Schools[i].Since = on
		}
		return f.Report, func(c conduct.File) error { return t.ImportSchools(ctx, c, f.Schools) }, nil
	})
	if err != nil {
		return err
	}
	out.Duplicates = duplicates
	return a.showImport(out)
}

func (a *app) importMoves(ctx context.Context, t *conduct.Trial, args []string) error {
	out, err := a.takeFile(ctx, t, "recruitment", args[0], func(name string, r io.Reader, k intake.Known) (intake.Report, func(conduct.File) error, error) {
		f, err := intake.Moves(name, r, k)
		if err != nil {
			return intake.Report{}, nil, err
		}
		return f.Report, func(conduct.File) error {
			moves := make([]conduct.Move, len(f.Moves))
			for i, m := range f.Moves {
				moves[i] = conduct.Move{School: m.School, To: m.To, On: m.On, Reason: m.Reason, Note: m.Note, Signatures: m.Signatures}
			}
			return t.MoveSchools(ctx, moves, func(i int) string { return fmt.Sprintf("%s row %d: ", name, f.Moves[i].Row) })
		}, nil
	})
	if err != nil {
		return err
	}
	return a.showImport(out)
}

func (a *app) importLeaders(ctx context.Context, t *conduct.Trial, args []string) error {
	out, err := a.takeFile(ctx, t, "leader", args[0], func(name string, r io.Reader, k intake.Known) (intake.Report, func(conduct.File) error, error) {
		f, err := intake.Leaders(name, r, k)
		if err != nil {
			return intake.Report{}, nil, err
		}
		return f.Report, func(conduct.File) error {
			leaders := make([]conduct.NewLeader, len(f.Leaders))
			for i, l := range f.Leaders {
				leaders[i] = conduct.NewLeader{School: l.School, Role: l.Role, Name: l.Name, Email: l.Email, On: l.On}
			}
			return t.AddLeaders(ctx, leaders, func(i int) string { return fmt.Sprintf("%s row %d: ", name, f.Leaders[i].Row) })
		}, nil
	})
	if err != nil {
		return err
	}
	return a.showImport(out)
}

func (a *app) surveyCommand() *cobra.Command {
	staff := command("staff FILE", "Enter schools' staff from a file", "Enter schools' staff from a CSV file with the columns school, staff (a pseudonymous ID), role and\nyears (the year groups taught, such as \"5 6\").", "evenhand survey staff staff.csv", exactly("a file"),
		a.writing(func(ctx context.Context, t *conduct.Trial, args []string) error {
			out, err := a.takeFile(ctx, t, "staff", args[0], func(name string, r io.Reader, k intake.Known) (intake.Report, func(conduct.File) error, error) {
				f, err := intake.Staff(name, r, k)
				if err != nil {
					return intake.Report{}, nil, err
				}
				return f.Report, func(c conduct.File) error { return t.ImportStaff(ctx, c, f.Staff) }, nil
			})
			if err != nil {
				return err
			}
			return a.showImport(out)
		}))
	var survey, round string
	responses := command("responses FILE --round ROUND", "Enter who answered a round of a survey", "Enter who answered a round of a survey, from a CSV file with the columns staff and answered (the\nday). Schools' eligibility follows from it.", "evenhand survey responses baseline.csv --round baseline", exactly("a file"),
		a.writing(func(ctx context.Context, t *conduct.Trial, args []string) error {
			if err := a.chooseSurvey(t.Protocol, &survey, &round); err != nil {
				return err
			}
			out, err := a.takeFile(ctx, t, "response", args[0], func(name string, r io.Reader, k intake.Known) (intake.Report, func(conduct.File) error, error) {
				f, err := intake.Responses(name, r, k, survey, round)
				if err != nil {
					return intake.Report{}, nil, err
				}
				return f.Report, func(c conduct.File) error { return t.ImportResponses(ctx, c, f.Responses) }, nil
			})
			if err != nil {
				return err
			}
			return a.showImport(out)
		}))
	responses.Flags().StringVar(&survey, "survey", "", "which survey (needed where there are several)")
	responses.Flags().StringVar(&round, "round", "", "which round")
	return group("survey", "Staff and their answers to surveys", staff, responses)
}

// chooseSurvey checks the survey and the round named.
func (a *app) chooseSurvey(p *trial.Protocol, survey, round *string) error {
	if *survey == "" && len(p.Surveys) == 1 {
		*survey = p.Surveys[0].ID
	}
	var surveys, rounds []string
	for _, s := range p.Surveys {
		surveys = append(surveys, s.ID)
		if s.ID != *survey {
			continue
		}
		for _, r := range s.Rounds {
			rounds = append(rounds, r.ID)
			if r.ID == *round {
				return nil
			}
		}
		return usagef("--round: survey %s has the rounds %s", s.ID, strings.Join(rounds, ", "))
	}
	if len(surveys) == 0 {
		return errors.New("the protocol has no survey")
	}
	return usagef("--survey: the protocol has %s", strings.Join(surveys, ", "))
}

func (a *app) pupilCommand() *cobra.Command {
	importing := command("import FILE", "List pupils, with their baseline, from a file",
		"List pupils from a CSV file with the columns school, pupil (a pseudonymous ID) or upn, name if it\nis there, the outcomes' baselines and the plan's pupil columns. Names and UPNs go into the\nidentity table and nowhere else. Pupils listed after the roster was locked are joiners: kept and\nmarked, never analysed as randomised.",
		"evenhand pupil import pupils.csv", exactly("a file"),
		a.writing(func(ctx context.Context, t *conduct.Trial, args []string) error {
			out, err := a.takeFile(ctx, t, "pupil", args[0], func(name string, r io.Reader, k intake.Known) (intake.Report, func(conduct.File) error, error) {
				f, err := intake.Pupils(name, r, k)
				if err != nil {
					return intake.Report{}, nil, err
				}
				return f.Report, func(c conduct.File) (err error) {
					_, err = t.ImportPupils(ctx, c, f.Pupils, f.Scores, f.Identities)
					return err
				}, nil
			})
			if err != nil {
				return err
			}
			return a.showImport(out)
		}))
	return group("pupil", "Pupils and their baseline", importing)
}

func (a *app) sessionCommand() *cobra.Command {
	importing := command("import FILE", "Enter who was at which session, from a file", "Enter attendance from a CSV file with the columns session, school, person (a leader's pseudonymous\nID) and attended (yes or no).", "evenhand session import workshop1.csv", exactly("a file"),
		a.writing(func(ctx context.Context, t *conduct.Trial, args []string) error {
			out, err := a.takeFile(ctx, t, "attendance", args[0], func(name string, r io.Reader, k intake.Known) (intake.Report, func(conduct.File) error, error) {
				f, err := intake.Attendance(name, r, k)
				if err != nil {
					return intake.Report{}, nil, err
				}
				return f.Report, func(c conduct.File) error { return t.ImportAttendance(ctx, c, f.Attendance) }, nil
			})
			if err != nil {
				return err
			}
			return a.showImport(out)
		}))
	status := command("status", "Who came to which session, by community, and who complied", "", "evenhand session status", noArgs,
		a.reading(func(ctx context.Context, t *conduct.Trial) error {
			s, err := t.Snapshot(ctx)
			if err != nil {
				return err
			}
			if s.Draw == nil {
				return errors.New("no draw was made yet: there are no communities")
			}
			communities := communitiesOf(t.Protocol, s)
			type line struct {
				Arm       string `json:"arm"`
				Community int    `json:"community"`
				Schools   int    `json:"schools"`
				Attended  []int  `json:"attended"`
				Compliers int    `json:"compliers"`
				Any       []int  `json:"attended_by_any_leader"`
				Every     []int  `json:"attended_by_every_leader"`
			}
			lines := make([]line, len(communities))
			for i, c := range communities {
				lines[i] = line{c.Arm, c.Number, len(c.Schools), c.Attended, c.Compliers, c.AttendedByAny, c.AttendedByEvery}
			}
			doses := dosesOf(t.Protocol, s)
			return a.print(struct {
				Communities []line       `json:"communities"`
				Schools     []schoolDose `json:"schools"`
			}{lines, doses}, func() {
				head := []string{"arm", "community", "schools"}
				for _, s := range t.Protocol.Delivery.Sessions {
					head = append(head, s.ID)
				}
				rows := [][]string{append(head, "compliers", "mean, any leader", "mean, every leader")}
				mean := func(n []int, schools int) string {
					if n == nil {
						return "none recorded"
					}
					sum := 0
					for _, k := range n {
						sum += k
					}
					return fmt.Sprintf("%.1f", float64(sum)/float64(schools))
				}
				for _, l := range lines {
					row := []string{l.Arm, fmt.Sprint(l.Community), fmt.Sprint(l.Schools)}
					for i := range t.Protocol.Delivery.Sessions {
						if i < len(l.Attended) {
							row = append(row, fmt.Sprint(l.Attended[i]))
						} else {
							row = append(row, "")
						}
					}
					rows = append(rows, append(row, fmt.Sprint(l.Compliers), mean(l.Any, l.Schools), mean(l.Every, l.Schools)))
				}
				a.table(rows)
			})
		}))
	return group("session", "The programme's sessions: attendance", importing, status)
}

// schoolDose is how much of the programme a school got.
type schoolDose struct {
	School    string `json:"school"`
	Arm       string `json:"arm"`
	Community int    `json:"community"`                // 0 for none
	Any       int    `json:"attended_by_any_leader"`   // sessions
	Every     int    `json:"attended_by_every_leader"` // sessions
	Complied  bool   `json:"complied"`                 // took part as the protocol asks; false where it asks nothing
}

// dosesOf counts the sessions of each school on the roster; empty before any
// attendance is recorded.
func dosesOf(p *trial.Protocol, s conduct.Snapshot) []schoolDose {
	out := []schoolDose{}
	if len(s.Records.Attendance) == 0 {
		return out
	}
	count := func(there []bool) (n int) {
		for _, x := range there {
			if x {
				n++
			}
		}
		return n
	}
	by := map[string]map[string][]bool{}
	for _, who := range []string{"any leader", "every leader"} {
		by[who] = p.SessionsAttendedBy(who, s.Records.Attendance, s.Roster.Schools)
	}
	asked := p.SessionsAttended(s.Records.Attendance, s.Roster.Schools)
	for _, school := range s.Roster.Schools {
		got := s.Records.Allocation[school.ID]
		out = append(out, schoolDose{school.ID, got.Arm, got.Community, count(by["any leader"][school.ID]), count(by["every leader"][school.ID]),
			p.Delivery.Complier.Sessions > 0 && count(asked[school.ID]) >= p.Delivery.Complier.Sessions})
	}
	return out
}

func (a *app) withdrawalCommand() *cobra.Command {
	importing := command("import FILE", "Record who left, from a file", "Record withdrawals from a CSV file with the columns level (school or pupil), id, from (programme,\ndata or both), date, reason and, if wanted, note. Nobody leaves the roster by it.", "evenhand withdrawal import withdrawals.csv", exactly("a file"),
		a.writing(func(ctx context.Context, t *conduct.Trial, args []string) error {
			out, err := a.takeFile(ctx, t, "withdrawal", args[0], func(name string, r io.Reader, k intake.Known) (intake.Report, func(conduct.File) error, error) {
				f, err := intake.Withdrawals(name, r, k)
				if err != nil {
					return intake.Report{}, nil, err
				}
				return f.Report, func(c conduct.File) error { return t.Withdraw(ctx, &c, f.Withdrawals) }, nil
			})
			if err != nil {
				return err
			}
			return a.showImport(out)
		}))
	var w trial.Withdrawal
	var from choice
	add := command("add school|pupil ID --from programme|data|both --reason TEXT", "Record that a school or a pupil left", "", `evenhand withdrawal add school 104233 --from programme --on 2015-03-02 --reason "no time" --note "new head"`,
		exactly("school or pupil", "an ID"),
		a.writing(func(ctx context.Context, t *conduct.Trial, args []string) error {
			if args[0] != "school" && args[0] != "pupil" {
				return usagef("%q: say school or pupil", args[0])
			}
			w.Level, w.Subject, w.From = args[0], args[1], trial.WithdrawalFrom(from.value)
			if w.On == "" {
				w.On = t.Today()
			}
			known, err := t.Known(ctx)
			if err != nil {
				return err
			}
			if err := t.CheckWithdrawal(known, w); err != nil {
				return err
			}
			if err := t.Withdraw(ctx, nil, []trial.Withdrawal{w}); err != nil {
				return err
			}
			return a.print(struct {
				Level   string               `json:"level"`
				Subject string               `json:"subject"`
				From    trial.WithdrawalFrom `json:"from"`
				On      trial.Date           `json:"on"`
				Reason  string               `json:"reason"`
				Note    string               `json:"note"`
			}(w), func() { a.say("Recorded: %s %s left (%s) on %s.", w.Level, w.Subject, w.From, w.On) })
		}))
	addChoice(add, &from, "from", "programme", "what was left", "programme", "data", "both")
	add.Flags().Var(dateFlag{&w.On}, "on", "the day (default: today)")
	add.Flags().Var(textFlag{&w.Reason}, "reason", "why")
	add.Flags().Var(textFlag{&w.Note}, "note", "anything else")
	return group("withdrawal", "Who left, from what, when and why", importing, add)
}

func (a *app) outcomeCommand() *cobra.Command {
	var correct string
	importing := command("import FILE", "Enter outcome scores from a file",
		"Enter outcome scores from a CSV file with a column pupil (or upn; school where schools are\nmeasured) and a column for each outcome. A score that is missing needs a reason. Scores that are\nstored already are refused, unless --correct says why they change; the old ones stay in the record.",
		"evenhand outcome import ks2.csv\nevenhand outcome import ks2-corrected.csv --correct \"two papers remarked\"", exactly("a file"),
		a.writing(func(ctx context.Context, t *conduct.Trial, args []string) error {
			out, err := a.takeFile(ctx, t, "outcome", args[0], func(name string, r io.Reader, k intake.Known) (intake.Report, func(conduct.File) error, error) {
				f, err := intake.Outcomes(name, r, k)
				if err != nil {
					return intake.Report{}, nil, err
				}
				return f.Report, func(c conduct.File) error { return t.ImportScores(ctx, c, f.Scores, f.Joiners, correct) }, nil
			})
			var revision *conduct.RevisionError
			if errors.As(err, &revision) {
				return withHint(err, "if they are to be corrected, say why: --correct \"…\"")
			}
			if err != nil {
				return err
			}
			return a.showImport(out)
		}))
	importing.Flags().Var(textFlag{&correct}, "correct", "why scores that are stored already change")
	var correctBaseline string
	baseline := command("baseline FILE", "Enter schools' baseline scores, where schools are measured", "", "evenhand outcome baseline api99.csv", exactly("a file"),
		a.writing(func(ctx context.Context, t *conduct.Trial, args []string) error {
			if t.Protocol.Trial.Measured != "schools" {
				return withHint(errors.New("pupils are measured in this trial: their baseline comes with the list of pupils"), "`evenhand pupil import`")
			}
			out, err := a.takeFile(ctx, t, "baseline", args[0], func(name string, r io.Reader, k intake.Known) (intake.Report, func(conduct.File) error, error) {
				f, err := intake.Baselines(name, r, k)
				if err != nil {
					return intake.Report{}, nil, err
				}
				return f.Report, func(c conduct.File) error { return t.ImportBaselines(ctx, c, f.Scores, correctBaseline) }, nil
			})
			if err != nil {
				return err
			}
			return a.showImport(out)
		}))
	baseline.Flags().Var(textFlag{&correctBaseline}, "correct", "why scores that are stored already change")
	return group("outcome", "Outcome scores", importing, baseline)
}
