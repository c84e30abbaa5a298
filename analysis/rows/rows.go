// Package rows writes the rows of an analysis as CSV and reads them back
// without loss: what an audit bundle holds, what the ledger's digest of the
// data is taken of, and what a checker fits again.
//
// One outcome's data are three files:
//
//   - people: a line for everybody randomised. Columns pupil, school, stratum,
//     arm, community (empty for none), outcome (empty where not observed), lost
//     (why not observed), then the covariates, each named x: and its name.
//   - schools: a line for every school, in the order in which they are numbered.
//     Columns school and the covariates of schools.
//   - codebook: what every column is. Columns file, column, kind, level,
//     meaning. A factor's levels follow its own line in their order, each with
//     kind level (for the control arm: control); the first is the reference.
//
// Numbers are the shortest decimals that read back as the same binary number.
// Lines end with LF; a field is quoted where CSV asks for it (RFC 4180).
package rows

import (
	"bytes"
	"crypto/sha256"
	"encoding/csv"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"

	"evenhand/analysis"
)

// Files are the three files of one outcome's data.
type Files struct {
	People, Schools, Codebook []byte
}

// Named is one outcome's data with the outcome's ID.
type Named struct {
	Outcome string
	Files   Files
}

// Names gives the files' names in a bundle: people, schools, codebook.
func Names(outcome string) [3]string {
	return [3]string{"data/" + outcome + ".csv", "data/" + outcome + ".schools.csv", "data/" + outcome + ".codebook.csv"}
}

// ImputedName is the name in a bundle of the values that were imputed for an
// outcome: a line for each of them, with columns imputation, pupil, column (as in
// people) and value. They are no data, and not in their digest.
func ImputedName(outcome string) string { return "data/" + outcome + ".imputed.csv" }

// Decimal writes a number as the files do.
func Decimal(v float64) string { return strconv.FormatFloat(v, 'g', -1, 64) }

// Digest is the digest of all data of an analysis: SHA-256 of their DigestText.
func Digest(all []Named) string {
	sum := sha256.Sum256([]byte(DigestText(all)))
	return hex.EncodeToString(sum[:])
}

// DigestText is the line "evenhand-data 1" and a line "digest name" for each
// file, outcomes in the order given, their files in the order of Names.
func DigestText(all []Named) string {
	var b strings.Builder
	b.WriteString("evenhand-data 1\n")
	for _, n := range all {
		names := Names(n.Outcome)
		for i, text := range [][]byte{n.Files.People, n.Files.Schools, n.Files.Codebook} {
			sum := sha256.Sum256(text)
			fmt.Fprintf(&b, "%s %s\n", hex.EncodeToString(sum[:]), names[i])
		}
	}
	return b.String()
}

const prefix = "x:"

