package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"evenhand/randomize"
	"evenhand/trial"
	"evenhand/trial/conduct"
)

func (a *app) communitiesCommand() *cobra.Command {
	return group("communities", "Learning communities: check and frontier before the draw, show and change after it",
		a.communitiesCheckCommand(), a.frontierCommand(), a.communitiesShowCommand(), a.communitiesChangeCommand())
}

func (a *app) communitiesCheckCommand() *cobra.Command {
	var rehearsals int
	c := command("check", "Can communities be formed, however chance falls?",
		"Decide before any chance is spent whether communities can be formed: for every number of schools\nthat an arm may get, and exactly for the arms of many rehearsals. Where they cannot, the fewest\nrules that cannot be met together are named. Works on the locked roster, or before the lock on the\nschools that are ready. What is tried is the same for everybody, and can never become the draw.",
		"evenhand communities check\nevenhand communities check --rehearsals 1000", noArgs,
		func(ctx context.Context, _ []string) error {
			if rehearsals < 1 || rehearsals > 1_000_000 {
				return usagef("--rehearsals: 1 to 1,000,000")
			}
			// An edited protocol is what one wants to try.
			return a.withTrial(ctx, true, func(t *conduct.Trial) error {
				if f, err := t.Facts(ctx); err != nil {
					return err
				} else if f.Drawn && f.Draws >= f.Waves {
					return withHint(errors.New("the draw was made: whether communities can be formed is decided before it"), "`evenhand communities show` shows the communities that were drawn")
				}
				l, err := t.DesignNow(ctx)
				if err != nil {
					return err
				}
				c, err := conduct.CheckCommunities(l, rehearsals)
				if err != nil {
					return err
				}
				if err := a.print(c, func() { a.printCheck(c) }); err != nil {
					return err
				}
				if !c.Feasible {
					return withHint(errors.New("communities cannot be formed as the protocol asks"), "change one of the rules named, or recruit until they can be met: it is decided before any chance is spent")
				}
				return nil
			})
		})
	c.Flags().IntVar(&rehearsals, "rehearsals", 100, "on how many rehearsals it is decided exactly")
	return c
}

func span(x [2]int) string {
	if x[0] == x[1] {
		return strconv.Itoa(x[0])
	}
	return fmt.Sprintf("%d to %d", x[0], x[1])
}

func (a *app) printCheck(c conduct.CommunityCheck) {
	for _, arm := range c.Arms {
		notional := ""
		if arm.Notional {
			notional = " (notional, for comparison)"
		}
		a.say("%s: %s schools, communities of %s: %s communities%s", arm.Arm, span(arm.Schools), span(arm.Size), span(arm.Number), notional)
	}
	if !c.Feasible {
		for _, r := range c.Reasons {
			a.say("NO  %s", r)
		}
		if len(c.Rules) > 0 {
			a.say("    the fewest rules that cannot be met together: %s", strings.Join(c.Rules, "; "))
		}
		if !c.Decided {
			a.say("    (the exact search was given up for length: no way was found, and none was shown to be impossible)")
		}
		return
	}
	a.say("ok  communities that break no rule exist in %d of %d rehearsals", c.Formed, c.Rehearsals)
	for _, s := range c.Searches {
		a.say("    %s, first rehearsal: %d of %d starts break no rule; %d different ways, %d kept, of which chance chooses one", s.Arm, s.Feasible, s.Starts, s.Distinct, s.Kept)
		a.say("    pairs of schools: %d always together, %d never, %d in more than half", s.Always, s.Never, s.Often)
	}
}

