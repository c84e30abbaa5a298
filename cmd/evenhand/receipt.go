package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"evenhand/trial"
	"evenhand/trial/conduct"
	"evenhand/trial/store"
)

func (a *app) receiptCommand() *cobra.Command {
	var holder string
	add := command("add FILE --holder NAME", "Take back a receipt that somebody holds",
		"Record that somebody outside holds a receipt: the file as they sent it back (a letter around it is\npassed over). It is held to the ledger first; one that does not fit is refused with exit status 3,\nand shows that something was changed since.",
		"evenhand receipt add funder-2027-01-14.txt --holder \"the funder\"", exactly("the receipt's file"),
		func(ctx context.Context, args []string) error {
			if holder == "" {
				return usagef("--holder is missing: who holds the receipt?")
			}
			text, err := a.readFile(args[0])
			if err != nil {
				return err
			}
			r, err := trial.ParseReceipt(string(text))
			if err != nil {
				return fmt.Errorf("%s: %w", args[0], err)
			}
			words, err := trial.WordsOf(r.Head)
			if err != nil {
				return err
			}
			return a.withTrial(ctx, false, func(t *conduct.Trial) error {
				err := t.HandOut(ctx, r, holder)
				if errors.Is(err, store.ErrExists) {
					return withHint(err, "this receipt of %s is on record already", holder)
				}
				if err != nil {
					return fmt.Errorf("%s: %w", args[0], err)
				}
				return a.print(struct {
					Holder  string `json:"holder"`
					Entries int    `json:"entries"`
					Head    string `json:"head"`
					Words   string `json:"words"`
				}{holder, r.Size, r.Head, words}, func() {
					a.say("%s holds the receipt of entries 1 to %d, made on %s: they are as it saw them.", holder, r.Size, r.At.Format("2 January 2006"))
					a.say("in words: %s", words)
				})
			})
		})
	add.Flags().Var(textFlag{&holder}, "holder", "who holds it")
	return group("receipt", "Receipts that others hold: add", add)
}
