package audit

import (
	"strconv"
	"strings"
	"unicode"
)

// oneLine makes a finding a line of its own: what stands in a stranger's bundle
// must not write lines into the findings, or steer the screen that shows them.
func oneLine(s string) string {
	if !strings.ContainsFunc(s, steers) {
		return s
	}
	var b strings.Builder
	for _, r := range strings.ReplaceAll(s, "\n", " / ") {
		if steers(r) {
			b.WriteString(strings.Trim(strconv.QuoteRuneToASCII(r), "'"))
			continue
		}
		b.WriteRune(r)
	}
	return b.String()
}

// steers says whether a sign does something other than being seen: control
// characters, the marks of writing direction, ends of lines, and bytes that
// are no UTF-8.
func steers(r rune) bool {
	return unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) || r == '\u2028' || r == '\u2029' || r == unicode.ReplacementChar
}
