package intake

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"

	"golang.org/x/text/encoding/charmap"

	"evenhand/trial"
)

// Limits of a file. The English register of schools, the largest file that is
// read, has about 60 MB, 50,000 rows and 140 columns.
const (
	maxBytes   = 256 << 20
	maxRows    = 2_000_000
	maxColumns = 2000
	maxCell    = 10_000 // characters
)

// sheet is a file as read: a header and rows of text, with their places, and
// what has been found so far.
type sheet struct {
	header []string
	rows   []record
	notes  []string
	faults Errors
	counts Counts
}

// record is a row.
type record struct {
	row   int // as a spreadsheet numbers it
	cells []string
}

// fault records a fault in a cell.
func (s *sheet) fault(r record, c column, reason, hint string) {
	s.faults.add(&RowError{Row: r.row, Column: c.header, Value: s.value(r, c), Reason: reason, Hint: hint})
}

// faultInFile records a fault of the file, or of a row as a whole.
func (s *sheet) faultInFile(row int, column, reason, hint string) {
	s.faults.add(&RowError{Row: row, Column: column, Reason: reason, Hint: hint})
}

func (s *sheet) note(format string, a ...any) { s.notes = append(s.notes, fmt.Sprintf(format, a...)) }

// readSheet reads a CSV file. What is wrong with it as a file is among the
// sheet's faults.
func readSheet(name string, r io.Reader) *sheet {
	s := &sheet{faults: Errors{File: name}}
	raw, err := io.ReadAll(io.LimitReader(r, maxBytes+1))
	switch {
	case err != nil:
		s.faultInFile(0, "", "it cannot be read: "+err.Error(), "")
		return s
	case len(raw) > maxBytes:
		s.faultInFile(0, "", fmt.Sprintf("it has more than %d MB", maxBytes>>20), "is it the right file? Take out columns and rows that the trial does not need")
		return s
	}
	text, ok := s.decode(raw)
	if !ok {
		return s
	}
	s.parse(text)
	return s
}

// decode turns the file's bytes into text.
func (s *sheet) decode(raw []byte) (string, bool) {
	switch {
	case bytes.HasPrefix(raw, []byte("PK\x03\x04")):
		s.faultInFile(0, "", "it is an Excel workbook or another zip file, not CSV", "save the sheet as CSV UTF-8")
		return "", false
	case bytes.HasPrefix(raw, []byte{0xd0, 0xcf, 0x11, 0xe0}):
		s.faultInFile(0, "", "it is an old Excel workbook, not CSV", "save the sheet as CSV UTF-8")
		return "", false
	case bytes.HasPrefix(raw, []byte{0xff, 0xfe}), bytes.HasPrefix(raw, []byte{0xfe, 0xff}):
		return s.decodeUTF16(raw)
	}
	raw = bytes.TrimPrefix(raw, []byte("\ufeff"))
	if i := bytes.IndexByte(raw, 0); i >= 0 {
		s.faultInFile(1+bytes.Count(raw[:i], []byte("\n")), "", "a NUL byte stands here, which text never has", "the file is damaged, no CSV at all, or UTF-16 without its mark: save it as CSV UTF-8")
		return "", false
	}
	if utf8.Valid(raw) {
		if i := bytes.Index(raw, []byte("\ufffd")); i >= 0 {
			s.note("row %d has the sign \ufffd, which stands where an earlier program could not read a letter", 1+bytes.Count(raw[:i], []byte("\n")))
		}
		return string(raw), true
	}
	// Not UTF-8: Windows-1252, unless some of it is UTF-8 after all.
	var b strings.Builder
	multi, bad, undefined := false, 0, 0
	for i, line := 0, 1; i < len(raw); {
		r, size := utf8.DecodeRune(raw[i:])
		switch {
		case r == utf8.RuneError && size == 1:
			if bad == 0 {
				bad = line
			}
			d := charmap.Windows1252.DecodeByte(raw[i])
			if d == utf8.RuneError && undefined == 0 {
				undefined = line
			}
			b.WriteRune(d)
		default:
			multi = multi || size > 1
			if r == '\n' {
				line++
			}
			b.WriteRune(r)
		}
		i += size
	}
	switch {
	case multi:
		s.faultInFile(bad, "", "the file is partly UTF-8, partly another encoding (here)", "it was put together from files in different encodings, and names would be garbled: save each part as UTF-8 and join them again")
		return "", false
	case undefined > 0:
		s.faultInFile(undefined, "", "a byte stands here that neither UTF-8 nor Windows-1252 has", "save the file as CSV UTF-8")
		return "", false
	}
	s.note("the file is not UTF-8 and was read as Windows-1252: check a name with an accent")
	return b.String(), true
}