// Write gives the files of a dataset. It fails on a dataset whose slices don't
// run parallel, on a number that is not finite, and on a text with a carriage
// return, which CSV would change.
func Write(d *analysis.Dataset) (Files, error) {
	if err := check(d); err != nil {
		return Files{}, fmt.Errorf("write analysis rows: %w", err)
	}
	var f Files
	head := []string{"pupil", "school", "stratum", "arm", "community", "outcome", "lost"}
	for _, c := range d.Covariates {
		head = append(head, prefix+c.Name)
	}
	people := newTable(head)
	for i := range d.ID {
		community := ""
		if d.Community[i] >= 0 {
			community = d.Communities[d.Community[i]]
		}
		outcome := ""
		if d.Observed[i] {
			outcome = Decimal(d.Outcome[i])
		}
		line := append(people.line[:0], d.ID[i], d.Clusters[d.Cluster[i]], d.Strata[d.Stratum[i]], d.Arms[d.Arm[i]], community, outcome, d.Lost[i])
		for _, c := range d.Covariates {
			line = append(line, field(c, i))
		}
		people.add(line)
	}
	head = []string{"school"}
	for _, c := range d.SchoolCovariates {
		head = append(head, prefix+c.Name)
	}
	schools := newTable(head)
	for i, id := range d.Clusters {
		line := append(schools.line[:0], id)
		for _, c := range d.SchoolCovariates {
			line = append(line, field(c, i))
		}
		schools.add(line)
	}
	book := newTable([]string{"file", "column", "kind", "level", "meaning"})
	say := func(file, column, kind, level, meaning string) {
		book.add(append(book.line[:0], file, column, kind, level, meaning))
	}
	levels := func(file, column string, all []string, control int) {
		for i, l := range all {
			kind := "level"
			if i == control {
				kind = "control"
			}
			say(file, column, kind, l, "")
		}
	}
	say("people", "pupil", "id", "", "pseudonymous ID of who is measured")
	say("people", "school", "school", "", "ID of the school, a line of the schools' file")
	say("people", "stratum", "factor", "", "stratum within which the school was drawn")
	levels("people", "stratum", d.Strata, -1)
	say("people", "arm", "factor", "", "arm into which the school was drawn; the level of kind control is the control arm")
	levels("people", "arm", d.Arms, d.Control)
	say("people", "community", "factor", "", "community into which the school was drawn; empty for none")
	levels("people", "community", d.Communities, -1)
	say("people", "outcome", "number", "", "the score, in its own units; empty where it was not observed")
	say("people", "lost", "text", "", "why the score was not observed")
	for _, part := range []struct {
		file string
		all  []analysis.Column
	}{{"people", d.Covariates}, {"schools", d.SchoolCovariates}} {
		if part.file == "schools" {
			say("schools", "school", "id", "", "ID of the school")
		}
		for _, c := range part.all {
			switch {
			case c.Levels != nil:
				say(part.file, prefix+c.Name, "factor", "", "covariate; empty where it was not observed")
				levels(part.file, prefix+c.Name, c.Levels, -1)
			case c.Binary:
				say(part.file, prefix+c.Name, "yes/no", "", "covariate: 1 for yes, 0 for no; empty where it was not observed")
			default:
				say(part.file, prefix+c.Name, "number", "", "covariate; empty where it was not observed")
			}
		}
	}
	var err error
	for _, p := range []struct {
		to *[]byte
		t  *table
	}{{&f.People, people}, {&f.Schools, schools}, {&f.Codebook, book}} {
		if *p.to, err = p.t.bytes(); err != nil {
			return Files{}, fmt.Errorf("write analysis rows: %w", err)
		}
	}
	return f, nil
}

// field writes a covariate's value of one row.
func field(c analysis.Column, i int) string {
	if c.Observed != nil && !c.Observed[i] {
		return ""
	}
	if c.Levels != nil {
		return c.Levels[c.Codes[i]]
	}
	return Decimal(c.Values[i])
}

type table struct {
	b    bytes.Buffer
	w    *csv.Writer
	line []string
	err  error
}

func newTable(head []string) *table {
	t := &table{}
	t.w = csv.NewWriter(&t.b)
	t.add(head)
	return t
}

func (t *table) add(line []string) {
	for _, s := range line {
		if strings.ContainsRune(s, '\r') && t.err == nil {
			t.err = fmt.Errorf("the text %q has a carriage return, which a CSV file does not keep: take it out of the record", s)
		}
	}
	if err := t.w.Write(line); err != nil && t.err == nil {
		t.err = err
	}
	t.line = line
}

func (t *table) bytes() ([]byte, error) {
	t.w.Flush()
	if t.err == nil {
		t.err = t.w.Error()
	}
	return t.b.Bytes(), t.err
}

