package main

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"
	"time"

	"evenhand/reports/audit"
	"evenhand/trial"
	"evenhand/trial/sign"
)

// now is the clock; tests set it.
var now = time.Now

// statement is a finding of one page, for others to keep: what was checked,
// with which program and what else at hand, what was found and what nobody can
// find. If nothing failed it ends with a receipt of the ledger: whoever checked
// becomes a witness.
type statement struct {
	bundle  string // base name of the file
	digest  string // of the bundle
	found   *audit.Findings
	at      time.Time
	held    []string // what the checker held besides the bundle, a line each
	program [2]string
}

func (s statement) text(key *sign.SecretKey) (string, error) {
	var b strings.Builder
	say := func(format string, a ...any) { fmt.Fprintf(&b, format+"\n", a...) }
	counts := map[audit.Kind]int{}
	for _, f := range s.found.List {
		counts[f.Kind]++
	}
	say("FINDING ON AN AUDIT BUNDLE\n")
	say("Trial    %q", s.found.Trial)
	say("Bundle   %q, SHA-256", s.bundle)
	say("         %s", s.digest)
	if s.found.Entries > 0 {
		say("Ledger   %d entries, the last with digest", s.found.Entries)
		say("         %s", s.found.Head)
	}
	say("Checked  %s", s.at.UTC().Format(time.RFC3339))
	say("With     %s, whose own file has SHA-256", s.program[0])
	say("         %s", s.program[1])
	for i, line := range s.held {
		head := "         "
		if i == 0 {
			head = "Held     "
		}
		say("%s%s", head, line)
	}
	switch n := counts[audit.Fail]; n {
	case 0:
		say("\nNOTHING FAILED: %d checks passed. Notes and what cannot be shown stand below.", counts[audit.Pass])
	case 1:
		say("\nONE CHECK FAILED.")
	default:
		say("\n%d CHECKS FAILED.", n)
	}
	say("\n%s", strings.TrimSuffix(s.found.Text(), "\n"))
	if s.found.Failed() || s.found.Entries == 0 {
		return b.String(), nil
	}
	r := trial.Receipt{Trial: s.found.Trial, Size: s.found.Entries, Head: s.found.Head, At: s.at.UTC().Truncate(time.Second), Tree: s.found.Tree}
	if key != nil {
		var err error
		if r, err = r.Sign(key); err != nil {
			return "", err
		}
	}
	say("\nRECEIPT. Whoever keeps this page holds a receipt of the ledger, and can be named as its\nholder: evenhand receipt add THIS-FILE --holder NAME\n")
	b.WriteString(r.Text())
	return b.String(), nil
}

// write writes the statement and, with a key, its signature beside it: both or
// neither, and nothing over a file that is there.
func (s statement) write(name string, key *sign.SecretKey) error {
	text, err := s.text(key)
	if err != nil {
		return err
	}
	if err := create(name, text); err != nil {
		return err
	}
	if key == nil {
		return nil
	}
	signature, err := key.Sign([]byte(text), fmt.Sprintf("finding on bundle %s, %s", s.digest, s.at.UTC().Format(time.RFC3339)))
	if err == nil {
		err = create(name+".minisig", signature)
	}
	if err != nil {
		return errors.Join(err, os.Remove(name))
	}
	return nil
}

// create writes a new file.
func create(name, text string) error {
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return err
	}
	_, err = io.WriteString(f, text)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return errors.Join(err, os.Remove(name))
	}
	return nil
}

// vacant refuses a name at which there is something, before anything is
// checked.
func vacant(names ...string) error {
	for _, name := range names {
		if _, err := os.Lstat(name); err == nil {
			return fmt.Errorf("%s is there already and was not touched: give another name", name)
		}
	}
	return nil
}

// thisProgram is the program's name with its version, and the digest of its
// file.
func thisProgram() [2]string {
	version := "evenhand-verify"
	if info, ok := debug.ReadBuildInfo(); ok {
		if v := info.Main.Version; v != "" && v != "(devel)" {
			version += " " + v
		}
	}
	name, err := os.Executable()
	if err == nil {
		var f *os.File
		if f, err = os.Open(name); err == nil {
			defer f.Close()
			var sum string
			if sum, err = digestOf(f); err == nil {
				return [2]string{version, sum}
			}
		}
	}
	return [2]string{version, "(it could not be read: " + err.Error() + ")"}
}

func digestOf(r io.Reader) (string, error) {
	h := sha256.New()
	if _, err := io.Copy(h, r); err != nil {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// heldBesides says what the checker held besides the bundle.
func heldBesides(opts audit.Options, earlier []string) []string {
	var all []string
	for _, r := range opts.Receipts {
		all = append(all, fmt.Sprintf("a receipt of %s over %d entries", r.At.UTC().Format("2006-01-02"), r.Size))
	}
	for i, records := range opts.Earlier {
		all = append(all, fmt.Sprintf("an earlier bundle, %q, of %d entries", filepath.Base(earlier[i]), len(records)))
	}
	if opts.Commitment != "" {
		all = append(all, "a copy of the commitment, with SHA-256 "+trial.DigestOf(opts.Commitment))
	}
	for _, k := range opts.PublicKeys {
		all = append(all, "the public key "+k.IDText())
	}
	if len(all) == 0 {
		all = append(all, "nothing: no receipt, no earlier bundle, no commitment, no key")
	}
	return all
}

// earlierLedger reads the ledger of a bundle that was kept.
func earlierLedger(name string) ([]trial.Record, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is not a file", name)
	}
	records, err := audit.LedgerOf(f, info.Size())
	if err != nil {
		return nil, fmt.Errorf("earlier bundle %s: %w", name, err)
	}
	return records, nil
}
