package audit

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"evenhand/trial"
)

// receipts holds the ledger to the receipts in the bundle, to those that the
// checker brought, and to the ledgers of earlier bundles that the checker kept.
func (v *verifier) receipts() {
	f := v.check(checkReceipts)
	inside := 0
	for _, name := range sortedNames(v.files) {
		if !strings.HasPrefix(name, "receipts/") {
			continue
		}
		inside++
		r, err := trial.ParseReceipt(string(v.files[name]))
		if err != nil {
			f.add("%s: %v", name, err)
			continue
		}
		if r.Text() != string(v.files[name]) {
			f.add("%s is not written as receipts are", name)
		}
		if err := r.Check(v.trialID(r), v.lines); err != nil {
			f.add("%s: %v", name, err)
		}
	}
	// First those that agree: they say from where on a change can be.
	type fault struct {
		size int
		name string
		err  error
	}
	var faults []fault
	for i, r := range v.opts.Receipts {
		name := fmt.Sprintf("your receipt %d, of %s", i+1, r.At.Format("2006-01-02"))
		v.receiptSignature(f, name, r)
		if err := r.Check(v.trialID(r), v.lines); err != nil {
			faults = append(faults, fault{r.Size, name, err})
			continue
		}
		v.reach = max(v.reach, r.Size)
		v.held = append(v.held, r)
	}
	for i, old := range v.opts.Earlier {
		if err := sameBeginning(old, v.lines); err != nil {
			f.add("the earlier bundle %d that you kept: %v", i+1, err)
			continue
		}
		v.reach = max(v.reach, len(old))
	}
	slices.SortStableFunc(faults, func(a, b fault) int { return a.size - b.size })
	for i, x := range faults {
		where := ""
		if from := v.reach + 1; i == 0 && x.size >= from && x.size <= len(v.lines) {
			where = fmt.Sprintf("; what was changed is one of entries %d to %d (a receipt between them, or an earlier bundle, narrows it down)", from, x.size)
			if from == x.size {
				where = fmt.Sprintf("; what was changed is entry %d", from)
			}
		}
		f.add("%s: %v%s", x.name, x.err, where)
	}
	kept := ""
	if n := len(v.opts.Earlier); n > 0 {
		kept = fmt.Sprintf("; it begins with the ledgers of the %d earlier bundles that you kept", n)
		if n == 1 {
			kept = "; it begins with the ledger of the earlier bundle that you kept"
		}
	}
	f.done("%d in the bundle and %d of yours agree with the ledger%s", inside, len(v.opts.Receipts), kept)
}

// LedgerOf reads the ledger of a bundle, for Options.Earlier: one that was kept
// since earlier is the fullest receipt there is, for it names the very entry
// that was changed.
func LedgerOf(r io.ReaderAt, size int64) ([]trial.Record, error) {
	v := &verifier{found: &Findings{}, files: map[string][]byte{}}
	if err := v.fileSet(r, size); err != nil {
		return nil, err
	}
	v.ledger()
	var faults []error
	for _, x := range v.found.List {
		if x.Kind == Fail {
			faults = append(faults, errors.New(x.Detail))
		}
	}
	if len(faults) > 0 {
		return nil, fmt.Errorf("this bundle is not whole itself: %w", errors.Join(faults[:min(len(faults), 5)]...))
	}
	return v.lines, nil
}

// sameBeginning says whether a ledger begins with an earlier one, and if not,
// what was done to the first entry that differs.
func sameBeginning(old, now []trial.Record) error {
	for i, was := range old {
		if i >= len(now) {
			return fmt.Errorf("%w: it has %d entries and this one %d: what follows entry %d was cut off, first %s%s", trial.ErrLedger, len(old), len(now), len(now), inWords(was), consequence(was))
		}
		if now[i].Text == was.Text {
			continue
		}
		same := func(a, b []trial.Record) bool { return len(a) > 0 && len(b) > 0 && content(a[0]) == content(b[0]) }
		switch n := i + 1; {
		case same(now[i:], old[n:]) && !same(now[n:], old[i:]):
			return fmt.Errorf("%w: entry %d was taken out: then it was %s, and what came after it stands in its place%s", trial.ErrLedger, n, inWords(was), consequence(was))
		case same(now[n:], old[i:]) && !same(now[i:], old[n:]):
			return fmt.Errorf("%w: before entry %d another was put in: %s; then it was %s%s", trial.ErrLedger, n, inWords(now[i]), inWords(was), consequence(now[i]))
		case same(now[n:], old[i:]):
			return fmt.Errorf("%w: entries %d and %d changed places: then entry %d was %s%s", trial.ErrLedger, n, n+1, n, inWords(was), consequence(was))
		default:
			return fmt.Errorf("%w: entry %d was changed: then it was %s, now it is %s%s%s", trial.ErrLedger, n, inWords(was), inWords(now[i]), differing(was, now[i]), consequence(was))
		}
	}
	return nil
}

// content is an entry without its place: number and digest of the one before.
func content(r trial.Record) string {
	e, err := r.Entry()
	if err != nil {
		return r.Text
	}
	e.Seq, e.Prev = 0, ""
	again, err := e.Seal()
	if err != nil {
		return r.Text
	}
	return again.Text
}

// inWords is an entry as it is named in findings.
func inWords(r trial.Record) string {
	e, err := r.Entry()
	if err != nil {
		return fmt.Sprintf("a line that cannot be read (%.60q)", r.Text)
	}
	return fmt.Sprintf("%q: %q by %q on %s", e.Action, e.About, e.Actor, e.At.Format("2006-01-02 15:04:05"))
}

// differing lists the parts in which two entries differ, with both values.
func differing(a, b trial.Record) string {
	x, err1 := a.Entry()
	y, err2 := b.Entry()
	if err1 != nil || err2 != nil {
		return ""
	}
	var all []string
	for _, part := range []struct{ name, was, is string }{
		{"before", string(x.Before), string(y.Before)}, {"after", string(x.After), string(y.After)}, {"why", x.Why, y.Why}, {"prev", x.Prev, y.Prev}, {"at", x.At.String(), y.At.String()},
	} {
		if part.was != part.is {
			all = append(all, fmt.Sprintf("%s was %.200q, is %.200q", part.name, part.was, part.is))
		}
	}
	if len(all) == 0 {
		return ""
	}
	return " (" + strings.Join(all, "; ") + ")"
}