func (s *sheet) decodeUTF16(raw []byte) (string, bool) {
	big := raw[0] == 0xfe
	raw = raw[2:]
	if len(raw)%2 != 0 {
		s.faultInFile(0, "", "it is UTF-16, but its last character is cut in two", "the file is damaged: have it sent again, or save it as CSV UTF-8")
		return "", false
	}
	units := make([]uint16, len(raw)/2)
	for i := range units {
		a, b := uint16(raw[2*i]), uint16(raw[2*i+1])
		if big {
			a, b = b, a
		}
		units[i] = b<<8 | a
	}
	text := string(utf16.Decode(units))
	if i := strings.IndexAny(text, "\ufffd\x00"); i >= 0 {
		s.faultInFile(1+strings.Count(text[:i], "\n"), "", "the file is UTF-16, but a character here is none", "the file is damaged: save it as CSV UTF-8")
		return "", false
	}
	s.note("the file is UTF-16 and was read as such")
	return text, true
}

// sniff finds the sign between cells: the one that stands most often in the
// first line, outside quotation marks. A first line "sep=;" says it.
func sniff(text string) (comma rune, rest string, skipped int) {
	line, after, _ := strings.Cut(text, "\n")
	if sign, ok := strings.CutPrefix(strings.ToLower(strings.TrimRight(line, "\r")), "sep="); ok && (sign == "," || sign == ";" || sign == "\t") {
		return rune(sign[0]), after, 1
	}
	counts := map[rune]int{}
	quoted := false
	for _, r := range text {
		if r == '"' {
			quoted = !quoted
		}
		if quoted {
			continue
		}
		if r == '\n' && len(counts) > 0 {
			break
		}
		if r == ',' || r == ';' || r == '\t' {
			counts[r]++
		}
	}
	comma = ','
	for _, r := range []rune{';', '\t'} {
		if counts[r] > counts[comma] {
			comma = r
		}
	}
	return comma, text, 0
}

// parse splits the text into header and rows.
func (s *sheet) parse(text string) {
	if strings.TrimSpace(text) == "" {
		s.faultInFile(0, "", "the file is empty", "is it the right file?")
		return
	}
	comma, text, skipped := sniff(text)
	if strings.ContainsRune(text, '\r') {
		text = strings.ReplaceAll(text, "\r\n", "\n")
		text = strings.ReplaceAll(text, "\r", "\n") // old Macintosh lines
	}
	r := csv.NewReader(strings.NewReader(text))
	r.Comma = comma
	r.FieldsPerRecord = -1
	within := 0 // line ends inside cells so far: a spreadsheet does not count them
	for {
		cells, err := r.Read()
		if err == io.EOF {
			break
		}
		if err != nil {
			s.syntax(err, skipped-within)
			break
		}
		line, _ := r.FieldPos(0)
		row := line + skipped - within
		for i, c := range cells {
			within += strings.Count(c, "\n")
			if n := utf8.RuneCountInString(c); n > maxCell {
				header := fmt.Sprintf("column %d", i+1)
				if i < len(s.header) {
					header = s.header[i]
				}
				s.faultInFile(row, header, fmt.Sprintf("the cell has %d characters; at most %d are read", n, maxCell), "a quotation mark may be missing at its end")
				cells[i] = ""
			}
		}
		if s.header == nil {
			s.takeHeader(row, cells)
			if len(s.faults.Faults) > 0 {
				return
			}
			continue
		}
		if s.counts.Rows == maxRows {
			s.faultInFile(row, "", fmt.Sprintf("the file has more than %d rows", maxRows), "is it the right file?")
			return
		}
		s.counts.Rows++
		s.takeRow(row, cells)
	}
	if s.counts.Rows == 0 && len(s.faults.Faults) == 0 {
		s.faultInFile(0, "", "the file has a header but no rows", "is it the right file, and was it saved with its content?")
	}
}

