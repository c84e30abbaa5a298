package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"evenhand/trial"
	"evenhand/trial/conduct"
	"evenhand/trial/store"
)

func (a *app) initCommand() *cobra.Command {
	var template choice
	c := command("init DIR", "Write trial.yaml and make the store",
		"Write a commented protocol, trial.yaml, into a folder, and make the store beside it\n(evenhand.db, or the one that --store names). A folder that has a trial.yaml keeps it:\nthen the store is made, and the trial entered into it. A trial from a template is entered by the\nfirst command after that, so that you can give it your own id.",
		"evenhand init mytrial\nevenhand init --template minimal mytrial\nevenhand init --store postgres://ana@db.example.org/trials mytrial",
		exactly("a folder"), func(ctx context.Context, args []string) error { return a.init(ctx, args[0], template.value) })
	addChoice(c, &template, "template", "rlc", "what to begin from: rlc (research learning communities) or minimal", "rlc", "minimal")
	return c
}

func (a *app) init(ctx context.Context, dir, template string) (err error) {
	who, err := a.who()
	if err != nil {
		return err
	}
	file := filepath.Join(dir, "trial.yaml")
	text, err := os.ReadFile(file)
	there := err == nil
	if errors.Is(err, os.ErrNotExist) {
		var t string
		if t, err = trial.Template(template); err != nil {
			return err
		}
		text = []byte(t)
	} else if err != nil {
		return fmt.Errorf("read %s: %w", file, err)
	}
	p, err := trial.ParseProtocol(file, text)
	if err != nil {
		return err
	}
	// What is made here does not outlive a failure.
	undo := []string{}
	defer func() {
		if err != nil {
			remove(undo)
		}
	}()
	if _, err := os.Lstat(dir); errors.Is(err, os.ErrNotExist) {
		undo = append(undo, dir)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("make folder %s: %w", dir, reason(err))
	}
	if !there {
		if err := writeFile(file, false, func(w io.Writer) error { _, err := w.Write(text); return err }); err != nil {
			return err
		}
		undo = append(undo, file)
	}
	address := a.storeFlag
	if address == "" {
		address = a.getenv("EVENHAND_STORE")
	}
	if address == "" {
		address = filepath.Join(dir, "evenhand.db")
	}
	undo = append(undo, newFiles(address)...)
	db, err := store.Open(ctx, address, true)
	if err != nil {
		return err
	}
	defer db.Close()
	// A template is to be made one's own first, its id before all: the trial is
	// entered with the first command after that (see withTrial).
	if there {
		if _, err := conduct.Create(ctx, db, who, file, text); err != nil {
			if errors.Is(err, store.ErrExists) {
				undo = nil // somebody else made it meanwhile
				return withHint(fmt.Errorf("trial %q is in %s already: nothing was changed", p.Trial.ID, db.Where()), "give the new trial another id in %s, or another store", file)
			}
			return err
		}
	}
	return a.print(struct {
		Trial    string `json:"trial"`
		Protocol string `json:"protocol"`
		Store    string `json:"store"`
	}{p.Trial.ID, file, db.Where()}, func() {
		if there {
			a.say("%s was there and is kept; its trial %q is entered into the store.", file, p.Trial.ID)
		} else {
			a.say("%s is a protocol to begin from: read it and make it yours, its id (%s) first.", file, p.Trial.ID)
		}
		a.say("%s is the store.", db.Where())
		if filepath.Clean(dir) == "." {
			a.say("Next: evenhand protocol check")
		} else {
			a.say("Next: cd %s && evenhand protocol check", dir)
		}
	})
}

// newFiles lists the files that a store at this address will be made of, none
// if it is there already.
func newFiles(address string) []string {
	if _, err := os.Lstat(address); store.IsPostgres(address) || !errors.Is(err, os.ErrNotExist) {
		return nil
	}
	return []string{address, address + "-wal", address + "-shm"}
}

// remove takes away files in the opposite order of their making.
func remove(names []string) {
	for _, name := range slices.Backward(names) {
		os.Remove(name)
	}
}

