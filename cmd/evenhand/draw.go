package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"evenhand/randomize"
	"evenhand/reports"
	"evenhand/trial"
	"evenhand/trial/conduct"
)

func (a *app) rosterCommand() *cobra.Command {
	check := command("check", "Run the checklist before the lock, without locking", "", "evenhand roster check", noArgs,
		a.writing(func(ctx context.Context, t *conduct.Trial, _ []string) error {
			checks, err := t.Checklist(ctx)
			if err != nil {
				return err
			}
			bad := 0
			for _, c := range checks {
				if !c.OK {
					bad++
				}
			}
			if err := a.print(struct {
				Ready  bool            `json:"ready"`
				Checks []conduct.Check `json:"checks"`
			}{bad == 0, checks}, func() { a.checklist(checks) }); err != nil {
				return err
			}
			if bad > 0 {
				return withHint(fmt.Errorf("%d of %s fail: the roster cannot be locked yet", bad, count(len(checks), "check")), "the lines with NO say what is missing, and where")
			}
			return nil
		}))
	var wave int
	lock := command("lock", "Freeze schools, strata and pupils before the draw",
		"Run the checklist, then freeze the texts of design and roster, and the list of pupils, with\ntheir digests. Until the draw is committed the roster may be locked again as a new version;\nthe old one stays in the record. Where schools come in waves (`waves` in the protocol), those that are\nready and were not drawn yet are the next wave: it is locked, committed and drawn by itself, and what\nearlier waves were given stays.",
		"evenhand roster lock\nevenhand roster lock --wave 2", noArgs,
		a.writing(func(ctx context.Context, t *conduct.Trial, _ []string) error {
			lock, err := t.LockRoster(ctx, wave)
			var refused *conduct.LockError
			if errors.As(err, &refused) && !a.json() {
				a.checklist(refused.Checks)
			}
			if err != nil {
				return err
			}
			return a.print(lock, func() {
				a.checklist(lock.Checks)
				of := ""
				if lock.Wave > 1 {
					of = fmt.Sprintf(", of wave %d,", lock.Wave)
				}
				a.say("\nRoster version %d%s is locked: %d schools, %d pupils.", lock.Version, of, lock.Schools, lock.Pupils)
				a.say("  design  %s", lock.DesignDigest)
				a.say("  roster  %s", lock.RosterDigest)
				a.say("  pupils  %s", lock.PupilsDigest)
			})
		}))
	lock.Flags().IntVar(&wave, "wave", 0, "the wave you mean to lock; another one is refused (default: the next)")
	var out string
	var part choice
	show := command("show", "Print a text of the locked roster", "Print the exact bytes of the locked roster, the design, or the list of pupils.",
		"evenhand roster show\nevenhand roster show --part design --out design.txt", noArgs,
		a.reading(func(ctx context.Context, t *conduct.Trial) error {
			rosters, err := t.Rosters(ctx)
			if err != nil {
				return err
			}
			if len(rosters) == 0 {
				return withHint(errors.New("no roster is locked"), "`evenhand roster lock` does that")
			}
			l := rosters[len(rosters)-1]
			text := map[string]string{"roster": l.RosterText, "design": l.DesignText, "pupils": l.PupilsText}[part.value]
			return a.printText(out, text)
		}))
	addChoice(show, &part, "part", "roster", "which text", "roster", "design", "pupils")
	show.Flags().StringVar(&out, "out", "", "write it to a file")
	return group("roster", "What is drawn from: check, lock, show", check, lock, show)
}

// printText writes a text's exact bytes to a file, or to standard output.
func (a *app) printText(file, text string) error {
	if file == "" {
		_, err := io.WriteString(a.stdout, text)
		return err
	}
	if err := writeFile(file, false, func(w io.Writer) error { _, err := io.WriteString(w, text); return err }); err != nil {
		return err
	}
	digest := trial.DigestOf(text)
	return a.print(struct {
		File   string `json:"file"`
		Digest string `json:"digest"`
	}{file, digest}, func() { a.say("%s is written; digest %s", file, digest) })
}

