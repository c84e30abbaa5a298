package trial

import (
	"fmt"
	"strings"
	"time"
)

// Date is a calendar day written YYYY-MM-DD, so that dates compare as text;
// "" is no date.
type Date string

// dateForms are the ways in which people write a day that can be read without
// guessing: day before month throughout, as schools in England write it.
var dateForms = []string{"2006-01-02", "02/01/2006", "2/1/2006", "02-01-2006", "2 January 2006", "2 Jan 2006"}

// ParseDate reads a day written as 2014-09-30, 30/09/2014, 30-09-2014 or 30
// September 2014. A two-digit year is refused, as is a day that does not exist.
func ParseDate(s string) (Date, error) {
	s = strings.TrimSpace(s)
	for _, form := range dateForms {
		if t, err := time.Parse(form, s); err == nil {
			if t.Year() < 1900 || t.Year() > 2200 {
				return "", fmt.Errorf("year %d is outside 1900 to 2200", t.Year())
			}
			return Date(t.Format("2006-01-02")), nil
		}
	}
	return "", fmt.Errorf("%q is not a day: write it as 2014-09-30, 30/09/2014 or 30 September 2014", s)
}

// Time gives midnight UTC at the start of the day, and whether d is a day.
func (d Date) Time() (time.Time, bool) {
	t, err := time.Parse("2006-01-02", string(d))
	return t, err == nil
}

// DateOf gives the UTC day of an instant.
func DateOf(t time.Time) Date { return Date(t.UTC().Format("2006-01-02")) }
