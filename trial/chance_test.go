package trial

import (
	"errors"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"

	"evenhand/randomize"
	"evenhand/randomize/beacon"
)

// a and b are two sealed numbers.
const a, b = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff", "ffeeddccbbaa99887766554433221100ffeeddccbbaa99887766554433221100"

var early = time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC)

// round is of the record in randomize/beacon/testdata.
var round = ChanceTerms{Source: ChanceBeacon, Beacon: beacon.Drand, Round: 657413, At: time.Date(2023, 9, 15, 11, 0, 3, 0, time.UTC)}

// terms are good ones, of each kind.
func terms() []ChanceTerms {
	return []ChanceTerms{
		{Source: ChanceLocal},
		{Source: ChanceTwoParty, Sealed: []Seal{Sealed{"evaluator", a}.Seal(), Sealed{"funder", b}.Seal()}},
		round,
		{Source: ChanceBeacon, Beacon: beacon.NIST, At: time.Date(2026, 8, 31, 19, 4, 0, 0, time.UTC)},
		{Source: ChanceDice, Sides: 6, Event: "50 dice at the steering group of 12 January"},
		{Source: ChanceDice, Sides: 59, PerDraw: 6, Event: "National Lottery, draws 3001 to 3006"},
	}
}

func TestTermsReadBack(t *testing.T) {
	for _, c := range terms() {
		if err := c.Check(early); err != nil {
			t.Errorf("%s: %v", c.Source, err)
		}
		text := "evenhand-commitment 1\ntrial rlc\nround 7\n" + c.Lines() + "program evenhand\nby ana\n"
		got, err := ParseChanceTerms(text)
		if err != nil || !reflect.DeepEqual(got, c) {
			t.Errorf("%s: read back as %+v, %v; want %+v", c.Source, got, err, c)
		}
		if strength, trust := c.Strength(); strength == "" || trust == "" {
			t.Errorf("%s: its strength is not said", c.Source)
		}
		// A commitment in other words is not guessed at.
		if c.Source != ChanceLocal {
			if _, err := ParseChanceTerms(strings.Replace(text, "formula SHA-256", "formula SHA-1", 1)); err == nil {
				t.Errorf("%s: another formula is taken for this one", c.Source)
			}
		}
	}
	if _, err := ParseChanceTerms("trial rlc\n"); err == nil {
		t.Error("a text without terms is read")
	}
}

// Whatever text is handed in as a commitment, it is read whole or refused.
func FuzzTerms(f *testing.F) {
	for _, c := range terms() {
		f.Add(c.Lines(), "3 5 1")
	}
	f.Add("chance dice\nnumbers 1 to 2, 5 different ones a draw in ascending order, at least 0\nevent x\n", "")
	f.Fuzz(func(t *testing.T, text, typed string) {
		c, err := ParseChanceTerms(text)
		if err != nil {
			return
		}
		if !strings.Contains("\n"+text, "\n"+c.Lines()) {
			t.Errorf("%q is read as %+v", text, c)
		}
		if c.Source == ChanceDice {
			if numbers, err := c.ParseNumbers(typed); err == nil && len(numbers) < 13 { // 13 of 1 to 1,000
				t.Errorf("%q: %d numbers are enough", text, len(numbers))
			}
		}
	})
}

