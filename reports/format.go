package reports

import (
	"math"
	"strconv"
	"strings"
	"time"
)

// Format says how a number is written. This file is the only place where
// numbers are rounded.
type Format int

// The formats. Numbers are rounded from their exact binary value to the
// nearest decimal, as strconv.FormatFloat does it; halves that binary numbers
// can hold exactly (0.125 at two decimals) go to the even digit.
const (
	Count      Format = iota // whole number with commas: 3,679
	Share                    // a share in [0,1] as a percentage with one decimal: 10.5%
	Points                   // a difference of shares in percentage points, one decimal: 4.2
	Level                    // a confidence level in (0,1) as a percentage: 95%
	EffectSize               // standard deviations, two decimals: −0.06
	Score                    // outcome units, two decimals: 103.47
	SD                       // standard deviations and variances in outcome units, two decimals
	PValue                   // three decimals, < 0.001 below that
	ICC                      // three decimals
	DF                       // degrees of freedom, one decimal
	Decimals1                // one decimal
	Months                   // whole months with sign: +2
	Exact                    // all digits: the shortest decimal that reads back as the same number
)

// minus is the minus sign, as wide as a digit and never a hyphen.
const minus = "−"

// Write gives the number in the format. A number that rounds to nothing has
// no sign.
func (f Format) Write(v float64) string {
	switch f {
	case Count:
		return thousands(fixed(v, 0))
	case Share:
		return fixed(100*v, 1) + "%"
	case Points:
		return fixed(100*v, 1)
	case Level:
		return trimZeros(fixed(100*v, 2)) + "%"
	case EffectSize, Score, SD:
		return fixed(v, 2)
	case PValue:
		if v < 0.001 && v >= 0 {
			return "< 0.001"
		}
		return fixed(v, 3)
	case ICC:
		return fixed(v, 3)
	case DF, Decimals1:
		return thousands(fixed(v, 1))
	case Months:
		s := fixed(v, 0)
		if v > 0 && s != "0" {
			return "+" + s
		}
		return s
	case Exact:
		s := strconv.FormatFloat(v, 'g', -1, 64)
		return strings.Replace(s, "-", minus, 1)
	}
	panic("reports: a format without a rule: " + strconv.Itoa(int(f)))
}

// fixed rounds to so many decimals.
func fixed(v float64, decimals int) string {
	s := strconv.FormatFloat(math.Abs(v), 'f', decimals, 64)
	if v < 0 && strings.Trim(s, "0.") != "" {
		return minus + s
	}
	return s
}

func trimZeros(s string) string {
	if strings.Contains(s, ".") {
		s = strings.TrimRight(strings.TrimRight(s, "0"), ".")
	}
	return s
}

// thousands sets commas: 12345.6 becomes 12,345.6.
func thousands(s string) string {
	whole, rest, _ := strings.Cut(s, ".")
	sign := ""
	if w, ok := strings.CutPrefix(whole, minus); ok {
		sign, whole = minus, w
	}
	for i := len(whole) - 3; i > 0; i -= 3 {
		whole = whole[:i] + "," + whole[i:]
	}
	if rest != "" {
		rest = "." + rest
	}
	return sign + whole + rest
}

// Day writes a day: 14 March 2016; "" for the zero time.
func Day(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format("2 January 2006")
}

// Moment writes an instant: 14 March 2016, 09:41:07 UTC; "" for the zero time.
func Moment(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format("2 January 2006, 15:04:05 UTC")
}

// dateText writes a trial.Date in words, or as it is if it is not a day.
func dateText(s string) string {
	if t, err := time.Parse("2006-01-02", s); err == nil {
		return Day(t)
	}
	return s
}
