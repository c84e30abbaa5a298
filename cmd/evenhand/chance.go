package main

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"evenhand/randomize"
	"evenhand/randomize/beacon"
	"evenhand/trial"
	"evenhand/trial/conduct"
)

// chanceCommand is for the parties that seal a number each. It needs no store:
// a party may run it on its own computer.
func (a *app) chanceCommand() *cobra.Command {
	var party, out string
	seal := command("seal --party NAME --out FILE", "Make a secret number, and print the digest that promises it",
		"Make 32 random bytes, keep them in a file of your own, and print their SHA-256. Give the digest to\nwhoever commits the draw, and the file to nobody until the draw is made: with both numbers anybody\ncan work it out. Keep a copy of the file in another place; without it there can be no draw.\nNeeds no trial and no store.",
		"evenhand chance seal --party evaluator --out evaluator.sealed\nevenhand chance seal --party funder --out funder.sealed", noArgs,
		func(context.Context, []string) error {
			if !trial.IsName(party) {
				return usagef("--party: a name of letters, digits and . _ - only, at most 64, not %q", party)
			}
			if out == "" {
				return usagef("--out is missing: the number is kept in a file, by nobody else")
			}
			var b [32]byte
			if _, err := io.ReadFull(a.entropy, b[:]); err != nil {
				return fmt.Errorf("read this computer's random source: %w", err)
			}
			s := trial.Sealed{Party: party, Number: randomize.Chance(hex.EncodeToString(b[:]))}
			if err := writeSecret(out, s.Text()); err != nil {
				return err
			}
			words, err := trial.WordsOf(s.Seal().Digest)
			if err != nil {
				return err
			}
			return a.print(struct {
				Party  string `json:"party"`
				Digest string `json:"digest"`
				Words  string `json:"words"`
				File   string `json:"file"`
			}{party, s.Seal().Digest, words, out}, func() {
				a.say("%s=%s", party, s.Seal().Digest)
				a.say("in words: %s", words)
				a.note("%s holds the secret number: keep it to yourself until the draw, and a copy in another place. Give away the digest.", out)
			})
		})
	seal.Flags().StringVar(&party, "party", "", "whose number it is, e.g. evaluator")
	seal.Flags().StringVar(&out, "out", "", "the file that keeps the number")

	open := command("open FILE [FILE]", "Show a sealed number; of two, the chance they give together",
		"Show the number that a file keeps and its digest. With two files, show also the chance that they\ngive together, in this order: SHA-256 of the lines \"evenhand-chance 1\", the first number, the second.\nOpen a number only after the commitment is with others. Needs no trial and no store.",
		"evenhand chance open evaluator.sealed\nevenhand chance open evaluator.sealed funder.sealed",
		func(cmd *cobra.Command, args []string) error {
			if len(args) < 1 || len(args) > 2 {
				return usagef("%s needs one or two files with sealed numbers", cmd.CommandPath())
			}
			return nil
		},
		func(_ context.Context, args []string) error {
			type line struct {
				Party  string `json:"party"`
				Number string `json:"number"`
				Digest string `json:"digest"`
			}
			result := struct {
				Numbers []line `json:"numbers"`
				Chance  string `json:"chance,omitempty"`
			}{}
			all, err := a.sealedFiles(args)
			if err != nil {
				return err
			}
			for _, s := range all {
				result.Numbers = append(result.Numbers, line{s.Party, string(s.Number), s.Seal().Digest})
			}
			if len(all) == 2 {
				chance, err := randomize.TwoPartyChance(all[0].Number, all[1].Number)
				if err != nil {
					return err
				}
				result.Chance = string(chance)
			}
			return a.print(result, func() {
				for _, n := range result.Numbers {
					a.say("%s\n  number  %s\n  digest  %s", n.Party, n.Number, n.Digest)
				}
				if result.Chance != "" {
					a.say("chance, joined in this order\n          %s", result.Chance)
				}
			})
		})
	return group("chance", "Sealed numbers of two parties: seal, open", seal, open)
}

// sealedFiles reads files with sealed numbers.
func (a *app) sealedFiles(names []string) (all []trial.Sealed, err error) {
	for _, name := range names {
		text, err := a.readFile(name)
		if err != nil {
			return nil, err
		}
		s, err := trial.ParseSealed(string(text))
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		all = append(all, s)
	}
	return all, nil
}

// termsFlags are the flags of `draw commit` by which chance is promised.
type termsFlags struct {
	sealed  []string
	beacon  choice
	round   uint64
	at      string
	sides   int
	lottery string
	event   string
}