func (a *app) checklist(checks []conduct.Check) {
	for _, c := range checks {
		mark := "ok  "
		if !c.OK {
			mark = "NO  "
		}
		a.say("%s%-10s %s", mark, c.Name, c.Evidence)
		for i, name := range c.Names {
			if i == 20 {
				a.say("                 and %d more (--format json lists all)", len(c.Names)-i)
				break
			}
			a.say("                 %s", name)
		}
	}
}

func (a *app) drawCommand() *cobra.Command {
	var times int
	rehearse := command("rehearse", "Draw many times from chance that can never become the draw",
		"Rehearse the draw on the locked roster: sizes of the arms, every school's realised chance beside the\nplanned one, how often two schools come into one arm, and how far apart the arms would be in what is\nknown of the schools, as a picture. Rehearsals use a domain of chance of their own, and never show the arm of\na school.",
		"evenhand draw rehearse\nevenhand draw rehearse --times 10000", noArgs,
		func(ctx context.Context, _ []string) error {
			if times < 1 || times > 1_000_000 {
				return usagef("--times: 1 to 1,000,000")
			}
			return a.withTrial(ctx, true, func(t *conduct.Trial) error {
				r, err := t.Rehearse(ctx, times, a.progress("rehearsing"))
				if err != nil {
					return err
				}
				return a.print(r, func() {
					a.say("%d rehearsals. None of them can become the draw.", r.Times)
					rows := [][]string{{"arm", "chance planned", "realised", "schools' lowest", "highest", "by chance within", "sizes", "communities of"}}
					for _, arm := range r.Arms {
						sizes := fmt.Sprint(arm.Smallest)
						if arm.Largest != arm.Smallest {
							sizes = fmt.Sprintf("%d to %d", arm.Smallest, arm.Largest)
						}
						rows = append(rows, []string{arm.Arm, fmt.Sprintf("%.4f", arm.Planned), fmt.Sprintf("%.4f", arm.Realised), fmt.Sprintf("%.3f", arm.LowestOf), fmt.Sprintf("%.3f", arm.HighestOf), fmt.Sprintf("±%.3f", arm.Expected), sizes, strings.Trim(fmt.Sprint(arm.Communities), "[]")})
					}
					a.table(rows)
					if p := r.Pairs; p != nil {
						a.say("Two schools came into one arm in %.1f %% to %.1f %% of the rehearsals, on average %.1f %%; of %d pairs %d never and %d always.", 100*p.Lowest, 100*p.Highest, 100*p.Mean, p.Pairs, p.Never, p.Always)
					}
					a.histograms(r.Balance)
				})
			})
		})
	rehearse.Flags().IntVar(&times, "times", 1000, "how many rehearsals")

	var out string
	var part choice
	show := command("show", "Show the allocation to those who may know it",
		"Show which school is in which arm and community, or print one of the exact texts: the allocation,\nthe design, the roster, the chance, the commitment. People whom the protocol keeps blind get none.",
		"evenhand draw show\nevenhand draw show --part allocation --out allocation.txt", noArgs,
		a.reading(func(ctx context.Context, t *conduct.Trial) error {
			v, err := t.ShowDraw(ctx)
			if err != nil {
				return err
			}
			if part.value != "table" {
				text := map[string]string{"allocation": v.Draw.AllocationText, "design": v.Design, "roster": v.Roster, "chance": v.Draw.Chance + "\n", "commitment": v.Commitment.Text}[part.value]
				return a.printText(out, text)
			}
			return a.showDraw(ctx, t, v)
		}))
	addChoice(show, &part, "part", "table", "what to print", "table", "allocation", "design", "roster", "chance", "commitment")
	show.Flags().StringVar(&out, "out", "", "write the text to a file")

	verify := command("verify", "Draw again from the stored texts and compare every byte", "Draw again from the stored texts, and compare every byte, the lines used for queries and the\nledger's digests. Exit status 3 if anything disagrees.", "evenhand draw verify", noArgs,
		a.reading(func(ctx context.Context, t *conduct.Trial) error {
			v, err := t.VerifyDraw(ctx)
			if err != nil {
				return err
			}
			return a.print(v, func() {
				for i, digest := range v.Waves {
					a.say("PASS  wave %d drawn again; digest %s", i+1, digest)
				}
				a.say("PASS  drawn again: all %d schools are as recorded; digest %s", v.Schools, v.Digest)
			})
		}))
	var pictureOut string
	picture := command("picture", "Picture the draw: strata at the left, communities and arms at the right",
		"Print a picture of the draw as SVG, or write it to a file (.svg or .png): how many schools of each\nstratum were drawn into which community and arm. It names no school. People whom the protocol keeps\nblind get one with the sizes of strata and arms only, arms as letters, and nothing between them.",
		"evenhand draw picture\nevenhand draw picture --out draw.png", noArgs,
		a.reading(func(ctx context.Context, t *conduct.Trial) error {
			c, err := t.DrawnCounts(ctx)
			if err != nil {
				return err
			}
			if c.Crossed == nil {
				strata := make([]reports.DrawnInto, len(c.Strata))
				for i, s := range c.Strata {
					strata[i] = reports.DrawnInto{Stratum: s.Stratum, Schools: s.Schools}
				}
				return a.printPicture(pictureOut, "draw", reports.BlindDraw(strata, c.Arms))
			}
			drawn := make([]reports.DrawnInto, len(c.Crossed))
			for i, d := range c.Crossed {
				drawn[i] = reports.DrawnInto(d)
			}
			drawing, err := reports.DrawPicture(t.Protocol, drawn)
			if err != nil {
				return err
			}
			return a.printPicture(pictureOut, "draw", drawing)
		}))
	picture.Flags().StringVar(&pictureOut, "out", "", "write it to a file: .svg or .png")
	return group("draw", "The lots: rehearse, commit, run, show, picture, verify, replay, record, letters, kit", rehearse, a.drawCommitCommand(), a.commitmentCommand(), a.drawRunCommand(), show, picture, verify, a.replayCommand(),
		a.balanceCommand(), a.probabilitiesCommand(), a.recordCommand(), a.kitCommand(), a.lettersCommand(), a.reportErrorCommand(), a.annulCommand())
}

