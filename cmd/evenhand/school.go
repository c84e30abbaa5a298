package main

import (
	"context"
	"errors"
	"fmt"
	"sort"
	"strings"

	"github.com/spf13/cobra"

	"evenhand/analysis/power"
	"evenhand/trial"
	"evenhand/trial/conduct"
)

// byHand is where something given on the command line came from.
func byHand(int) string { return "" }

// pairs reads "key=value" arguments.
func pairs(args []string) (map[string]string, error) {
	m := map[string]string{}
	for _, arg := range args {
		k, v, ok := strings.Cut(arg, "=")
		if !ok || k == "" {
			return nil, usagef("%q: write it as name=value", arg)
		}
		if err := plainText(v); err != nil {
			return nil, usagef("%s: %w", k, err)
		}
		if _, twice := m[k]; twice {
			return nil, usagef("%q is given twice", k)
		}
		m[k] = v
	}
	return m, nil
}

// dateFlag is a flag that takes a day.
type dateFlag struct{ day *trial.Date }

func (d dateFlag) String() string {
	if d.day == nil {
		return ""
	}
	return string(*d.day)
}
func (d dateFlag) Type() string { return "day" }
func (d dateFlag) Set(s string) (err error) {
	*d.day, err = trial.ParseDate(s)
	return err
}

