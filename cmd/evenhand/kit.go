package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"evenhand/randomize"
	"evenhand/randomize/beacon"
	"evenhand/randomize/redraw"
	"evenhand/trial"
	"evenhand/trial/conduct"
)

// namedText is a file of a folder that is written.
type namedText struct {
	name string
	text []byte
}

// writeFolder writes a new folder whole or not at all: beside it under another
// name, then renamed. A folder that is there already is refused.
func writeFolder(dir string, files []namedText) (err error) {
	dir = filepath.Clean(dir)
	if _, err := os.Lstat(dir); err == nil {
		return withHint(fmt.Errorf("%s is there already and was not touched", dir), "give a folder that is not there yet")
	}
	temporary, err := os.MkdirTemp(filepath.Dir(dir), "."+filepath.Base(dir)+".*")
	if err != nil {
		return fmt.Errorf("write %s: %w", dir, reason(err))
	}
	defer func() {
		if err != nil {
			os.RemoveAll(temporary)
		}
	}()
	if err := os.Chmod(temporary, 0o755); err != nil {
		return fmt.Errorf("write %s: %w", dir, reason(err))
	}
	for _, f := range files {
		name := filepath.Join(temporary, filepath.FromSlash(f.name))
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			return fmt.Errorf("write %s: %w", dir, reason(err))
		}
		if err := os.WriteFile(name, f.text, 0o644); err != nil {
			return fmt.Errorf("write %s: %w", dir, reason(err))
		}
	}
	if err := os.Rename(temporary, dir); err != nil {
		return fmt.Errorf("write %s: %w", dir, reason(err))
	}
	return nil
}

// sums lists files as sha256sum does, by name.
func sums(files []namedText) []byte {
	sorted := slices.Clone(files)
	slices.SortFunc(sorted, func(x, y namedText) int { return strings.Compare(x.name, y.name) })
	var b strings.Builder
	for _, f := range sorted {
		fmt.Fprintf(&b, "%s  %s\n", trial.DigestOf(string(f.text)), f.name)
	}
	return []byte(b.String())
}

func (a *app) kitCommand() *cobra.Command {
	var dir string
	c := command("kit --dir DIR", "Write a folder with which anybody draws again, without Evenhand",
		"Write a new folder with the design, the roster, the chance and what it was taken from, the\nallocation, the rule in words, and two programs that draw again: redraw.py (Python 3, nothing else)\nand redraw.R (R with the package digest). README.txt says what to type, on one page.\nThat the kit was written is recorded. People whom the protocol keeps blind get none.",
		"evenhand draw kit --dir kit", noArgs,
		a.reading(func(ctx context.Context, t *conduct.Trial) error {
			if dir == "" {
				return usagef("--dir is missing: the folder to write")
			}
			v, err := t.ShowDraw(ctx)
			if err != nil {
				return err
			}
			files, err := kitFiles(t, v)
			if err != nil {
				return err
			}
			if err := writeFolder(dir, files); err != nil {
				return err
			}
			digest := trial.DigestOf(string(files[len(files)-1].text))
			if err := t.Log(ctx, "draw kit", "draw kit", map[string]string{"sums": digest}); err != nil {
				return errors.Join(err, os.RemoveAll(dir))
			}
			names := make([]string, len(files))
			for i, f := range files {
				names[i] = f.name
			}
			return a.print(struct {
				Dir   string   `json:"dir"`
				Files []string `json:"files"`
				Sums  string   `json:"sums"`
			}{dir, names, digest}, func() {
				a.say("%s holds %s; digest of SHA256SUMS %s", dir, count(len(files), "file"), digest)
				a.say("README.txt in it says what to type.")
			})
		}))
	c.Flags().StringVar(&dir, "dir", "", "the folder to write; it must not be there yet")
	return c
}

// kitFiles are the kit's files, SHA256SUMS last.
func kitFiles(t *conduct.Trial, v conduct.DrawView) ([]namedText, error) {
	first := v.Waves[0]
	terms, err := trial.ParseChanceTerms(first.Commitment.Text)
	if err != nil {
		return nil, err
	}
	files := []namedText{{"design.txt", []byte(v.Design)}, {"RULE.md", randomize.RuleText}, {"redraw.py", redraw.Python}, {"redraw.R", redraw.R}}
	for _, w := range v.Waves {
		in := waveFolder(w.Draw.Wave)
		files = append(files, namedText{in + "roster.txt", []byte(w.Locked.RosterText)}, namedText{in + "chance.txt", []byte(w.Draw.Chance + "\n")},
			namedText{in + "allocation.txt", []byte(w.Draw.AllocationText)}, namedText{in + "commitment.txt", []byte(w.Commitment.Text)})
		for _, e := range w.Evidence {
			files = append(files, namedText{in + "chance/" + e.Name + ".txt", []byte(e.Text)})
		}
	}
	files = append(files, namedText{"README.txt", []byte(kitReadme(t, v, first.Design, first.Roster, terms))})
	return append(files, namedText{"SHA256SUMS", sums(files)}), nil
}

// waveFolder is where a wave's files stand: those of the first at the top.
func waveFolder(wave int) string {
	if wave == 1 {
		return ""
	}
	return fmt.Sprintf("wave-%d/", wave)
}

