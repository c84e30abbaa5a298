package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"evenhand/reports"
	"evenhand/reports/disclosure"
	"evenhand/trial"
	"evenhand/trial/conduct"
)

// releaseFlags are the flags of report build about disclosure control.
type releaseFlags struct {
	rule    choice
	earlier []string
	forget  string
}

// released is what report build --release prints.
type released struct {
	File    string   `json:"file"`
	Digest  string   `json:"digest"`
	Record  string   `json:"record"`
	Earlier []string `json:"earlier"`
	*reports.Released
}

// releaseLog is the ledger's entry on a release: what was hidden and why.
type releaseLog struct {
	Report    string              `json:"report"` // digest
	Record    string              `json:"record"` // digest of the private record
	Rule      string              `json:"rule"`
	Threshold int                 `json:"threshold"`
	Earlier   []string            `json:"earlier"` // digests of the records that it was held against
	Forgot    string              `json:"forgot,omitempty"`
	Merged    []string            `json:"merged"`
	Hidden    []disclosure.Hidden `json:"hidden"`
	Others    []reports.Withheld  `json:"others"`
}

// releaseReport writes the report as it may be published, and beside it the
// record that the next release is held against.
func (a *app) releaseReport(ctx context.Context, t *conduct.Trial, s conduct.Snapshot, want wanted, out string, overwrite bool, f releaseFlags) error {
	rule := releaseRule(t, f)
	private := strings.TrimSuffix(out, filepath.Ext(out)) + ".private.json"
	if err := vacant(private); err != nil {
		return withHint(err, "it is the record of an earlier release and is needed for this one: give --out another name, and --earlier %s", private)
	}
	earlier, digests, err := a.earlierReleases(s, f)
	if err != nil {
		return err
	}
	report, done, err := reports.ReleaseFrom(a.reportInput(t, s), want.template, f.rule.value, rule, earlier...)
	var unsafe *disclosure.UnsafeError
	if errors.As(err, &unsafe) && len(earlier) > 0 {
		return withHint(err, "what an earlier release published cannot be taken back: use the rule of that release")
	}
	if err != nil {
		return err
	}
	document, _, err := a.rendered(ctx, out, report, want)
	if err != nil {
		return err
	}
	var record bytes.Buffer
	enc := json.NewEncoder(&record)
	enc.SetIndent("", " ")
	if err := enc.Encode(privateRecord{Note: "Not for publication: this file holds the counts that the release hides. Keep it with the trial; the next release is held against it.", Trial: t.ID(), Earlier: done.Record}); err != nil {
		return fmt.Errorf("write the record of the release: %w", err)
	}
	if err := writeFile(private, false, func(w io.Writer) error { _, err := w.Write(record.Bytes()); return err }); err != nil {
		return err
	}
	undo := func(err error) error { return errors.Join(err, os.Remove(private)) }
	if err := os.Chmod(private, 0o600); err != nil {
		return undo(fmt.Errorf("close %s to others: %w", private, reason(err)))
	}
	if err := writeFile(out, overwrite, func(w io.Writer) error { _, err := w.Write(document); return err }); err != nil {
		return undo(err)
	}
	digest := trial.DigestOf(string(document))
	entry := releaseLog{digest, trial.DigestOf(record.String()), done.Rule, rule.Threshold, digests, f.forget, done.Merged, done.Hidden, done.Others}
	if err := t.Log(ctx, "report release", "report", entry); err != nil {
		return undo(errors.Join(err, os.Remove(out)))
	}
	return a.print(released{out, digest, private, digests, done}, func() { a.sayRelease(out, digest, private, rule, done) })
}

// releaseRule is the rule that the flags name, with the protocol's threshold.
func releaseRule(t *conduct.Trial, f releaseFlags) disclosure.Rule {
	return disclosure.Rule{Threshold: max(10, t.Protocol.Disclosure.Threshold), Zeros: f.rule.value == "srs10-zeros"}
}

// privateRecord is the file that a release leaves for the next.
type privateRecord struct {
	Note  string `json:"note"`
	Trial string `json:"trial"`
	disclosure.Earlier
}

// earlierReleases reads the records of earlier releases. Each release in the
// ledger must be among them, for what it published is known: a count that both
// show may let the difference be worked out.
func (a *app) earlierReleases(s conduct.Snapshot, f releaseFlags) ([]disclosure.Earlier, []string, error) {
	known := map[string]int{}
	for _, r := range s.Ledger {
		e, err := r.Entry()
		if err != nil || e.Action != "report release" {
			continue
		}
		var was releaseLog
		if err := json.Unmarshal(e.After, &was); err != nil {
			return nil, nil, fmt.Errorf("read ledger entry %d: %w", r.Seq, err)
		}
		known[was.Record] = r.Seq
	}
	var all []disclosure.Earlier
	digests := []string{}
	for _, file := range f.earlier {
		text, err := a.readFile(file)
		if err != nil {
			return nil, nil, err
		}
		digest := trial.DigestOf(string(text))
		if known[digest] == 0 {
			return nil, nil, withHint(fmt.Errorf("%s is not the record of a release in this trial's ledger, or it has been changed", file), "give the .private.json that report build --release wrote")
		}
		var record privateRecord
		if err := json.Unmarshal(text, &record); err != nil {
			return nil, nil, fmt.Errorf("read %s: %w", file, err)
		}
		if !slices.Contains(digests, digest) {
			all, digests = append(all, record.Earlier), append(digests, digest)
		}
	}
	var missing []string
	for digest, seq := range known {
		if !slices.Contains(digests, digest) {
			missing = append(missing, fmt.Sprintf("entry %d (record %s)", seq, digest[:16]))
		}
	}
	slices.Sort(missing)
	if len(missing) > 0 && f.forget == "" {
		return nil, nil, withHint(fmt.Errorf("the ledger has releases that this one was not held against: %s", strings.Join(missing, ", ")),
			"give the record of each with --earlier FILE.private.json; where a release never left the house, --forget \"why\" leaves them out and is kept in the ledger")
	}
	return all, digests, nil
}

func (a *app) sayRelease(out, digest, private string, rule disclosure.Rule, r *reports.Released) {
	a.say("%s is the report for publication by the rule %s; digest %s", out, r.Rule, digest)
	a.say("%s holds what it hides, for the next release to be held against: never publish it", private)
	if len(r.Merged) > 0 {
		a.say("Joined as “other reasons”: %s", strings.Join(r.Merged, ", "))
	}
	a.say("%d of %d counts of pupils are shown.", r.Counts.Shown, r.Counts.Of)
	if len(r.Ranges) > 0 {
		a.say("What can be worked out about the others, from everything published together:")
		rows := [][]string{{"count", "shown as", "lies from", "to"}}
		for _, x := range r.Ranges {
			mark := map[disclosure.Mark]string{disclosure.Below: fmt.Sprintf("<%d", rule.Threshold), disclosure.Suppressed: "suppressed", disclosure.Nowhere: "nowhere"}[x.Mark]
			to := fmt.Sprint(x.High)
			if x.Open {
				to = "no bound"
			}
			if !x.Exact {
				to += " (at the most)"
			}
			rows = append(rows, []string{x.Label, mark, fmt.Sprint(x.Low), to})
		}
		a.table(rows)
	}
	for _, o := range r.Others {
		a.say("Left out: %s: %s", o.What, o.Why)
	}
	a.say("Texts that people wrote (deviations, reasons, names) were searched for small counts of pupils; read them once more yourself.")
}