func TestTermsRefused(t *testing.T) {
	seal := Sealed{"evaluator", a}.Seal()
	for _, c := range []struct {
		terms ChanceTerms
		now   time.Time
		says  string
	}{
		{ChanceTerms{Source: "moon"}, early, "not a source"},
		{ChanceTerms{Source: ChanceTwoParty, Sealed: []Seal{seal}}, early, "1 digests are given"},
		{ChanceTerms{Source: ChanceTwoParty, Sealed: []Seal{seal, {"funder", seal.Digest}}}, early, "copied"},
		{ChanceTerms{Source: ChanceTwoParty, Sealed: []Seal{seal, {"evaluator", DigestOf(b)}}}, early, "both numbers"},
		{ChanceTerms{Source: ChanceTwoParty, Sealed: []Seal{seal, {"the funder", "12"}}}, early, "64 lower-case"},
		{round, round.At.Add(-59 * time.Minute), "an hour ahead"},
		{ChanceTerms{Source: ChanceBeacon, Beacon: beacon.Drand, Round: 657413, At: round.At.Add(3 * time.Second)}, early, "is published at"},
		{ChanceTerms{Source: ChanceBeacon, Beacon: beacon.Drand, At: round.At}, early, "round 0"},
		{ChanceTerms{Source: ChanceBeacon, Beacon: beacon.NIST, At: round.At}, early, "whole minute"},
		{ChanceTerms{Source: ChanceBeacon, Beacon: "moon"}, early, "not a beacon"},
		{ChanceTerms{Source: ChanceDice, Sides: 1, Event: "x"}, early, "a coin"},
		{ChanceTerms{Source: ChanceDice, Sides: 6}, early, "not said"},
		{ChanceTerms{Source: ChanceDice, Sides: 6, PerDraw: 6, Event: "x"}, early, "fewer than"},
	} {
		if err := c.terms.Check(c.now); !errors.Is(err, ErrChance) || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%+v: %v, want %q", c.terms, err, c.says)
		}
	}
	if err := round.Check(round.At.Add(-time.Hour)); err != nil {
		t.Errorf("exactly an hour ahead: %v", err)
	}
}

func TestThrows(t *testing.T) {
	// log2 6 = 2.585, so that 49 throws have 126.7 bits; C(59, 6) = 45,057,474.
	for _, c := range []struct{ sides, per, want int }{{6, 0, 50}, {2, 0, 128}, {10, 0, 39}, {256, 0, 16}, {59, 6, 36}, {50, 5, 35}} {
		if got := (ChanceTerms{Source: ChanceDice, Sides: c.sides, PerDraw: c.per}).Throws(); got != c.want {
			t.Errorf("Throws of %d, %d a draw = %d, want %d", c.sides, c.per, got, c.want)
		}
	}
}

func TestTwoParty(t *testing.T) {
	c := terms()[1]
	taken, err := c.Take([]Evidence{{"sealed-1", a + "\n"}, {"sealed-2", b + "\n"}})
	if err != nil {
		t.Fatal(err)
	}
	want, _ := randomize.TwoPartyChance(a, b)
	if taken.Chance != want || len(taken.Shown) != 2 || len(taken.NotShown) != 1 {
		t.Errorf("Take = %+v, want chance %s", taken, want)
	}
	for name, evidence := range map[string][]Evidence{
		"the other way round": {{"sealed-1", b + "\n"}, {"sealed-2", a + "\n"}},
		"one missing":         {{"sealed-1", a + "\n"}},
		"one twice":           {{"sealed-1", a + "\n"}, {"sealed-1", a + "\n"}},
		"another":             {{"sealed-1", a + "\n"}, {"sealed-2", strings.Replace(b, "f", "0", 1) + "\n"}},
		"something else":      {{"sealed-1", a + "\n"}, {"sealed-2", b + "\n"}, {"record", "x"}},
		"no number":           {{"sealed-1", a + "\n"}, {"sealed-2", "12\n"}},
	} {
		if _, err := c.Take(evidence); !errors.Is(err, ErrChance) {
			t.Errorf("%s: %v, want ErrChance", name, err)
		}
	}
	s := Sealed{"evaluator", a}
	if got, err := ParseSealed(strings.ReplaceAll(s.Text(), "\n", " \r\n")); err != nil || got != s {
		t.Errorf("a sealed number reads back as %+v, %v", got, err)
	}
	for _, bad := range []string{"", "evenhand-sealed 1\nparty x\n", "evenhand-sealed 1\nparty x y\nnumber " + a, "evenhand-sealed 1\nparty x\nnumber 12", s.Text() + s.Text()} {
		if _, err := ParseSealed(bad); err == nil {
			t.Errorf("ParseSealed(%q) gives a number", bad)
		}
	}
}