func (a *app) schoolCommand() *cobra.Command {
	importing := command("import FILE", "List schools from a file",
		"List schools from a CSV file. The columns of the English register (Get Information about\nSchools) are known by header; other files are mapped in the protocol, under schools.\nThe file is stored whole or not at all.",
		"evenhand school import schools.csv", exactly("a file"), nil)
	var listedOn trial.Date
	importing.Flags().Var(dateFlag{&listedOn}, "on", "the day on which they were listed (default: today)")
	importing.RunE = func(cmd *cobra.Command, args []string) error {
		return a.writing(func(ctx context.Context, t *conduct.Trial, args []string) error {
			return a.importSchools(ctx, t, args[0], listedOn)
		})(cmd.Context(), args)
	}

	var name string
	var addedOn trial.Date
	var values []string
	add := command("add ID --name NAME [--set column=value …]", "List one school by hand", "",
		`evenhand school add 104233 --name "Oak Primary School" --set region=London --set phase=Primary`, exactly("the school's ID"),
		a.writing(func(ctx context.Context, t *conduct.Trial, args []string) error {
			attributes, err := pairs(values)
			if err != nil {
				return err
			}
			s, err := t.Protocol.NewSchool(args[0], name, attributes)
			if err != nil {
				return err
			}
			s.Since = addedOn
			if err := t.AddSchool(ctx, s); err != nil {
				return err
			}
			return a.print(struct {
				School string `json:"school"`
			}{s.ID}, func() { a.say("%s, %s, is listed.", s.ID, s.Name) })
		}))
	add.Flags().Var(textFlag{&name}, "name", "the school's name")
	add.Flags().Var(dateFlag{&addedOn}, "on", "the day on which it was listed (default: today)")
	add.Flags().StringArrayVar(&values, "set", nil, "a column's value, as column=value")

	var newName, why string
	var corrections []string
	correct := command("correct ID --why TEXT [--name NAME] [--set column=value …]", "Correct what is recorded of a school, before the draw", "Correct a school's name or values, with a reason; the old value stays in the ledger.\nAfter the draw nothing is corrected here: what was true at the draw stays true of it.",
		`evenhand school correct 104233 --set ks2_score=99.5 --why "typing error in the register"`, exactly("the school's ID"),
		a.writing(func(ctx context.Context, t *conduct.Trial, args []string) error {
			attributes, err := pairs(corrections)
			if err != nil {
				return err
			}
			if newName == "" && len(attributes) == 0 {
				return usagef("nothing to correct: give --name or --set")
			}
			if err := t.SetSchool(ctx, args[0], newName, attributes, why); err != nil {
				return err
			}
			return a.print(struct {
				School string `json:"school"`
			}{args[0]}, func() { a.say("%s is corrected.", args[0]) })
		}))
	correct.Flags().Var(textFlag{&newName}, "name", "the right name")
	correct.Flags().StringArrayVar(&corrections, "set", nil, "a column's right value, as column=value (column= takes a value out)")
	correct.Flags().Var(textFlag{&why}, "why", "why it is corrected")

	var on trial.Date
	var reason, note string
	var signed []string
	stage := command("stage ID STAGE", "Take a school to its next stage",
		"Take a school along its way: listed, approached, interested, agreement signed, baseline data\nreceived, ready; or out: ineligible, declined, withdrew before the draw, each with a reason from\nthe protocol's list. A stage may be passed over if what it asks for is there.",
		"evenhand school stage 104233 approached --on 2014-03-12\nevenhand school stage 104233 \"agreement signed\" --signed head=2014-05-01 --signed \"chair of governors=2014-05-03\" --on 2014-05-03\nevenhand school stage 104233 declined --reason \"no time\" --note \"new head in September\"",
		exactly("the school's ID", "a stage"),
		a.writing(func(ctx context.Context, t *conduct.Trial, args []string) error {
			to, err := trial.ParseStage(args[1])
			if err != nil {
				return usageError{err}
			}
			signatures, err := readSignatures(signed)
			if err != nil {
				return err
			}
			m := conduct.Move{School: args[0], To: to, On: on, Reason: reason, Note: note, Signatures: signatures}
			if err := t.MoveSchools(ctx, []conduct.Move{m}, byHand); err != nil {
				return err
			}
			return a.print(struct {
				School string      `json:"school"`
				Stage  trial.Stage `json:"stage"`
			}{args[0], to}, func() { a.say("%s: %s.", args[0], to) })
		}))
	stage.Flags().Var(dateFlag{&on}, "on", "the day (default: today)")
	stage.Flags().Var(textFlag{&reason}, "reason", "of an exit: from the protocol's list")
	stage.Flags().Var(textFlag{&note}, "note", "anything else")
	stage.Flags().StringArrayVar(&signed, "signed", nil, "a signature on the agreement, as role=day")

	noteText := command("note ID TEXT", "Write a remark about a school into the record", "", `evenhand school note 104233 "rang back, wants dates in writing"`, exactly("the school's ID", "a text"),
		a.writing(func(ctx context.Context, t *conduct.Trial, args []string) error {
			if err := plainText(args[1]); err != nil {
				return usageError{err}
			}
			if err := t.Note(ctx, args[0], args[1]); err != nil {
				return err
			}
			return a.print(struct {
				School string `json:"school"`
			}{args[0]}, func() { a.say("Noted.") })
		}))

	var atStage string
	list := command("list", "List the schools", "", "evenhand school list\nevenhand school list --stage ready --format json", noArgs,
		a.reading(func(ctx context.Context, t *conduct.Trial) error {
			views, err := t.Schools(ctx)
			if err != nil {
				return err
			}
			if atStage != "" {
				want, err := trial.ParseStage(atStage)
				if err != nil {
					return usageError{err}
				}
				kept := views[:0]
				for _, v := range views {
					if v.School.Stage == want {
						kept = append(kept, v)
					}
				}
				views = kept
			}
			out := make([]schoolJSON, len(views))
			for i, v := range views {
				out[i] = schoolOut(v)
			}
			return a.print(struct {
				Schools []schoolJSON `json:"schools"`
			}{out}, func() {
				rows := [][]string{{"school", "name", "stage", "since", "stratum", "eligible", "pupils"}}
				for _, v := range out {
					rows = append(rows, []string{v.ID, v.Name, string(v.Stage), string(v.Since), v.Stratum, yesNo(v.Eligible), fmt.Sprint(v.Pupils)})
				}
				a.table(rows)
				a.say("%s", count(len(out), "school"))
			})
		}))
	list.Flags().StringVar(&atStage, "stage", "", "only those at this stage")

	show := command("show ID", "Show one school: its values, eligibility, people and history", "", "evenhand school show 104233", exactly("the school's ID"),
		func(ctx context.Context, args []string) error {
			return a.withTrial(ctx, false, func(t *conduct.Trial) error {
				v, err := t.School(ctx, args[0])
				if err != nil {
					return err
				}
				out := schoolOut(v)
				return a.print(out, func() { a.showSchool(v, out) })
			})
		})

	var leader conduct.NewLeader
	leaderAdd := command("leader ID --role ROLE --name NAME", "Name a leader of a school", "Name a leader. The name and the address go into the identity table and nowhere else; everything\nelse knows a pseudonym such as 104233-L1.",
		`evenhand school leader 104233 --role "evidence champion" --name "J. Smith" --email j.smith@example.org`, exactly("the school's ID"),
		a.writing(func(ctx context.Context, t *conduct.Trial, args []string) error {
			leader.School = args[0]
			if err := t.AddLeaders(ctx, []conduct.NewLeader{leader}, byHand); err != nil {
				return err
			}
			return a.print(struct {
				School string `json:"school"`
			}{args[0]}, func() { a.say("The %s of %s is named.", leader.Role, args[0]) })
		}))
	leaderAdd.Flags().Var(textFlag{&leader.Role}, "role", "the role, as the protocol words it")
	leaderAdd.Flags().Var(textFlag{&leader.Name}, "name", "the person's name")
	leaderAdd.Flags().Var(textFlag{&leader.Email}, "email", "the person's address")
	leaderAdd.Flags().Var(dateFlag{&leader.On}, "on", "the day (default: today)")

	leaders := command("leaders FILE", "Name leaders from a file", "Name leaders from a CSV file with the columns school, role, name and, if wanted, email and on.", "evenhand school leaders leaders.csv", exactly("a file"), a.writing(a.importLeaders))

	var leftOn trial.Date
	var leftWhy string
	left := command("leader-left PERSON --why TEXT", "Record that a leader left the role", "", `evenhand school leader-left 104233-L1 --on 2015-04-01 --why "new post"`, exactly("the leader's ID"),
		a.writing(func(ctx context.Context, t *conduct.Trial, args []string) error {
			if err := t.LeaderLeft(ctx, args[0], leftOn, leftWhy); err != nil {
				return err
			}
			return a.print(struct {
				Person string `json:"person"`
			}{args[0]}, func() { a.say("%s left the role; name the next one with `evenhand school leader`.", args[0]) })
		}))
	left.Flags().Var(dateFlag{&leftOn}, "on", "the day (default: today)")
	left.Flags().Var(textFlag{&leftWhy}, "why", "why")

	return group("school", "Schools: import, add, take along their way, show", importing, add, correct, stage, noteText, list, show, leaderAdd, leaders, left)
}

