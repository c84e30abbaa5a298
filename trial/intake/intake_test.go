package intake

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf16"

	"github.com/google/go-cmp/cmp"

	"evenhand/trial"
)

// protocol is the template rlc with old → new edits.
func protocol(t testing.TB, edit ...string) *trial.Protocol {
	t.Helper()
	text, err := trial.Template("rlc")
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(edit); i += 2 {
		if !strings.Contains(text, edit[i]) {
			t.Fatalf("the template has no %q", edit[i])
		}
		text = strings.Replace(text, edit[i], edit[i+1], 1)
	}
	p, err := trial.ParseProtocol("trial.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// small is a trial of two schools, with people on record.
func small(t testing.TB) Known {
	return Known{
		Protocol: protocol(t),
		Schools: []trial.School{
			{ID: "100001", Name: "Ashford Primary", Attributes: map[string]string{"region": "London"}, Leaders: []trial.Leader{{Role: "senior leader", Person: "100001-L1"}, {Role: "evidence champion", Person: "100001-L2"}}},
			{ID: "100002", Name: "Birchley Primary", Attributes: map[string]string{"region": "London"}},
		},
		Staff:       []trial.Staff{{ID: "T1", School: "100001", Role: "teacher", Years: []int{5, 6}}, {ID: "T2", School: "100002", Role: "head"}},
		Responses:   []trial.Response{{Survey: "staff", Round: "baseline", Staff: "T1", On: "2014-09-10"}},
		Pupils:      []trial.Pupil{{ID: "P1", School: "100001", Attributes: map[string]string{"everfsm6": "yes"}}, {ID: "P2", School: "100002", Attributes: map[string]string{}}},
		Identities:  []trial.Identity{{Kind: "pupil", ID: "P1", Number: "R201100018042"}},
		Scores:      []trial.Score{{Measure: "ks2_reading:baseline", Person: "P1", Value: 15}, {Measure: "ks2_reading", Person: "P2", Missing: "absent"}},
		Attendance:  []trial.Attendance{{Session: "w1", School: "100001", Person: "100001-L1", Attended: true}},
		Withdrawals: []trial.Withdrawal{{Level: "school", Subject: "100002", From: trial.FromData, On: "2015-01-02", Reason: "no time"}},
	}
}

// profiles reads a file as each profile, by name, giving the values it found.
var profiles = map[string]func(text string, k Known) (Report, any, error){
	"schools": func(text string, k Known) (Report, any, error) {
		f, err := Schools("f.csv", strings.NewReader(text), k)
		if err != nil {
			return Report{}, nil, err
		}
		return f.Report, f.Schools, nil
	},
	"staff": func(text string, k Known) (Report, any, error) {
		f, err := Staff("f.csv", strings.NewReader(text), k)
		if err != nil {
			return Report{}, nil, err
		}
		return f.Report, f.Staff, nil
	},
	"responses": func(text string, k Known) (Report, any, error) {
		f, err := Responses("f.csv", strings.NewReader(text), k, "staff", "baseline")
		if err != nil {
			return Report{}, nil, err
		}
		return f.Report, f.Responses, nil
	},
	"pupils": func(text string, k Known) (Report, any, error) {
		f, err := Pupils("f.csv", strings.NewReader(text), k)
		if err != nil {
			return Report{}, nil, err
		}
		return f.Report, []any{f.Pupils, f.Identities, f.Scores}, nil
	},
	"attendance": func(text string, k Known) (Report, any, error) {
		f, err := Attendance("f.csv", strings.NewReader(text), k)
		if err != nil {
			return Report{}, nil, err
		}
		return f.Report, f.Attendance, nil
	},
	"withdrawals": func(text string, k Known) (Report, any, error) {
		f, err := Withdrawals("f.csv", strings.NewReader(text), k)
		if err != nil {
			return Report{}, nil, err
		}
		return f.Report, f.Withdrawals, nil
	},
	"outcomes": func(text string, k Known) (Report, any, error) {
		f, err := Outcomes("f.csv", strings.NewReader(text), k)
		if err != nil {
			return Report{}, nil, err
		}
		return f.Report, []any{f.Scores, f.Joiners}, nil
	},
}

// good are files without faults, and what they give.
var good = []struct {
	name, profile, text string
	locked              bool
	want                any
	counts              Counts
	notes               []string // a part of each
}{
	{"staff", "staff", "school,staff,role,years\n100001,T1,teacher,5;6\n100002,T3,teacher,6 5\n100002,T4,head,\n100002,T5,teacher,\"R, 1\"\n,,,\n", false,
		[]trial.Staff{{ID: "T3", School: "100002", Role: "teacher", Years: []int{5, 6}}, {ID: "T4", School: "100002", Role: "head"}, {ID: "T5", School: "100002", Role: "teacher", Years: []int{0, 1}}},
		Counts{Rows: 5, Stored: 3, NotStored: []trial.Count{{What: EmptyRow, N: 1}, {What: Already, N: 1}}}, nil},
	{"responses", "responses", "URN;Staff;Answered\n100001;T1;10/09/2014\n100002;T2;2 September 2014\n", false,
		[]trial.Response{{Survey: "staff", Round: "baseline", Staff: "T2", On: "2014-09-02"}},
		Counts{Rows: 2, Stored: 1, NotStored: []trial.Count{{What: Already, N: 1}}}, nil},
	{"pupils", "pupils", "school,pupil,name,upn,KS1_READPOINTS,EVERFSM_6_P,shoe size\n" +
		"100001,P1,,,15,1,\n100001,P3,Zoë Müller,H801200001001,21,no,3\n100002,P4,=SUM(A1),,absent,,\n", false,
		[]any{
			[]trial.Pupil{{ID: "P3", School: "100001", Attributes: map[string]string{"everfsm6": "no"}}, {ID: "P4", School: "100002", Attributes: map[string]string{}}},
			[]trial.Identity{{Kind: "pupil", ID: "P3", Name: "Zoë Müller", Number: "H801200001001"}, {Kind: "pupil", ID: "P4", Name: "=SUM(A1)"}},
			[]trial.Score{{Measure: "ks2_reading:baseline", Person: "P3", Value: 21}, {Measure: "ks2_reading:baseline", Person: "P4", Missing: "absent"}},
		},
		Counts{Rows: 3, Stored: 2, NotStored: []trial.Count{{What: Already, N: 1}}},
		[]string{"1 of the file's columns are not read: shoe size", "EVERFSM_6_P is empty in 1 rows"}},
	{"pupils by number, after the lock", "pupils", "school,URN,upn,KS1_READPOINTS,KS1_READPOINTS_missing,EVERFSM_6_P\n" +
		"Ashford,100001,R201100018042,17,,yes\nBirchley,100002,H8012 0000 1001,,Left School,0\n", true,
		[]any{
			[]trial.Pupil{{ID: "100002-P001", School: "100002", Joiner: true, Attributes: map[string]string{"everfsm6": "no"}}},
			[]trial.Identity{{Kind: "pupil", ID: "100002-P001", Number: "H801200001001"}},
			[]trial.Score{{Measure: "ks2_reading:baseline", Person: "P1", Value: 17}, {Measure: "ks2_reading:baseline", Person: "100002-P001", Missing: "left school"}},
		},
		Counts{Rows: 2, Stored: 2}, []string{"1 of the file's columns are not read: school", "1 of the pupils are joiners", "1 scores replace others"}},
	{"attendance", "attendance", "session,school,person,attended\nw1,100001,100001-L1,yes\nW2,100001,100001-L1,N\n", false,
		[]trial.Attendance{{Session: "w2", School: "100001", Person: "100001-L1"}},
		Counts{Rows: 2, Stored: 1, NotStored: []trial.Count{{What: Already, N: 1}}}, nil},
	{"withdrawals", "withdrawals", "level,id,from,date,reason,note\nschool,100002,data,2015-01-02,no time,\nSchool,100001,programme,03/02/2015,no time,\"the head, alone\"\npupil,P1,both,2015-02-03,moved,\n", true,
		[]trial.Withdrawal{{Level: "school", Subject: "100001", From: trial.FromProgramme, On: "2015-02-03", Reason: "no time", Note: "the head, alone"}, {Level: "pupil", Subject: "P1", From: trial.FromBoth, On: "2015-02-03", Reason: "moved"}},
		Counts{Rows: 3, Stored: 2, NotStored: []trial.Count{{What: Already, N: 1}}}, nil},
	{"outcomes", "outcomes", "school,pupil,ks2_readscore,KS2_GPSSCORE,KS2_GPSSCORE_missing\n100001,P1,101,,not entered\n100001,P2,absent,99,\n100002,P9,88,120,\n", true,
		[]any{
			[]trial.Score{{Measure: "ks2_reading", Person: "P1", Value: 101}, {Measure: "ks2_gps", Person: "P1", Missing: "not entered"}, {Measure: "ks2_gps", Person: "P2", Value: 99},
				{Measure: "ks2_reading", Person: "P9", Value: 88}, {Measure: "ks2_gps", Person: "P9", Value: 120}},
			[]trial.Pupil{{ID: "P9", School: "100002", Joiner: true}},
		},
		Counts{Rows: 3, Stored: 3}, []string{"1 pupils were not on record: they are kept as joiners", "1 pupils are in another school"}},
	{"outcomes by number, one reason for the row", "outcomes", "upn,KS2_READSCORE,KS2_GPSSCORE,missing reason\nR201100018042,,119.5,withdrawn\n", true,
		[]any{[]trial.Score{{Measure: "ks2_reading", Person: "P1", Missing: "withdrawn"}, {Measure: "ks2_gps", Person: "P1", Value: 119.5}}, []trial.Pupil(nil)},
		Counts{Rows: 1, Stored: 1}, nil},
	{"outcomes that are known", "outcomes", "pupil,KS2_READSCORE\nP2,ABSENT\n", true, []any{[]trial.Score(nil), []trial.Pupil(nil)},
		Counts{Rows: 1, NotStored: []trial.Count{{What: Already, N: 1}}}, nil},
}

func TestGood(t *testing.T) {
	if len(good) < 9 {
		t.Fatalf("%d cases, want at least 9", len(good))
	}
	for _, c := range good {
		t.Run(c.name, func(t *testing.T) {
			k := small(t)
			if c.locked {
				k.OnRoster = map[string]bool{"100001": true, "100002": true}
			}
			report, values, err := profiles[c.profile](c.text, k)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, values); diff != "" {
				t.Errorf("values (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(c.counts, report.Counts); diff != "" || !report.Counts.Agree() {
				t.Errorf("counts (-want +got):\n%s", diff)
			}
			if len(report.Notes) != len(c.notes) {
				t.Fatalf("notes: %q, want %q", report.Notes, c.notes)
			}
			for i, part := range c.notes {
				if !strings.Contains(report.Notes[i], part) {
					t.Errorf("note %q, want %q", report.Notes[i], part)
				}
			}
		})
	}
}

const giasHeader = "URN,EstablishmentName,GOR (name),PhaseOfEducation (name),EstablishmentStatus (name),KS2 average,Postcode\n"

// bad are files with faults: each wanted fault is "ROW COLUMN|part|part".
var bad = []struct {
	name, profile, text string
	want                []string
}{
	{"empty", "staff", "", []string{"0 |the file is empty"}},
	{"blank", "staff", " \n\n", []string{"0 |the file is empty"}},
	{"header only", "staff", "school,staff,role,years\n", []string{"0 |a header but no rows"}},
	{"no names in the header", "staff", ",,\n1,2,3\n", []string{"1 |the header row is empty"}},
	{"missing column", "staff", "school,staff,rôle,years\n100001,T9,head,\n", []string{`1 role|there is no column "role"|is it the column "rôle"?`}},
	{"missing columns", "staff", "a,b\n1,2\n", []string{`1 URN|(or school)|the file's columns are: a, b`, "1 staff|", "1 role|", "1 years|"}},
	{"column twice", "staff", "school,staff,role,years,Staff\n100001,T9,head,,T8\n", []string{"1 staff|2 columns have this header (the 2nd and 5th)"}},
	{"ragged", "staff", "school,staff,role,years\n100001,T9,head\n100001,T8,head,,\n100001,T7,head,,x\n", []string{"2 |the row has 3 cells, the header 4", "4 |the row has 5 cells, the header 4"}},
	{"rows as a spreadsheet counts them", "staff", "school,staff,role,years\n\n100001,T8,\"he\nad\",\n100001,T9,head,five\n", []string{"3 role|control character", `4 years|"five" is not a year group`}},
	{"open quotation mark", "staff", "school,staff,role,years\n100001,T8,head,\n100001,\"T9,head,\n100001,T7,head,\n", []string{"3 |quotation mark|Nothing after this row"}},
	{"quotation mark inside", "staff", "school,staff,role,years\n100001,T\"9,head,\n", []string{"2 |a quotation mark stands inside"}},
	{"formula for text", "staff", "school,staff,role,years\n=\"100001\",T9,head,\n", []string{"2 |must not begin with ="}},
	{"NUL", "staff", "school,staff\x00,role,years\n100001,T9,head,\n", []string{"1 |a NUL byte"}},
	{"Excel", "staff", "PK\x03\x04rest", []string{"0 |Excel workbook"}},
	{"mixed encodings", "staff", "school,staff,role,years\n100001,T9,caf\xc3\xa9,\n100001,T8,caf\xe9,\n", []string{"3 |partly UTF-8"}},
	{"no encoding", "staff", "school,staff,role,years\n100001,T9,x\x81y,\n", []string{"2 |neither UTF-8 nor Windows-1252"}},
	{"UTF-16 cut short", "staff", "\xff\xfes\x00c", []string{"0 |cut in two"}},
	{"long cell", "staff", "school,staff,role,years\n100001,T9," + strings.Repeat("x", maxCell+1) + ",\n", []string{"2 role|at most 10000", "2 role|the cell is empty"}},

	{"unknown school", "staff", "school,staff,role,years\n100003,T9,head,\n", []string{`2 school|"100003" is not a school of this trial|like it are: 100001, 100002`}},
	{"nothing right", "staff", "school,staff,role,years\n,a b,,6-5\n", []string{"2 school|empty", `2 staff|"a b" cannot be an ID`, "2 role|empty", "2 years|is not a year group"}},
	{"staff twice", "staff", "school,staff,role,years\n100001,T9,head,\n100001,T9,head,\n", []string{"3 staff|first in row 2"}},
	{"staff changed", "staff", "school,staff,role,years\n100001,T1,head,5\n", []string{"2 staff|on record in school 100001 as teacher of years [5 6]"}},

	{"unknown staff", "responses", "staff,answered\nT9,2014-09-01\n", []string{`2 staff|"T9" is not a member of staff on record`}},
	{"answer in another school", "responses", "school,staff,answered\n100001,T2,2014-09-01\n", []string{"2 school|T2 is on record in school 100002"}},
	{"no such day", "responses", "staff,answered\nT2,09/31/2014\nT1,1/9/14\n", []string{`2 answered|"09/31/2014" is not a day`, `3 answered|"1/9/14" is not a day`}},
	{"answer moved", "responses", "staff,answered\nT1,2014-09-11\n", []string{"2 answered|on record for 2014-09-10"}},
	{"answer twice", "responses", "staff,answered\nT2,2014-09-11\nT2,2014-09-12\n", []string{"3 staff|first in row 2"}},

	{"five digits", "schools", giasHeader + "10234,A,London,Primary,Open,28,\n102341,a,London,Primary,Open,28,\n", []string{"2 URN|URN 10234 has 5 digits, not six|102341 (row 3)"}},
	{"other URNs", "schools", giasHeader + "102341.0,A,,,,,\n012345,B,,,,,\n'102343,C,,,,,\n,D,,,,,\n", []string{`2 URN|"102341.0" is not a URN`, "3 URN|", "4 URN|", "5 URN|the cell is empty"}},
	{"same URN", "schools", giasHeader + "102341,A,,,,,\n102342,B,,,,,\n102341,A,,,,,\n", []string{"4 URN|first in row 2"}},
	{"no name", "schools", giasHeader + "102341,,,,,,\n", []string{"2 EstablishmentName|empty"}},
	{"no stratum column", "schools", "URN,EstablishmentName,GOR (name),PhaseOfEducation (name),EstablishmentStatus (name),KS2 avarage\n102341,A,,,,\n", []string{`1 KS2 average|is it the column "KS2 avarage"?`}},
	{"band of no number", "schools", giasHeader + "102341,A,London,Primary,Open,SUPP,\n102342,B,London,Primary,Open,\"28,5\",\n", []string{`2 KS2 average|ks2_band cannot be made: "SUPP" is not a number`, "3 KS2 average|decimal point"}},
	{"line end in a value", "schools", giasHeader + "102341,A,\"Lon\ndon\",Primary,Open,28,\n", []string{"2 GOR (name)|control character"}},

	{"upn", "pupils", "school,pupil,upn,KS1_READPOINTS,EVERFSM_6_P\n100001,P5,A201100018042,15,1\n100001,P6,20110001804,15,1\n100001,P7,H801200001001,15,1\n100001,P8,h801200001001,15,1\n100001,P9,R201100018042,15,1\n",
		[]string{"2 upn|the check letter", "3 upn|is not a unique pupil number", "5 upn|first in row 4", "6 upn|on record for pupil P1"}},
	{"pupil's values", "pupils", "school,pupil,KS1_READPOINTS,EVERFSM_6_P\n100001,P5,,1\n100001,P6,99,1\n100001,P7,\"15,5\",1\n100001,P8,NaN,maybe\n100001,P 9,1e1,1\n",
		[]string{"2 KS1_READPOINTS|the cell is empty|nobody drops out in silence", "3 KS1_READPOINTS|99 is outside 3 to 27", "4 KS1_READPOINTS|decimal point", `5 EVERFSM_6_P|"maybe" is neither`, `5 KS1_READPOINTS|"NaN" is not a number`, "6 pupil|cannot be an ID", "6 KS1_READPOINTS|without an exponent"}},
	{"pupil twice", "pupils", "school,pupil,KS1_READPOINTS,EVERFSM_6_P\n100001,P5,15,1\n100002,P5,15,1\n", []string{"3 pupil|first in row 2"}},
	{"pupil elsewhere", "pupils", "school,pupil,KS1_READPOINTS,EVERFSM_6_P\n100002,P1,15,1\n100001,P1,15,0\n", []string{"2 school|pupil P1 is on record in school 100001", "3 pupil|first in row 2"}},
	{"pupil changed", "pupils", "school,pupil,KS1_READPOINTS,EVERFSM_6_P\n100001,P1,15,0\n", []string{"2 school|on record with other values"}},
	{"no pupil", "pupils", "school,KS1_READPOINTS,EVERFSM_6_P\n100001,15,0\n", []string{`1 pupil|there is no column "pupil" (or upn)`}},
	{"no number", "pupils", "school,upn,KS1_READPOINTS,EVERFSM_6_P\n100001,,15,0\n", []string{"2 upn|without a column `pupil`"}},

	{"attendance", "attendance", "session,school,person,attended\nw9,100001,100001-L1,yes\nw1,100002,100001-L1,yes\nw1,100001,100001-L9,perhaps\n",
		[]string{`2 session|"w9" is not known here|w1, w2`, "3 person|is not a leader of school 100002|name the school's leaders first", "4 person|its leaders are: 100001-L1, 100001-L2", `4 attended|"perhaps" is neither yes nor no`}},
	{"attendance twice", "attendance", "session,school,person,attended\nw2,100001,100001-L1,yes\nw2,100001,100001-L1,no\nw1,100001,100001-L1,no\n", []string{"3 person|first in row 2", "4 attended|something else is on record"}},

	{"withdrawals", "withdrawals", "level,id,from,date,reason\nclass,100001,data,2015-01-01,x\nschool,100009,data,2015-01-01,x\npupil,P9,evrything,yesterday,\nschool,100001,data,2015-01-01,x\nschool,100001,data,2015-01-02,x\n",
		[]string{`2 level|"class" is not known here`, `3 id|"100009" is not a school`, `4 id|"P9" is not a pupil on record`, "4 from|programme, data, both", "4 date|is not a day", "4 reason|empty", "6 id|first in row 5"}},

	{"no outcome", "outcomes", "pupil,SCORE\nP1,3\n", []string{"1 |no column of an outcome|KS2_READSCORE, KS2_GPSSCORE"}},
	{"outcome's values", "outcomes", "pupil,KS2_READSCORE,KS2_READSCORE_missing\nP1,121,\nP2,,\nP3,100,\nP1,100,absent\n,100,\n",
		[]string{"2 KS2_READSCORE|121 is outside 80 to 120", "3 KS2_READSCORE|the cell is empty|absent, left school", `4 pupil|"P3" is not a pupil on record`, "5 pupil|first in row 2", "5 KS2_READSCORE|there is a score (100), and a reason why there is none (absent)", "6 pupil|the cell is empty"}},
	{"unknown reason", "outcomes", "pupil,KS2_READSCORE,KS2_READSCORE_missing\nP1,,ill\nP2,A,\n", []string{`2 KS2_READSCORE_missing|"ill" is not a reason that is known`, `3 KS2_READSCORE|"A" is not a number|where there is none, write why`}},
	{"numbers as they should not be", "outcomes", "pupil,KS2_READSCORE\nP1,1e2\nP2,\"1,00\"\n", []string{"2 KS2_READSCORE|without an exponent", "3 KS2_READSCORE|decimal point"}},
	{"unknown number", "outcomes", "upn,KS2_READSCORE\nH801200001001,100\n", []string{`2 upn|"H801200001001" is not a pupil on record`}},
	{"unknown school of a joiner", "outcomes", "school,pupil,KS2_READSCORE\n100009,P9,100\n", []string{`2 school|"100009" is not a school`}},
}

func TestBad(t *testing.T) {
	if len(bad) < 48 {
		t.Fatalf("%d cases, want at least 48", len(bad))
	}
	for _, c := range bad {
		t.Run(c.name, func(t *testing.T) {
			_, _, err := profiles[c.profile](c.text, small(t))
			var e *Errors
			if !errors.As(err, &e) {
				t.Fatalf("got %v, want *Errors", err)
			}
			if len(e.Faults) != len(c.want) {
				t.Fatalf("%d faults, want %d:\n%v", len(e.Faults), len(c.want), err)
			}
			for i, f := range e.Faults {
				parts := strings.Split(c.want[i], "|")
				if got := fmt.Sprintf("%d %s", f.Row, f.Column); got != parts[0] {
					t.Errorf("fault %d is at %q, want %q", i+1, got, parts[0])
				}
				for _, part := range parts[1:] {
					if !strings.Contains(f.Error(), part) {
						t.Errorf("fault %d is %q, want %q in it", i+1, f.Error(), part)
					}
				}
				if f.File != "f.csv" {
					t.Errorf("fault %d is of file %q", i+1, f.File)
				}
			}
		})
	}
}

func TestFaultsAreCapped(t *testing.T) {
	text := "school,staff,role,years\n" + strings.Repeat("1,T,head,\n", 300) + "100001,T9,head,\n"
	_, _, err := profiles["staff"](text, small(t))
	var e *Errors
	if !errors.As(err, &e) || len(e.Faults) != maxFaults || len(e.Faults)+e.More != 300+299 {
		t.Fatalf("got %d faults and %d more", len(e.Faults), e.More)
	}
	if !strings.Contains(err.Error(), "f.csv has 599 faults; nothing of it was stored (1 of its 301 rows are without fault)\n  row 2, school: \"1\" is not a school") || !strings.HasSuffix(err.Error(), "… and 399 more") {
		t.Errorf("got %.200s … %s", err, err.Error()[len(err.Error())-60:])
	}
}

// TestEncodings reads one file written in many ways.
func TestEncodings(t *testing.T) {
	const text = "school,pupil,name,KS1_READPOINTS,EVERFSM_6_P\n100001,P5,Zoë “Z” O’Neill,15,1\n"
	utf16le := func(s string, big bool) string {
		b := []byte{0xff, 0xfe}
		if big {
			b = []byte{0xfe, 0xff}
		}
		for _, u := range utf16.Encode([]rune(s)) {
			if big {
				b = append(b, byte(u>>8), byte(u))
			} else {
				b = append(b, byte(u), byte(u>>8))
			}
		}
		return string(b)
	}
	for name, c := range map[string]struct{ text, note string }{
		"UTF-8":            {text, ""},
		"mark":             {"\ufeff" + text, ""},
		"Windows lines":    {strings.ReplaceAll(text, "\n", "\r\n"), ""},
		"Macintosh lines":  {strings.ReplaceAll(text, "\n", "\r"), ""},
		"semicolons":       {strings.ReplaceAll(text, ",", ";"), ""},
		"tabs":             {strings.ReplaceAll(text, ",", "\t"), ""},
		"sep line":         {"sep=;\r\n" + strings.ReplaceAll(text, ",", ";"), ""},
		"quoted":           {"\"school\",\"pupil\",\"name\",\"KS1_READPOINTS\",\"EVERFSM_6_P\"\n\"100001\",\"P5\",\"Zoë “Z” O’Neill\",\"15\",\"1\"\n", ""},
		"spaces":           {strings.ReplaceAll(text, ",", " ,\u00a0"), ""},
		"no last line end": {strings.TrimSuffix(text, "\n"), ""},
		"UTF-16":           {utf16le(text, false), "UTF-16"},
		"UTF-16 big":       {utf16le(text, true), "UTF-16"},
		"Windows-1252":     {strings.NewReplacer("ë", "\xeb", "“", "\x93", "”", "\x94", "’", "\x92").Replace(text), "Windows-1252"},
		"lost letters":     {strings.ReplaceAll(text, "ë", "\ufffd"), "row 2 has the sign"},
	} {
		f, err := Pupils("f.csv", strings.NewReader(c.text), small(t))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if got := f.Identities[0].Name; got != "Zoë “Z” O’Neill" && name != "lost letters" {
			t.Errorf("%s: the name is %q", name, got)
		}
		if len(f.Pupils) != 1 || f.Scores[0].Value != 15 {
			t.Errorf("%s: %+v", name, f)
		}
		if joined := strings.Join(f.Notes, "\n"); (c.note == "") != (joined == "") || !strings.Contains(joined, c.note) {
			t.Errorf("%s: notes %q, want %q", name, f.Notes, c.note)
		}
	}
}

func TestSchools(t *testing.T) {
	k := small(t)
	k.Schools[0].Attributes = map[string]string{"region": "London", "phase": "Primary", "status": "Open", "ks2": "28", "ks2_band": "middle"}
	text := giasHeader +
		"102341,New  School,London,Primary,Open,27.4,AB1 2CD\n" + // row 2
		"100001,Ashford Primary,London,Primary,Open,28,\n" + // the same as on record
		"100002,Birchley Primary,North West,Primary,Open,28,\n" + // changed
		"102342,new school,London,Primary,,29,ab12CD\n" + // same name and place as row 2
		"102343,ashford primary,=cmd|' /C calc'!A0,Primary,Open,,\n" + // same name as on record, elsewhere; looks like a formula
		"102344,Hilltop Junior,London,Primary,Open,,AB1  2CD\n" // same postcode as rows 2 and 5
	f, err := Schools("s.csv", strings.NewReader(text), k)
	if err != nil {
		t.Fatal(err)
	}
	want := []trial.School{
		{ID: "102341", Name: "New  School", Stage: trial.Listed, Source: "s.csv row 2", Attributes: map[string]string{"region": "London", "phase": "Primary", "status": "Open", "ks2": "27.4", "ks2_band": "lower", "postcode": "AB1 2CD"}},
		{ID: "102342", Name: "new school", Stage: trial.Listed, Source: "s.csv row 5", Attributes: map[string]string{"region": "London", "phase": "Primary", "ks2": "29", "ks2_band": "upper", "postcode": "ab12CD"}},
		{ID: "102343", Name: "ashford primary", Stage: trial.Listed, Source: "s.csv row 6", Attributes: map[string]string{"region": "=cmd|' /C calc'!A0", "phase": "Primary", "status": "Open"}},
		{ID: "102344", Name: "Hilltop Junior", Stage: trial.Listed, Source: "s.csv row 7", Attributes: map[string]string{"region": "London", "phase": "Primary", "status": "Open", "postcode": "AB1  2CD"}},
	}
	if diff := cmp.Diff(want, f.Schools); diff != "" {
		t.Errorf("schools (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(Counts{Rows: 6, Stored: 4, NotStored: []trial.Count{{What: Already, N: 1}, {What: "on record with other values", N: 1}}}, f.Counts); diff != "" {
		t.Errorf("counts (-want +got):\n%s", diff)
	}
	var found []string
	for _, d := range f.Duplicates {
		s := d.Why + ":"
		for _, c := range d.Schools {
			s += " " + c.ID + " (" + c.Where + ")"
		}
		found = append(found, s)
	}
	if diff := cmp.Diff([]string{
		`the school is on record with other values: ks2 "28", not ""; ks2_band "middle", not ""; phase "Primary", not ""; region "North West", not "London"; status "Open", not "": 100002 (on record) 100002 (row 4)`,
		`2 schools have the name "New  School": 102341 (row 2) 102342 (row 5)`,
		`3 schools with different names have the postcode AB1 2CD: 102341 (row 2) 102342 (row 5) 102344 (row 7)`,
	}, found); diff != "" {
		t.Errorf("duplicates (-want +got):\n%s", diff)
	}
}

// california is a trial in which schools are measured, in a file of its own.
const california = `
evenhand: 1
trial: {id: ca, title: California, measured: schools}
arms: [{id: programme}, {id: control, control: yes}]
schools:
  columns: {id: cds, name: sname, district: dname, county: cname, meals: meals, pupils: enroll}
  bands: [{name: meals_band, from: meals, cuts: [25, 50, 75], labels: [a, b, c, d]}]
  groups: [{name: area, from: county, groups: {bay: [Alameda, San Francisco], south: [Los Angeles, San Diego]}, otherwise: rest}]
recruitment: {target: 114}
strata: [area, meals_band]
draw: {method: stratified}
outcomes: [{id: api, column: api00, range: 200 to 1000, primary: yes, baseline: {column: api99, range: 200 to 1000}}]
plan: {covariates: [baseline, strata]}
`

func TestMeasuredSchools(t *testing.T) {
	p, err := trial.ParseProtocol("ca.yaml", []byte(california))
	if err != nil {
		t.Fatal(err)
	}
	k := Known{Protocol: p, Schools: []trial.School{{ID: "01"}, {ID: "02"}}, OnRoster: map[string]bool{"01": true}}
	f, err := Outcomes("o.csv", strings.NewReader("cds,api00,api99\n01,700,690\n02,650,640\n"), k)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]trial.Score{{Measure: "api", Person: "01", Value: 700}}, f.Scores); diff != "" {
		t.Errorf("outcomes (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(Counts{Rows: 2, Stored: 1, NotStored: []trial.Count{{What: OffList, N: 1}}}, f.Counts); diff != "" {
		t.Errorf("counts (-want +got):\n%s", diff)
	}
	k.OnRoster = nil
	f, err = Baselines("o.csv", strings.NewReader("cds,api00,api99\n01,700,690\n02,650,absent\n"), k)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]trial.Score{{Measure: "api:baseline", Person: "01", Value: 690}, {Measure: "api:baseline", Person: "02", Missing: "absent"}}, f.Scores); diff != "" {
		t.Errorf("baselines (-want +got):\n%s", diff)
	}
	if _, err := Baselines("o.csv", strings.NewReader("cds,api99\n03,100\n"), k); err == nil || !strings.Contains(err.Error(), `"03" is not a school`) || !strings.Contains(err.Error(), "100 is outside 200 to 1000") {
		t.Errorf("got %v", err)
	}
	if _, err := Baselines("o.csv", strings.NewReader("x"), small(t)); err == nil {
		t.Error("baselines of schools were read where pupils are measured")
	}
}

