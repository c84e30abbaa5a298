package audit

import (
	"bytes"
	"fmt"
	"math"
	"strings"
	"testing"
)

func TestSpread(t *testing.T) {
	c := balanceColumn{sum: []float64{10, 40, 6, 0}, n: []float64{2, 4, 2, 0}}
	// arm 0: (10+40)/6 = 8.333…; arm 1: 6/2 = 3; the last school has nobody
	if got, want := c.spread([]int{0, 0, 1, 1}, 2), 50.0/6-3; math.Abs(got-want) > 1e-12 {
		t.Errorf("spread %v, want %v", got, want)
	}
	if got := c.spread([]int{0, 0, 0, 0}, 3); got != 0 {
		t.Errorf("one arm with everybody has spread %v", got)
	}
}

func TestWhatIf(t *testing.T) {
	m := finished(t, 24, 4)
	zip := write(t, m.b)
	r := bytes.NewReader(zip)
	text, err := WhatIfDropped(r, int64(len(zip)), "100007")
	if err != nil {
		t.Fatal(err)
	}
	var arms, others, both int
	line := strings.Split(text, "\n")[1]
	if _, err := fmt.Sscanf(line, "%d of the %d others would be in another arm, %d in another", &arms, &others, &both); err != nil {
		t.Fatalf("%q: %v", line, err)
	}
	if others != 23 || arms == 0 || both < arms || both > others || strings.Count(text, "→") != both {
		t.Errorf("%d arms and %d places of %d others:\n%s", arms, both, others, text)
	}
	if _, err := WhatIfDropped(r, int64(len(zip)), "1"); err == nil {
		t.Error("a school that is not there was dropped")
	}
	text, err = AmongRedraws(r, int64(len(zip)), 300)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"covariate baseline", "covariate fsm", "AMONG 300 REDRAWS"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
	if again, _ := AmongRedraws(r, int64(len(zip)), 300); again != text {
		t.Error("redraws are not the same the second time")
	}
}