// readSignatures reads "role=day" arguments.
func readSignatures(args []string) ([]trial.Signature, error) {
	m, err := pairs(args)
	if err != nil {
		return nil, err
	}
	var all []trial.Signature
	var faults []error
	for role, day := range m {
		on, err := trial.ParseDate(day)
		if err != nil {
			faults = append(faults, fmt.Errorf("--signed %s: %w", role, err))
		}
		all = append(all, trial.Signature{Role: role, On: on})
	}
	if len(faults) > 0 {
		sort.Slice(faults, func(i, j int) bool { return faults[i].Error() < faults[j].Error() })
		return nil, usageError{errors.Join(faults...)}
	}
	sort.Slice(all, func(i, j int) bool { return all[i].Role < all[j].Role })
	return all, nil
}

type findingJSON struct {
	Rule     string `json:"rule"`
	OK       bool   `json:"ok"`
	Evidence string `json:"evidence"`
}

type schoolJSON struct {
	ID         string            `json:"id"`
	Name       string            `json:"name"`
	Stage      trial.Stage       `json:"stage"`
	Since      trial.Date        `json:"since"`
	Reason     string            `json:"reason"`
	Note       string            `json:"note"`
	Stratum    string            `json:"stratum"`
	Eligible   bool              `json:"eligible"`
	Findings   []findingJSON     `json:"findings"`
	Pupils     int               `json:"pupils"`
	Leaders    map[string]string `json:"leaders"` // person: role
	Attributes map[string]string `json:"attributes"`
	Source     string            `json:"source"`
}

func schoolOut(v conduct.SchoolView) schoolJSON {
	s := v.School
	out := schoolJSON{ID: s.ID, Name: s.Name, Stage: s.Stage, Since: s.Since, Reason: s.Reason, Note: s.Note, Stratum: v.Stratum, Eligible: true, Findings: []findingJSON{}, Pupils: v.Pupils, Leaders: map[string]string{}, Attributes: s.Attributes, Source: s.Source}
	for _, f := range v.Findings {
		out.Eligible = out.Eligible && f.OK
		out.Findings = append(out.Findings, findingJSON{f.Rule.Text, f.OK, f.Evidence})
	}
	for _, l := range s.Leaders {
		out.Leaders[l.Person] = l.Role
	}
	return out
}

func (a *app) showSchool(v conduct.SchoolView, out schoolJSON) {
	s := v.School
	a.say("%s  %s", s.ID, s.Name)
	a.say("  stage    %s since %s", s.Stage, s.Since)
	if s.Reason != "" || s.Note != "" {
		a.say("  reason   %s", strings.TrimSpace(s.Reason+"  "+s.Note))
	}
	a.say("  stratum  %s", v.Stratum)
	a.say("  pupils   %d listed", v.Pupils)
	a.say("  source   %s", s.Source)
	var names []string
	for k := range s.Attributes {
		names = append(names, k)
	}
	sort.Strings(names)
	for _, k := range names {
		a.say("    %-16s %s", k, s.Attributes[k])
	}
	a.say("  eligible %s", yesNo(out.Eligible))
	for _, f := range v.Findings {
		mark := "ok"
		if !f.OK {
			mark = "NO"
		}
		a.say("    %s  %s: %s", mark, f.Rule.Text, f.Evidence)
	}
	for _, g := range s.Signatures {
		a.say("  signed   %s on %s", g.Role, g.On)
	}
	for _, l := range s.Leaders {
		a.say("  leader   %s, %s", l.Person, l.Role)
	}
	for _, c := range v.History {
		a.say("  history  %s", strings.Join(strings.Fields(fmt.Sprintf("%s %s %s %s", c.On, c.To, c.Reason, c.Note)), " "))
	}
}