func (s *sheet) takeHeader(row int, cells []string) {
	if len(cells) > maxColumns {
		s.faultInFile(row, "", fmt.Sprintf("the header has %d columns; at most %d are read", len(cells), maxColumns), "is it the right file?")
		return
	}
	for len(cells) > 0 && trim(cells[len(cells)-1]) == "" {
		cells = cells[:len(cells)-1]
	}
	s.header = make([]string, len(cells))
	for i, c := range cells {
		s.header[i] = trim(c)
	}
	if len(s.header) == 0 {
		s.header = nil
		s.faultInFile(row, "", "the header row is empty", "the first row must have the columns' names")
	}
}

func (s *sheet) takeRow(row int, cells []string) {
	if !slices.ContainsFunc(cells, func(c string) bool { return trim(c) != "" }) {
		s.counts.skip(EmptyRow)
		return
	}
	for len(cells) > len(s.header) && trim(cells[len(cells)-1]) == "" {
		cells = cells[:len(cells)-1]
	}
	if len(cells) != len(s.header) {
		hint := "a cell with a comma or a line end in it needs quotation marks"
		if len(cells) < len(s.header) {
			hint = "the row is cut short, or a quotation mark is missing"
		}
		s.faultInFile(row, "", fmt.Sprintf("the row has %d cells, the header %d", len(cells), len(s.header)), hint)
		return
	}
	s.rows = append(s.rows, record{row, cells})
}

// syntax records a fault of the CSV itself. What follows it cannot be told
// apart, so reading ends there.
func (s *sheet) syntax(err error, offset int) {
	var pe *csv.ParseError
	if !errors.As(err, &pe) {
		s.faultInFile(0, "", "it cannot be read as CSV: "+err.Error(), "save it as CSV UTF-8")
		return
	}
	reason, hint := "the row cannot be read: "+pe.Err.Error(), "save the file as CSV UTF-8"
	switch {
	case errors.Is(pe.Err, csv.ErrQuote):
		reason = fmt.Sprintf("a quotation mark stands in the wrong place (character %d)", pe.Column)
		hint = "a cell with a quotation mark in it is wholly quoted, and the mark doubled; a cell must not begin with =\""
	case errors.Is(pe.Err, csv.ErrBareQuote):
		reason = fmt.Sprintf("a quotation mark stands inside a cell that is not quoted (character %d)", pe.Column)
		hint = "a cell with a quotation mark in it is wholly quoted, and the mark doubled; a cell must not begin with =\""
	}
	s.faultInFile(max(pe.StartLine+offset, 1), "", reason, hint+". Nothing after this row could be checked yet")
}

// trim takes spaces off a cell, those that only look like spaces too.
func trim(s string) string {
	return strings.TrimFunc(s, func(r rune) bool { return unicode.IsSpace(r) || r == '\u200b' || r == '\ufeff' })
}

// column is a column of the sheet; at is -1 for one that is not there.
type column struct {
	header string
	at     int
}

func (c column) there() bool { return c.at >= 0 }

// find looks for a column under any of its headers, the first that is there.
// Two columns with the header are a fault.
func (s *sheet) find(headers ...string) column {
	for _, h := range headers {
		var at []int
		for i, have := range s.header {
			if strings.EqualFold(have, trim(h)) {
				at = append(at, i)
			}
		}
		if len(at) > 1 {
			s.faultInFile(1, s.header[at[0]], fmt.Sprintf("%d columns have this header (the %s)", len(at), places(at)), "only one of them could be read: rename or take out the others")
		}
		if len(at) > 0 {
			return column{s.header[at[0]], at[0]}
		}
	}
	return column{headers[0], -1}
}

// places words column numbers: "2nd and 5th".
func places(at []int) string {
	words := make([]string, len(at))
	for i, n := range at {
		n++
		suffix := "th"
		if n%100 < 11 || n%100 > 13 {
			switch n % 10 {
			case 1:
				suffix = "st"
			case 2:
				suffix = "nd"
			case 3:
				suffix = "rd"
			}
		}
		words[i] = fmt.Sprint(n, suffix)
	}
	return strings.Join(words, " and ")
}