// kitWaves says how the later waves are drawn again.
func kitWaves(v conduct.DrawView, design randomize.Design) string {
	if len(v.Waves) < 2 {
		return ""
	}
	var b strings.Builder
	b.WriteString("\n   The schools came in waves (RULE.md, section 15); the first is drawn above. The later ones:\n\n")
	after := ""
	for i, w := range v.Waves {
		in := waveFolder(w.Draw.Wave)
		if i > 0 {
			fmt.Fprintf(&b, "       python3 redraw.py design.txt %sroster.txt %schance.txt%s | cmp - %sallocation.txt\n", in, in, after, in)
		}
		if design.Remembers() {
			after += fmt.Sprintf(" --after %sroster.txt %sallocation.txt", in, in)
		}
	}
	b.WriteString("\n   Each commitment.txt of a later wave names the digest of the allocation before it.\n")
	return b.String()
}

func kitReadme(t *conduct.Trial, v conduct.DrawView, design randomize.Design, roster randomize.Roster, terms trial.ChanceTerms) string {
	var b strings.Builder
	say := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	say("DRAWING AGAIN\n")
	say("Trial  %s (%s), %d schools", t.Protocol.Trial.Title, t.ID(), len(v.Lines))
	for _, w := range v.Waves {
		say("Drawn  %s by %s", w.Draw.At.Format("2 January 2006 at 15:04:05 UTC"), people(w.Draw.Actor, w.Draw.ConfirmedBy))
	}
	if v.Annulment != nil {
		say("VOID   annulled on %s: %s", v.Annulment.At.Format("2 January 2006"), v.Annulment.Why)
	}
	say(`
This folder holds the whole draw. RULE.md is the rule in words. What you need
is one of: Python 3; R with the package digest; or sha256sum and patience.

1. The files are as they were written (macOS: shasum -a 256 -c SHA256SUMS):

       sha256sum -c SHA256SUMS

   Compare the digests of design.txt and roster.txt with commitment.txt, and
   commitment.txt with the copy that was lodged before the draw. If nobody
   outside the trial has a copy, nobody can show that this draw was the first.

2. Draw again. Either program prints the allocation; it must be equal:

       python3 redraw.py design.txt roster.txt chance.txt | cmp - allocation.txt
       Rscript redraw.R design.txt roster.txt chance.txt | cmp - allocation.txt

   cmp prints nothing where they are equal. With Evenhand itself:

       evenhand draw replay --design design.txt --roster roster.txt --chance chance.txt | cmp - allocation.txt
`)
	b.WriteString(kitWaves(v, design))
	say("\n3. The chance, %s. %s", terms.Source, chanceByHand(terms))
	if design.Method == randomize.Stratified || design.Method == randomize.Complete {
		first, stratum := roster.Units[0], "all"
		if design.Method == randomize.Stratified {
			stratum = first.Stratum
		}
		purpose := "unit/" + stratum
		say(`
4. One stratum by hand (RULE.md, sections 2 and 3). The seed:

       S=$(printf 'evenhand-seed 1\n%%s\n%%s\n%%s\n' \
         $(sha256sum < design.txt | cut -c1-64) \
         $(sha256sum < roster.txt | cut -c1-64) \
         $(cat chance.txt) | sha256sum | cut -c1-64)

   The key of a school; schools of a stratum stand in the order of their keys.
   For school %s in stratum %q:

       printf '%%s' "$S" '%d:%s,%d:%s,' | sha256sum`, first.ID, first.Stratum, len(purpose), strings.ReplaceAll(purpose, "'", `'\''`), len(first.ID), first.ID)
	}
	return b.String()
}

// people names those who made the draw.
func people(actor, confirmedBy string) string {
	if confirmedBy == "" {
		return actor
	}
	return actor + " and " + confirmedBy
}

// chanceByHand says how the chance is got by hand.
func chanceByHand(c trial.ChanceTerms) string {
	switch c.Source {
	case trial.ChanceTwoParty:
		return `Each number must have the digest that the
   commitment gives for its party, and the two give chance.txt:

       tr -d '\n' < chance/sealed-1.txt | sha256sum
       tr -d '\n' < chance/sealed-2.txt | sha256sum
       (echo evenhand-chance 1; cat chance/sealed-1.txt chance/sealed-2.txt) | sha256sum`
	case trial.ChanceBeacon:
		if c.Beacon == beacon.Drand {
			return fmt.Sprintf(`Fetch round %d of drand's chain quicknet yourself,
   from more than one relay, and compare with chance/record.txt:

       https://api.drand.sh/%s/public/%d

   The "randomness" R of it gives chance.txt:

       printf 'evenhand-beacon 1\n%s\n%d\n%%s\n' R | sha256sum`, c.Round, beacon.ChainHash, c.Round, c.Beacon, c.Round)
		}
		return fmt.Sprintf(`Fetch the pulse of %s from NIST yourself,
   and compare with chance/record.txt:

       https://beacon.nist.gov/beacon/2.0/pulse/time/%d

   Its "outputValue" V, in small letters, gives chance.txt:

       printf 'evenhand-beacon 1\n%s\n%s\n%%s\n' V | sha256sum`, c.BeaconRound(), c.At.UnixMilli(), c.Beacon, c.BeaconRound())
	case trial.ChanceDice:
		return `The numbers as they fell give chance.txt; ask the
   witnesses in chance/witnesses.txt whether they fell so:

       (echo evenhand-dice 1; cat chance/numbers.txt) | sha256sum`
	}
	return `It was read from the operator's computer at the draw.
   Whether that draw was the first, you have the operator's word for.`
}
