// Command evenhand-verify checks an audit bundle of a trial. It opens the
// bundle and the files named on its command line and nothing else: no database,
// no network, no temporary files.
//
//	evenhand-verify BUNDLE.zip [--receipt FILE]... [--earlier OLD.zip]...
//	                [--commit FILE] [--public-key KEY]... [--json]
//	                [--what-if drop=SCHOOL] [--redraws N]
//	                [--statement FILE [--key FILE]]
//
// For a statement it also reads its own file, to give its digest, and asks for
// the key's password on the terminal.
//
// It prints a line for every finding: PASS, FAIL, NOTE or CANNOT. The exit
// status is 0 if nothing failed, 1 if a file cannot be opened, 2 for a wrong
// command line, 3 if a check failed.
package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"

	"evenhand/cmd/internal/keyfile"
	"evenhand/cmd/internal/steps"
	"evenhand/reports/audit"
	"evenhand/trial"
	"evenhand/trial/sign"
)

func main() { os.Exit(run(os.Args[1:], os.Stdout, os.Stderr)) }

const usage = `Usage: evenhand-verify BUNDLE.zip [--receipt FILE]... [--earlier OLD.zip]...
                       [--commit FILE] [--public-key KEY]... [--json]
                       [--what-if drop=SCHOOL] [--redraws N]
                       [--statement FILE [--key FILE]]

Checks an audit bundle: every file against the manifest, the ledger's chain,
the order of what was done, the draw (made again), the counts (made again) and
the analysis (run again). Opens no network connection and no database.

  --receipt FILE       a receipt that you have kept since earlier; may be repeated
  --earlier OLD.zip    an earlier bundle that you have kept: it names the very
                       entry of the ledger that was changed; may be repeated
  --commit FILE        your own copy of the commitment to the draw
  --public-key KEY     the bundle must be signed with this key: its file, or its
                       line of 56 characters, as minisign has them; may be repeated
  --json               print the findings as JSON
  --what-if drop=ID    show also what the draw had been without this school
  --redraws N          show also where the real balance lies among N redraws
  --statement FILE     write the findings as a page for others to keep; if nothing
                       failed it is a receipt of the ledger too
  --key FILE           sign the statement with your secret key (minisign's format):
                       the signature is FILE.minisig

Exit status: 0 nothing failed, 1 a file cannot be opened, 2 usage, 3 a check failed.
`

// status of the program.
const (
	done     = 0
	unopened = 1
	misused  = 2
	failed   = 3
)

// texts collects the values of a flag that may be repeated.
type texts []string

func (t *texts) String() string     { return strings.Join(*t, ", ") }
func (t *texts) Set(s string) error { *t = append(*t, s); return nil }

