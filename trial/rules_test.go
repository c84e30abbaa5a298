package trial

import (
	"fmt"
	"math/big"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func TestParseRule(t *testing.T) {
	cases := map[string]Rule{
		"phase is Primary":                                        {Kind: RuleIs, Column: "phase", Values: []string{"Primary"}},
		"phase is Primary or Middle":                              {Kind: RuleIs, Column: "phase", Values: []string{"Primary", "Middle"}},
		`phase is "Primary or not" or Middle`:                     {Kind: RuleIs, Column: "phase", Values: []string{"Primary or not", "Middle"}},
		"status is not Closed or Proposed to open":                {Kind: RuleIsNot, Column: "status", Values: []string{"Closed", "Proposed to open"}},
		"pupils at least 60":                                      {Kind: RuleAtLeast, Column: "pupils", Number: "60"},
		"fsm at most 12.5":                                        {Kind: RuleAtMost, Column: "fsm", Number: "12.5"},
		"region is known":                                         {Kind: RuleKnown, Column: "region"},
		"survey staff baseline: 60 % of staff":                    {Kind: RuleSurvey, Survey: "staff", Round: "baseline", Share: "60 %", Who: "staff"},
		"survey baseline: 75 % of teachers of key stage 2":        {Kind: RuleSurvey, Round: "baseline", Share: "75 %", Years: []int{3, 4, 5, 6}, Who: "teachers of key stage 2"},
		"survey s b: 100% of teachers of years 6, 5 and 6":        {Kind: RuleSurvey, Survey: "s", Round: "b", Share: "100%", Years: []int{5, 6}, Who: "teachers of years 6, 5 and 6"},
		"survey s b: 87.5 % of teachers of year 3 to 5":           {Kind: RuleSurvey, Survey: "s", Round: "b", Share: "87.5 %", Years: []int{3, 4, 5}, Who: "teachers of year 3 to 5"},
		"survey s b: 50 % of teachers of key stages 1, 4":         {Kind: RuleSurvey, Survey: "s", Round: "b", Share: "50 %", Years: []int{1, 2, 10, 11}, Who: "teachers of key stages 1, 4"},
		"survey   staff baseline : 5 %  of teachers of  years 10": {Text: "survey staff baseline : 5 % of teachers of years 10", Kind: RuleSurvey, Survey: "staff", Round: "baseline", Share: "5 %", Years: []int{10}, Who: "teachers of years 10"},
	}
	for text, want := range cases {
		if want.Text == "" {
			want.Text = text
		}
		got, err := ParseRule(text)
		if err != nil {
			t.Errorf("%q: %v", text, err)
			continue
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%q (-want +got):\n%s", text, diff)
		}
	}
	for text, want := range map[string]string{
		"":                                    "none of the forms",
		"phase":                               "none of the forms",
		"phase is":                            "none of the forms",
		"phase is A or":                       "a value is missing",
		"phase is or A":                       "a value is missing",
		`phase is "A`:                         "not closed",
		`phase is "A" B`:                      `only "or" may follow`,
		"phase is not known":                  "something is not known",
		"pupils is at least 5":                `without "is"`,
		"pupils at least many":                "is not a number",
		"pupils at least 1,5":                 "decimal point",
		"the phase is A":                      "none of the forms",
		"phäse is A":                          "not the name of a column",
		"survey":                              "none of the forms",
		"survey s b 75 % of staff":            "not a survey rule",
		"survey s b: 0 % of staff":            "every school meets",
		"survey s b: 101 % of staff":          "outside 0 %",
		"survey s b: 5 % of heads":            "neither `staff`",
		"survey s b: 5 % of teachers":         "neither `staff`",
		"survey s b: 5 % of teachers of year": "neither `staff`",
		"survey s b: 5 % of teachers of years 6 to 5":    "not a list",
		"survey s b: 5 % of teachers of years five":      "not a list",
		"survey s b: 5 % of teachers of years 14":        "go from 0",
		"survey s b: 5 % of teachers of key stage 5":     "key stages are 1 to 4",
		"survey s! b: 5 % of staff":                      "is not a name",
		"survey s b c: 5 % of staff":                     "not a survey rule",
		"survey s b: 5 % of teachers of years 5, 6, ":    "not a list",
		"survey s b: 5 % of teachers of years +5":        "not a list",
		"survey s b: 1e1 % of teachers of key stage 2":   "without an exponent",
		"survey s b: % of teachers of key stage 2":       "there is no number",
		"survey s b: NaN % of teachers of key stage two": "is not a number",
	} {
		if _, err := ParseRule(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
}

// TestSurveyGate is the case of a school with four teachers of key stage 2:
// three of them are 75 %, which is enough only if both the year 5 and the year
// 6 teacher are among the three.
func TestSurveyGate(t *testing.T) {
	p := rlc(t)
	school := School{ID: "100001", Attributes: map[string]string{"phase": "Primary", "status": "Open"}}
	staff := []Staff{
		{ID: "t3", School: "100001", Role: "teacher", Years: []int{3}},
		{ID: "t4", School: "100001", Role: "teacher", Years: []int{4}},
		{ID: "t5", School: "100001", Role: "teacher", Years: []int{5}},
		{ID: "t6", School: "100001", Role: "head", Years: []int{6}}, // a head who teaches is a teacher
		{ID: "head", School: "100001", Role: "head"},
		{ID: "t1", School: "100001", Role: "teacher", Years: []int{1, 2}},
		{ID: "other", School: "100002", Role: "teacher", Years: []int{5, 6}},
	}
	answers := func(ids ...string) (r []Response) {
		for _, id := range ids {
			r = append(r, Response{Survey: "staff", Round: "baseline", Staff: id})
		}
		return r
	}
	cases := []struct {
		responses        []Response
		upper, keyStage2 bool
		evidence         string // of the rule about key stage 2
	}{
		{answers("t3", "t5", "t6"), true, true, "3 of 4 teachers of key stage 2 answered (75 %; 75 % needed)"},
		{answers("t4", "t5", "t6", "t5", "t6"), true, true, "3 of 4 teachers of key stage 2 answered (75 %; 75 % needed)"},
		{answers("t3", "t4", "t6"), false, true, "3 of 4 teachers of key stage 2 answered (75 %; 75 % needed)"},
		{answers("t3", "t4", "t5", "other"), false, true, "3 of 4 teachers of key stage 2 answered (75 %; 75 % needed)"},
		{answers("t5", "t6", "head", "t1"), true, false, "2 of 4 teachers of key stage 2 answered (50 %; 75 % needed)"},
		{append(answers("t5", "t6"), Response{Survey: "staff", Round: "year-1", Staff: "t3"}), true, false, "2 of 4 teachers of key stage 2 answered (50 %; 75 % needed)"},
		{answers(), false, false, "0 of 4 teachers of key stage 2 answered (0 %; 75 % needed)"},
	}
	for i, c := range cases {
		f := p.Eligibility(school, staff, c.responses)
		if len(f) != 4 || !f[0].OK || !f[1].OK {
			t.Fatalf("case %d: %+v", i, f)
		}
		if f[2].OK != c.upper || f[3].OK != c.keyStage2 || f[3].Evidence != c.evidence {
			t.Errorf("case %d: years 5, 6: %v (%s); key stage 2: %v (%s); want %v, %v (%s)", i, f[2].OK, f[2].Evidence, f[3].OK, f[3].Evidence, c.upper, c.keyStage2, c.evidence)
		}
	}
	f := p.Eligibility(school, nil, nil)
	if f[2].OK || f[2].Evidence != "no teachers of years 5, 6 are listed for the school, so nobody could answer" {
		t.Errorf("a school without teachers: %+v", f[2])
	}
}

func TestAttributeRules(t *testing.T) {
	cases := []struct {
		rule, value string
		ok          bool
		evidence    string
	}{
		{"c is Primary or Middle", " primary ", true, "c is primary"},
		{"c is Primary", "Secondary", false, "c is Secondary"},
		{"c is Primary", "", false, "c is not known"},
		{"c is not Closed", "Open", true, "c is Open"},
		{"c is not Closed", "closed", false, "c is closed"},
		{"c is not Closed", "", false, "c is not known"},
		{"c is known", "x", true, "c is x"},
		{"c is known", " ", false, "c is not known"},
		{"c at least 60", "60.0", true, "c is 60.0"},
		{"c at least 60", "59.999999999", false, "c is 59.999999999"},
		{"c at least 0.3", "0.3", true, "c is 0.3"},
		{"c at most -2", "-2", true, "c is -2"},
		{"c at most 60", "NP", false, `c cannot be compared: "NP" is not a number`},
	}
	for _, c := range cases {
		rule, err := ParseRule(c.rule)
		if err != nil {
			t.Fatal(err)
		}
		p := &Protocol{Recruitment: Recruitment{Eligible: []Rule{rule}}}
		f := p.Eligibility(School{Attributes: map[string]string{"c": c.value}}, nil, nil)[0]
		if f.OK != c.ok || f.Evidence != c.evidence {
			t.Errorf("%s of %q: %v, %q; want %v, %q", c.rule, c.value, f.OK, f.Evidence, c.ok, c.evidence)
		}
	}
}

// TestShareIsExact compares the rule with whole-number arithmetic: n of total
// reach k thousandths exactly when 1000·n ≥ k·total.
func TestShareIsExact(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		total := rapid.IntRange(1, 400).Draw(t, "total")
		n := rapid.IntRange(0, total).Draw(t, "n")
		k := rapid.IntRange(1, 1000).Draw(t, "k")
		if rapid.Bool().Draw(t, "at the limit") && n > 0 {
			k = n * 1000 / total // the greatest share that n of total reach
			if k == 0 {
				k = 1
			}
		}
		rule, err := ParseRule(fmt.Sprintf("survey s b: %d.%d %% of staff", k/10, k%10))
		if err != nil {
			t.Fatal(err)
		}
		var staff []Staff
		var responses []Response
		for i := range total {
			staff = append(staff, Staff{ID: fmt.Sprint(i), School: "x"})
			if i < n {
				responses = append(responses, Response{Survey: "s", Round: "b", Staff: fmt.Sprint(i)})
			}
		}
		p := &Protocol{Recruitment: Recruitment{Eligible: []Rule{rule}}}
		if got, want := p.Eligibility(School{ID: "x"}, staff, responses)[0].OK, 1000*n >= k*total; got != want {
			t.Errorf("%d of %d against %d thousandths: %v, want %v", n, total, k, got, want)
		}
	})
}

func TestPercentText(t *testing.T) {
	for _, c := range []struct {
		n, total int
		want     string
	}{{7, 8, "87.5 %"}, {3, 4, "75 %"}, {2, 3, "66.6 %"}, {2999, 4000, "74.9 %"}, {0, 5, "0 %"}, {5, 5, "100 %"}} {
		if got := percentText(c.n, c.total); got != c.want {
			t.Errorf("%d of %d: %q, want %q", c.n, c.total, got, c.want)
		}
	}
}

func TestSchoolColumns(t *testing.T) {
	p := &Protocol{}
	if got := p.SchoolColumns(); len(got) != len(GIASColumns()) || got[0] != (Column{"id", "URN"}) {
		t.Errorf("without columns: %v", got)
	}
	p.Schools.Columns = map[string]string{"ks2": "KS2 average", "region": "RSCRegion (name)"}
	got := p.SchoolColumns()
	if len(got) != len(GIASColumns())+1 || got[2] != (Column{"region", "RSCRegion (name)"}) || got[len(got)-1] != (Column{"ks2", "KS2 average"}) {
		t.Errorf("added columns: %v", got)
	}
	p.Schools.Columns = map[string]string{"id": "cds", "name": "sname", "region": "cname"}
	if diff := cmp.Diff([]Column{{"id", "cds"}, {"name", "sname"}, {"region", "cname"}}, p.SchoolColumns()); diff != "" {
		t.Errorf("own columns (-want +got):\n%s", diff)
	}
	p.Schools.Bands = []Band{{Name: "b"}}
	p.Schools.Groups = []Group{{Name: "g"}}
	if diff := cmp.Diff([]string{"region", "b", "g"}, p.AttributeNames()); diff != "" {
		t.Errorf("attributes (-want +got):\n%s", diff)
	}
}

func TestDerive(t *testing.T) {
	p := &Protocol{Schools: SchoolFile{
		Bands:  []Band{{Name: "band", From: "x", Cuts: []float64{20.1, 30}, Labels: []string{"low", "mid", "high"}}},
		Groups: []Group{{Name: "area", From: "region", Groups: map[string][]string{"north": {"North East", "North West"}, "south": {"London"}}}, {Name: "size", From: "band", Groups: map[string][]string{"small": {"low"}}, Otherwise: "other"}},
	}}
	for _, c := range []struct{ in, want map[string]string }{
		{map[string]string{"x": "20.1", "region": " london "}, map[string]string{"x": "20.1", "region": " london ", "band": "mid", "size": "other", "area": "south"}},
		{map[string]string{"x": "20.0999999999"}, map[string]string{"x": "20.0999999999", "band": "low", "size": "small"}},
		{map[string]string{"x": "30"}, map[string]string{"x": "30", "band": "high", "size": "other"}},
		{map[string]string{"x": "-5", "region": "Wales", "area": "old"}, map[string]string{"x": "-5", "band": "low", "size": "small", "region": "Wales"}},
		{map[string]string{"band": "typed in"}, map[string]string{}},
	} {
		if err := p.Derive(c.in); err != nil {
			t.Errorf("%v: %v", c.in, err)
		}
		if diff := cmp.Diff(c.want, c.in); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	}
	err := p.Derive(map[string]string{"x": "SUPP"})
	de, ok := err.(*DeriveError)
	if !ok || len(de.Faults) != 1 || de.Faults[0].Column != "x" || de.Faults[0].Value != "SUPP" || de.Faults[0].Derived != "band" {
		t.Errorf("got %#v", err)
	}
}

func TestZThousandths(t *testing.T) {
	ints := func(x ...int64) (r []*big.Rat) {
		for _, v := range x {
			r = append(r, big.NewRat(v, 1))
		}
		return r
	}
	// R: round(1000 * scale(c(2, 4, 4, 4, 5, 5, 7, 9))): SD 2.13809 (n - 1)
	z, ok := zThousandths(ints(2, 4, 4, 4, 5, 5, 7, 9))
	if diff := cmp.Diff([]int64{-1403, -468, -468, -468, 0, 0, 935, 1871}, z); diff != "" || !ok {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if _, ok := zThousandths(ints(3, 3, 3)); ok {
		t.Error("equal values have z-scores")
	}
	if _, ok := zThousandths(ints(3)); ok {
		t.Error("one value has a z-score")
	}
	// Ten values of mean 0 with a sum of squares of 36,000,000, so that the SD
	// is exactly 2000: 1 is half a thousandth, and goes away from zero.
	z, ok = zThousandths(ints(1, -1, 4242, -4242, 73, -73, 5, -5, 9, -9))
	if !ok || z[0] != 1 || z[1] != -1 {
		t.Errorf("half a thousandth becomes %v", z)
	}
}

// TestZAgainstBigFloats compares the exact rule with arithmetic of 300 bits.
func TestZAgainstBigFloats(t *testing.T) {
	float := func(r *big.Rat) *big.Float { return new(big.Float).SetPrec(300).SetRat(r) }
	rapid.Check(t, func(t *rapid.T) {
		x := rapid.SliceOfN(rapid.Int64Range(-5000, 5000), 2, 30).Draw(t, "x")
		values := make([]*big.Rat, len(x))
		sum := new(big.Rat)
		for i, v := range x {
			values[i] = big.NewRat(v, 10)
			sum.Add(sum, values[i])
		}
		z, ok := zThousandths(values)
		mean := sum.Quo(sum, big.NewRat(int64(len(x)), 1))
		ss := new(big.Rat)
		for _, v := range values {
			d := new(big.Rat).Sub(v, mean)
			ss.Add(ss, d.Mul(d, d))
		}
		if ok != (ss.Sign() > 0) {
			t.Fatalf("ok is %v with a sum of squares of %v", ok, ss)
		}
		if !ok {
			return
		}
		sd := new(big.Float).SetPrec(300)
		sd.Sqrt(float(ss.Quo(ss, big.NewRat(int64(len(x)-1), 1))))
		for i, v := range values {
			want := float(new(big.Rat).Mul(new(big.Rat).Sub(v, mean), big.NewRat(1000, 1)))
			want.Quo(want, sd)
			gap, _ := want.Sub(want, new(big.Float).SetInt64(z[i])).Float64()
			if gap < -0.5 || gap > 0.5 {
				t.Errorf("value %d: z is %d, which is off by %v", i, z[i], gap)
			}
		}
	})
}

func TestNeededColumns(t *testing.T) {
	for _, c := range []struct {
		p    *Protocol
		want []string
	}{
		{rlc(t), []string{"id", "name", "region", "status", "phase", "ks2"}},
		{changed(t, "how: random ", "how: near\n    apart: [trust] "), []string{"id", "name", "region", "status", "phase", "trust", "easting", "northing", "ks2"}},
		{changed(t, "recruitment:\n", "  groups:\n    - {name: kind, from: type, groups: {a: [x]}}\n    - {name: band2, from: ks2_band, groups: {a: [lower]}, otherwise: b}\nrecruitment:\n", "strata: [region, ks2_band]", "strata: [kind, band2]"), []string{"id", "name", "region", "type", "status", "phase", "ks2"}},
	} {
		if diff := cmp.Diff(c.want, c.p.NeededColumns()); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	}
}