// need is find for a column that must be there; what says what it holds.
func (s *sheet) need(what string, headers ...string) column {
	c := s.find(headers...)
	if !c.there() && s.header != nil {
		hint := "the file's columns are: " + clipList(s.header)
		if near := trial.Nearest(headers[0], s.header); near != "" {
			hint = fmt.Sprintf("is it the column %q? T%s", near, hint[1:])
		}
		or := ""
		if len(headers) > 1 {
			or = fmt.Sprintf(" (or %s)", strings.Join(headers[1:], ", "))
		}
		s.faultInFile(1, headers[0], fmt.Sprintf("there is no column %q%s, which holds %s", headers[0], or, what), hint)
	}
	return c
}

func clipList(list []string) string {
	if len(list) > 12 {
		return strings.Join(list[:12], ", ") + fmt.Sprintf(" and %d more", len(list)-12)
	}
	return strings.Join(list, ", ")
}

// unread notes the columns that nobody read.
func (s *sheet) unread(read ...column) {
	var names []string
	for i, h := range s.header {
		if h != "" && !slices.ContainsFunc(read, func(c column) bool { return c.at == i }) {
			names = append(names, h)
		}
	}
	if len(names) > 0 {
		s.note("%d of the file's columns are not read: %s", len(names), clipList(names))
	}
}

// value gives a cell, trimmed; "" for a column that is not there.
func (s *sheet) value(r record, c column) string {
	if c.at < 0 || c.at >= len(r.cells) {
		return ""
	}
	return trim(r.cells[c.at])
}

// text is value for a cell that must have something in it and fit on a line.
func (s *sheet) text(r record, c column, what string) (string, bool) {
	v := s.value(r, c)
	switch {
	case !c.there():
		return "", false
	case v == "":
		s.fault(r, c, "the cell is empty", "it needs "+what)
		return "", false
	}
	return v, s.oneLine(r, c, v)
}

// oneLine refuses control characters in a cell.
func (s *sheet) oneLine(r record, c column, v string) bool {
	if strings.IndexFunc(v, unicode.IsControl) >= 0 {
		s.fault(r, c, "the cell has a line end or another control character in it", "write it on one line")
		return false
	}
	return true
}

// date is a day that must be given.
func (s *sheet) date(r record, c column) (trial.Date, bool) {
	v, ok := s.text(r, c, "a day")
	if !ok {
		return "", false
	}
	d, err := trial.ParseDate(v)
	if err != nil {
		s.fault(r, c, err.Error(), "")
		return "", false
	}
	return d, true
}

// word is one of a few words.
func (s *sheet) word(r record, c column, words ...string) (string, bool) {
	v, ok := s.text(r, c, "one of: "+strings.Join(words, ", "))
	if !ok {
		return "", false
	}
	for _, w := range words {
		if strings.EqualFold(v, w) {
			return w, true
		}
	}
	hint := "it must be one of: " + strings.Join(words, ", ")
	if near := trial.Nearest(v, words); near != "" {
		hint = fmt.Sprintf("did you mean %q? I%s", near, hint[1:])
	}
	s.fault(r, c, fmt.Sprintf("%q is not known here", clip(v)), hint)
	return "", false
}

// yesNo reads yes or no in the ways in which files have it.
func yesNo(v string) (yes, ok bool) {
	switch strings.ToLower(v) {
	case "yes", "y", "true", "1":
		return true, true
	case "no", "n", "false", "0":
		return false, true
	}
	return false, false
}

// once refuses a second row about the same thing, and tells both rows.
type once struct {
	what  string
	first map[string]int
}

func newOnce(what string) once { return once{what, map[string]int{}} }

func (o once) take(s *sheet, r record, c column, key string) bool {
	if row, ok := o.first[key]; ok {
		s.fault(r, c, fmt.Sprintf("%s stands here again, first in row %d", o.what, row), "which of the two is right? Take one out")
		return false
	}
	o.first[key] = r.row
	return true
}
