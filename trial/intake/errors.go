package intake

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"evenhand/trial"
)

// RowError is a fault of a file with its place.
type RowError struct {
	File   string
	Sheet  string // "" in a CSV file
	Row    int    // as a spreadsheet numbers rows, the header being row 1; 0 for the file as a whole
	Column string // header of the column; "" for the row as a whole
	Value  string // what stands there
	Reason string // what is wrong
	Hint   string // why it matters and what to do
}

func (e *RowError) Error() string { return e.File + ": " + e.text() }

// text is the fault without its file.
func (e *RowError) text() string {
	var b strings.Builder
	if e.Row > 0 {
		fmt.Fprintf(&b, "row %d", e.Row)
		if e.Column != "" {
			fmt.Fprintf(&b, ", %s", e.Column)
		}
		b.WriteString(": ")
	} else if e.Column != "" {
		fmt.Fprintf(&b, "column %s: ", e.Column)
	}
	b.WriteString(e.Reason)
	if e.Hint != "" {
		fmt.Fprintf(&b, " (%s)", e.Hint)
	}
	return b.String()
}

// maxFaults is how many faults of a file are kept; more are counted only.
const maxFaults = 200

// Errors is every fault of a file, in the order of rows.
type Errors struct {
	File   string
	Faults []*RowError
	More   int // faults beyond those kept
	Rows   int // rows below the header, as far as the file could be read
	Faulty int // rows with a fault

	bad map[int]bool // rows with a fault
}

func (e *Errors) Error() string {
	var b strings.Builder
	n := len(e.Faults) + e.More
	faults := "faults"
	if n == 1 {
		faults = "fault"
	}
	fmt.Fprintf(&b, "%s has %d %s; nothing of it was stored", e.File, n, faults)
	if e.Faulty > 0 && e.Faulty < e.Rows {
		fmt.Fprintf(&b, " (%d of its %d rows are without fault)", e.Rows-e.Faulty, e.Rows)
	}
	for _, f := range e.Faults {
		b.WriteString("\n  " + f.text())
	}
	if e.More > 0 {
		fmt.Fprintf(&b, "\n  … and %d more", e.More)
	}
	return b.String()
}

// Unwrap gives the faults one by one.
func (e *Errors) Unwrap() []error {
	out := make([]error, len(e.Faults))
	for i, f := range e.Faults {
		out[i] = f
	}
	return out
}

// add keeps a fault, or counts it when there are too many.
func (e *Errors) add(f *RowError) {
	f.File = e.File
	if f.Row > 1 && !e.bad[f.Row] { // row 1 is the header
		if e.bad == nil {
			e.bad = map[int]bool{}
		}
		e.bad[f.Row] = true
		e.Faulty++
	}
	if len(e.Faults) >= maxFaults {
		e.More++
		return
	}
	e.Faults = append(e.Faults, f)
}

// full says whether further faults are counted only, so that no work need go
// into their wording.
func (e *Errors) full() bool { return len(e.Faults) >= maxFaults }

// err is nil if there is no fault.
func (e *Errors) err() error {
	if len(e.Faults) == 0 {
		return nil
	}
	slices.SortStableFunc(e.Faults, func(a, b *RowError) int { return a.Row - b.Row })
	return e
}

// Counts reconciles a file with what became of it.
type Counts struct {
	Rows      int           // rows below the header
	Stored    int           // rows of which something is to be stored
	NotStored []trial.Count // the other rows, by reason, in the order in which the reasons came up
}

// Agree says whether Rows = Stored + the sum of NotStored, as it always must.
func (c Counts) Agree() bool {
	n := c.Stored
	for _, x := range c.NotStored {
		n += x.N
	}
	return n == c.Rows
}

// skip counts a row that is not stored.
func (c *Counts) skip(reason string) {
	for i := range c.NotStored {
		if c.NotStored[i].What == reason {
			c.NotStored[i].N++
			return
		}
	}
	c.NotStored = append(c.NotStored, trial.Count{What: reason, N: 1})
}

// Why a row is not stored.
const (
	EmptyRow = "empty row"
	Already  = "stored before, the same"
	OffList  = "school not on the roster"
)

// clip shortens a value for a message.
func clip(s string) string {
	if utf8.RuneCountInString(s) > 60 {
		return string([]rune(s)[:57]) + "…"
	}
	return s
}