func (f *termsFlags) add(c *cobra.Command) {
	c.Flags().StringArrayVar(&f.sealed, "sealed", nil, "chance two-party: NAME=DIGEST, twice, in the order in which the numbers are joined")
	addChoice(c, &f.beacon, "beacon", "", "chance beacon: which", "drand", "nist")
	c.Flags().Uint64Var(&f.round, "round", 0, "beacon drand: the round")
	c.Flags().StringVar(&f.at, "at", "", "beacon: when the round is published, e.g. 2027-01-15T12:00Z")
	c.Flags().IntVar(&f.sides, "sides", 6, "chance dice: the numbers are 1 to this (10: ten-sided dice; 2: a coin)")
	c.Flags().StringVar(&f.lottery, "lottery", "", "chance dice, from a lottery: how many numbers of how many a draw has, e.g. 6/59")
	c.Flags().Var(textFlag{&f.event}, "event", "chance dice: what will be thrown or drawn, where and when")
}

// terms makes terms of the flags, of the protocol's source unless a flag is of
// another.
func (f *termsFlags) terms(source string) (trial.ChanceTerms, error) {
	given := map[string]bool{
		trial.ChanceTwoParty: len(f.sealed) > 0,
		trial.ChanceBeacon:   f.beacon.value != "" || f.round != 0 || f.at != "",
		trial.ChanceDice:     f.lottery != "" || f.event != "",
	}
	for _, s := range []string{trial.ChanceTwoParty, trial.ChanceBeacon, trial.ChanceDice} {
		if given[s] && s != source {
			return trial.ChanceTerms{}, withHint(usagef("the protocol says `chance: %s`, but the flags are of chance %s", source, s), "leave the flags out, or change `chance` in the protocol before the draw is committed")
		}
	}
	c := trial.ChanceTerms{Source: source}
	switch source {
	case trial.ChanceTwoParty:
		if len(f.sealed) != 2 {
			return c, withHint(usagef("chance two-party needs --sealed NAME=DIGEST twice"), "each party runs `evenhand chance seal --party NAME --out FILE` and gives its digest")
		}
		for _, s := range f.sealed {
			party, digest, ok := strings.Cut(s, "=")
			if !ok {
				return c, usagef("--sealed: NAME=DIGEST, not %q", s)
			}
			c.Sealed = append(c.Sealed, trial.Seal{Party: party, Digest: strings.TrimSpace(digest)})
		}
	case trial.ChanceBeacon:
		return f.beaconTerms(c)
	case trial.ChanceDice:
		c.Sides, c.Event = f.sides, f.event
		if f.lottery != "" {
			per, of, ok := strings.Cut(f.lottery, "/")
			var err1, err2 error
			c.PerDraw, err1 = strconv.Atoi(per)
			c.Sides, err2 = strconv.Atoi(of)
			if !ok || err1 != nil || err2 != nil || c.PerDraw < 1 {
				return c, usagef("--lottery: two whole numbers such as 6/59, not %q", f.lottery)
			}
		}
		if f.event == "" {
			return c, usagef("chance dice needs --event: what will be thrown or drawn, where and when")
		}
	}
	return c, nil
}

func (f *termsFlags) beaconTerms(c trial.ChanceTerms) (trial.ChanceTerms, error) {
	if f.beacon.value == "" {
		return c, usagef("chance beacon needs --beacon drand or --beacon nist")
	}
	if f.round != 0 && f.at != "" || f.round == 0 && f.at == "" {
		return c, usagef("--beacon %s needs either --round or --at", f.beacon.value)
	}
	if f.at != "" {
		at, err := time.Parse(time.RFC3339, f.at)
		if err != nil {
			if at, err = time.Parse("2006-01-02T15:04Z07:00", f.at); err != nil {
				return c, usagef("--at: an instant with its zone, e.g. 2027-01-15T12:00Z, not %q", f.at)
			}
		}
		c.At = at.UTC()
	}
	if f.beacon.value == "nist" {
		c.Beacon = beacon.NIST
		if f.round != 0 {
			return c, usagef("--beacon nist goes by --at: its pulses are numbered without a rule that would tell the number before")
		}
		return c, nil
	}
	c.Beacon, c.Round = beacon.Drand, f.round
	if f.at != "" {
		c.Round = beacon.RoundAt(c.At.Unix())
	}
	if unix, ok := beacon.TimeOf(c.Round); ok {
		c.At = time.Unix(unix, 0).UTC()
	}
	return c, nil
}

// offerFlags are the flags of `draw run` by which chance is handed in.
type offerFlags struct {
	open                []string
	record, certificate string
	dice                string
	witnesses           []string
}