func TestBeaconChance(t *testing.T) {
	record, err := os.ReadFile("../randomize/beacon/testdata/drand-657413.json")
	if err != nil {
		t.Fatal(err)
	}
	taken, err := round.Take([]Evidence{{"record", string(record)}})
	if err != nil || taken.Chance != "8652bf805421c544b7cc67158ccebe1620aae32dab9b2f84270511e40611accd" || len(taken.Shown) != 3 {
		t.Errorf("Take = %+v, %v", taken, err)
	}
	other := round
	other.Round++
	if _, err := other.Take([]Evidence{{"record", string(record)}}); !errors.Is(err, beacon.ErrRecord) {
		t.Errorf("another round: %v, want ErrRecord", err)
	}
	if _, err := round.Take([]Evidence{{"record", string(record)}, {"certificate", "x"}}); !errors.Is(err, ErrChance) {
		t.Errorf("drand with a certificate: %v, want ErrChance", err)
	}
	pulse, err := os.ReadFile("../randomize/beacon/testdata/nist-1921300.json")
	if err != nil {
		t.Fatal(err)
	}
	taken, err = terms()[3].Take([]Evidence{{"record", string(pulse)}})
	if err != nil || !strings.Contains(strings.Join(taken.NotShown, " "), "certificate was not given") || taken.Chance.Validate() != nil {
		t.Errorf("NIST's pulse gives %+v, %v", taken, err)
	}
}

func TestDice(t *testing.T) {
	c := terms()[4]
	typed := strings.Repeat("3 5,1 6 2\n", 10)
	numbers, err := c.ParseNumbers(typed)
	if err != nil {
		t.Fatal(err)
	}
	if run, err := c.ParseNumbers(strings.Repeat("35162", 10)); err != nil || !reflect.DeepEqual(run, numbers) {
		t.Errorf("in one run: %v, %v", run, err)
	}
	taken, err := c.Take(NumbersEvidence(numbers, []string{"A. Witness", "B. Witness"}))
	// printf 'evenhand-dice 1\n%s\n' "$(echo $(yes '3 5 1 6 2' | head -10))" | sha256sum
	if want := DigestOf("evenhand-dice 1\n" + strings.TrimSpace(strings.Repeat("3 5 1 6 2 ", 10)) + "\n"); err != nil || string(taken.Chance) != want {
		t.Errorf("Take = %+v, %v; want chance %s", taken, err, want)
	}
	for _, bad := range []struct{ typed, says string }{
		{strings.Repeat("35162", 9), "45 numbers are given; 50 are needed"},
		{strings.Repeat("35172", 10), `"7" is not a number of 1 to 6`},
		{strings.Repeat("3", 60), "nobody threw that"},
		{strings.Repeat("x", 60), "and 55 more"},
		{"", "0 numbers"},
	} {
		if _, err := c.ParseNumbers(bad.typed); !errors.Is(err, ErrChance) || !strings.Contains(err.Error(), bad.says) {
			t.Errorf("%q: %v, want %q", bad.typed, err, bad.says)
		}
	}
	for name, evidence := range map[string][]Evidence{
		"one witness":       NumbersEvidence(numbers, []string{"A. Witness"}),
		"one witness twice": NumbersEvidence(numbers, []string{"A. Witness", "a.  witness"}),
		"written otherwise": {{"numbers", typed}, {"witnesses", "A\nB\n"}},
	} {
		if _, err := c.Take(evidence); !errors.Is(err, ErrChance) {
			t.Errorf("%s: %v, want ErrChance", name, err)
		}
	}
	lottery := terms()[5]
	if _, err := lottery.ParseNumbers(strings.Repeat("1 7 12 30 44 59 ", 6)); err != nil {
		t.Error(err)
	}
	for _, bad := range []struct{ typed, says string }{
		{strings.Repeat("1 7 30 12 44 59 ", 6), "ascending"},
		{strings.Repeat("1 7 12 30 44 59 ", 6) + "3", "no whole number of draws"},
		{strings.Repeat("1 7 12 30 44 60 ", 6), `"60"`},
	} {
		if _, err := lottery.ParseNumbers(bad.typed); !errors.Is(err, ErrChance) || !strings.Contains(err.Error(), bad.says) {
			t.Errorf("%q: %v, want %q", bad.typed, err, bad.says)
		}
	}
}