// run is the program: it returns its exit status.
func run(args []string, stdout, stderr io.Writer) int {
	fs := flag.NewFlagSet("evenhand-verify", flag.ContinueOnError)
	fs.SetOutput(io.Discard)
	var receipts, earlier, keys texts
	fs.Var(&receipts, "receipt", "")
	fs.Var(&earlier, "earlier", "")
	fs.Var(&keys, "public-key", "")
	page := fs.String("statement", "", "")
	keyFile := fs.String("key", "", "")
	commit := fs.String("commit", "", "")
	asJSON := fs.Bool("json", false, "")
	whatIf := fs.String("what-if", "", "")
	redraws := fs.Int("redraws", 0, "")
	wrong := func(format string, a ...any) int {
		fmt.Fprintf(stderr, "evenhand-verify: error: "+format+"\n\n%s", append(a, usage)...)
		return misused
	}
	var bundles []string
	for rest := args; ; {
		if err := fs.Parse(rest); errors.Is(err, flag.ErrHelp) {
			fmt.Fprint(stdout, usage)
			return done
		} else if err != nil {
			return wrong("%v", err)
		}
		if fs.NArg() == 0 {
			break
		}
		bundles = append(bundles, fs.Arg(0))
		rest = fs.Args()[1:]
	}
	drop, isDrop := strings.CutPrefix(*whatIf, "drop=")
	switch {
	case len(bundles) == 0:
		return wrong("name the bundle")
	case len(bundles) > 1:
		return wrong("%d bundles are named, and one is checked at a time: %s", len(bundles), strings.Join(bundles, ", "))
	case *whatIf != "" && (!isDrop || drop == ""):
		return wrong("--what-if %q: write drop= and a school's ID", *whatIf)
	case *keyFile != "" && *page == "":
		return wrong("--key signs a statement: name its file with --statement")
	case *redraws < 0 || *redraws > 1_000_000:
		return wrong("--redraws %d: ask for 1 to 1,000,000", *redraws)
	}
	cannot := func(err error) int {
		fmt.Fprintf(stderr, "evenhand-verify: error: %v\n", err)
		return unopened
	}
	var key *sign.SecretKey
	if *page != "" {
		if err := vacant(*page, *page+".minisig"); err != nil {
			return cannot(err)
		}
		if *keyFile != "" {
			var err error
			if key, err = keyfile.Secret(*keyFile, keyfile.Terminal(os.Stdin, stderr)); err != nil {
				return cannot(err)
			}
		}
	}
	var opts audit.Options
	for _, name := range keys {
		k, err := keyfile.Public(name)
		if err != nil {
			return cannot(err)
		}
		opts.PublicKeys = append(opts.PublicKeys, k)
	}
	for _, name := range earlier {
		records, err := earlierLedger(name)
		if err != nil {
			return cannot(err)
		}
		opts.Earlier = append(opts.Earlier, records)
	}
	for _, name := range receipts {
		text, err := readSmall(name)
		if err != nil {
			return cannot(err)
		}
		r, err := trial.ParseReceipt(text)
		if err != nil {
			return cannot(fmt.Errorf("receipt %s: %w", name, err))
		}
		opts.Receipts = append(opts.Receipts, r)
	}
	if *commit != "" {
		text, err := readSmall(*commit)
		if err != nil {
			return cannot(err)
		}
		if strings.TrimSpace(text) == "" {
			return cannot(fmt.Errorf("commitment %s is empty", *commit))
		}
		opts.Commitment = text
	}
	f, err := os.Open(bundles[0])
	if err != nil {
		return cannot(err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return cannot(err)
	}
	if !info.Mode().IsRegular() {
		return cannot(fmt.Errorf("%s is not a file", bundles[0]))
	}
	// A bundle of 500,000 pupils needs 1.2 GB where the collector takes its time.
	debug.SetMemoryLimit(256<<20 + 4*info.Size())
	opts.Progress = steps.On(stderr)
	found, err := audit.Verify(f, info.Size(), opts)
	opts.Progress("")
	if err != nil {
		return cannot(err)
	}
	var extra []string
	if *whatIf != "" {
		text, err := audit.WhatIfDropped(f, info.Size(), drop)
		if err != nil {
			return cannot(fmt.Errorf("what if school %s were dropped: %w", drop, err))
		}
		extra = append(extra, text)
	}
	if *redraws > 0 {
		text, err := audit.AmongRedraws(f, info.Size(), *redraws)
		if err != nil {
			return cannot(fmt.Errorf("redraw: %w", err))
		}
		extra = append(extra, text)
	}
	if *page != "" {
		sum, err := digestOf(io.NewSectionReader(f, 0, info.Size()))
		if err != nil {
			return cannot(err)
		}
		s := statement{filepath.Base(bundles[0]), sum, found, now(), heldBesides(opts, earlier), thisProgram()}
		if err := s.write(*page, key); err != nil {
			return cannot(fmt.Errorf("write the statement: %w", err))
		}
	}
	if *asJSON {
		enc := json.NewEncoder(stdout)
		enc.SetEscapeHTML(false)
		enc.SetIndent("", "  ")
		err = enc.Encode(struct {
			*audit.Findings
			Failed bool     `json:"failed"`
			More   []string `json:"more,omitempty"`
		}{found, found.Failed(), extra})
	} else {
		_, err = io.WriteString(stdout, strings.Join(append([]string{found.Text()}, extra...), "\n"))
	}
	if err != nil {
		return cannot(err)
	}
	if found.Failed() {
		return failed
	}
	return done
}

// readSmall reads a receipt or a commitment.
func readSmall(name string) (string, error) {
	f, err := os.Open(name)
	if err != nil {
		return "", err
	}
	defer f.Close()
	const most = 1 << 20
	b, err := io.ReadAll(io.LimitReader(f, most+1))
	if err != nil {
		return "", err
	}
	if len(b) > most {
		return "", fmt.Errorf("%s is longer than a receipt or a commitment can be", name)
	}
	return string(b), nil
}