func (a *app) protocolCommand() *cobra.Command {
	check := command("check [FILE]", "Check a protocol: every fault with its line and column", "",
		"evenhand protocol check\nevenhand protocol check other/trial.yaml",
		func(cmd *cobra.Command, args []string) error {
			if len(args) > 1 {
				return usagef("%s takes one file at most", cmd.CommandPath())
			}
			return nil
		}, func(_ context.Context, args []string) error {
			file := a.protocolFlag
			if len(args) == 1 {
				file = args[0]
			}
			text, err := a.readFile(file)
			if err != nil {
				return err
			}
			p, err := trial.ParseProtocol(file, text)
			if err != nil {
				return err
			}
			arms := make([]string, len(p.Arms))
			for i, arm := range p.Arms {
				arms[i] = fmt.Sprintf("%s (weight %d)", arm.ID, arm.Weight)
			}
			return a.print(struct {
				File   string `json:"file"`
				Trial  string `json:"trial"`
				Digest string `json:"digest"`
			}{file, p.Trial.ID, trial.DigestOf(string(text))}, func() {
				a.say("%s is a valid protocol: %s", file, p.Trial.Title)
				a.say("  arms      %s", strings.Join(arms, ", "))
				a.say("  strata    %s", cmp.Or(strings.Join(p.Strata, ", "), "none: one draw over all schools"))
				a.say("  draw      %s, chance %s", p.Draw.Method, p.Draw.Chance)
				if o := p.PrimaryOutcome(); o != nil {
					a.say("  primary   %s", o.Label)
				}
				a.say("  digest    %s", trial.DigestOf(string(text)))
			})
		})
	var version int
	show := command("show", "Print the protocol as recorded, and its versions", "Print the protocol in force exactly as it was recorded (or an earlier version), on standard\noutput, and the list of versions on standard error.",
		"evenhand protocol show\nevenhand protocol show --version 1 > first.yaml", noArgs,
		a.reading(func(ctx context.Context, t *conduct.Trial) error {
			versions, err := t.Versions(ctx)
			if err != nil {
				return err
			}
			if version == 0 {
				version = len(versions)
			}
			if version < 1 || version > len(versions) {
				return usagef("the protocol has versions 1 to %d", len(versions))
			}
			type line struct {
				Version int    `json:"version"`
				Digest  string `json:"digest"`
				At      string `json:"at"`
				Author  string `json:"author"`
				Reason  string `json:"reason"`
			}
			var lines []line
			for _, v := range versions {
				lines = append(lines, line{v.Version, v.Digest, v.At.Format("2006-01-02T15:04:05Z"), v.Author, v.Reason})
			}
			return a.print(struct {
				Versions []line `json:"versions"`
				Version  int    `json:"version"`
				Text     string `json:"text"`
			}{lines, version, versions[version-1].Text}, func() {
				for _, l := range lines {
					fmt.Fprintf(a.stderr, "version %d  %s  %s  %s: %s\n", l.Version, l.At, l.Digest[:12], l.Author, l.Reason)
				}
				fmt.Fprint(a.stdout, versions[version-1].Text)
			})
		}))
	show.Flags().IntVar(&version, "version", 0, "which version (default: the one in force)")
	var reason string
	amend := command("amend --reason TEXT", "Record a changed protocol as a new version, with the reason",
		"Record trial.yaml as the next version of the protocol, with author, time and reason. Once the\ndraw is committed, nothing that it is made from may change.",
		`evenhand protocol amend --reason "outcome delayed by a term"`, noArgs,
		func(ctx context.Context, _ []string) error {
			return a.withTrial(ctx, false, func(t *conduct.Trial) error {
				text, err := a.readProtocol()
				if err != nil {
					return err
				}
				if text == nil {
					return fmt.Errorf("there is no file %s", a.protocolFlag)
				}
				if err := t.Amend(ctx, a.protocolFlag, text, reason); err != nil {
					return err
				}
				return a.print(struct {
					Version int `json:"version"`
				}{t.Version}, func() { a.say("%s is recorded as version %d of the protocol.", a.protocolFlag, t.Version) })
			})
		})
	amend.Flags().Var(textFlag{&reason}, "reason", "why it is changed")
	schema := command("schema", "Print the JSON Schema of trial.yaml, for editors", "", "evenhand protocol schema > trial.schema.json", noArgs,
		func(context.Context, []string) error {
			s, err := trial.Schema()
			if err != nil {
				return err
			}
			_, err = a.stdout.Write(s)
			return err
		})
	return group("protocol", "The trial's protocol: check, show, amend", check, show, amend, schema)
}

