package randomize

import (
	"bytes"
	"math"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxName is the longest name of an arm, a column or a unit, in bytes.
const maxName = 64

// isName says whether s may name an arm, a column or a unit:
// [A-Za-z0-9._-]{1,64}.
func isName(s string) bool {
	if len(s) == 0 || len(s) > maxName {
		return false
	}
	for i := 0; i < len(s); i++ {
		c := s[i]
		switch {
		case 'A' <= c && c <= 'Z', 'a' <= c && c <= 'z', '0' <= c && c <= '9', c == '.', c == '_', c == '-':
		default:
			return false
		}
	}
	return true
}

// whyNotName explains what is wrong with s as a name.
func whyNotName(s string) string {
	switch {
	case s == "":
		return "is empty"
	case len(s) > maxName:
		return "is longer than 64 characters"
	}
	for _, r := range s {
		if r == ' ' || r == '\u00a0' {
			return "contains a space"
		}
		if r > unicode.MaxASCII && unicode.IsLetter(r) {
			return "contains the letter " + strconv.QuoteRune(r) + ", which can be spelled in more than one way"
		}
		if !isName(string(r)) {
			return "contains " + strconv.QuoteRune(r)
		}
	}
	return "is not a name"
}

// canonicalInt reads a decimal whole number in its only allowed spelling: no
// plus sign, no leading zero, no "-0".
func canonicalInt(s string) (int64, bool) {
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || strconv.FormatInt(n, 10) != s {
		return 0, false
	}
	return n, true
}

// canonicalCount reads a whole number from lo to hi in its only spelling.
func canonicalCount(s string, lo, hi int64) (int, bool) {
	n, ok := canonicalInt(s)
	if !ok || n < lo || n > min(hi, math.MaxInt32) {
		return 0, false
	}
	return int(n), true
}

// textLines splits a committed text into its lines, having noted what is
// wrong with its bytes. The first line must be first. It returns the lines
// after the first (line i is line i+2 of the text) and whether they are worth
// reading.
func textLines(text []byte, first string, f *faults) ([]string, bool) {
	if len(text) == 0 {
		f.add(1, "the text is empty; its first line must be %q", first)
		return nil, false
	}
	if bytes.HasPrefix(text, []byte("\xef\xbb\xbf")) {
		f.add(1, "the text begins with a byte-order mark; save it as UTF-8 without one, since every byte is hashed")
		text = text[3:]
	}
	if bytes.HasPrefix(text, []byte("\xff\xfe")) || bytes.HasPrefix(text, []byte("\xfe\xff")) {
		f.add(1, "the text is UTF-16; save it as UTF-8 without a byte-order mark")
		return nil, false
	}
	if !bytes.HasSuffix(text, []byte("\n")) {
		f.add(bytes.Count(text, []byte("\n"))+1, "the last line is not ended by a line feed; a text cut short looks the same, so it is refused")
	} else {
		text = text[:len(text)-1]
	}
	lines := strings.Split(string(text), "\n")
	for i, line := range lines {
		switch {
		case strings.HasSuffix(line, "\r"):
			f.add(i+1, "the line ends with a carriage return (Windows line ends); lines end with a line feed alone, since every byte is hashed")
			lines[i] = strings.TrimSuffix(line, "\r")
		case !utf8.ValidString(line):
			f.add(i+1, "the line is not UTF-8; save the text as UTF-8")
		case strings.ContainsFunc(line, func(r rune) bool { return r != '\t' && unicode.IsControl(r) }):
			f.add(i+1, "the line contains a control character")
		}
	}
	if lines[0] != first {
		f.add(1, "the first line is %q, want %q", clip(lines[0]), first)
		return lines[1:], false
	}
	return lines[1:], true
}

// clip shortens a value for a sentence.
func clip(s string) string {
	const most = 80
	if len(s) <= most {
		return s
	}
	cut := most
	for cut > 0 && !utf8.RuneStart(s[cut]) {
		cut--
	}
	return s[:cut] + "…"
}
