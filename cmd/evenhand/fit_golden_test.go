package main

import (
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"strings"
	"testing"
)

// fitCases are results of software that is not ours; at says where in the
// command's JSON a number stands: coefficients/TERM/se, variances/LEVEL|TERM/value,
// effect_sizes/TERM|DENOMINATOR/value, criterion/value …
type fitCases struct {
	Source string
	Cases  []struct {
		Name string
		Args []string
		Want []struct {
			At        string
			Value     float64
			Tolerance float64 // relative
		}
	}
}

// listKeys are the fields by which a list's entry is known.
var listKeys = map[string][]string{
	"coefficients": {"term"}, "variances": {"level", "term"}, "icc": {"level"},
	"joint_tests": {"term"}, "school_effects": {"level", "group", "term"}, "hedges": {"term"}, "quantities": {"name"}, "estimates": {"term", "scale"},
	"effect_sizes": {"term", "denominator"}, "g_mlm": {"term", "denominator"}, "eef_analytics": {"term", "name"},
}

// at finds a number in JSON.
func at(v any, path string) (float64, error) {
	list := ""
	for step := range strings.SplitSeq(path, "/") {
		switch x := v.(type) {
		case map[string]any:
			next, ok := x[step]
			if !ok {
				return 0, fmt.Errorf("%s: no field %q", path, step)
			}
			v, list = next, step
		case []any:
			if i, err := strconv.Atoi(step); err == nil && list == "ci" || strings.HasPrefix(list, "ci_") {
				v = x[i]
				continue
			}
			found := false
			for _, e := range x {
				entry, names := e.(map[string]any), []string{}
				for _, key := range listKeys[list] {
					name, _ := entry[key].(string)
					names = append(names, name)
				}
				if strings.Join(names, "|") == step {
					v, found = e, true
					break
				}
			}
			if !found {
				return 0, fmt.Errorf("%s: no entry %q", path, step)
			}
		default:
			return 0, fmt.Errorf("%s: nothing at %q", path, step)
		}
	}
	switch x := v.(type) {
	case float64:
		return x, nil
	case bool:
		if x {
			return 1, nil
		}
		return 0, nil
	}
	return 0, fmt.Errorf("%s is %v, not a number", path, v)
}

// agrees says whether two numbers agree to a relative tolerance; a number that
// should be zero has to be within the tolerance of it.
func agrees(got, want, tolerance float64) bool {
	if want == 0 {
		return math.Abs(got) <= tolerance
	}
	return math.Abs(got-want) <= tolerance*math.Abs(want)
}

// digits is to how many figures two numbers agree, 17 for equal ones.
func digits(got, want float64) float64 {
	d := math.Abs(got - want)
	if want != 0 {
		d /= math.Abs(want)
	}
	return -math.Log10(math.Max(d, 1e-17))
}

// `analysis fit` gives the numbers of arithmetic to 40 digits and of R's
// packages, for every model.
func TestFitGolden(t *testing.T) {
	var all fitCases
	golden(t, "fits.json", &all)
	checks := 0
	w := newWorld(t)
	fewest := map[string]float64{}
	for _, c := range all.Cases {
		args := append([]string{"analysis", "fit", "--format", "json"}, c.Args...)
		for i, a := range args {
			if strings.HasSuffix(a, ".csv") {
				args[i] = "../../analysis/internal/golden/testdata/data/" + a
			}
		}
		var out any
		if err := json.Unmarshal([]byte(w.must(args...)), &out); err != nil {
			t.Fatalf("%s: %v", c.Name, err)
		}
		kind, _, _ := strings.Cut(c.Name, " ")
		for _, q := range c.Want {
			got, err := at(out, q.At)
			if err != nil {
				t.Errorf("%s: %v", c.Name, err)
				continue
			}
			checks++
			if !agrees(got, q.Value, q.Tolerance) {
				t.Errorf("%s: %s is %.17g, want %.17g (%.1f digits, asked for %.0e)", c.Name, q.At, got, q.Value, digits(got, q.Value), q.Tolerance)
			}
			if d := digits(got, q.Value); q.Tolerance > 0 {
				if f, ok := fewest[kind]; !ok || d < f {
					fewest[kind] = d
				}
			}
		}
	}
	if len(all.Cases) != 89 || checks != 1338 {
		t.Errorf("%d cases with %d numbers were compared, not 89 with 1338", len(all.Cases), checks)
	}
	t.Logf("%d cases, %d numbers; fewest digits that agree: %v", len(all.Cases), checks, fewest)
}

// The comparison itself can fail.
func TestAgrees(t *testing.T) {
	for _, c := range []struct {
		got, want, tolerance float64
		ok                   bool
	}{{1, 1, 0, true}, {1 + 2e-9, 1, 1e-9, false}, {0, 1e-300, 1e-9, false}, {1e-10, 0, 1e-9, true}, {1e-8, 0, 1e-9, false}, {math.NaN(), 1, 1, false}, {-1, 1, 1e-9, false}} {
		if agrees(c.got, c.want, c.tolerance) != c.ok {
			t.Errorf("agrees(%v, %v, %v) = %v", c.got, c.want, c.tolerance, !c.ok)
		}
	}
	doc := map[string]any{"coefficients": []any{map[string]any{"term": "a", "ci": []any{1.0, 2.0}}}}
	if v, err := at(doc, "coefficients/a/ci/1"); err != nil || v != 2 {
		t.Errorf("at = %v, %v", v, err)
	}
	for _, path := range []string{"coefficients/b/ci/1", "coefficients/a/se", "nothing", "coefficients/a"} {
		if v, err := at(doc, path); err == nil {
			t.Errorf("at(%s) = %v", path, v)
		}
	}
}
