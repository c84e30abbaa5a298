package trial

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// someSchool is a school that signed and named its leaders.
func someSchool(stage Stage) School {
	return School{
		ID: "104233", Name: "Oak Primary", Stage: stage, Since: "2014-05-01", Attributes: map[string]string{},
		Signatures: []Signature{{"head", "2014-04-01"}, {"chair of governors", "2014-04-02"}},
		Leaders:    []Leader{{"senior leader", "104233-L1"}, {"evidence champion", "104233-L2"}},
	}
}

func TestCheckMove(t *testing.T) {
	p := rlc(t)
	bare := func(s School) School { s.Signatures, s.Leaders = nil, nil; return s }
	for _, c := range []struct {
		what         string
		school       School
		to           Stage
		on           Date
		reason, note string
		faults       []string // a part of each; none where the move is good
	}{
		{"a step", bare(someSchool(Listed)), Approached, "2014-06-01", "", "", nil},
		{"approached before anybody listed it", bare(someSchool(Listed)), Approached, "2014-01-01", "", "", nil},
		{"stages passed over", someSchool(Listed), Ready, "2014-06-01", "", "", nil},
		{"the same day", someSchool(Agreed), BaselineIn, "2014-05-01", "", "", nil},
		{"the same stage", someSchool(Agreed), Agreed, "2014-06-01", "", "", []string{"at that stage already"}},
		{"back", someSchool(Agreed), Interested, "2014-06-01", "", "", []string{"only move forward"}},
		{"before its last change", someSchool(Agreed), BaselineIn, "2014-04-30", "", "", []string{"2014-04-30 is before 2014-05-01"}},
		{"without a day", someSchool(Agreed), BaselineIn, "", "", "", []string{"the day of the change is missing"}},
		{"without signatures", bare(someSchool(Interested)), Agreed, "2014-06-01", "", "", []string{"not signed by the head", "not signed by the chair of governors"}},
		{"signed before it", someSchool(Interested), Agreed, "2014-05-01", "", "", nil},
		{"everything wrong", bare(someSchool(Interested)), Ready, "2014-01-01", "", "", []string{"is before", "not signed by the head", "not signed by the chair", "0 of 1 named as senior leader", "0 of 1 named as evidence champion"}},
		{"out", someSchool(Ready), WithdrewEarly, "2014-06-01", "no time", "", nil},
		{"out without a reason", someSchool(Ready), Declined, "2014-06-01", "", "", []string{"a reason is needed (the protocol's list: "}},
		{"out for another reason", someSchool(Ready), Declined, "2014-06-01", "bored", "", []string{`reason "bored" is not`}},
		{"from one exit to another", someSchool(Declined), Ineligible, "2014-06-01", "no time", "", []string{"bring it back to"}},
		{"back in", someSchool(Declined), Interested, "2014-06-01", "", "rang back", nil},
		{"back in without a word", someSchool(Declined), Interested, "2014-06-01", "", " ", []string{"a note that says why"}},
		{"back in further on", someSchool(Declined), Agreed, "2014-06-01", "", "", []string{"comes back at", "a note that says why"}},
	} {
		err := p.CheckMove(c.school, c.to, c.on, c.reason, c.note)
		if len(c.faults) == 0 {
			if err != nil {
				t.Errorf("%s: %v", c.what, err)
			}
			continue
		}
		var e *StageError
		if !errors.As(err, &e) || e.School != c.school.ID || e.Is != c.school.Stage || e.To != c.to {
			t.Errorf("%s: %v", c.what, err)
			continue
		}
		if len(e.Faults) != len(c.faults) {
			t.Errorf("%s: faults %q, want %q", c.what, e.Faults, c.faults)
			continue
		}
		for i, want := range c.faults {
			if !strings.Contains(e.Faults[i], want) {
				t.Errorf("%s: fault %q, want %q", c.what, e.Faults[i], want)
			}
		}
	}
	signed := someSchool(Interested)
	signed.Signatures[0].On = "2014-06-02"
	if err := p.CheckMove(signed, Agreed, "2014-06-01", "", ""); err == nil || !strings.Contains(err.Error(), "the head signed on 2014-06-02, after 2014-06-01") {
		t.Errorf("a signature after the day: %v", err)
	}
	free := *p
	free.Recruitment.Reasons = nil
	if err := free.CheckMove(someSchool(Ready), Declined, "2014-06-01", "moved to Wales", ""); err != nil {
		t.Errorf("without a list any reason will do: %v", err)
	}
	if err := free.CheckMove(someSchool(Ready), Declined, "2014-06-01", " ", ""); err == nil {
		t.Error("without a list no reason will do, too")
	}
}