// check says what is wrong with a dataset that should be written.
func check(d *analysis.Dataset) error {
	n := len(d.ID)
	for _, p := range []struct {
		name string
		n    int
	}{{"Outcome", len(d.Outcome)}, {"Observed", len(d.Observed)}, {"Lost", len(d.Lost)}, {"Arm", len(d.Arm)}, {"Cluster", len(d.Cluster)}, {"Stratum", len(d.Stratum)}, {"Community", len(d.Community)}} {
		if p.n != n {
			return fmt.Errorf("%d rows, but %d entries of %s", n, p.n, p.name)
		}
	}
	if d.Control < 0 || d.Control >= len(d.Arms) {
		return fmt.Errorf("the control arm is number %d of %d arms", d.Control, len(d.Arms))
	}
	in := func(what string, i, n int) error {
		if i < 0 || i >= n {
			return fmt.Errorf("%s number %d of %d", what, i, n)
		}
		return nil
	}
	for i := range n {
		if err := errors.Join(in("arm", d.Arm[i], len(d.Arms)), in("school", d.Cluster[i], len(d.Clusters)), in("stratum", d.Stratum[i], len(d.Strata))); err != nil {
			return fmt.Errorf("row %s: %w", d.ID[i], err)
		}
		if d.Community[i] < -1 || d.Community[i] >= len(d.Communities) {
			return fmt.Errorf("row %s: community number %d of %d", d.ID[i], d.Community[i], len(d.Communities))
		}
		if d.Observed[i] && (math.IsNaN(d.Outcome[i]) || math.IsInf(d.Outcome[i], 0)) {
			return fmt.Errorf("row %s: the outcome is not a finite number", d.ID[i])
		}
		if d.Observed[i] != (d.Lost[i] == "") {
			return fmt.Errorf("row %s: a reason for a loss and an observed outcome exclude one another", d.ID[i])
		}
	}
	for _, part := range []struct {
		all []analysis.Column
		n   int
	}{{d.Covariates, n}, {d.SchoolCovariates, len(d.Clusters)}} {
		names := map[string]bool{}
		for _, c := range part.all {
			if names[c.Name] {
				return fmt.Errorf("two covariates are named %q", c.Name)
			}
			names[c.Name] = true
			values := len(c.Values)
			if c.Levels != nil {
				values = len(c.Codes)
			}
			if values != part.n || c.Observed != nil && len(c.Observed) != part.n {
				return fmt.Errorf("covariate %q: %d values and %d marks of observation for %d rows", c.Name, values, len(c.Observed), part.n)
			}
			for i := range part.n {
				if c.Observed != nil && !c.Observed[i] {
					continue
				}
				if c.Levels != nil {
					if err := in("level", c.Codes[i], len(c.Levels)); err != nil {
						return fmt.Errorf("covariate %q: %w", c.Name, err)
					}
				} else if math.IsNaN(c.Values[i]) || math.IsInf(c.Values[i], 0) {
					return fmt.Errorf("covariate %q, row %d: not a finite number", c.Name, i+1)
				}
			}
		}
	}
	for _, list := range [][]string{d.Arms, d.Clusters, d.Strata, d.Communities} {
		seen := map[string]bool{}
		for _, s := range list {
			if s == "" || seen[s] {
				return fmt.Errorf("the label %q is empty or stands twice", s)
			}
			seen[s] = true
		}
	}
	return nil
}

// column is a column as the codebook describes it.
type column struct {
	kind    string
	levels  []string
	control int
}

// Read reads the files back. Every fault is an error with its file and line.
func Read(f Files) (*analysis.Dataset, error) {
	d, err := read(f)
	if err != nil {
		return nil, fmt.Errorf("read analysis rows: %w", err)
	}
	if err := check(d); err != nil {
		return nil, fmt.Errorf("read analysis rows: %w", err)
	}
	return d, nil
}