func TestCaliforniaSchools(t *testing.T) {
	file, err := os.Open(filepath.Join("..", "..", "..", "shared", "data", "california_schools.csv"))
	if err != nil {
		t.Skipf("NOT TESTED: the real schools of California are not here: %v", err)
	}
	defer file.Close()
	p, err := trial.ParseProtocol("ca.yaml", []byte(california))
	if err != nil {
		t.Fatal(err)
	}
	f, err := Schools("california_schools.csv", file, Known{Protocol: p})
	if err != nil {
		t.Fatal(err)
	}
	if len(f.Schools) != f.Counts.Rows || len(f.Schools) != 4397 {
		t.Errorf("%d schools of %d rows", len(f.Schools), f.Counts.Rows)
	}
	if s := f.Schools[0]; s.ID != "01611196090005" || s.Name != "Lum (Donald D.) Elementary" || s.Attributes["area"] != "bay" || s.Attributes["meals_band"] != "b" {
		t.Errorf("the first school is %+v", s)
	}
	t.Logf("%d schools, %d names shared, notes %q", len(f.Schools), len(f.Duplicates), f.Notes)
}

// TestRegister reads the header of the English register as it is.
func TestRegister(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("..", "..", "..", "shared", "reference", "edubase_columns.txt"))
	if err != nil {
		t.Skipf("NOT TESTED: the columns of the English register are not here: %v", err)
	}
	var header, row []string
	for line := range strings.Lines(string(text)) {
		name, _, _ := strings.Cut(line, ";")
		header = append(header, strings.TrimSpace(name))
		row = append(row, "")
	}
	value := map[string]string{"URN": "102341", "EstablishmentName": "A"}
	for i, h := range header {
		row[i] = value[h]
	}
	header, row = append(header, "KS2 average"), append(row, "28")
	f, err := Schools("edubasealldata.csv", strings.NewReader(strings.Join(header, ",")+"\n"+strings.Join(row, ",")+"\n"), small(t))
	if err != nil {
		t.Fatal(err)
	}
	if len(f.Schools) != 1 {
		t.Errorf("got %+v", f)
	}
	for _, c := range trial.GIASColumns() {
		found := false
		for _, h := range header {
			found = found || h == c.Header
		}
		if !found {
			t.Errorf("the register has no column %q", c.Header)
		}
	}
}

