package trial

import (
	"fmt"
	"math/big"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Rule is an eligibility rule as the protocol words it, and what it means.
// Its forms are listed at ParseRule; the text is kept because it is what a
// school is told.
type Rule struct {
	Text string
	Kind RuleKind

	Column string   // kinds about a column: which
	Values []string // kinds is and is not
	Number string   // kinds at least and at most: a decimal number, as written

	Survey, Round string // kind survey; Survey may be left out where one survey only has the round
	Share         string // kind survey: the share that must have answered, as written, e.g. "75 %"
	Years         []int  // kind survey: the year groups whose teachers count, ascending; nil for all staff
	Who           string // kind survey: whose answers count, as worded, e.g. "teachers of years 5, 6"
}

// RuleKind is what a rule compares.
type RuleKind string

// The kinds of rules.
const (
	RuleIs      RuleKind = "is"
	RuleIsNot   RuleKind = "is not"
	RuleAtLeast RuleKind = "at least"
	RuleAtMost  RuleKind = "at most"
	RuleKnown   RuleKind = "is known"
	RuleSurvey  RuleKind = "survey"
)

const ruleForms = "the forms are: `phase is Primary or Middle deemed primary`; `status is not Closed`; `pupils at least 60`; `fsm at most 40`; `region is known`; `survey staff baseline: 75 % of teachers of key stage 2` (or `of teachers of years 5, 6`, or `of staff`)"

var (
	surveyForm = regexp.MustCompile(`^survey +(?:([^ :]+) +)?([^ :]+) *: *([^%]*%) +of +(.+)$`)
	numberForm = regexp.MustCompile(`^([^ ]+) +(at least|at most) +(.*)$`)
	isForm     = regexp.MustCompile(`^([^ ]+) +is +(.+)$`)
	yearsForm  = regexp.MustCompile(`^teachers +of +(years?|key +stages?) +(.+)$`)
)

// ParseRule reads an eligibility rule:
//
//	COLUMN is VALUE [or VALUE …]        the school's value is one of these
//	COLUMN is not VALUE [or VALUE …]    it has a value, which is none of these
//	COLUMN at least NUMBER
//	COLUMN at most NUMBER
//	COLUMN is known                     it has a value
//	survey [SURVEY] ROUND: SHARE % of PEOPLE
//
// PEOPLE is `staff` (everybody listed), `teachers of year 6`, `teachers of
// years 5, 6` (also `5 and 6`, `3 to 6`) or `teachers of key stage 2` (years 3
// to 6; key stage 1 is years 1 and 2, 3 is 7 to 9, 4 is 10 and 11). Whoever
// teaches one of the years counts, whatever the role. SURVEY may be left out
// where one survey only has the round. Values are compared without regard to
// case and spaces around them; one that contains " or " stands in quotation
// marks. Numbers and shares are compared exactly: 3 of 4 is 75 %.
func ParseRule(text string) (Rule, error) {
	text = strings.Join(strings.Fields(text), " ")
	r := Rule{Text: text}
	if strings.HasPrefix(text, "survey ") {
		return parseSurveyRule(r)
	}
	if m := numberForm.FindStringSubmatch(text); m != nil {
		r.Kind, r.Column, r.Number = RuleKind(m[2]), m[1], m[3]
		if _, err := parseExact(r.Number); err != nil {
			return Rule{}, fmt.Errorf("rule %q: %w", clip(text), err)
		}
		return r, columnFault(r)
	}
	m := isForm.FindStringSubmatch(text)
	if m == nil {
		return Rule{}, fmt.Errorf("the rule %q has none of the forms that can be computed", clip(text))
	}
	r.Column = m[1]
	rest := m[2]
	switch {
	case rest == "known":
		r.Kind = RuleKnown
		return r, columnFault(r)
	case rest == "not known" || rest == "unknown":
		return Rule{}, fmt.Errorf("the rule %q would let only schools through of which something is not known", clip(text))
	case strings.HasPrefix(rest, "at least ") || strings.HasPrefix(rest, "at most "):
		return Rule{}, fmt.Errorf("the rule %q is written without \"is\": %s %s", clip(text), r.Column, rest)
	}
	r.Kind = RuleIs
	if after, ok := strings.CutPrefix(rest, "not "); ok {
		r.Kind, rest = RuleIsNot, after
	}
	values, err := splitValues(rest)
	if err != nil {
		return Rule{}, fmt.Errorf("rule %q: %w", clip(text), err)
	}
	r.Values = values
	return r, columnFault(r)
}

func columnFault(r Rule) error {
	if !IsName(r.Column) {
		return fmt.Errorf("rule %q: %q is not the name of a column", clip(r.Text), clip(r.Column))
	}
	return nil
}

// splitValues splits at " or " outside quotation marks.
func splitValues(s string) ([]string, error) {
	var values []string
	for {
		s = strings.TrimSpace(s)
		var value string
		if strings.HasPrefix(s, `"`) {
			end := strings.IndexByte(s[1:], '"')
			if end < 0 {
				return nil, fmt.Errorf("a quotation mark is not closed")
			}
			value, s = s[1:1+end], strings.TrimSpace(s[2+end:])
			rest, more := strings.CutPrefix(s, "or ")
			if s != "" && !more {
				return nil, fmt.Errorf("after %q only \"or\" may follow, not %q", value, clip(s))
			}
			s = rest
			if !more {
				s = ""
			}
		} else {
			value, s, _ = strings.Cut(s, " or ")
			value = strings.TrimSpace(value)
		}
		if value == "" || value == "or" || strings.HasPrefix(value, "or ") || strings.HasSuffix(value, " or") {
			return nil, fmt.Errorf("a value is missing beside \"or\"")
		}
		values = append(values, value)
		if s == "" {
			return values, nil
		}
	}
}

func parseSurveyRule(r Rule) (Rule, error) {
	m := surveyForm.FindStringSubmatch(r.Text)
	if m == nil {
		return Rule{}, fmt.Errorf("the rule %q is not a survey rule: name the survey and its round, a colon, a share and whose answers count", clip(r.Text))
	}
	r.Kind, r.Survey, r.Round, r.Share, r.Who = RuleSurvey, m[1], m[2], m[3], m[4]
	for _, name := range []string{r.Survey, r.Round} {
		if name != "" && !IsName(name) {
			return Rule{}, fmt.Errorf("rule %q: %q is not a name", clip(r.Text), clip(name))
		}
	}
	share, err := percentOf(r.Share)
	if err != nil {
		return Rule{}, fmt.Errorf("rule %q: %w", clip(r.Text), err)
	}
	if share.Sign() == 0 {
		return Rule{}, fmt.Errorf("rule %q: every school meets a share of 0 %%", clip(r.Text))
	}
	if r.Who == "staff" {
		return r, nil
	}
	who := yearsForm.FindStringSubmatch(r.Who)
	if who == nil {
		return Rule{}, fmt.Errorf("rule %q: %q is neither `staff` nor `teachers of years …` nor `teachers of key stage …`", clip(r.Text), clip(r.Who))
	}
	years, err := numberList(who[2])
	if err != nil {
		return Rule{}, fmt.Errorf("rule %q: %w", clip(r.Text), err)
	}
	if strings.HasPrefix(who[1], "key") {
		var all []int
		for _, stage := range years {
			if stage < 1 || stage > 4 {
				return Rule{}, fmt.Errorf("rule %q: the key stages are 1 to 4", clip(r.Text))
			}
			first, last := keyStages[stage-1][0], keyStages[stage-1][1]
			for y := first; y <= last; y++ {
				all = append(all, y)
			}
		}
		years = all
	}
	for _, y := range years {
		if y > 13 {
			return Rule{}, fmt.Errorf("rule %q: year groups go from 0 (reception) to 13", clip(r.Text))
		}
	}
	slices.Sort(years)
	r.Years = slices.Compact(years)
	return r, nil
}

// keyStages gives the first and last year group of each key stage in England.
var keyStages = [4][2]int{{1, 2}, {3, 6}, {7, 9}, {10, 11}}

// numberList reads "6", "5, 6", "5 and 6" or "3 to 6".
func numberList(s string) ([]int, error) {
	fail := func(part string) error {
		return fmt.Errorf("%q is not a list of whole numbers: write 6, or 5, 6, or 3 to 6", clip(part))
	}
	one := func(part string) (int, error) {
		part = strings.TrimSpace(part)
		n, err := strconv.Atoi(part)
		if err != nil || n < 0 || n > 99 || strings.ContainsAny(part, "+-") {
			return 0, fail(s)
		}
		return n, nil
	}
	if from, to, ok := strings.Cut(s, " to "); ok {
		a, err := one(from)
		if err != nil {
			return nil, err
		}
		b, err := one(to)
		if err != nil {
			return nil, err
		}
		if a > b {
			return nil, fail(s)
		}
		var list []int
		for n := a; n <= b; n++ {
			list = append(list, n)
		}
		return list, nil
	}
	var list []int
	for _, part := range strings.Split(strings.ReplaceAll(s, " and ", ","), ",") {
		n, err := one(part)
		if err != nil {
			return nil, err
		}
		list = append(list, n)
	}
	return list, nil
}

// Finding is what a rule gave for a school.
type Finding struct {
	Rule     Rule
	OK       bool
	Evidence string // a sentence with the numbers, whether or not it is OK
}

// Eligibility computes every rule for a school, in the protocol's order, from
// its attributes (derived columns included, see Derive), its staff and their
// responses; people of other schools and answers to other rounds are passed
// over. A rule about something that is not known is not OK, nor is a survey
// rule where nobody is listed of whom it could hold.
func (p *Protocol) Eligibility(s School, staff []Staff, responses []Response) []Finding {
	findings := make([]Finding, len(p.Recruitment.Eligible))
	for i, rule := range p.Recruitment.Eligible {
		f := Finding{Rule: rule}
		if rule.Kind == RuleSurvey {
			f.OK, f.Evidence = rule.survey(s, staff, responses)
		} else {
			f.OK, f.Evidence = rule.attribute(s)
		}
		findings[i] = f
	}
	return findings
}

func (r Rule) attribute(s School) (ok bool, evidence string) {
	value := strings.TrimSpace(s.Attributes[r.Column])
	if value == "" {
		return false, fmt.Sprintf("%s is not known", r.Column)
	}
	evidence = fmt.Sprintf("%s is %s", r.Column, value)
	switch r.Kind {
	case RuleKnown:
		return true, evidence
	case RuleIs:
		return containsFold(r.Values, value), evidence
	case RuleIsNot:
		return !containsFold(r.Values, value), evidence
	}
	x, err := parseExact(value)
	if err != nil {
		return false, fmt.Sprintf("%s cannot be compared: %v", r.Column, err)
	}
	limit, err := parseExact(r.Number)
	if err != nil {
		return false, fmt.Sprintf("the rule's number cannot be read: %v", err)
	}
	if r.Kind == RuleAtLeast {
		return x.Cmp(limit) >= 0, evidence
	}
	return x.Cmp(limit) <= 0, evidence
}

func (r Rule) survey(s School, staff []Staff, responses []Response) (ok bool, evidence string) {
	counts := map[string]bool{} // ID of each person that counts: has answered
	for _, person := range staff {
		if person.School == s.ID && (r.Years == nil || slices.ContainsFunc(person.Years, func(y int) bool { return slices.Contains(r.Years, y) })) {
			counts[person.ID] = false
		}
	}
	if len(counts) == 0 {
		return false, fmt.Sprintf("no %s are listed for the school, so nobody could answer", r.Who)
	}
	answered := 0
	for _, a := range responses {
		if done, ok := counts[a.Staff]; ok && !done && a.Survey == r.Survey && a.Round == r.Round {
			counts[a.Staff] = true
			answered++
		}
	}
	needed, err := percentOf(r.Share)
	if err != nil {
		return false, fmt.Sprintf("the rule's share cannot be read: %v", err)
	}
	got := big.NewRat(int64(answered), int64(len(counts)))
	return got.Cmp(needed) >= 0, fmt.Sprintf("%d of %d %s answered (%s; %s needed)", answered, len(counts), r.Who, percentText(answered, len(counts)), r.Share)
}

// percentText gives n of total in per cent, cut (never rounded up, so that a
// share just short of what is needed does not look sufficient) to one decimal.
func percentText(n, total int) string {
	tenths := n * 1000 / total
	if tenths%10 == 0 {
		return fmt.Sprintf("%d %%", tenths/10)
	}
	return fmt.Sprintf("%d.%d %%", tenths/10, tenths%10)
}