func read(f Files) (*analysis.Dataset, error) {
	columns := map[string]*column{}
	order := map[string][]string{}
	err := each("codebook", f.Codebook, func(head, line []string) error {
		if head != nil {
			return want(head, "file", "column", "kind", "level", "meaning")
		}
		key := line[0] + "/" + line[1]
		switch kind := line[2]; kind {
		case "level", "control":
			c := columns[key]
			if c == nil || c.kind != "factor" {
				return fmt.Errorf("a level of %q, which is no factor", line[1])
			}
			if kind == "control" {
				if c.control >= 0 || line[1] != "arm" {
					return errors.New("a second control arm, or one of a column that is not the arm")
				}
				c.control = len(c.levels)
			}
			c.levels = append(c.levels, line[3])
		case "id", "school", "number", "yes/no", "text", "factor":
			if columns[key] != nil {
				return fmt.Errorf("column %q stands twice", line[1])
			}
			if line[0] != "people" && line[0] != "schools" {
				return fmt.Errorf("a file %q", line[0])
			}
			columns[key] = &column{kind: kind, control: -1, levels: []string{}}
			order[line[0]] = append(order[line[0]], line[1])
		default:
			return fmt.Errorf("kind %q", kind)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	d := &analysis.Dataset{}
	for name, kind := range map[string]string{"pupil": "id", "school": "school", "stratum": "factor", "arm": "factor", "community": "factor", "outcome": "number", "lost": "text"} {
		if c := columns["people/"+name]; c == nil || c.kind != kind {
			return nil, fmt.Errorf("codebook: the people's column %q should be of kind %q", name, kind)
		}
	}
	if len(order["people"]) < 7 {
		return nil, errors.New("codebook: columns of the people's file are missing")
	}
	d.Strata, d.Arms, d.Communities = columns["people/stratum"].levels, columns["people/arm"].levels, columns["people/community"].levels
	d.Control = columns["people/arm"].control
	if len(d.Communities) == 0 {
		d.Communities = nil
	}

	covariates := func(file string, skip int) ([]analysis.Column, []index) {
		var all []analysis.Column
		var at []index
		for _, name := range order[file][min(skip, len(order[file])):] {
			c := columns[file+"/"+name]
			col := analysis.Column{Name: strings.TrimPrefix(name, prefix), Binary: c.kind == "yes/no"}
			var ix index
			if c.kind == "factor" {
				col.Levels = c.levels
				ix = indexOf(c.levels)
			}
			all = append(all, col)
			at = append(at, ix)
		}
		return all, at
	}
	var schoolLevels []index
	d.SchoolCovariates, schoolLevels = covariates("schools", 1)
	err = each("schools", f.Schools, func(head, line []string) error {
		if head != nil {
			return want(head, order["schools"]...)
		}
		d.Clusters = append(d.Clusters, line[0])
		return take(d.SchoolCovariates, schoolLevels, line[1:])
	})
	if err != nil {
		return nil, err
	}
	var levels []index
	d.Covariates, levels = covariates("people", 7)
	school, stratum, arm, community := indexOf(d.Clusters), indexOf(d.Strata), indexOf(d.Arms), indexOf(d.Communities)
	err = each("people", f.People, func(head, line []string) error {
		if head != nil {
			if err := want(head[:min(7, len(head))], "pupil", "school", "stratum", "arm", "community", "outcome", "lost"); err != nil {
				return err
			}
			return want(head, order["people"]...)
		}
		d.ID = append(d.ID, line[0])
		for _, p := range []struct {
			name  string
			value string
			in    index
			to    *[]int
		}{{"school", line[1], school, &d.Cluster}, {"stratum", line[2], stratum, &d.Stratum}, {"arm", line[3], arm, &d.Arm}} {
			i, ok := p.in[p.value]
			if !ok {
				return fmt.Errorf("%s %q is not in the codebook", p.name, p.value)
			}
			*p.to = append(*p.to, i)
		}
		c := -1
		if line[4] != "" {
			var ok bool
			if c, ok = community[line[4]]; !ok {
				return fmt.Errorf("community %q is not in the codebook", line[4])
			}
		}
		d.Community = append(d.Community, c)
		value, observed, err := parse(line[5])
		if err != nil {
			return fmt.Errorf("outcome %w", err)
		}
		d.Outcome, d.Observed, d.Lost = append(d.Outcome, value), append(d.Observed, observed), append(d.Lost, line[6])
		return take(d.Covariates, levels, line[7:])
	})
	return d, err
}

type index map[string]int

func indexOf(all []string) index {
	m := make(index, len(all))
	for i, s := range all {
		m[s] = i
	}
	return m
}

func want(got []string, names ...string) error {
	if strings.Join(got, "\x00") != strings.Join(names, "\x00") {
		return fmt.Errorf("the columns are %q, want %q", got, names)
	}
	return nil
}

func parse(s string) (v float64, observed bool, err error) {
	if s == "" {
		return 0, false, nil
	}
	v, err = strconv.ParseFloat(s, 64)
	if err != nil || math.IsInf(v, 0) || math.IsNaN(v) || Decimal(v) != s {
		return 0, false, fmt.Errorf("%q is not a number as this file writes it", s)
	}
	return v, true, nil
}

// take appends a row's covariates.
func take(to []analysis.Column, levels []index, line []string) error {
	for k := range to {
		c := &to[k]
		if c.Levels != nil {
			code, ok := levels[k][line[k]]
			if !ok && line[k] != "" {
				return fmt.Errorf("%s: %q is not a level in the codebook", c.Name, line[k])
			}
			c.Codes, c.Observed = append(c.Codes, code), append(c.Observed, line[k] != "")
			continue
		}
		v, observed, err := parse(line[k])
		if err != nil {
			return fmt.Errorf("%s: %w", c.Name, err)
		}
		if c.Binary && observed && v != 0 && v != 1 {
			return fmt.Errorf("%s: %q is neither 1 nor 0", c.Name, line[k])
		}
		c.Values, c.Observed = append(c.Values, v), append(c.Observed, observed)
	}
	return nil
}

// each reads a CSV file: the head first, then every line.
func each(name string, text []byte, fn func(head, line []string) error) error {
	r := csv.NewReader(bytes.NewReader(text))
	r.ReuseRecord = false
	head, err := r.Read()
	if err == io.EOF {
		return fmt.Errorf("%s: the file is empty", name)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	if err := fn(head, nil); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	for {
		line, err := r.Read()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		if err := fn(nil, line); err != nil {
			n, _ := r.FieldPos(0)
			return fmt.Errorf("%s, line %d: %w", name, n, err)
		}
	}
}