func (a *app) recruitmentCommand() *cobra.Command {
	status := command("status", "The funnel against the target, by region, with the pace needed", "", "evenhand recruitment status\nevenhand recruitment status --format json", noArgs,
		a.reading(func(ctx context.Context, t *conduct.Trial) error {
			r, err := t.Recruitment(ctx)
			if err != nil {
				return err
			}
			return a.print(r, func() { a.recruitment(r) })
		}))
	log := command("import FILE", "Take schools along their way from a recruitment log", "Take schools along their way from a CSV file with the columns school, stage, on and, where they\napply, reason, note, and a column a signing role (such as head) with the day of the signature.\nRows are taken in their order, all of them or none.",
		"evenhand recruitment import log.csv", exactly("a file"), a.writing(a.importMoves))
	stop := command("stop REASON", "End the trial before its draw", "End the trial before randomisation, with the reason that stands in its report. It cannot be\ntaken back.",
		`evenhand recruitment stop "six of 240 schools could be recruited"`, exactly("a reason"),
		a.writing(func(ctx context.Context, t *conduct.Trial, args []string) error {
			if err := plainText(args[0]); err != nil {
				return usageError{err}
			}
			if err := t.Stop(ctx, args[0]); err != nil {
				return err
			}
			return a.print(struct {
				Phase trial.Phase `json:"phase"`
			}{trial.Stopped}, func() { a.say("The trial is stopped before randomisation. `evenhand report build` writes its report.") })
		}))
	return group("recruitment", "Recruitment as a whole: status, log, stop", status, log, stop)
}

func (a *app) recruitment(r conduct.Recruitment) {
	a.say("%d of %d schools are ready", r.Ready, r.Target)
	switch {
	case r.Needed == 0:
		a.say("The target is met.")
	case r.DaysLeft > 0:
		a.say("%d more by %s (%d days): %.1f a week are needed; %.1f a week came in the last four.", r.Needed, r.Closes, r.DaysLeft, r.PerWeek, r.LastFour)
	case r.Closes != "":
		a.say("%d more were wanted by %s.", r.Needed, r.Closes)
	default:
		a.say("%d more are wanted.", r.Needed)
	}
	for _, d := range []struct {
		s    power.Stage
		with string
	}{{r.Detectable.Now, fmt.Sprintf("With the %s ready now", count(r.Ready, "school"))}, {r.Detectable.Target, fmt.Sprintf("With the target of %d met", r.Target)}} {
		if d.s.MDES == nil {
			a.say("%s: no minimum detectable effect size: %s.", d.with, d.s.Why)
			continue
		}
		pupils := fmt.Sprintf(" (%.1f pupils a school", d.s.Size())
		if d.s.Size() == 0 {
			pupils = " ("
		} else {
			pupils += ", "
		}
		a.say("%s the trial can detect %.3f SD%s%.4g degrees of freedom).", d.with, d.s.MDES.Exact, pupils, d.s.MDES.DF)
	}
	a.say("")
	rows := [][]string{{"stage", "reached", "now", ""}}
	for _, s := range r.Stages {
		bar := ""
		if r.Schools > 0 {
			bar = strings.Repeat("█", (s.Reached*40+r.Schools/2)/r.Schools)
		}
		rows = append(rows, []string{string(s.Stage), fmt.Sprint(s.Reached), fmt.Sprint(s.Now), bar})
	}
	a.table(rows)
	if len(r.Exits) > 0 {
		a.say("")
		rows = [][]string{{"left before the draw", "schools"}}
		for _, e := range r.Exits {
			rows = append(rows, []string{e.What, fmt.Sprint(e.N)})
		}
		a.table(rows)
	}
	a.say("")
	rows = [][]string{{"region", "listed", "ready", "left"}}
	for _, g := range r.Regions {
		rows = append(rows, []string{g.Region, fmt.Sprint(g.Listed), fmt.Sprint(g.Ready), fmt.Sprint(g.Left)})
	}
	a.table(rows)
}
