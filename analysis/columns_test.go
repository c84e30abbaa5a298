package analysis

import (
	"fmt"
	"testing"
)

func TestFactorSortsItsLevels(t *testing.T) {
	for _, c := range []struct {
		text []string
		want string
	}{
		{[]string{"10", "9", "1", "9"}, "[1 9 10] [2 1 0 1] []"},
		{[]string{"b", "", "a"}, "[a b] [1 0 0] [true false true]"},
		{[]string{"2", "x", "10"}, "[10 2 x] [1 2 0] []"},
		{[]string{"", ""}, "[] [0 0] [false false]"},
	} {
		f := Factor("f", c.text)
		if got := fmt.Sprint(f.Levels, f.Codes, f.Observed); got != c.want {
			t.Errorf("Factor(%q) = %s, want %s", c.text, got, c.want)
		}
		if !f.IsFactor() || f.Len() != len(c.text) {
			t.Errorf("Factor(%q) is not a factor of %d rows", c.text, len(c.text))
		}
	}
}