func (a *app) frontierCommand() *cobra.Command {
	var arm string
	var steps int
	c := command("frontier", "Short travel against balanced communities, before the draw",
		"Show what communities would be like for shares of balance from 0 to 100 %: travel and imbalance\nbeside what forming them by lot gives (1.00), the longest distance, and how much is left to chance.\nLook at it before the draw, and choose `mix` in the protocol: afterwards it would be choosing by\nresult. Needs communities formed near or mixed, with balance columns. One rehearsal is looked at,\nthe same for everybody, which can never become the draw.",
		"evenhand communities frontier\nevenhand communities frontier --arm rlc --steps 20", noArgs,
		func(ctx context.Context, _ []string) error {
			if steps < 1 || steps > 100 {
				return usagef("--steps: 1 to 100")
			}
			return a.withTrial(ctx, true, func(t *conduct.Trial) error {
				if f, err := t.Facts(ctx); err != nil {
					return err
				} else if f.Drawn {
					return withHint(errors.New("the draw was made: the choice between travel and balance is made before it"), "`evenhand communities show` shows the communities that were drawn")
				}
				l, err := t.DesignNow(ctx)
				if err != nil {
					return err
				}
				name, err := oneArm(l.Design, arm)
				if err != nil {
					return err
				}
				mixes := make([]int, steps+1)
				for i := range mixes {
					mixes[i] = 1000 * i / steps
				}
				points, err := conduct.FrontierOf(l, name, mixes)
				if err != nil {
					return withHint(err, "in the protocol: `how: near`, with `balance` and its columns, and schools with easting and northing")
				}
				type line struct {
					Mix      float64 `json:"mix"`
					Travel   float64 `json:"travel"`
					Balance  float64 `json:"imbalance"`
					Longest  int64   `json:"longest"`
					Distinct int     `json:"distinct"`
					Kept     int     `json:"kept"`
					Always   int     `json:"always"`
					Never    int     `json:"never"`
				}
				lines := make([]line, len(points))
				for i, p := range points {
					lines[i] = line{float64(p.Mix) / 1000, float64(p.Travel) / 1e6, float64(p.Level) / 1e6, p.Longest, p.Distinct, p.Kept, p.Always, p.Never}
				}
				return a.print(struct {
					Arm    string `json:"arm"`
					Points []line `json:"points"`
				}{name, lines}, func() {
					a.say("Communities of %s in one rehearsal. Travel and imbalance: 1.00 is what forming by lot gives.", name)
					rows := [][]string{{"balance", "travel", "imbalance", "longest", "ways kept", "pairs always", "never", "travel # and imbalance o from 0 to 1.25"}}
					for _, x := range lines {
						rows = append(rows, []string{fmt.Sprintf("%.0f %%", 100*x.Mix), fmt.Sprintf("%.2f", x.Travel), fmt.Sprintf("%.2f", x.Balance), longest(l, x.Longest), fmt.Sprintf("%d of %d", x.Kept, x.Distinct), fmt.Sprint(x.Always), fmt.Sprint(x.Never), twoMarks(x.Travel, x.Balance)})
					}
					a.table(rows)
				})
			})
		})
	c.Flags().StringVar(&arm, "arm", "", "the arm, where several have communities")
	c.Flags().IntVar(&steps, "steps", 10, "how many steps from 0 to 100 %")
	return c
}

// longest writes a longest distance: kilometres, or minutes where the roster
// has travel times.
func longest(l conduct.LockedDesign, x int64) string {
	for _, name := range l.Roster.Columns {
		if strings.HasPrefix(name, randomize.PrefixMinutes) {
			return fmt.Sprintf("%d min", x)
		}
	}
	return fmt.Sprintf("%.0f km", float64(x)/1000)
}

// twoMarks marks two numbers on a line from 0 to 1.25.
func twoMarks(travel, imbalance float64) string {
	const width = 40
	line := []byte(strings.Repeat(".", width+1))
	at := func(x float64) int { return min(max(int(x/1.25*width+0.5), 0), width) }
	line[at(travel)] = '#'
	if at(travel) == at(imbalance) {
		line[at(imbalance)] = '*'
	} else {
		line[at(imbalance)] = 'o'
	}
	return string(line)
}

// oneArm is the arm asked for, or the only one with real communities.
func oneArm(d randomize.Design, arm string) (string, error) {
	var names []string
	for _, c := range d.Communities {
		if c.Arm == arm {
			return arm, nil
		}
		if !c.Notional {
			names = append(names, c.Arm)
		}
	}
	switch {
	case len(d.Communities) == 0:
		return "", conduct.ErrNoCommunities
	case arm != "":
		return "", usagef("--arm: %q has no communities", arm)
	case len(names) != 1:
		return "", usagef("several arms have communities: name one with --arm (%s)", strings.Join(names, ", "))
	}
	return names[0], nil
}

func (a *app) communitiesShowCommand() *cobra.Command {
	return command("show", "The communities that were drawn: schools, regions, distances",
		"Show every community with its schools, regions and distances as the crow flies, who came and left\nsince, and, where communities were formed by a search, which pairs of schools were together in\nevery way that chance could choose, and how many in none: how far forming them was designed\nrather than drawn. People whom the protocol keeps blind get none.",
		"evenhand communities show\nevenhand communities show --format json", noArgs,
		a.reading(func(ctx context.Context, t *conduct.Trial) error {
			v, err := t.Communities(ctx)
			if err != nil {
				return err
			}
			return a.print(v, func() { a.printCommunities(v) })
		}))
}

