package main

import (
	"context"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"evenhand/reports/audit"
	"evenhand/trial"
	"evenhand/trial/conduct"
	"evenhand/trial/sign"
)

// readReceipt reads a receipt's file.
func (a *app) readReceipt(file string) (trial.Receipt, error) {
	text, err := a.readFile(file)
	if err != nil {
		return trial.Receipt{}, err
	}
	r, err := trial.ParseReceipt(string(text))
	if err != nil {
		return r, fmt.Errorf("%s: %w", file, err)
	}
	return r, nil
}

// disagrees makes an error one that ends with exit status 3.
func disagrees(err error) error { return fmt.Errorf("%w: %w", conduct.ErrDisagrees, err) }

// proveCommand makes `ledger prove`.
func (a *app) proveCommand() *cobra.Command {
	var entry int
	var receipt, since, out string
	c := command("prove", "Prove one entry, or that the ledger only grew, without handing it over",
		"Print a proof for somebody who holds a receipt with a line \"tree\": that an entry is in the ledger\n(--entry), or that it begins with the ledger of an earlier receipt (--since). The proof holds the one\nentry at most and a few digests; whoever has it needs neither the store nor the other entries to check\nit: evenhand ledger check --proof FILE --receipt FILE. It leads to the receipt given with --receipt,\nor else to the ledger as it stands, of which a receipt must then be made.",
		"evenhand ledger prove --entry 604 --receipt funder.txt\nevenhand ledger prove --since funder-2027.txt --receipt funder-2028.txt --out proof.txt", noArgs,
		a.reading(func(ctx context.Context, t *conduct.Trial) error {
			if (entry == 0) == (since == "") {
				return usagef("say what to prove: --entry N, or --since RECEIPT")
			}
			if entry < 0 {
				return usagef("--entry: the number of an entry, 1 or more")
			}
			records, err := t.Ledger(ctx)
			if err != nil {
				return err
			}
			if _, err := trial.CheckLedger(records); err != nil {
				return err
			}
			size := len(records)
			held := func(file string) (int, error) {
				r, err := a.readReceipt(file)
				if err == nil {
					if err = r.Check(t.ID(), records); err != nil {
						err = fmt.Errorf("%s: %w", file, err)
					}
				}
				return r.Size, err
			}
			if receipt != "" {
				if size, err = held(receipt); err != nil {
					return err
				}
			}
			var p trial.Proof
			if since != "" {
				from, err := held(since)
				if err != nil {
					return err
				}
				if from > size {
					return usagef("--since: that receipt is of %s, later than the %d of --receipt: give them the other way round", entries(from), size)
				}
				if p, err = trial.ProveGrowth(t.ID(), records, from, size); err != nil {
					return err
				}
			} else {
				if entry > len(records) {
					return usagef("--entry: the ledger has %d entries", len(records))
				}
				if entry > size {
					return withHint(usagef("--entry: the receipt of %s was made at entry %d, before entry %d", receipt, size, entry), "prove it for a later receipt: `evenhand ledger receipt` makes one")
				}
				if e, err := records[entry-1].Entry(); err == nil && e.TellsArm() {
					blinded, err := t.Blinded(ctx)
					if err != nil {
						return err
					}
					if blinded {
						return &conduct.BlindError{Actor: t.Who.Actor, Until: t.Protocol.Trial.Blind.Until}
					}
				}
				if p, err = trial.ProveEntry(t.ID(), records, entry, size); err != nil {
					return err
				}
			}
			if out != "" {
				if err := writeFile(out, false, func(w io.Writer) error { _, err := io.WriteString(w, p.Text()); return err }); err != nil {
					return err
				}
			}
			return a.print(struct {
				Trial   string   `json:"trial"`
				Entries int      `json:"entries"`
				Tree    string   `json:"tree"`
				Entry   int      `json:"entry,omitempty"`
				From    int      `json:"from,omitempty"`
				Path    []string `json:"path"`
				Text    string   `json:"text"`
			}{p.Trial, p.Size, p.Tree, p.Seq, p.From, append([]string{}, p.Path...), p.Text()}, func() {
				if out != "" {
					a.say("%s is the proof: %d digests; `evenhand ledger check --proof %s` checks it, with the receipt", out, len(p.Path), out)
					return
				}
				fmt.Fprint(a.stdout, p.Text())
			})
		}))
	c.Flags().IntVar(&entry, "entry", 0, "prove this entry")
	c.Flags().StringVar(&since, "since", "", "prove that the ledger begins with that of this earlier receipt")
	c.Flags().StringVar(&receipt, "receipt", "", "the receipt that the proof leads to (default: the ledger as it stands)")
	c.Flags().StringVar(&out, "out", "", "write it to a file")
	return c
}

