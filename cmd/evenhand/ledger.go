package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"evenhand/trial"
	"evenhand/trial/conduct"
	"evenhand/trial/sign"
)

func (a *app) ledgerCommand() *cobra.Command {
	var last int
	show := command("show", "Show the ledger: who did what, when, and why", "Show every change that was made, oldest first: who, when (UTC), what, before, after, why.\nAs JSON, each entry is the exact text that was hashed, with its digest.",
		"evenhand ledger show\nevenhand ledger show --last 20\nevenhand ledger show --format json", noArgs,
		a.reading(func(ctx context.Context, t *conduct.Trial) error {
			if last < 0 {
				return usagef("--last: how many entries, 1 or more")
			}
			records, err := t.Ledger(ctx)
			if err != nil {
				return err
			}
			if last > 0 && last < len(records) {
				records = records[len(records)-last:]
			}
			blinded, err := t.Blinded(ctx)
			if err != nil {
				return err
			}
			withheld := func(e trial.Entry) bool { return blinded && e.TellsArm() }
			type line struct {
				Seq      int    `json:"seq"`
				Digest   string `json:"digest"`
				Text     string `json:"text"`
				Withheld bool   `json:"withheld,omitempty"` // the text is kept from somebody who is to stay blind
			}
			lines := make([]line, len(records))
			for i, r := range records {
				lines[i] = line{r.Seq, r.Digest, r.Text, false}
				if e, err := r.Entry(); err == nil && withheld(e) {
					lines[i].Text, lines[i].Withheld = "", true
				}
			}
			return a.print(struct {
				Entries []line `json:"entries"`
			}{lines}, func() {
				for _, r := range records {
					e, err := r.Entry()
					if err != nil {
						a.say("%d  cannot be read: %v", r.Seq, err)
						continue
					}
					what := e.Action + ": " + e.About
					if withheld(e) {
						what = e.Action
					}
					a.say("%d  %s  %s  %s", e.Seq, e.At.Format("2006-01-02 15:04:05"), e.Actor, what)
					if withheld(e) {
						a.say("      is   withheld: a school's arm could be learnt from it, and %s stays blind", t.Who.Actor)
						continue
					}
					if len(e.Before) > 0 {
						a.say("      was  %s", shorten(string(e.Before)))
					}
					if len(e.After) > 0 {
						a.say("      is   %s", shorten(string(e.After)))
					}
					if e.Why != "" {
						a.say("      why  %s", e.Why)
					}
				}
			})
		}))
	show.Flags().IntVar(&last, "last", 0, "only the last so many entries")

	var receiptFiles, keyFiles []string
	var proof string
	check := command("check", "Check that nothing in the ledger was changed",
		"Check the chain: every entry's digest is that of its text, and each names the one before; the\nreceipts on record; and what this computer saw of the ledger last. The chain alone cannot show that\nits end was cut off, or that all of it was written anew: a receipt that somebody else kept can.\nWith --proof, check a proof of `ledger prove` instead, which needs no store. Exit status 3 if\nanything disagrees.",
		"evenhand ledger check\nevenhand ledger check --receipt funder-2027-01-14.txt --public-key ana.key.pub\nevenhand ledger check --proof proof.txt --receipt funder-2027-01-14.txt", noArgs,
		func(ctx context.Context, _ []string) error {
			keys, err := publicKeys(keyFiles)
			if err != nil {
				return err
			}
			if proof != "" {
				return a.checkProof(proof, receiptFiles, keys)
			}
			return a.withTrial(ctx, false, func(t *conduct.Trial) error { return a.checkLedger(ctx, t, receiptFiles, keys) })
		})
	check.Flags().StringVar(&proof, "proof", "", "check this proof instead of the store's ledger")
	check.Flags().StringArrayVar(&keyFiles, "public-key", nil, "a key that receipts may be signed with: its file, or its line")
	check.Flags().StringArrayVar(&receiptFiles, "receipt", nil, "a receipt that somebody kept (may be given several times)")

	var out, holder, keyFile string
	receipt := command("receipt", "Print a receipt to be kept by somebody else",
		"Print a dated receipt: the ledger's size, its head, and the root of the tree over its entries.\nSend it to somebody who has no hand in the\ntrial (the funder, a registry): later it proves that nothing before it was changed.\nWith --holder, that it was handed out is recorded (which is itself an entry, after it).\nWith --key it is signed: then nobody can say later that you never made it.",
		"evenhand ledger receipt\nevenhand ledger receipt --out receipt.txt --holder \"the funder\"\nevenhand ledger receipt --out receipt.txt --holder \"the funder\" --key ana.key", noArgs,
		func(ctx context.Context, _ []string) error {
			var key *sign.SecretKey
			if keyFile != "" {
				var err error
				if key, err = a.secretKey(keyFile); err != nil {
					return err
				}
			}
			return a.withTrial(ctx, false, func(t *conduct.Trial) error {
				r, err := t.Receipt(ctx)
				if err != nil {
					return err
				}
				if key != nil {
					if r, err = r.Sign(key); err != nil {
						return err
					}
				}
				if out != "" {
					if err := writeFile(out, false, func(w io.Writer) error { _, err := io.WriteString(w, r.Text()); return err }); err != nil {
						return err
					}
				}
				if holder != "" {
					if err := t.HandOut(ctx, r, holder); err != nil {
						if out != "" {
							err = errors.Join(err, os.Remove(out))
						}
						return err
					}
				}
				words, err := trial.WordsOf(r.Head)
				if err != nil {
					return err
				}
				return a.print(struct {
					Trial   string `json:"trial"`
					Entries int    `json:"entries"`
					Head    string `json:"head"`
					Words   string `json:"words"`
					Tree    string `json:"tree"`
					Made    string `json:"made"`
					Key     string `json:"key,omitempty"`
					Text    string `json:"text"`
				}{r.Trial, r.Size, r.Head, words, r.Tree, r.At.Format("2006-01-02T15:04:05Z"), r.Key, r.Text()}, func() {
					a.note("in words, to be compared over the telephone: %s", words)
					if out != "" {
						a.say("%s is the receipt of %d entries: give it to %s to keep", out, r.Size, cmp.Or(holder, "somebody who has no hand in the trial"))
						return
					}
					fmt.Fprint(a.stdout, r.Text())
				})
			})
		})
	receipt.Flags().StringVar(&out, "out", "", "write it to a file")
	receipt.Flags().Var(textFlag{&holder}, "holder", "who will keep it")
	receipt.Flags().StringVar(&keyFile, "key", "", "sign it with the secret key in this file")
	return group("ledger", "The record of every change: show, check, receipt, prove", show, check, receipt, a.proveCommand(), a.restoredCommand())
}

// shorten keeps a line of the ledger readable on a screen.
func shorten(s string) string {
	const most = 160
	if r := []rune(s); len(r) > most {
		return string(r[:most]) + "…"
	}
	return strings.TrimSpace(s)
}
