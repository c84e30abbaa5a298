package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"evenhand/randomize"
	"evenhand/trial"
	"evenhand/trial/conduct"
)

func (a *app) recordCommand() *cobra.Command {
	var out string
	var overwrite bool
	c := command("record", "Write the draw's record: a text that a person reads in two minutes",
		"Write a text of a page or two: who drew what, when and from which chance; how many schools of each\nstratum came into each arm; how alike the arms are; the digests, and how to check them. It lists no\nschool. It holds the chance, from which the draw can be made again, so people whom the protocol\nkeeps blind get none.",
		"evenhand draw record\nevenhand draw record --out draw-2027.txt", noArgs,
		a.reading(func(ctx context.Context, t *conduct.Trial) error {
			v, err := t.ShowDraw(ctx)
			if err != nil {
				return err
			}
			b, err := t.Balance(ctx)
			if err != nil {
				return err
			}
			text, err := drawRecord(t, v, b)
			if err != nil {
				return err
			}
			if err := writeFile(out, overwrite, func(w io.Writer) error { _, err := io.WriteString(w, text); return err }); err != nil {
				return err
			}
			digest := trial.DigestOf(text)
			if err := t.Log(ctx, "draw record", "draw record", map[string]string{"record": digest}); err != nil {
				return errors.Join(err, os.Remove(out))
			}
			return a.print(struct {
				File   string `json:"file"`
				Digest string `json:"digest"`
			}{out, digest}, func() { a.say("%s is the draw's record; digest %s", out, digest) })
		}))
	c.Flags().StringVar(&out, "out", "draw-record.txt", "the file to write")
	c.Flags().BoolVar(&overwrite, "overwrite", false, "replace the file if it is there")
	return c
}

// drawRecord is the record's text.
func drawRecord(t *conduct.Trial, v conduct.DrawView, b conduct.DrawBalance) (string, error) {
	design, err := randomize.ParseDesign([]byte(v.Design))
	if err != nil {
		return "", err
	}
	var s strings.Builder
	say := func(format string, args ...any) { fmt.Fprintf(&s, format+"\n", args...) }
	table := func(rows [][]string) {
		var w bytes.Buffer
		tw := tabwriter.NewWriter(&w, 0, 0, 2, ' ', 0)
		for _, row := range rows {
			fmt.Fprintln(tw, strings.Join(row, "\t"))
		}
		tw.Flush()
		for _, line := range strings.Split(strings.TrimRight(w.String(), "\n"), "\n") {
			say("  %s", strings.TrimRight(line, " "))
		}
	}
	when := "2 January 2006 at 15:04:05 UTC"
	say("THE DRAW OF %s\n", strings.ToUpper(t.Protocol.Trial.Title))
	if v.Annulment != nil {
		say("VOID. This draw was annulled on %s by %s: %s\nIt is shown as it was made. No other draw is made in this trial.\n", v.Annulment.At.Format(when), people(v.Annulment.Actor, v.Annulment.ConfirmedBy), v.Annulment.Why)
	}
	total := 0
	for _, arm := range design.Arms {
		total += arm.Weight
	}
	var shares []string
	for _, arm := range design.Arms {
		shares = append(shares, fmt.Sprintf("%s %d in %d", arm.Name, arm.Weight, total))
	}
	for _, line := range [][2]string{
		{"trial", t.ID() + registered(t)},
		{"drawn", fmt.Sprintf("%d schools, %s, in %s", len(v.Lines), rosterText(v), strataCount(len(b.Strata)))},
		{"how", methodText(design) + "; planned shares: " + strings.Join(shares, ", ")},
		{"rehearsals", fmt.Sprintf("%d before it, from chance of their own that can never become the draw", v.Rehearsals)},
	} {
		say("%s", hanging(line[0], line[1]))
	}
	for _, w := range v.Waves {
		if len(v.Waves) > 1 {
			say("")
			say("%s", hanging(fmt.Sprintf("wave %d", w.Draw.Wave), fmt.Sprintf("%d schools, roster version %d", len(w.Roster.Units), w.Draw.Roster)))
		}
		for _, line := range [][2]string{
			{"committed", w.Commitment.At.Format(when) + " by " + w.Commitment.Actor},
			{"drawn on", w.Draw.At.Format(when) + " by " + people(w.Draw.Actor, w.Draw.ConfirmedBy)},
			{"chance", chanceText(w.Commitment.Text)},
		} {
			say("%s", hanging(line[0], line[1]))
		}
		terms, err := trial.ParseChanceTerms(w.Commitment.Text)
		if err != nil {
			return "", err
		}
		if terms.Source == trial.ChanceLocal {
			continue
		}
		taken, err := terms.Take(w.Evidence)
		if err != nil {
			return "", err
		}
		for _, x := range taken.Shown {
			say("%s", hanging("checked", x))
		}
		for _, x := range taken.NotShown {
			say("%s", hanging("not shown", x))
		}
	}
	say("\nHOW MANY SCHOOLS\n")
	table(strataRows(b))
	say("\nHOW ALIKE THE ARMS ARE (means over schools; differences in SDs of schools)\n")
	table(balanceRows(b))
	if sizes := communitySizes(t, v); len(sizes) > 0 {
		say("\nCOMMUNITIES\n")
		for _, line := range sizes {
			say("  %s", line)
		}
	}
	if len(v.Errors) > 0 {
		say("\nERRORS FOUND SINCE (the draw stands; each school stays where it was drawn and in the analysis)\n")
		for _, e := range v.Errors {
			say("%s", hanging(string(e.On), fmt.Sprintf("school %s, %s: %s", e.School, strings.ReplaceAll(string(e.Kind), "-", " "), e.Note)))
		}
	}
	say("\nDIGESTS (SHA-256)\n")
	rows := [][]string{{"design", randomize.Digest([]byte(v.Design))}}
	for _, w := range v.Waves {
		digest := trial.DigestOf(w.Commitment.Text)
		words, err := trial.WordsOf(digest)
		if err != nil {
			return "", err
		}
		if len(v.Waves) > 1 {
			rows = append(rows, []string{fmt.Sprintf("wave %d", w.Draw.Wave), ""})
		}
		rows = append(rows, []string{"commitment", digest}, []string{"  in words", words}, []string{"roster", randomize.Digest([]byte(w.Locked.RosterText))},
			[]string{"chance itself", w.Draw.Chance}, []string{"allocation", w.Draw.Digest})
	}
	table(append(rows, []string{"ledger entry", fmt.Sprint(v.Entry)}))
	say(`
HOW TO CHECK

  Ask somebody outside the trial for the commitment that was lodged with them:
  its words must be those above. Then draw again, without trusting us:

    evenhand draw kit --dir kit        a folder with everything, and how
    python3 kit/redraw.py kit/design.txt kit/roster.txt kit/chance.txt | cmp - kit/allocation.txt

  This record cannot show that the schools exist, or that this was the first draw
  made: for that, see where chance came from.`)
	return s.String(), nil
}