func (a *app) showDraw(ctx context.Context, t *conduct.Trial, v conduct.DrawView) error {
	views, err := t.Schools(ctx)
	if err != nil {
		return err
	}
	byID := map[string]conduct.SchoolView{}
	for _, s := range views {
		byID[s.School.ID] = s
	}
	type line struct {
		School    string `json:"school"`
		Name      string `json:"name"`
		Stratum   string `json:"stratum"`
		Arm       string `json:"arm"`
		Community int    `json:"community"`
		Wave      int    `json:"wave,omitempty"` // 2, 3, … where schools came in waves
	}
	waveOf := map[string]int{}
	for _, w := range v.Waves {
		for _, u := range w.Roster.Units {
			if w.Draw.Wave > 1 {
				waveOf[u.ID] = w.Draw.Wave
			}
		}
	}
	lines := make([]line, len(v.Lines))
	sizes := map[string]int{}
	for i, l := range v.Lines {
		s := byID[l.School]
		lines[i] = line{l.School, s.School.Name, s.Stratum, l.Arm, l.Community, waveOf[l.School]}
		sizes[l.Arm]++
	}
	return a.print(struct {
		Drawn  string         `json:"drawn"`
		By     string         `json:"by"`
		Digest string         `json:"digest"`
		Sizes  map[string]int `json:"sizes"`
		Lines  []line         `json:"schools"`
		Void   bool           `json:"void,omitempty"` // the draw was annulled
	}{v.Draw.At.Format("2006-01-02T15:04:05Z"), v.Draw.Actor, v.Draw.Digest, sizes, lines, v.Annulment != nil}, func() {
		if v.Annulment != nil {
			a.say("VOID: annulled on %s by %s: %s", v.Annulment.At.Format("2006-01-02"), people(v.Annulment.Actor, v.Annulment.ConfirmedBy), v.Annulment.Why)
		}
		for _, w := range v.Waves {
			wave := ""
			if len(v.Waves) > 1 {
				wave = fmt.Sprintf("Wave %d, %s. ", w.Draw.Wave, count(len(w.Roster.Units), "school"))
			}
			a.say("%sDrawn on %s by %s; digest %s", wave, w.Draw.At.Format("2006-01-02 at 15:04:05 UTC"), w.Draw.Actor, w.Draw.Digest)
		}
		for _, arm := range t.Protocol.Arms {
			a.say("  %s: %d schools", arm.Label, sizes[arm.ID])
		}
		rows := [][]string{{"school", "name", "stratum", "arm", "community"}}
		if len(v.Waves) > 1 {
			rows[0] = append(rows[0], "wave")
		}
		for _, l := range lines {
			community := "–"
			if l.Community > 0 {
				community = fmt.Sprint(l.Community)
			}
			row := []string{l.School, l.Name, l.Stratum, l.Arm, community}
			if len(v.Waves) > 1 {
				row = append(row, fmt.Sprint(max(l.Wave, 1)))
			}
			rows = append(rows, row)
		}
		a.table(rows)
	})
}