func (f *offerFlags) add(c *cobra.Command) {
	c.Flags().StringArrayVar(&f.open, "open", nil, "chance two-party: a file with a sealed number (twice)")
	c.Flags().StringVar(&f.record, "beacon-record", "", "chance beacon: the file with the round's record")
	c.Flags().StringVar(&f.certificate, "beacon-certificate", "", "beacon nist: the file with the certificate that the pulse names, and after it its issuers' (PEM)")
	c.Flags().StringVar(&f.dice, "dice", "", "chance dice: the numbers in the order in which they fell, or - to read them")
	c.Flags().StringArrayVar(&f.witnesses, "witness", nil, "chance dice: who saw them fall (twice or more)")
}

func (a *app) offer(f offerFlags) (o conduct.ChanceOffer, err error) {
	if o.Sealed, err = a.sealedFiles(f.open); err != nil {
		return o, err
	}
	for _, part := range []struct {
		file string
		to   *string
	}{{f.record, &o.Record}, {f.certificate, &o.Certificate}} {
		if part.file == "" {
			continue
		}
		text, err := a.readFile(part.file)
		if err != nil {
			return o, err
		}
		const limit = 1 << 16
		if len(text) > limit {
			return o, fmt.Errorf("%s has %d bytes; a beacon's record or certificate has at most %d", part.file, len(text), limit)
		}
		if strings.TrimSpace(string(text)) == "" {
			return o, fmt.Errorf("%s is empty", part.file)
		}
		if strings.ContainsRune(string(text), 0) || !utf8.Valid(text) {
			return o, fmt.Errorf("%s is not a text", part.file)
		}
		*part.to = string(text)
	}
	o.Numbers = f.dice
	if f.dice == "-" {
		text, err := a.readFile("-")
		if err != nil {
			return o, err
		}
		o.Numbers = string(text)
	}
	for _, w := range f.witnesses {
		if err := plainText(w); err != nil {
			return o, usageError{fmt.Errorf("--witness: %w", err)}
		}
		o.Witnesses = append(o.Witnesses, strings.Join(strings.Fields(w), " "))
	}
	return o, nil
}

func (a *app) drawCommitCommand() *cobra.Command {
	var f termsFlags
	var out string
	c := command("commit", "Say what will be drawn, and from which chance",
		`Commit the draw: print a short text that names the locked roster and design by their digests and
says where chance comes from. Send it to the funder or the registry before the draw.
A commitment is made once.

Where chance comes from stands in the protocol (draw: chance), with what this command needs:
  local      nothing: this computer's random source, read at the draw. Weak: others must take the
             operator's word that the first draw was the only one
  two-party  two numbers sealed by two parties (`+"`evenhand chance seal`"+`). Strong if one is honest
  beacon     a round of a public beacon at least an hour ahead. Strong, once others hold this text
  dice       numbers thrown or drawn before witnesses. As strong as they are`,
		`evenhand draw commit
evenhand draw commit --sealed evaluator=DIGEST --sealed funder=DIGEST
evenhand draw commit --beacon drand --at 2027-01-15T12:00Z
evenhand draw commit --beacon nist --at 2027-01-15T12:00Z
evenhand draw commit --event "50 dice at the steering group of 12 January, Room 4"
evenhand draw commit --lottery 6/59 --event "Lotto, draws 3001 to 3006"`, noArgs,
		a.writing(func(ctx context.Context, t *conduct.Trial, _ []string) error {
			terms, err := f.terms(t.Protocol.Draw.Chance)
			if err != nil {
				return err
			}
			c, err := t.CommitDraw(ctx, terms)
			if err != nil {
				return err
			}
			if out != "" {
				// The commitment stands whether or not the copy can be written.
				if err := writeFile(out, false, func(w io.Writer) error { _, err := io.WriteString(w, c.Text); return err }); err != nil {
					return withHint(err, "the draw is committed; `evenhand draw commitment` prints the text again")
				}
			}
			return a.printCommitment(c.Text, c.Roster, c.At, terms, out)
		}))
	f.add(c)
	c.Flags().StringVar(&out, "out", "", "write the text to a file")
	return c
}

// commitmentView is a commitment as shown.
type commitmentView struct {
	Roster   int    `json:"roster"`
	Source   string `json:"source"`
	At       string `json:"at"`
	Text     string `json:"text"`
	Digest   string `json:"digest"`
	Words    string `json:"words"`
	Strength string `json:"strength"`
	Trust    string `json:"trust"`
}