// TestCheckUPN has the numbers of the DfE's tests and hand-checked ones: sums
// 176, 53, 211; temporary 40, 53, 506.
func TestCheckUPN(t *testing.T) {
	for _, upn := range []string{"R201100018042", "H801200001001", "E312345615001", "U80120000100A", "H80120000100B", "A99912341600Z"} {
		if note, err := CheckUPN(upn); err != nil || note != "" {
			t.Errorf("%s: %q, %v", upn, note, err)
		}
	}
	// 801200001000 sums to 40, whose letter is U, when the final B counts nothing.
	if note, err := CheckUPN("U80120000100B"); err != nil || note == "" {
		t.Errorf("a final letter that is not counted: %q, %v", note, err)
	}
	for _, upn := range []string{"", "A201100018042", "R20110001804", "R2011000180422", "r201100018042", "R20110001804I", "I201100018042", "1201100018042", "R201100018O42"} {
		if _, err := CheckUPN(upn); err == nil {
			t.Errorf("%q passes", upn)
		}
	}
	// Every wrong digit and every swap of neighbours is caught.
	const upn = "R201100018042"
	for i := 1; i < len(upn); i++ {
		for d := byte('0'); d <= '9'; d++ {
			if d == upn[i] {
				continue
			}
			if _, err := CheckUPN(upn[:i] + string(d) + upn[i+1:]); err == nil {
				t.Errorf("digit %d changed to %c passes", i, d)
			}
		}
		if i+1 < len(upn) && upn[i] != upn[i+1] {
			if _, err := CheckUPN(upn[:i] + string(upn[i+1]) + string(upn[i]) + upn[i+2:]); err == nil {
				t.Errorf("digits %d and %d swapped pass", i, i+1)
			}
		}
	}
}

