package randomize

import (
	"fmt"
	"strings"
)

// Fault is one thing wrong with a text, a roster or a design.
type Fault struct {
	Line   int    // line of the text counted from 1; 0 where there is no line
	Reason string // what is wrong, why it matters and what to do, as a sentence without a full stop
	Err    error  // the typed error behind the sentence, e.g. *InfeasibleError; nil for most
}

func (f Fault) String() string {
	if f.Line > 0 {
		return fmt.Sprintf("line %d: %s", f.Line, f.Reason)
	}
	return f.Reason
}

// InvalidError holds everything wrong with one input, all at once.
type InvalidError struct {
	What   string  // "design", "roster", "allocation", "chance" or "draw"
	Faults []Fault // never empty, in the order of the text
}

func (e *InvalidError) Error() string {
	lines := make([]string, len(e.Faults))
	for i, f := range e.Faults {
		lines[i] = f.String()
	}
	return e.What + ": " + strings.Join(lines, "\n"+e.What+": ")
}

// Unwrap gives the typed errors among the faults to errors.As.
func (e *InvalidError) Unwrap() []error {
	var errs []error
	for _, f := range e.Faults {
		if f.Err != nil {
			errs = append(errs, f.Err)
		}
	}
	return errs
}

// faults collects the faults of one input.
type faults struct {
	what string
	list []Fault
}

func (f *faults) add(line int, format string, args ...any) {
	f.list = append(f.list, Fault{Line: line, Reason: fmt.Sprintf(format, args...)})
}

func (f *faults) addErr(err error) {
	f.list = append(f.list, Fault{Reason: err.Error(), Err: err})
}

// err is nil if nothing was wrong.
func (f *faults) err() error {
	if len(f.list) == 0 {
		return nil
	}
	return &InvalidError{What: f.what, Faults: f.list}
}

// nearest returns the known word with the smallest edit distance to word, or
// "" if none is close enough to be what was meant.
func nearest(word string, known []string) string {
	best, bestDistance := "", len(word)/2+2
	for _, k := range known {
		if d := editDistance(word, k); d < bestDistance {
			best, bestDistance = k, d
		}
	}
	return best
}

// meant is the ending of a sentence about an unknown word.
func meant(word string, known []string) string {
	if n := nearest(word, known); n != "" {
		return fmt.Sprintf("; did you mean %q?", n)
	}
	return "; known are " + strings.Join(known, ", ")
}

// editDistance is Levenshtein's distance between a and b in bytes.
func editDistance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := 1; i <= len(a); i++ {
		diagonal := row[0]
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := diagonal
			if a[i-1] != b[j-1] {
				cost++
			}
			diagonal = row[j]
			row[j] = min(cost, row[j]+1, row[j-1]+1)
		}
	}
	return row[len(b)]
}