// checkProof checks a proof without any store.
func (a *app) checkProof(file string, receiptFiles []string, keys []sign.PublicKey) error {
	text, err := a.readFile(file)
	if err != nil {
		return err
	}
	p, err := trial.ParseProof(string(text))
	if err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	if err := p.Check(); err != nil {
		return fmt.Errorf("%s: %w", file, disagrees(err))
	}
	type held struct {
		File string `json:"file"`
		Root string `json:"root"` // which root of the proof it has: tree, from-tree
	}
	var lines []string
	roots := []held{}
	for _, name := range receiptFiles {
		r, err := a.readReceipt(name)
		if err != nil {
			return err
		}
		which, err := p.Against(r)
		if err != nil {
			return fmt.Errorf("%s with %s: %w", file, name, disagrees(err))
		}
		signed, err := a.checkSignature(name, r, keys)
		if err != nil {
			return err
		}
		lines = append(lines, signed...)
		roots = append(roots, held{name, which})
		lines = append(lines, fmt.Sprintf("PASS  %s has the root over %d entries that the proof leads %s", name, r.Size, map[string]string{"tree": "to", "from-tree": "from"}[which]))
	}
	kind := "entry"
	if p.FromTree != "" {
		kind = "growth"
	}
	return a.print(struct {
		Trial    string `json:"trial"`
		Kind     string `json:"kind"`
		Entries  int    `json:"entries"`
		Entry    int    `json:"entry,omitempty"`
		From     int    `json:"from,omitempty"`
		Text     string `json:"text,omitempty"`
		Receipts []held `json:"receipts"`
	}{p.Trial, kind, p.Size, p.Seq, p.From, p.Entry, roots}, func() {
		if kind == "entry" {
			a.say("PASS  entry %d is one of the %d entries under the root %s", p.Seq, p.Size, p.Tree)
			a.say("      %s", p.Entry)
		} else {
			a.say("PASS  the ledger of %d entries begins with that of %d: in between entries were only added", p.Size, p.From)
		}
		for _, line := range lines {
			a.say("%s", line)
		}
		reached := map[string]bool{}
		for _, h := range roots {
			reached[h.Root] = true
		}
		if !reached["tree"] {
			a.say("NOTE  no receipt of %d entries was given: that its root is the ledger's, only a receipt that you hold shows", p.Size)
		}
		if kind == "growth" && !reached["from-tree"] {
			a.say("NOTE  no receipt of %d entries was given either for where the proof begins", p.From)
		}
	})
}

// checkSignature says in lines whether a receipt is signed by one of the keys.
func (a *app) checkSignature(file string, r trial.Receipt, keys []sign.PublicKey) ([]string, error) {
	switch {
	case r.Signature == "" && len(keys) > 0:
		return []string{fmt.Sprintf("NOTE  %s is not signed", file)}, nil
	case r.Signature == "":
		return nil, nil
	case len(keys) == 0:
		return []string{fmt.Sprintf("NOTE  %s is signed by key %s, which was not given: its signature was not checked (--public-key)", file, r.Key)}, nil
	}
	var err error
	for _, k := range keys {
		if err = r.VerifySignature(k); err == nil {
			return []string{fmt.Sprintf("PASS  %s was signed by key %s", file, r.Key)}, nil
		}
	}
	return nil, fmt.Errorf("%s: %w", file, disagrees(err))
}

// earlierLedgers reads the ledgers of bundles that somebody kept.
func earlierLedgers(files []string) ([][]trial.Record, error) {
	var all [][]trial.Record
	for _, name := range files {
		f, err := os.Open(name)
		if err != nil {
			return nil, fmt.Errorf("open the earlier bundle %s: %w", name, reason(err))
		}
		defer f.Close()
		info, err := f.Stat()
		if err != nil {
			return nil, fmt.Errorf("open the earlier bundle %s: %w", name, reason(err))
		}
		if !info.Mode().IsRegular() {
			return nil, fmt.Errorf("open the earlier bundle: %s is not a file", name)
		}
		records, err := audit.LedgerOf(f, info.Size())
		if err != nil {
			return nil, fmt.Errorf("the earlier bundle %s: %w", name, err)
		}
		all = append(all, records)
	}
	return all, nil
}