func TestCountsAgree(t *testing.T) {
	if !(Counts{Rows: 3, Stored: 1, NotStored: []trial.Count{{What: "a", N: 2}}}).Agree() {
		t.Error("counts that agree are said not to")
	}
	if (Counts{Rows: 3, Stored: 1, NotStored: []trial.Count{{What: "a", N: 1}}}).Agree() {
		t.Error("counts that do not agree are said to")
	}
}

// FuzzProfiles reads any bytes as every profile: no panic; either faults with a
// place, or counts that agree.
func FuzzProfiles(f *testing.F) {
	for _, c := range good {
		f.Add(c.text)
	}
	for _, c := range bad {
		if len(c.text) < 5000 {
			f.Add(c.text)
		}
	}
	f.Add(giasHeader + "102341,A,London,Primary,Open,28,\n")
	k := small(f)
	k.OnRoster = map[string]bool{"100001": true}
	f.Fuzz(func(t *testing.T, text string) {
		for name, read := range profiles {
			report, _, err := read(text, k)
			if err == nil {
				if !report.Counts.Agree() {
					t.Errorf("%s: %+v do not agree", name, report.Counts)
				}
				continue
			}
			var e *Errors
			if !errors.As(err, &e) || len(e.Faults) == 0 {
				t.Errorf("%s: %v", name, err)
			}
		}
	})
}