func (a *app) printCommitment(text string, roster int, at time.Time, terms trial.ChanceTerms, out string) error {
	digest := trial.DigestOf(text)
	words, err := trial.WordsOf(digest)
	if err != nil {
		return err
	}
	strength, trust := terms.Strength()
	return a.print(commitmentView{roster, terms.Source, at.UTC().Format("2006-01-02T15:04:05Z"), text, digest, words, strength, trust}, func() {
		if out == "" {
			fmt.Fprint(a.stdout, text)
		} else {
			a.say("%s is the commitment; digest %s", out, digest)
		}
		a.note("in words, to be compared over the telephone: %s", words)
		a.note("chance %s is %s: %s", terms.Source, strength, trust)
	})
}

// commitmentCommand shows the commitment again.
func (a *app) commitmentCommand() *cobra.Command {
	var out string
	c := command("commitment", "Print the commitment again, with its digest in words",
		"Print the very text that was committed. Its digest in eight words can be read over the telephone\nand compared with the copy that somebody else holds.",
		"evenhand draw commitment\nevenhand draw commitment --out commitment.txt", noArgs,
		a.reading(func(ctx context.Context, t *conduct.Trial) error {
			c, terms, err := t.Commitment(ctx)
			if err != nil {
				return err
			}
			if c == nil {
				return withHint(errors.New("the draw is not committed yet"), "`evenhand draw commit` does that")
			}
			if out != "" {
				if err := writeFile(out, false, func(w io.Writer) error { _, err := io.WriteString(w, c.Text); return err }); err != nil {
					return err
				}
			}
			return a.printCommitment(c.Text, c.Roster, c.At, terms, out)
		}))
	c.Flags().StringVar(&out, "out", "", "write the text to a file")
	return c
}

func (a *app) drawRunCommand() *cobra.Command {
	var confirmedBy string
	var f offerFlags
	run := command("run", "Make the draw: once, whole or not at all",
		`Draw the schools into arms and communities from the committed roster. It is one transaction:
a crash at any instant leaves no draw or the whole draw. A second run changes nothing and says
when the draw was made.

Chance is taken as the commitment says: sealed numbers are held to their digests, a beacon's record
to its round and signature (offline: the record is a file; drand's is at
https://api.drand.sh/52db9ba70e0cc0f6eaf7803dd07447a1f5477735fd3f661792ba94600c84e971/public/ROUND,
NIST's at https://beacon.nist.gov/beacon/2.0/pulse/time/MILLISECONDS), numbers thrown to their
count. What could not be checked is said, and recorded with the draw.`,
		`evenhand draw run
evenhand draw run --confirmed-by "B. Statistician"
evenhand draw run --open evaluator.sealed --open funder.sealed
evenhand draw run --beacon-record round.json
evenhand draw run --beacon-record pulse.json --beacon-certificate nist.pem
evenhand draw run --dice "3 5 1 6 2 …" --witness "A. Head" --witness "C. Funder"`, noArgs,
		a.writing(func(ctx context.Context, t *conduct.Trial, _ []string) error {
			offer, err := a.offer(f)
			if err != nil {
				return err
			}
			d, taken, err := t.RunDraw(ctx, confirmedBy, offer)
			if err != nil {
				return err
			}
			// Somebody blind may press the button, but with the chance and
			// the roster anybody can draw again.
			blinded, err := t.Blinded(ctx)
			if err != nil {
				return err
			}
			if blinded {
				d.Chance = ""
			}
			return a.print(struct {
				Roster   int      `json:"roster"`
				Chance   string   `json:"chance"`
				Digest   string   `json:"digest"`
				At       string   `json:"at"`
				Shown    []string `json:"shown"`
				NotShown []string `json:"not_shown"`
			}{d.Roster, d.Chance, d.Digest, d.At.Format("2006-01-02T15:04:05Z"), append([]string{}, taken.Shown...), append([]string{}, taken.NotShown...)}, func() {
				a.say("The draw was made on %s.", d.At.Format("2006-01-02 at 15:04:05 UTC"))
				if blinded {
					a.say("  chance      withheld: %s stays blind", t.Who.Actor)
				} else {
					a.say("  chance      %s", d.Chance)
				}
				a.say("  allocation  %s (digest)", d.Digest)
				for _, s := range taken.Shown {
					a.say("  checked     %s", s)
				}
				for _, s := range taken.NotShown {
					a.say("  not shown   %s", s)
				}
				a.say("`evenhand draw show` shows it to those who may know; `evenhand draw verify` draws again and compares.")
			})
		}))
	run.Flags().Var(textFlag{&confirmedBy}, "confirmed-by", "the second person, where the protocol asks for two")
	f.add(run)
	return run
}