func (a *app) replayCommand() *cobra.Command {
	var design, roster, chance string
	var after []string
	rehearsal := -1
	c := command("replay --design FILE --roster FILE --chance FILE", "Draw again from the three texts alone, without any store",
		"Draw from the committed texts and print the allocation, byte for byte as the rule says, on\nstandard output. Needs no trial and no store. A later wave of minimisation or efron goes on from the\nearlier ones: name the roster and the allocation of each with --after.",
		"evenhand draw replay --design design.txt --roster roster.txt --chance chance.txt | sha256sum\nevenhand draw replay --design design.txt --roster roster.txt --chance chance.txt --rehearsal 3\nevenhand draw replay --design design.txt --roster roster-2.txt --chance chance-2.txt --after roster.txt,allocation.txt", noArgs,
		func(context.Context, []string) error {
			texts := make([][]byte, 3)
			for i, f := range []struct{ flag, file string }{{"design", design}, {"roster", roster}, {"chance", chance}} {
				if f.file == "" {
					return usagef("--%s is missing: the draw is made from three texts", f.flag)
				}
				var err error
				if texts[i], err = a.readFile(f.file); err != nil {
					return err
				}
			}
			d, err1 := randomize.ParseDesign(texts[0])
			r, err2 := randomize.ParseRoster(texts[1])
			ch, err3 := randomize.ParseChance(string(texts[2]))
			if err := errors.Join(inFile(design, err1), inFile(roster, err2), inFile(chance, err3)); err != nil {
				return err
			}
			earlier, err := a.earlierWaves(after)
			if err != nil {
				return err
			}
			var allocation *randomize.Allocation
			if rehearsal >= 0 {
				allocation, err = randomize.Rehearse(d, r, ch, rehearsal, earlier...)
			} else {
				allocation, err = randomize.Draw(d, r, ch, earlier...)
			}
			if err != nil {
				return err
			}
			_, err = a.stdout.Write(allocation.Text())
			return err
		})
	c.Flags().StringVar(&design, "design", "", "the design text")
	c.Flags().StringVar(&roster, "roster", "", "the roster text")
	c.Flags().StringVar(&chance, "chance", "", "64 hexadecimal digits")
	c.Flags().StringArrayVar(&after, "after", nil, "an earlier wave: ROSTER,ALLOCATION; again for each, oldest first")
	c.Flags().IntVar(&rehearsal, "rehearsal", -1, "draw this rehearsal instead of the draw")
	c.PreRunE = func(cmd *cobra.Command, _ []string) error {
		if cmd.Flags().Changed("rehearsal") && rehearsal < 0 {
			return usagef("--rehearsal: a number of 0 or more")
		}
		return nil
	}
	return c
}

// earlierWaves reads the rosters and allocations that --after names.
func (a *app) earlierWaves(after []string) (earlier []randomize.Drawn, err error) {
	for _, pair := range after {
		rosterFile, allocationFile, ok := strings.Cut(pair, ",")
		if !ok || rosterFile == "" || allocationFile == "" {
			return nil, usagef("--after %s: name an earlier wave's two files, as in roster.txt,allocation.txt", pair)
		}
		rosterText, err1 := a.readFile(rosterFile)
		allocationText, err2 := a.readFile(allocationFile)
		if err := errors.Join(err1, err2); err != nil {
			return nil, err
		}
		roster, err1 := randomize.ParseRoster(rosterText)
		allocation, err2 := randomize.ParseAllocation(allocationText)
		if err := errors.Join(inFile(rosterFile, err1), inFile(allocationFile, err2)); err != nil {
			return nil, err
		}
		earlier = append(earlier, randomize.Drawn{Roster: roster, Allocation: allocation})
	}
	return earlier, nil
}

func inFile(name string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", name, err)
}