// rosterText says which roster was drawn from, or how many waves of schools.
func rosterText(v conduct.DrawView) string {
	if n := len(v.Waves); n > 1 {
		return fmt.Sprintf("in %d waves, each from its own roster", n)
	}
	return fmt.Sprintf("roster version %d", v.Draw.Roster)
}

// hanging writes a label and a text beside it, in lines that a person reads.
func hanging(label, text string) string {
	const width, indent = 76, 14
	var b strings.Builder
	fmt.Fprintf(&b, "  %-*s", indent-2, label)
	at := 0
	for i, word := range strings.Fields(text) {
		n := utf8.RuneCountInString(word)
		switch {
		case i == 0:
		case at+1+n > width:
			b.WriteString("\n" + strings.Repeat(" ", indent))
			at = 0
		default:
			b.WriteByte(' ')
			at++
		}
		b.WriteString(word)
		at += n
	}
	return b.String()
}

func registered(t *conduct.Trial) string {
	if r := t.Protocol.Trial.Registration; r != "" {
		return ", registered as " + r
	}
	return ""
}

// methodText says a design's method in words.
func methodText(d randomize.Design) string {
	words := map[randomize.Method]string{
		randomize.Complete: "all schools at once", randomize.Stratified: "by lot within each stratum", randomize.Blocks: "in blocks of random size, as schools came",
		randomize.Constrained: "one of the best balanced of many candidates, by lot", randomize.Minimisation: "one after another, mostly to the arm that balances best",
		randomize.Pairs: "by lot within matched sets", randomize.Simple: "a coin for each school", randomize.Efron: "Efron's biased coin",
	}[d.Method]
	if d.Misfits != "" {
		words += ", schools left over " + map[randomize.Misfits]string{randomize.Pooled: "pooled over the trial", randomize.Within: "drawn within their stratum"}[d.Misfits]
	}
	return words + " (method " + string(d.Method) + ")"
}

// communitySizes says how many communities each arm has, and of which sizes.
func communitySizes(t *conduct.Trial, v conduct.DrawView) []string {
	sizes := map[string]map[int]int{}
	for _, l := range v.Lines {
		if l.Community > 0 {
			if sizes[l.Arm] == nil {
				sizes[l.Arm] = map[int]int{}
			}
			sizes[l.Arm][l.Community]++
		}
	}
	var lines []string
	for _, arm := range t.Protocol.Arms {
		if n := sizes[arm.ID]; len(n) > 0 {
			of := make([]string, len(n))
			for number := 1; number <= len(n); number++ {
				of[number-1] = fmt.Sprint(n[number])
			}
			lines = append(lines, fmt.Sprintf("%s: %d, of %s schools", arm.ID, len(n), strings.Join(of, ", ")))
		}
	}
	return lines
}

func strataCount(n int) string {
	if n == 1 {
		return "1 stratum"
	}
	return fmt.Sprintf("%d strata", n)
}