func (a *app) storeCommand() *cobra.Command {
	info := command("info", "What a store holds: trials, rows and digests by table", "", "evenhand store info\nevenhand store info --store postgres://db.example.org/trials --trial rlc", noArgs,
		func(ctx context.Context, _ []string) error {
			db, err := store.Open(ctx, a.storeAddress(), false)
			if err != nil {
				return err
			}
			defer db.Close()
			trials, err := db.Trials(ctx)
			if err != nil {
				return err
			}
			type trialInfo struct {
				Trial  string            `json:"trial"`
				Title  string            `json:"title"`
				Phase  trial.Phase       `json:"phase"`
				Tables []store.TableInfo `json:"tables"`
			}
			all := []trialInfo{}
			for _, t := range trials {
				if a.trialFlag != "" && t.ID != a.trialFlag {
					continue
				}
				one := trialInfo{Trial: t.ID, Title: t.Title}
				err := db.Read(ctx, t.ID, func(tx *store.Tx) error {
					facts, err := tx.Facts()
					if err != nil {
						return err
					}
					one.Phase = facts.Phase()
					one.Tables, err = tx.Info()
					return err
				})
				if err != nil {
					return err
				}
				all = append(all, one)
			}
			if a.trialFlag != "" && len(all) == 0 {
				return fmt.Errorf("%w: %q in %s", store.ErrNoTrial, a.trialFlag, db.Where())
			}
			return a.print(struct {
				Store   string      `json:"store"`
				Dialect string      `json:"dialect"`
				Trials  []trialInfo `json:"trials"`
			}{db.Where(), db.Dialect(), all}, func() {
				a.say("%s (%s): %s", db.Where(), db.Dialect(), count(len(trials), "trial"))
				for _, t := range all {
					a.say("\n%s: %s (%s)", t.Trial, t.Title, t.Phase)
					rows := [][]string{{"table", "rows", "digest"}}
					for _, i := range t.Tables {
						if i.Rows > 0 {
							rows = append(rows, []string{i.Table, fmt.Sprint(i.Rows), i.Digest[:16]})
						}
					}
					a.table(rows)
				}
			})
		})
	backup := command("backup FILE", "Copy the trial to a new SQLite file, and compare digests", "", "evenhand store backup friday.db", exactly("a file"),
		func(ctx context.Context, args []string) error {
			return a.withTrial(ctx, false, func(t *conduct.Trial) error {
				if store.IsPostgres(args[0]) {
					return usagef("a backup is a file; `evenhand store copy --to` copies to Postgres")
				}
				made := newFiles(args[0])
				if err := vacant(args[0]); err != nil {
					return err
				}
				tables, err := t.DB.Backup(ctx, t.ID(), args[0])
				if err != nil {
					if !errors.Is(err, store.ErrExists) { // else it is somebody else's, made meanwhile
						remove(made)
					}
					return err
				}
				return a.copied(args[0], tables)
			})
		})
	var to string
	copyTo := command("copy --to ADDRESS", "Copy the trial to another store, and compare digests",
		"Copy the trial, every row of it, to another store: from a laptop's file to a team's Postgres,\nor back. The copy is one transaction, and is kept only if the digest of every table is equal.\nA store that has the trial already is left as it is.",
		"evenhand store copy --to postgres://ana@db.example.org/trials\nevenhand store copy --store postgres://ana@db.example.org/trials --to laptop.db", noArgs,
		a.reading(func(ctx context.Context, t *conduct.Trial) error {
			if to == "" {
				return usagef("say where to with --to")
			}
			made := newFiles(to)
			target, err := store.Open(ctx, to, true)
			var tables []store.TableInfo
			if err == nil {
				defer target.Close()
				err = t.DB.Read(ctx, t.ID(), func(tx *store.Tx) (err error) {
					tables, err = tx.CopyTo(ctx, target)
					return err
				})
			}
			if err != nil {
				if !errors.Is(err, store.ErrExists) { // else it is somebody else's, made meanwhile
					remove(made)
				}
				return err
			}
			return a.copied(target.Where(), tables)
		}))
	copyTo.Flags().StringVar(&to, "to", "", "the other store: a file, or postgres://…")
	return group("store", "The store: what it holds, backups, copies", info, backup, copyTo)
}

func (a *app) copied(where string, tables []store.TableInfo) error {
	rows := 0
	for _, t := range tables {
		rows += t.Rows
	}
	return a.print(struct {
		To     string            `json:"to"`
		Rows   int               `json:"rows"`
		Tables []store.TableInfo `json:"tables"`
	}{where, rows, tables}, func() {
		a.say("%d rows of %d tables are copied to %s; every digest is equal.", rows, len(tables), where)
	})
}