// Whatever is tried, a school's way leads forward: its stages never fall but
// by an exit and the way back at "interested", and its days never go back
// once it was approached.
func TestWaysLeadForward(t *testing.T) {
	p := rlc(t)
	all := append(Stages(), Exits()...)
	place := func(s Stage) int { return slices.Index(Stages(), s) }
	rapid.Check(t, func(t *rapid.T) {
		s := someSchool(Listed)
		if rapid.Bool().Draw(t, "bare") {
			s.Signatures, s.Leaders = nil, nil
		}
		for range rapid.IntRange(1, 15).Draw(t, "tries") {
			to := rapid.SampledFrom(all).Draw(t, "to")
			on := rapid.SampledFrom([]Date{"", "2014-03-01", "2014-05-01", "2014-06-01", "2014-07-01"}).Draw(t, "on")
			reason := rapid.SampledFrom([]string{"", "no time", "bored"}).Draw(t, "reason")
			note := rapid.SampledFrom([]string{"", "rang back"}).Draw(t, "note")
			if p.CheckMove(s, to, on, reason, note) != nil {
				continue
			}
			switch {
			case on == "" || s.Stage != Listed && on < s.Since:
				t.Fatalf("from %s of %s to %s on %q", s.Stage, s.Since, to, on)
			case s.Stage.Exit() && (to != Interested || note == ""):
				t.Fatalf("came back from %s at %s with the note %q", s.Stage, to, note)
			case to.Exit() && reason != "no time":
				t.Fatalf("left for the reason %q", reason)
			case !s.Stage.Exit() && !to.Exit() && place(to) <= place(s.Stage):
				t.Fatalf("from %s back to %s", s.Stage, to)
			case place(to) >= place(Agreed) && len(s.Signatures) < 2:
				t.Fatalf("%s without signatures", to)
			case to == Ready && len(s.Leaders) < 2:
				t.Fatal("ready without leaders")
			}
			s.Stage, s.Since = to, on
		}
	})
}

func TestParseStage(t *testing.T) {
	for _, s := range append(Stages(), Exits()...) {
		for _, written := range []string{string(s), strings.ToUpper(string(s))} {
			if got, err := ParseStage(written); got != s || err != nil {
				t.Errorf("ParseStage(%q) = %q, %v", written, got, err)
			}
		}
		if s.Exit() != slices.Contains(Exits(), s) {
			t.Errorf("%s.Exit() = %v", s, s.Exit())
		}
	}
	if got, err := ParseStage("redy"); err == nil || !strings.Contains(err.Error(), "agreement signed") {
		t.Errorf("ParseStage(redy) = %q, %v", got, err)
	}
}

func TestParseDate(t *testing.T) {
	for written, want := range map[string]Date{
		"2014-09-30": "2014-09-30", " 30/09/2014 ": "2014-09-30", "3/9/2014": "2014-09-03", "30-09-2014": "2014-09-30", "30 September 2014": "2014-09-30", "3 Sep 2014": "2014-09-03", "29/02/2016": "2016-02-29",
	} {
		if got, err := ParseDate(written); got != want || err != nil {
			t.Errorf("ParseDate(%q) = %q, %v, want %q", written, got, err, want)
		}
	}
	for _, written := range []string{"", "30/09/14", "09/30/2014", "2014-02-30", "29/02/2015", "September 2014", "2014", "41912", "1899-12-31", "3014-09-30", "2014-09-30T10:00:00Z", "30.09.2014", "30 Septembre 2014"} {
		if got, err := ParseDate(written); got != "" || err == nil {
			t.Errorf("ParseDate(%q) = %q, %v", written, got, err)
		}
	}
}

func TestStratum(t *testing.T) {
	p := rlc(t)
	s := School{ID: "1", Attributes: map[string]string{"region": "London", "ks2_band": "upper"}}
	if got, missing := p.Stratum(s); got != "London / upper" || missing != nil {
		t.Errorf("Stratum = %q, %v", got, missing)
	}
	delete(s.Attributes, "ks2_band")
	if _, missing := p.Stratum(s); !slices.Equal(missing, []string{"ks2_band"}) {
		t.Errorf("without a band missing = %v", missing)
	}
	none := *p
	none.Strata = nil
	if got, missing := none.Stratum(s); got != "all" || missing != nil {
		t.Errorf("without strata: %q, %v", got, missing)
	}
}

func TestNewSchool(t *testing.T) {
	p := rlc(t)
	s, err := p.NewSchool("104233", " Oak Primary ", map[string]string{"region": "London", "ks2": "28.5", "phase": ""})
	if err != nil {
		t.Fatal(err)
	}
	want := School{ID: "104233", Name: "Oak Primary", Stage: Listed, Attributes: map[string]string{"region": "London", "ks2": "28.5", "ks2_band": "middle"}}
	if d := cmp.Diff(want, s); d != "" {
		t.Error(d)
	}
	_, err = p.NewSchool("10423", "", map[string]string{"regoin": "x", "colour": "y"})
	for _, want := range []string{"six digits", "no name", `"regoin"; did you mean "region"?`, `no column "colour"`} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("no %q in %v", want, err)
		}
	}
	for _, id := range []string{"", "../x", "a b", strings.Repeat("1", 65), "1042 3", "10423é"} {
		if _, err := p.NewSchool(id, "x", nil); err == nil {
			t.Errorf("ID %q was taken", id)
		}
	}
}
