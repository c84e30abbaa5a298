package reports

import (
	"math"
	"strconv"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestFormats(t *testing.T) {
	for _, c := range []struct {
		f    Format
		v    float64
		want string
	}{
		{Count, 0, "0"}, {Count, 999, "999"}, {Count, 1000, "1,000"}, {Count, 3679, "3,679"}, {Count, 1234567, "1,234,567"}, {Count, -1234, "−1,234"},
		{Share, 36.0 / 344, "10.5%"}, {Share, 0, "0.0%"}, {Share, 1, "100.0%"},
		{Points, 10.0 / 172, "5.8"}, {Points, -0.0004, "0.0"},
		{Level, 0.95, "95%"}, {Level, 0.9, "90%"}, {Level, 0.975, "97.5%"}, {Level, 1.0 / 3, "33.33%"},
		{EffectSize, 0.2572448985, "0.26"}, {EffectSize, -0.06, "−0.06"}, {EffectSize, -0.004, "0.00"}, {EffectSize, 0.005, "0.01"}, {EffectSize, 0.125, "0.12"}, {EffectSize, 0.375, "0.38"},
		{Score, 103.4721, "103.47"}, {SD, 6.6237, "6.62"},
		{PValue, 0.2179344, "0.218"}, {PValue, 0.0009999, "< 0.001"}, {PValue, 0.001, "0.001"}, {PValue, 0, "< 0.001"}, {PValue, 1, "1.000"},
		{ICC, 0.37952378, "0.380"}, {DF, 20.8459, "20.8"}, {DF, 1786.34614, "1,786.3"},
		{Months, 2, "+2"}, {Months, 0, "0"}, {Months, -1, "−1"},
		{Exact, 0.1, "0.1"}, {Exact, -1e-7, "−1e-07"},
	} {
		if got := c.f.Write(c.v); got != c.want {
			t.Errorf("format %d of %v = %q, want %q", c.f, c.v, got, c.want)
		}
	}
}

// What is written is within half a unit of the last decimal of what it stands
// for, and reads back as a number.
func TestRoundingIsNear(t *testing.T) {
	decimals := map[Format]int{Count: 0, EffectSize: 2, Score: 2, SD: 2, ICC: 3, DF: 1, Decimals1: 1, Months: 0}
	rapid.Check(t, func(t *rapid.T) {
		v := rapid.Float64Range(-1e6, 1e6).Draw(t, "value")
		for f, d := range decimals {
			s := f.Write(v)
			plain := strings.NewReplacer(",", "", "−", "-", "+", "").Replace(s)
			got, err := strconv.ParseFloat(plain, 64)
			if err != nil {
				t.Fatalf("format %d of %v = %q, which is no number", f, v, s)
			}
			if math.Abs(got-v) > 0.5*math.Pow(10, -float64(d))+1e-9 {
				t.Fatalf("format %d of %v = %q", f, v, s)
			}
			if strings.HasPrefix(s, "−") && got == 0 {
				t.Fatalf("format %d of %v = %q: nothing has no sign", f, v, s)
			}
		}
	})
}

func TestDates(t *testing.T) {
	at := time.Date(2016, 3, 4, 9, 5, 7, 123, time.FixedZone("", 3600))
	if got := Day(at); got != "4 March 2016" {
		t.Errorf("Day = %q", got)
	}
	if got := Moment(at); got != "4 March 2016, 08:05:07 UTC" {
		t.Errorf("Moment = %q", got)
	}
	if Day(time.Time{}) != "" || Moment(time.Time{}) != "" {
		t.Error("the zero time is written")
	}
}

// A sentence with a number of its own, a sentence with too few cells, and a
// cell that stands in no table are refused.
func TestBuilderRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		do   func(*builder)
		want string
	}{
		"a digit in words": {func(b *builder) { b.say("There were 24 schools.") }, "number of its own"},
		"too few cells":    {func(b *builder) { b.say("There were {} schools and {} pupils.", words("a")) }, "2 places for 1 cells"},
		"a homeless cell":  {func(b *builder) { b.say("There were {} schools.", count(3)) }, "stands in no table"},
		"a cell used twice": {func(b *builder) {
			x := count(1)
			b.table(&Table{ID: "t", Columns: make([]Column, 2), Rows: []Row{{Cells: []*Cell{x, x}}}})
		}, "stands at t/1/1 already"},
		"a short row": {func(b *builder) {
			b.table(&Table{ID: "t", Columns: make([]Column, 2), Rows: []Row{{Cells: []*Cell{words("x")}}}})
		}, "1 cells for 2 columns"},
		"two of one ID":      {func(b *builder) { b.table(&Table{ID: "x"}); b.table(&Table{ID: "x"}) }, "ID x"},
		"a group too narrow": {func(b *builder) { b.table(&Table{ID: "t", Groups: []Group{{"x", 1}}, Columns: make([]Column, 2)}) }, "headings over 1 of 2"},
	} {
		b := &builder{r: &Report{}, notes: map[string]int{}}
		b.section("s", "Section")
		c.do(b)
		b.finish()
		if got := strings.Join(b.faults, "; "); !strings.Contains(got, c.want) {
			t.Errorf("%s: faults %q, want one with %q", name, got, c.want)
		}
	}
}