func (a *app) printCommunities(v conduct.CommunityView) {
	for _, c := range v.Communities {
		var regions []string
		drawn := 0
		for _, s := range c.Schools {
			if s.Drawn {
				drawn++
				if s.Region != "" && !containsText(regions, s.Region) {
					regions = append(regions, s.Region)
				}
			}
		}
		distance := "places not known"
		if c.KnownPlaces > 1 {
			distance = fmt.Sprintf("longest distance %.0f km, mean %.0f km", c.Longest, c.Mean)
		}
		now := ""
		if c.SizeNow != drawn {
			now = fmt.Sprintf(", %d now", c.SizeNow)
		}
		a.say("%s %d: %d schools drawn%s; %s; %s", c.Arm, c.Number, drawn, now, distance, strings.Join(regions, ", "))
		for _, s := range c.Schools {
			mark := ""
			switch {
			case s.Drawn && !s.Now:
				mark = "  (left)"
			case !s.Drawn:
				mark = "  (came later)"
			}
			a.say("  %s  %s%s", s.School, s.Name, mark)
		}
	}
	if v.Changes > 0 {
		a.say("\n%s since the draw. The drawn communities stay the variable of the analysis.", count(v.Changes, "change"))
	}
	for _, p := range v.Pairs {
		a.say("\n%s: chance chose one of %d ways. Of %d pairs of schools %d were together in every one, %d in none, %d in more than half.", p.Arm, p.Kept, p.Pairs, len(p.Always), p.Never, p.Often)
		for i, pair := range p.Always {
			if i == 20 {
				a.say("  and %d more (--format json lists all)", len(p.Always)-i)
				break
			}
			a.say("  always together: %s and %s", pair.A, pair.B)
		}
	}
}

func containsText(all []string, s string) bool {
	for _, x := range all {
		if x == s {
			return true
		}
	}
	return false
}

func (a *app) communitiesChangeCommand() *cobra.Command {
	var arm, on, why string
	c := command("change join|leave|merge WHICH", "Change a community after the draw, by the declared rule",
		`Record that a school joins or leaves a community, or that one which has become too small is merged
into another. Nobody chooses where a school goes: the rule does (RULE.md, section 14), from the
draw's own chance. The drawn communities are kept, and stay the variable of the analysis.

  join ID     a school comes late: to the community with room and the fewest schools
  leave ID    a school leaves its community (the school's withdrawal is recorded by itself)
  merge N     community N has fewer schools than its rule allows: into the one with the fewest`,
		`evenhand communities change leave 104233 --why "merged with another school"
evenhand communities change merge 3 --why "three schools are left"
evenhand communities change join 104999 --why "replaces a school that left"`,
		exactly("join, leave or merge", "a school's ID (merge: a community's number)"),
		func(ctx context.Context, args []string) error {
			asked := conduct.ChangeAsked{Kind: trial.ChangeKind(args[0]), Arm: arm, Reason: why}
			switch asked.Kind {
			case trial.Joins, trial.Leaves:
				asked.School = args[1]
			case trial.Merges:
				n, err := strconv.Atoi(args[1])
				if err != nil || n < 1 {
					return usagef("merge: the number of a community, not %q", args[1])
				}
				asked.Community = n
			default:
				return usagef("%q: it is one of: join, leave, merge", args[0])
			}
			if why == "" {
				return usagef("--why is missing: it stands in the record for ever")
			}
			if on != "" {
				d, err := trial.ParseDate(on)
				if err != nil {
					return usageError{fmt.Errorf("--on: %w", err)}
				}
				asked.On = d
			}
			return a.withTrial(ctx, true, func(t *conduct.Trial) error {
				made, warn, err := t.ChangeCommunity(ctx, asked)
				if err != nil {
					return err
				}
				type line struct {
					Kind   string `json:"kind"`
					School string `json:"school"`
					Arm    string `json:"arm"`
					From   int    `json:"from"`
					To     int    `json:"to"`
				}
				lines := make([]line, len(made))
				for i, c := range made {
					lines[i] = line{string(c.Kind), c.School, c.Arm, c.From, c.To}
				}
				return a.print(struct {
					Changes []line `json:"changes"`
					Warning string `json:"warning,omitempty"`
				}{lines, warn}, func() {
					for _, c := range lines {
						switch {
						case c.To == 0:
							a.say("school %s left community %d of %s", c.School, c.From, c.Arm)
						case c.From == 0:
							a.say("school %s joins community %d of %s", c.School, c.To, c.Arm)
						default:
							a.say("school %s goes from community %d of %s to community %d", c.School, c.From, c.Arm, c.To)
						}
					}
					if warn != "" {
						a.note("%s", warn)
					}
				})
			})
		})
	c.Flags().StringVar(&arm, "arm", "", "the arm, where several have communities")
	c.Flags().StringVar(&on, "on", "", "the day (default: today)")
	c.Flags().Var(textFlag{&why}, "why", "the reason")
	return c
}
