package figure

import (
	"fmt"
	"strings"
	"unicode"
)

// widths holds the advance widths of Helvetica (and of Arial and Liberation
// Sans, which share them) for U+0020 to U+007E in thousandths of the type
// size: enough to fit boxes around text without a font engine.
var widths = [95]int{
	278, 278, 355, 556, 556, 889, 667, 191, 333, 333, 389, 584, 278, 333, 278, 278, // space to /
	556, 556, 556, 556, 556, 556, 556, 556, 556, 556, 278, 278, 584, 584, 584, 556, // 0 to ?
	1015, 667, 667, 722, 722, 667, 611, 778, 722, 278, 500, 667, 556, 833, 722, 778, // @ to O
	667, 778, 722, 667, 611, 722, 667, 944, 667, 667, 611, 278, 278, 278, 469, 556, // P to _
	333, 556, 556, 500, 556, 556, 278, 556, 556, 222, 222, 500, 222, 833, 556, 556, // ` to o
	556, 556, 333, 500, 278, 556, 500, 722, 500, 500, 500, 334, 260, 334, 584, // p to ~
}

// Width estimates how wide a text is at a type size, in the unit of size.
// Letters outside ASCII count as wide as they can reasonably be, so that the
// estimate errs on the side of a larger box. What is invisible is as wide as the
// code that is shown for it.
func Width(s string, size float64, bold bool) float64 {
	sum := 0
	for _, r := range Visible(s) {
		switch {
		case r >= ' ' && r <= '~':
			sum += widths[r-' ']
		case unicode.Is(unicode.Mn, r):
		case r == '−' || r == '±' || r == '×' || r == '≤' || r == '≥':
			sum += 584
		case r == '–':
			sum += 556
		case r == '“' || r == '”':
			sum += 333
		case r == '‘' || r == '’':
			sum += 222
		case r == '·' || r == '\u00a0' || r == '\u202f':
			sum += 278
		case r >= 0x1100:
			sum += 1000
		default:
			sum += 667
		}
	}
	w := float64(sum) * size / 1000
	if bold {
		w *= 1.07
	}
	return w
}

// Wrap breaks a text into lines no wider than width at the type size, at
// spaces where there are any and within a word where there are none. At most
// max lines are given (0 for no limit); the last ends in … if more was left.
func Wrap(s string, width, size float64, bold bool, max int) []string {
	var lines []string
	line := ""
	flush := func() {
		if line != "" {
			lines = append(lines, line)
			line = ""
		}
	}
	for _, word := range strings.FieldsFunc(s, func(r rune) bool { return r == ' ' || r == '\n' || r == '\t' }) {
		if max > 0 && len(lines) > max {
			break
		}
		word = Visible(word)
		try := word
		if line != "" {
			try = line + " " + word
		}
		if Width(try, size, bold) <= width {
			line = try
			continue
		}
		flush()
		if Width(word, size, bold) <= width {
			line = word
			continue
		}
		for _, r := range word {
			if line != "" && Width(line+string(r), size, bold) > width {
				flush()
				if max > 0 && len(lines) > max {
					break
				}
			}
			line += string(r)
		}
	}
	flush()
	if max > 0 && len(lines) > max {
		lines = lines[:max]
		last := []rune(lines[max-1])
		for len(last) > 0 && Width(string(last)+"…", size, bold) > width {
			last = last[:len(last)-1]
		}
		lines[max-1] = string(last) + "…"
	}
	if len(lines) == 0 {
		lines = []string{""}
	}
	return lines
}

// Fit cuts a text to a width, with … where something was cut off.
func Fit(s string, width, size float64, bold bool) string {
	s = Visible(s)
	if Width(s, size, bold) <= width {
		return s
	}
	w, cut := Width("…", size, bold), 0
	for i, r := range s {
		w += Width(string(r), size, bold)
		if w > width {
			break
		}
		cut = i + len(string(r))
	}
	return s[:cut] + "…"
}

// Visible makes a text safe to show: control characters, marks that turn the
// direction of writing and other invisible characters appear as their code in
// angle brackets, so that they neither act nor vanish. Bytes that are not
// UTF-8 appear as U+FFFD.
func Visible(s string) string {
	clean := true
	for _, r := range s {
		if hidden(r) || r == unicode.ReplacementChar {
			clean = false
			break
		}
	}
	if clean {
		return s
	}
	var b strings.Builder
	for _, r := range s {
		if hidden(r) {
			fmt.Fprintf(&b, "⟨U+%04X⟩", r)
		} else {
			b.WriteRune(r)
		}
	}
	return b.String()
}

// hidden says whether a character is invisible or changes how others appear.
// The joiners U+200C and U+200D are letters' business in several scripts and
// stay.
func hidden(r rune) bool {
	switch {
	case r == 0x200c || r == 0x200d:
		return false
	case unicode.IsControl(r), unicode.Is(unicode.Cf, r), unicode.Is(unicode.Zl, r), unicode.Is(unicode.Zp, r), unicode.Is(unicode.Co, r):
		return true
	case r == 0xfffe || r == 0xffff:
		return true
	}
	return false
}

var escaper = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", `"`, "&quot;", "'", "&#39;")

func escape(s string) string { return escaper.Replace(Visible(s)) }
