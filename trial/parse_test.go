package trial

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v4"
)

func template(t testing.TB, name string) string {
	t.Helper()
	text, err := Template(name)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func rlc(t testing.TB) *Protocol {
	t.Helper()
	p, err := ParseProtocol("rlc.yaml", []byte(template(t, "rlc")))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// TestRLC checks the template against what is known of the real trial.
func TestRLC(t *testing.T) {
	p := rlc(t)
	if p.Recruitment.Target != 114 || p.Communities[0].Size != (Sizes{5, 6}) || len(p.Delivery.Sessions) != 8 {
		t.Errorf("target %d, communities of %v, %d workshops; want 114, 5 to 6, 8", p.Recruitment.Target, p.Communities[0].Size, len(p.Delivery.Sessions))
	}
	if got := p.ControlArm(); got != 1 {
		t.Errorf("control arm %d, want 1", got)
	}
	o := p.PrimaryOutcome()
	want := &Outcome{ID: "ks2_reading", Label: "Key Stage 2 reading, scaled score", Column: "KS2_READSCORE", Range: Range{80, 120, true}, On: "2016-05-09", Primary: true,
		Baseline: BaselineMeasure{Column: "KS1_READPOINTS", Label: "Key Stage 1 reading, points", Range: Range{3, 27, true}, On: "2012-05-21"}}
	if diff := cmp.Diff(want, o); diff != "" {
		t.Errorf("primary outcome (-want +got):\n%s", diff)
	}
	rules := p.Recruitment.Eligible
	if diff := cmp.Diff(Rule{Text: "survey staff baseline: 75 % of teachers of key stage 2", Kind: RuleSurvey, Survey: "staff", Round: "baseline", Share: "75 %", Years: []int{3, 4, 5, 6}, Who: "teachers of key stage 2"}, rules[3]); diff != "" {
		t.Errorf("rule (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"Open", "Open, but proposed to close"}, rules[1].Values); diff != "" {
		t.Errorf("values (-want +got):\n%s", diff)
	}
	if p.Plan.Interval != 0.95 || p.Plan.Missing.ImputeAbove != 0.05 || p.Plan.Model != "mixed" {
		t.Errorf("interval %v, impute above %v, model %q", p.Plan.Interval, p.Plan.Missing.ImputeAbove, p.Plan.Model)
	}
}

// TestDefaults pins what stands where the minimal template is silent.
func TestDefaults(t *testing.T) {
	p, err := ParseProtocol("minimal.yaml", []byte(template(t, "minimal")))
	if err != nil {
		t.Fatal(err)
	}
	want := &Protocol{
		Evenhand: 1,
		Trial:    About{ID: "mytrial", Title: "My trial", Unit: "school", Measured: "pupils", Blind: Blind{Until: "plan locked", Confirm: 1}},
		Arms:     []Arm{{ID: "programme", Label: "The programme", Weight: 1}, {ID: "control", Label: "Business as usual", Weight: 1, Control: true}},
		Schools:  SchoolFile{IDs: "urn"}, Recruitment: Recruitment{Target: 40}, Strata: []string{"region"},
		Draw:     DrawSettings{Method: "stratified", Misfits: "pooled", Chance: "local", Confirm: 1},
		Delivery: Delivery{Complier: Complier{By: "any leader"}},
		Outcomes: []Outcome{{ID: "reading", Label: "Reading test", Column: "READING", Primary: true, Baseline: BaselineMeasure{Column: "READING_BEFORE", Label: "READING_BEFORE"}}},
		Plan: Plan{Model: "mixed", Covariates: []string{"baseline", "strata"}, DF: "satterthwaite", EffectSize: "total-unconditional", Interval: 0.95,
			Missing: MissingRule{ImputeAbove: 0.05, Imputations: 20}, Multiplicity: "none"},
		SampleSize: SampleSize{Alpha: 0.05, Power: 0.8, Tails: 2},
		Security:   "none", Disclosure: Disclosure{Rule: "srs10", Threshold: 10},
	}
	if diff := cmp.Diff(want, p); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// faultCases change the template rlc (old → new; the sign § in new marks where
// the fault must point to, once for each fault) and say what must be found.
var faultCases = []struct {
	name string
	edit []string // old, new, old, new …
	want []string // a part of each fault's problem and hint, in the order of the file
}{
	{"unknown key", []string{"strata: [", "§stratta: ["}, []string{`"stratta" is not a key that is known here|did you mean "strata"?`}},
	{"needed key mistyped", []string{"\narms:", "\n§arm:"}, []string{`"arm" is not a key that is known here|did you mean "arms"?`}},
	{"key at the wrong level", []string{"  region: region  ", "  §misfits: pooled  "}, []string{`"misfits" is not a key|under "draw"`}},
	{"unknown key far from all", []string{"security: eef", "§zebra: eef"}, []string{`"zebra" is not a key|the keys here are: evenhand, trial`}},
	{"duplicate key", []string{"security: eef", "security: eef\n§security: none"}, []string{`"security" is given twice, first in line`}},
	{"missing needed", []string{"  id: rlc  ", "  #  ", "\ntrial:", "\n§trial:"}, []string{`"id" is missing|it is needed: short name`}},
	{"no value", []string{"target: 114 schools", "§target:"}, []string{`"target" has no value`}},
	{"word for number", []string{"target: 114 schools", "target: §many"}, []string{`"many" is not a whole number|with or without the word schools`}},
	{"wrong unit", []string{"target: 114 schools", "target: §114 people"}, []string{`"114 people" is not a whole number`}},
	{"thousands", []string{"redraws: 1000 ", "redraws: §10,000 "}, []string{`"10,000" is not a whole number|10000`}},
	{"out of limits", []string{"{id: rlc, label: Research Learning Community, weight: 1}", "{id: rlc, label: Research Learning Community, weight: §0}"}, []string{"0 is outside 1 to 1000|share of the schools"}},
	{"enum", []string{"method: stratified  ", "method: §stratifed  "}, []string{`"stratifed" is not one of the words|did you mean stratified?`}},
	{"not a name", []string{"strata: [region, ks2_band]", "strata: [§the region, ks2_band]"}, []string{`"the region" is not a name|no spaces`}},
	{"range", []string{"    range: 80 to 120             #", "    range: §120 to 80            #"}, []string{"the lowest value comes first"}},
	{"range with dash", []string{"    range: 80 to 120             #", "    range: §80-120               #"}, []string{"is not a range"}},
	{"sizes", []string{"size: 5 to 6", "size: §5 or 6"}, []string{`"5 or 6" is not a size`}},
	{"percent", []string{"interval: 95 %", "interval: §0.95"}, []string{`write the number with the sign`}},
	{"percent outside", []string{"interval: 95 %", "interval: §195 %"}, []string{"outside 0 % to 100 %"}},
	{"silly interval", []string{"interval: 95 %", "interval: §5 %"}, []string{"above 50 %"}},
	{"date", []string{"closes: 26 September 2014", "closes: §September 2014"}, []string{`"September 2014" is not a day`}},
	{"day that does not exist", []string{"closes: 26 September 2014", "closes: §31/09/2014"}, []string{`"31/09/2014" is not a day`}},
	{"yes/no", []string{"control: yes}", "control: §maybe}"}, []string{`"maybe" is neither yes nor no`}},
	{"list for text", []string{"title: Research Learning Communities", "title: §[a, b]"}, []string{"here should be a text, not a list"}},
	{"text for list", []string{"subgroups: [everfsm6]", "subgroups: §everfsm6"}, []string{"here should be a list|write [everfsm6]"}},
	{"text for keys", []string{"disclosure:\n  rule: srs10                    # no count below ten pupils is published\n  threshold: 10", "disclosure: §srs10"}, []string{"here should be lines `key: value`"}},
	{"empty item", []string{"subgroups: [everfsm6]", "subgroups: [everfsm6, §~]"}, []string{"this item of the list is empty"}},
	{"line end in text", []string{"title: Research Learning Communities", `title: §"Research\nLearning"`}, []string{"has a line end"}},

	{"one arm", []string{"  - {id: control,", "  # - {id: control,", "\narms:", "\n§arms:"}, []string{"1 arm is declared|at least two"}},
	{"no control", []string{", control: yes}", "}", "\narms:", "\n§arms:"}, []string{"no arm is the control arm"}},
	{"two controls", []string{"Community, weight: 1}", "Community, weight: 1, control: yes}", "Business as usual, weight: 1, control: yes", "Business as usual, weight: 1, control: §yes"}, []string{"2 arms are called the control arm"}},
	{"same arm twice", []string{"{id: control,", "{id: §RLC,"}, []string{`"RLC" names two arms`}},
	{"count of nothing", []string{"how: random ", "how: random\n    counts: [§{column: ks2_band, value: lower}]\n    # "}, []string{"neither asks for schools nor limits them"}},
	{"count turned round", []string{"how: random ", "how: random\n    counts: [{column: ks2_band, value: lower, at least: §3, at most: 2}]\n    # "}, []string{"at least 3 and at most 2 cannot both be"}},
	{"count above the size", []string{"how: random ", "how: random\n    counts: [{column: ks2_band, value: lower, at least: §7}]\n    # "}, []string{"a community has 6 schools at most"}},
	{"count of a column that is not", []string{"how: random ", "how: random\n    counts: [{column: §ks3_band, value: lower, at most: 2}]\n    # "}, []string{`no column "ks3_band"`}},
	{"hub too small", []string{"how: random ", "how: near\n    hubs: [{name: hall, distance: pupils, capacity: §4}]\n    # "}, []string{"hall takes 4 schools, and a community has 5 at least"}},
	{"hubs and number", []string{"how: random ", "how: near\n    number: §2\n    hubs: [{name: hall, distance: pupils}]\n    # "}, []string{"the number of communities is 2, that of hubs 1"}},
	{"hubs within", []string{"how: random ", "how: near\n    within: region\n    §hubs: [{name: hall, distance: pupils}]\n    # "}, []string{"hubs and `within` cannot be used together"}},
	{"gate turned round", []string{"method: stratified ", "method: constrained\n  candidates: 5000\n  keep: 10 %\n  pairs at least: §80 %\n  pairs at most: 20 %\n  balance: {pupils: 1} "}, []string{"more than `pairs at most`"}},
	{"gate of another method", []string{"method: stratified ", "method: stratified\n  pairs at most: §80 % "}, []string{`"pairs at most" means nothing to the method stratified`}},
	{"clusters of no column", []string{"method: stratified ", "method: stratified\n  clusters: §federations "}, []string{`no column "federations"`}},
	{"cuts out of order", []string{"cuts: [27.5, 29]", "cuts: [27.5, §27]"}, []string{"the cut 27 does not lie above 27.5"}},
	{"too few labels", []string{"labels: [lower, middle, upper]", "§labels: [lower, upper]"}, []string{"2 cuts make 3 bands, but there are 2 labels"}},
	{"band from nowhere", []string{"from: ks2,", "from: §ks3,"}, []string{`the schools have no column "ks3"|did you mean "ks2"?`}},
	{"band named as a column", []string{"name: ks2_band, from: ks2", "name: §region, from: ks2", "strata: [region, ks2_band]", "strata: [region]"}, []string{`there is a column "region" already`}},
	{"own file without a name", []string{"    ks2: KS2 average ", "    id: code\n    ks2: KS2 average ", "  columns:\n", "  §columns:\n"}, []string{"the columns have an id but no name"}},
	{"header twice", []string{"    ks2: KS2 average ", "    ks2: KS2 average\n    ks2b: §ks2 average "}, []string{`the header "ks2 average" is already read as "ks2"`}},
	{"unknown stratum", []string{"strata: [region, ks2_band]", "strata: [regoin, ks2_band]", "regoin", "§regoin"}, []string{`no column "regoin"|did you mean "region"?`}},
	{"stratum twice", []string{"strata: [region, ks2_band]", "strata: [region, §region]"}, []string{`"region" stands twice among the strata`}},
	{"rule of no form", []string{"- phase is Primary or Middle deemed primary", "- §phase = Primary"}, []string{`the rule "phase = Primary" has none of the forms|the forms are`}},
	{"rule about no column", []string{"- phase is Primary or Middle deemed primary", "- §phse is Primary"}, []string{`no column "phse"|did you mean "phase"?`}},
	{"rule about a round that is not", []string{"- survey staff baseline: 100 % of teachers of years 5, 6", "- §survey staff year-9: 100 % of teachers of years 5, 6"}, []string{`"year-9" is not a round of the survey "staff"`}},
	{"rule about a survey that is not", []string{"- survey staff baseline: 100 % of teachers of years 5, 6", "- §survey heads baseline: 100 % of teachers of years 5, 6"}, []string{`"heads" is not a survey`}},
	{"rule without its share", []string{"- survey staff baseline: 100 % of teachers of years 5, 6", "- §survey staff baseline: all teachers of years 5, 6"}, []string{"is not a survey rule"}},
	{"rule with a value a band never has", []string{"- phase is Primary or Middle deemed primary", "- §ks2_band is low"}, []string{`ks2_band is never "low"|lower, middle, upper`}},
	{"pairs without sets", []string{"method: stratified  ", "method: pairs  ", "\ndraw:", "\n§draw:"}, []string{`method pairs needs "match" (or "set")`}},
	{"pairs twice", []string{"method: stratified  ", "method: pairs\n  match: {on: {fsm: 1}}\n  set: §la  "}, []string{"the sets are given by a column, and are to be matched too"}},
	{"matched on nothing", []string{"method: stratified  ", "method: pairs\n  §match: {size: 2}  "}, []string{"no column says in what schools of a set are to be alike"}},
	{"matched on a stranger", []string{"method: stratified  ", "method: pairs\n  match: {on: {fms: §1}}  "}, []string{`"fms"`}},
	{"matched clusters", []string{"method: stratified  ", "method: pairs\n  §match: {on: {fsm: 1}}\n  clusters: la  "}, []string{"schools are matched one by one, and drawn in clusters"}},
	{"match of another method", []string{"method: stratified  ", "method: stratified\n  §match: {on: {fsm: 1}}  "}, []string{`"match" means nothing to the method stratified`}},
	{"efron of three arms", []string{"method: stratified  ", "method: §efron\n  sequence: la\n  best arm: 67 %  ", "  misfits: pooled ", "  # ", "arms:", "arms:\n  - id: third"}, []string{"method efron draws between two arms of the same weight only"}},
	{"minutes of no use", []string{"how: random ", "how: random\n    minutes: §minutes.csv "}, []string{"the minutes mean nothing where communities are formed random without a longest journey"}},
	{"minutes elsewhere", []string{"how: random ", "how: near\n    minutes: §../minutes.csv "}, []string{`"../minutes.csv" is not the name of a file beside the protocol`}},
	{"minutes and kilometres", []string{"how: random ", "how: near\n    minutes: minutes.csv\n    travel km: §30 km "}, []string{"with a file of minutes the longest way is one in minutes"}},
	{"minutes without a file", []string{"how: random ", "how: near\n    travel minutes: §30 "}, []string{"a longest journey in minutes is given, but no file of minutes"}},
	{"setting of another method", []string{"  misfits: pooled  ", "  §candidates: 100\n  misfits: pooled  ", "§candidates: 1", "candidates: §1"}, []string{`"candidates" means nothing to the method stratified|constrained`}},
	{"method without its settings", []string{"method: stratified  ", "method: blocks  ", "\ndraw:", "\n§draw:", "  misfits: pooled", "  misfits: §pooled", "§draw:", "§§draw:"}, []string{`method blocks needs "blocks"`, `method blocks needs "sequence"`, `"misfits" means nothing to the method blocks`}},
	{"blocks and weights", []string{"method: stratified  ", "method: blocks\n  blocks: [4, §5]\n  sequence: pupils  ", "  misfits: pooled ", "  # "}, []string{"a block of 5 cannot be shared out by weights that sum to 2|multiples of 2"}},
	{"complete with strata", []string{"method: stratified  ", "method: §complete  ", "  misfits: pooled ", "  # "}, []string{"the draw is complete, but strata are declared"}},
	{"two parties, one person", []string{"chance: local ", "chance: two-party ", "confirm: 1 person", "confirm: §1 person"}, []string{"two parties are two people"}},
	{"sample size out of range", []string{"  icc: 0.13 ", "  icc: §1 "}, []string{`a share of the variance cannot be 1|below 1`}},
	{"sample size with classes by half", []string{"  icc: 0.13 ", "  icc class: 0.05\n  icc: 0.13 ", "\nsample size:", "\n§sample size:"}, []string{"classes are a level of their own only with both"}},
	{"sample size of an unknown column", []string{"column: everfsm6, pupils", "column: §everfms6, pupils"}, []string{`"everfms6" is not a pupil column of this protocol|did you mean "everfsm6"?`}},
	{"nobody left by the sample size", []string{"schools lost: 0 %", "schools lost: §100 %"}, []string{"nobody would be left"}},
	{"reference by arm", []string{"    imputations: 20", "    imputations: 20\n    by arm: yes", "[delta, reference, bounds]", "[delta, §reference, bounds]"}, []string{"nothing ties an arm to the control arm"}},
	{"power below alpha", []string{"  icc: 0.13 ", "  power: §4 %\n  icc: 0.13 "}, []string{"the power must lie above the significance level"}},
	{"community of no arm", []string{"arm: rlc", "arm: §rlcs"}, []string{`"rlcs" is not an arm of this protocol|did you mean "rlc"?`}},
	{"community of the control arm", []string{"arm: rlc", "arm: §control"}, []string{`"control" is the control arm`}},
	{"within nothing", []string{"how: random ", "how: §within "}, []string{"formed within a column, but none is named"}},
	{"random within", []string{"how: random ", "how: random\n    within: §region "}, []string{"formed at random over the whole arm, yet `within`"}},
	{"mixed in nothing", []string{"how: random ", "how: §mixed "}, []string{"it is not said in what"}},
	{"apart and together", []string{"how: random ", "how: near\n    apart: [trust]\n    together: [§trust] "}, []string{"both together and apart"}},
	{"column of two codings", []string{"how: random ", "how: mixed\n    balance: {fsm: 1}\n    apart: [fsm] ", "\ndraw:", "\n§draw:"}, []string{`the roster's column "fsm" would be a number for each value`}},
	{"too many sessions asked", []string{"sessions: 6 ", "sessions: §9 "}, []string{"taking part means at least 9 sessions, but 8 are declared"}},
	{"session twice", []string{"{id: w8,", "{id: §w7,"}, []string{`"w7" names two sessions`}},
	{"no primary", []string{"    primary: yes ", "    primary: no ", "\noutcomes:", "\n§outcomes:"}, []string{"no outcome is primary"}},
	{"two primaries", []string{"    column: KS2_GPSSCORE", "    primary: §yes\n    column: KS2_GPSSCORE"}, []string{"2 outcomes are called primary"}},
	{"same outcome column", []string{"column: KS2_GPSSCORE", "column: §KS2_readSCORE"}, []string{"names two outcomes"}},
	{"unknown covariate", []string{"covariates: [baseline, strata]", "covariates: [baseline, §stratum]"}, []string{`"stratum" is not a covariate|did you mean "strata"?`}},
	{"pairs of two arms", []string{"subgroups: [everfsm6]", "subgroups: [everfsm6]\n  §pairs: [rlc vs control]"}, []string{"there are 2 arms, and each is compared with the control arm already"}},
	{"Westfall and Young without redraws", []string{"redraws: 1000", "redraws: 0", "multiplicity: benjamini-hochberg", "multiplicity: §westfall-young"}, []string{"counts redraws, and none are planned|choose holm"}},
	{"pairs that are none", []string{"arms:", "arms:\n  - id: third", "subgroups: [everfsm6]", "subgroups: [everfsm6]\n  pairs: [§rlc, §rlc vs thrid, §third vs third, §rlc vs control]", "weight: 1, control", "control"}, []string{`"rlc" does not name two arms`, `"thrid" is not an arm|did you mean "third"?`, "compares an arm with itself", "is compared with the control arm already"}},
	{"partially nested without communities", []string{"communities:\n  - arm: rlc\n    size: 5 to 6                 # schools in a community\n    how: random                  # put together by lot\n", "", "model: mixed ", "model: §partially nested "}, []string{"the model has a variance of communities, and no arm has any"}},
	{"unknown subgroup", []string{"subgroups: [everfsm6]", "subgroups: [§fsm6]"}, []string{`"fsm6" is not a pupil column`}},
	{"subgroup of another kind", []string{"kind: yes/no}", "kind: number}", "[everfsm6]", "[§everfsm6]"}, []string{"has the kind number"}},
	{"reserved pupil column", []string{"{id: everfsm6,", "{id: §baseline,"}, []string{"stands for something else"}},
	{"column of two uses", []string{"column: EVERFSM_6_P", "column: §KS1_READPOINTS"}, []string{"already read for outcome 1"}},
	{"schools measured, mixed model", []string{"measured: pupils", "measured: schools", "model: mixed", "model: §mixed"}, []string{"schools are measured, but the model is of pupils"}},
	{"pupils measured, linear model", []string{"model: mixed", "model: §linear"}, []string{"pupils are measured, but the model takes schools"}},
	{"threshold below the rule's", []string{"threshold: 10", "threshold: §5"}, []string{"srs10 suppresses counts below 10"}},
	{"recruitment closes before it opens", []string{"opens: 13 January 2014", "opens: §13 January 2015", "on: 14 October 2014", "on: 14 October 2014"}, []string{"is after its last day"}},
	{"session before the draw", []string{"on: 14 October 2014", "on: §14 September 2014"}, []string{"the last day of recruitment (2014-09-26) is after the session w1"}},
	{"sessions out of order", []string{"on: 19 April 2016", "on: §19 April 2015"}, []string{"the session w6 (2016-01-19) is after the session w7"}},
	{"baseline after the outcome", []string{"on: 21 May 2012}", "on: §21 May 2017}"}, []string{"the baseline (2017-05-21) is after the outcome"}},
	{"survey too late", []string{"on: 12 September 2014}", "on: §12 October 2014}"}, []string{"must have answered to be eligible"}},

	{"group of two homes", []string{"recruitment:\n", "  groups:\n    - {name: area, from: region, groups: {north: [North East, London], south: [§london]}}\nrecruitment:\n"}, []string{`"london" is in two groups, "north" and "south"`}},
	{"group from nowhere", []string{"recruitment:\n", "  groups:\n    - {name: area, from: §regions, groups: {north: [North East]}}\nrecruitment:\n"}, []string{`no column "regions"|did you mean "region"?`}},
	{"group named as a band", []string{"recruitment:\n", "  groups:\n    - {name: §ks2_band, from: region, groups: {north: [North East]}}\nrecruitment:\n"}, []string{`there is a column "ks2_band" already`}},
	{"group without groups", []string{"recruitment:\n", "  groups:\n    - §{name: area, from: region}\nrecruitment:\n"}, []string{`"groups" is missing`}},
	{"group that is a text", []string{"recruitment:\n", "  groups:\n    - {name: area, from: region, groups: {north: §London}}\nrecruitment:\n"}, []string{"here should be a list|write [London]"}},
	{"group without a name", []string{"recruitment:\n", "  groups:\n    - {name: area, from: region, groups: {§'': [London]}}\nrecruitment:\n"}, []string{"the name before the colon is empty"}},
	{"group without values", []string{"recruitment:\n", "  groups:\n    - {name: area, from: region, groups: {§north: }}\nrecruitment:\n"}, []string{`"north" has no value`}},
	{"rule about a group", []string{"recruitment:\n", "  groups:\n    - {name: area, from: region, groups: {north: [North East]}, otherwise: rest}\nrecruitment:\n", "- phase is Primary or Middle deemed primary", "- §area is south"}, []string{`area is never "south"|north, rest`}},
	{"words compared as numbers", []string{"- phase is Primary or Middle deemed primary", "- §ks2_band at least 3"}, []string{"ks2_band has words, not numbers"}},
	{"rule about no round", []string{"survey staff baseline: 100 %", "§survey year-9: 100 %"}, []string{`no survey has a round "year-9"|staff baseline, staff year-1, staff year-2`}},
	{"column name that is none", []string{"    ks2: KS2 average ", "    §ks two: KS2 average "}, []string{`"ks two" is not a name`}},
	{"key that is a list", []string{"security: eef", "§[a, b]: eef"}, []string{"a key must be a text"}},
	{"rule that is a list", []string{"- phase is Primary or Middle deemed primary", "- §[phase, Primary]"}, []string{"here should be one rule, not a list"}},
	{"rule with a number that is none", []string{"- phase is Primary or Middle deemed primary", "- §pupils at least sixty"}, []string{`"sixty" is not a number`}},
	{"cut that is a word", []string{"cuts: [27.5, 29]", "cuts: [27.5, §high]"}, []string{`"high" is not a number`}},
	{"cut with a comma", []string{"cuts: [27.5, 29]", `cuts: [27.5, §"28,5"]`}, []string{"decimal point, not a comma"}},
	{"label twice", []string{"labels: [lower, middle, upper]", "labels: [lower, upper, §upper]"}, []string{`"upper" stands twice`}},
	{"long text", []string{"title: Research Learning Communities", "title: §" + strings.Repeat("Research ", 120)}, []string{"at most 1000 are read"}},
	{"empty text", []string{"title: Research Learning Communities", `title: §""`}, []string{"this text is empty"}},
	{"list for a word", []string{"method: stratified ", "method: §[stratified] "}, []string{"here should be a text, not a list"}},
	{"keys for a number", []string{"target: 114 schools", "target: §{schools: 114}"}, []string{"not a set of keys"}},
	{"list for yes", []string{"control: yes}", "control: §[yes]}"}, []string{"here should be yes or no"}},
	{"community of one", []string{"size: 5 to 6", "size: §1 to 6"}, []string{"a community of one school is none"}},
	{"balance by lot", []string{"how: random ", "how: random\n    §balance: {fsm: 1}\n    mix: §10 % "}, []string{`"balance" means nothing`, `"mix" means nothing`}},
	{"near, balanced without a share", []string{"how: random ", "how: §near\n    balance: {fsm: 1} "}, []string{"both `balance` and `mix`"}},
	{"share of no thousandths", []string{"how: random ", "how: mixed\n    balance: {fsm: 1}\n    mix: §12.55 % "}, []string{"whole thousandths"}},
	{"keep of no thousandths", []string{"method: stratified ", "method: constrained\n  candidates: 50\n  keep: §1.25 %\n  balance: {fsm: 1} "}, []string{"whole thousandths"}},
	{"nothing left to chance", []string{"method: stratified ", "method: minimisation\n  sequence: pupils\n  imbalance: range\n  best arm: §100 %\n  balance: {region: 1} ", "  misfits: pooled ", "  # "}, []string{"nothing is left to chance"}},
	{"range of a word", []string{"kind: yes/no}", "kind: yes/no, range: §0 to 1}"}, []string{"a range is given, but the column's kind is yes/no"}},
	{"baseline without a column", []string{"{column: KS1_READPOINTS, label", "{label", "    baseline: ", "    §baseline: "}, []string{`"column" is missing`}},
	{"outcome without a baseline", []string{"    baseline:                    # the same pupils, four years earlier\n      {column: KS1_READPOINTS, label: \"Key Stage 1 reading, points\", range: 3 to 27, on: 21 May 2012}\n", "", "covariates: [baseline, strata]", "covariates: [§baseline, strata]"}, []string{`the primary outcome "ks2_reading" has none`}},
	{"strata that are not", []string{"strata: [region, ks2_band]", "#", "method: stratified ", "method: complete ", "  misfits: pooled ", "  # ", "covariates: [baseline, strata]", "covariates: [baseline, §strata]"}, []string{"the strata are covariates, but there are none"}},
	{"schools measured, with pupil columns", []string{"measured: pupils", "measured: schools", "model: mixed", "model: linear", "  pupil columns: ", "  §pupil columns: "}, []string{"there is no file of pupils"}},
	{"interactions with what is no covariate", []string{"    imputations: 20\n    sensitivity: [delta, reference, bounds] ", "    interactions: [baseline, §everfsm6, §strata]\n    sensitivity: [delta, bounds] "}, []string{`"everfsm6" is not a covariate of this protocol|known are: baseline`, `"strata" is not a covariate`}},
	{"interactions beside models by arm and a reference", []string{"    imputations: 20\n    sensitivity: [delta, reference, bounds] ", "    by arm: yes\n    §interactions: [baseline]\n    sensitivity: [delta, §§reference, bounds] "}, []string{"differs between arms already", "by a model of its own nothing ties", "another for each pupil"}},
	{"baseline on the outcome's day", []string{"on: 21 May 2012}", "on: §9 May 2016}"}, []string{"measured on the outcome's day"}},
	{"rounds out of order", []string{"{id: year-2, on: 1 July 2016}", "{id: year-2, on: §1 July 2014}"}, []string{"rounds are listed in the order"}},

	{"months not from 0", []string{"  shown: yes ", "  table:\n    - {months: 0, from: §0.05}\n  shown: yes "}, []string{"does not begin at 0"}},
	{"months that fall", []string{"  shown: yes ", "  table:\n    - {months: 0, from: 0}\n    - {months: 2, from: 0.1}\n    - §{months: 1, from: 0.2}\n  shown: yes "}, []string{"does not rise"}},
	{"months by thousandths", []string{"  shown: yes ", "  table:\n    - {months: 0, from: 0}\n    - {months: 2, from: §0.105}\n  shown: yes "}, []string{"is no effect size to two decimals"}},
	{"alias", []string{"[region, ks2_band]  ", "[§&r region, §*r]  "}, []string{"&r gives this part a name", "*r refers to another part"}},
	{"tag", []string{"title: Research", "title: §!!str Research"}, []string{"is not used in protocols"}},
	{"second document", []string{"security: eef", "security: eef\n§---\na: 1\n---"}, []string{"a second document"}},
	{"tab", []string{"  target:", "§\ttarget:"}, []string{"indented with a tab|ordinary spaces"}},
	{"no-break space", []string{"  target:", " §\u00a0target:"}, []string{"indented with a no-break space"}},
	{"control character", []string{"title: Research", "title: Rese§\u0007arch"}, []string{"invisible control character (U+0007)"}},
	{"unclosed list", []string{"strata: [region, ks2_band]", "strata: [region, ks2_band"}, []string{"this cannot be read|a [ or { is not closed"}},
	{"colon in a text", []string{"title: Research", "title: Research: Learning"}, []string{"this cannot be read|needs quotation marks"}},
}

func TestFaults(t *testing.T) {
	if len(faultCases) < 115 {
		t.Fatalf("%d cases, want at least 115", len(faultCases))
	}
	for _, c := range faultCases {
		t.Run(c.name, func(t *testing.T) {
			text := template(t, "rlc")
			for i := 0; i < len(c.edit); i += 2 {
				if !strings.Contains(text, c.edit[i]) {
					t.Fatalf("the template has no %q", c.edit[i])
				}
				text = strings.Replace(text, c.edit[i], c.edit[i+1], 1)
			}
			text, places := unmark(text)
			_, err := ParseProtocol("trial.yaml", []byte(text))
			var pe *ProtocolError
			if !errors.As(err, &pe) {
				t.Fatalf("got %v, want a *ProtocolError", err)
			}
			if len(pe.Faults) != len(c.want) {
				t.Fatalf("%d faults, want %d:\n%v", len(pe.Faults), len(c.want), err)
			}
			for i, f := range pe.Faults {
				for _, part := range strings.Split(c.want[i], "|") {
					if !strings.Contains(f.Problem+"\n"+f.Hint, part) {
						t.Errorf("fault %d does not say %q:\n%v", i+1, part, err)
					}
				}
				if f.Hint == "" {
					t.Errorf("fault %d says not what to do:\n%v", i+1, err)
				}
				if i < len(places) && places[i] != fmt.Sprintf("%d:%d", f.Line, f.Column) {
					t.Errorf("fault %d points to %d:%d, want %s:\n%v", i+1, f.Line, f.Column, places[i], err)
				}
			}
		})
	}
}

// unmark takes the signs § out of a text and gives their places.
func unmark(text string) (string, []string) {
	var places []string
	var out strings.Builder
	line, column := 1, 1
	for _, r := range text {
		switch r {
		case '§':
			places = append(places, fmt.Sprintf("%d:%d", line, column))
			continue
		case '\n':
			line, column = line+1, 0
		}
		out.WriteRune(r)
		column++
	}
	return out.String(), places
}

func TestAllFaultsAtOnce(t *testing.T) {
	text := template(t, "rlc")
	for _, e := range [][2]string{{"method: stratified  ", "method: lottery  "}, {"target: 114 schools", "target: many"}, {"size: 5 to 6", "size: 6 to 5"}, {"model: mixed", "model: magic"}, {"strata: [", "strata: [nowhere, "}} {
		text = strings.Replace(text, e[0], e[1], 1)
	}
	_, err := ParseProtocol("trial.yaml", []byte(text))
	var pe *ProtocolError
	if !errors.As(err, &pe) || len(pe.Faults) != 5 {
		t.Fatalf("want five faults, got:\n%v", err)
	}
	for i := 1; i < len(pe.Faults); i++ {
		if pe.Faults[i].Line < pe.Faults[i-1].Line {
			t.Errorf("the faults are not in the order of the file:\n%v", err)
		}
	}
}

func TestFaultsAreCapped(t *testing.T) {
	var text strings.Builder
	for i := range 60_000 {
		fmt.Fprintf(&text, "key%d: 1\n", i)
	}
	_, err := ParseProtocol("trial.yaml", []byte(text.String()))
	var pe *ProtocolError
	if !errors.As(err, &pe) || len(pe.Faults) != maxFaults || pe.More < 59_000 || !strings.HasSuffix(err.Error(), fmt.Sprintf("… and %d more", pe.More)) {
		t.Errorf("got %.200v", err)
	}
}

func TestErrorShowsThePlace(t *testing.T) {
	_, err := ParseProtocol("trial.yaml", []byte(strings.Replace(template(t, "rlc"), "weight: 1, control: yes", "weight: one, control: yes", 1)))
	want := `trial.yaml has a fault

trial.yaml:28:53: "one" is not a whole number
    at arms > item 2 > weight
    28 |   - {id: control, label: Business as usual, weight: one, control: yes}   # same weight: one school in two
       |                                                     ^
    here should be a whole number`
	if err == nil || err.Error() != want {
		t.Errorf("got:\n%v\nwant:\n%s", err, want)
	}
}

func TestEncodings(t *testing.T) {
	text := template(t, "minimal")
	for name, good := range map[string]string{
		"byte order mark": "\ufeff" + text,
		"Windows lines":   strings.ReplaceAll(text, "\n", "\r\n"),
		"both":            "\ufeff" + strings.ReplaceAll(text, "\n", "\r\n"),
		"document mark":   "---\n" + text,
	} {
		if _, err := ParseProtocol(name, []byte(good)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	latin := strings.Replace(text, "My trial", "My caf\xe9", 1)
	for name, bad := range map[string]struct{ text, want string }{
		"Windows-1252":  {latin, "byte 0xe9 is not UTF-8"},
		"UTF-16":        {"\xff\xfee\x00v\x00", "written in UTF-16"},
		"empty":         {"", "the file says nothing"},
		"only comments": {"# nothing\n\n", "the file says nothing"},
		"a text":        {"hello", "a protocol is made of lines"},
		"a list":        {"- a\n- b\n", "this is a list"},
		"huge":          {strings.Repeat("#", maxProtocol+1), "bytes; a protocol has at most"},
		"old version":   {strings.Replace(text, "evenhand: 1", "evenhand: 2", 1), "2 is outside 1 to 1"},
		"bomb":          {"a: &a [x, x]\nb: &b [*a, *a, *a]\nc: [*b, *b, *b]\n", "gives this part a name"},
		"deep":          {strings.Repeat("[", 200_000), "cannot be read"},
	} {
		_, err := ParseProtocol(name, []byte(bad.text))
		if err == nil || !strings.Contains(err.Error(), bad.want) {
			t.Errorf("%s: got %.300v, want %q", name, err, bad.want)
		}
	}
}

func FuzzParseProtocol(f *testing.F) {
	for _, name := range TemplateNames() {
		f.Add(template(f, name))
	}
	for _, c := range faultCases {
		f.Add(c.edit[1])
	}
	f.Fuzz(func(t *testing.T, text string) {
		p, err := ParseProtocol("fuzz", []byte(text))
		if err == nil {
			if _, err := p.Design(); err != nil {
				t.Errorf("a protocol without faults has no design: %v", err)
			}
			return
		}
		var pe *ProtocolError
		if !errors.As(err, &pe) || len(pe.Faults) == 0 || p != nil {
			t.Fatalf("got %v, %v", p, err)
		}
		if utf8.ValidString(text) && !utf8.ValidString(err.Error()) {
			t.Errorf("the message is not UTF-8: %q", err)
		}
	})
}

func TestScalars(t *testing.T) {
	for s, want := range map[string]string{"95 %": "0.95", "95%": "0.95", "99.9 %": "0.999", "0 %": "0", "100 %": "1", "12.5 %": "0.125"} {
		got, err := ParsePercent(s)
		if err != nil || decimalText(float64(got)) != want {
			t.Errorf("ParsePercent(%q) = %v, %v; want %s", s, got, err, want)
		}
	}
	for s, part := range map[string]string{
		"1e3": "without an exponent", "NaN": "is not a number", "Inf": "is not a number", "0x10": "is not a number", "1_000": "is not a number",
		"1,5": "decimal point, not a comma", "1,000": "mark thousands", "1,000,000": "signs between the thousands", "1 000": "signs between the thousands", "12 345.5": "signs between the thousands",
		"+5": "plus sign", ".5": "a digit before", "5.": "a digit before", "": "no number", "45 %": "without the sign", "−4": "minus sign", "1234567890123456": "at most 15 digits", "1.2.3": "is not a number", "٣": "is not a number",
	} {
		if _, err := ParseDecimal(s); err == nil || !strings.Contains(err.Error(), part) {
			t.Errorf("ParseDecimal(%q): %v, want %q", s, err, part)
		}
	}
	for s, want := range map[string]float64{"20": 20, "-3.25": -3.25, " 7 ": 7, "007": 7, "-0": 0} {
		if got, err := ParseDecimal(s); err != nil || got != want {
			t.Errorf("ParseDecimal(%q) = %v, %v; want %v", s, got, err, want)
		}
	}
	for s, want := range map[string]Date{"2014-09-30": "2014-09-30", "30/09/2014": "2014-09-30", "3/9/2014": "2014-09-03", "30 September 2014": "2014-09-30"} {
		if got, err := ParseDate(s); err != nil || got != want {
			t.Errorf("ParseDate(%q) = %v, %v; want %v", s, got, err, want)
		}
	}
}

func TestSizesAndRanges(t *testing.T) {
	for _, s := range []string{"5 to 6", "5", "80 to 120", "-3 to 3", "0.5 to 12.25"} {
		if z, err := ParseSizes(s); err == nil && z.String() != s {
			t.Errorf("sizes %q become %q", s, z)
		}
		if r, err := ParseRange(s); err == nil && r.String() != s {
			t.Errorf("range %q becomes %q", s, r)
		}
	}
	for _, s := range []string{"", "0", "6 to 5", "5-6", "5 to", "a to b", "1,5 to 3", "5 to 5 to 6"} {
		if z, err := ParseSizes(s); err == nil {
			t.Errorf("%q passes as sizes %v", s, z)
		}
		if r, err := ParseRange(s); err == nil {
			t.Errorf("%q passes as range %v", s, r)
		}
	}
	r := Range{Low: 80, High: 120, Set: true}
	if !r.Contains(80) || !r.Contains(120) || r.Contains(79.9) || r.Contains(120.1) || !(Range{}).Contains(1e9) || (Range{}).String() != "" {
		t.Error("a range has its ends, and no range has everything")
	}
}

func TestNearest(t *testing.T) {
	known := []string{"strata", "keep", "degrees of freedom", "EstablishmentName"}
	for word, want := range map[string]string{"stratta": "strata", "stata": "strata", "strtaa": "strata", "degrees_of_freedom": "degrees of freedom", "zebra": "", "": "", "establishment name": "EstablishmentName", "kepe": "keep"} {
		if got := Nearest(word, known); got != want {
			t.Errorf("Nearest(%q) = %q, want %q", word, got, want)
		}
	}
}

// TestTags checks the one description of the file: every field has a key and a
// sentence, keys are unique, and what stands for a missing key is allowed.
func TestTags(t *testing.T) {
	types := map[string]reflect.Type{}
	collectStructs(reflect.TypeFor[Protocol](), types)
	if len(types) < 20 {
		t.Fatalf("%d types, want at least 20", len(types))
	}
	for name, typ := range types {
		keys := map[string]bool{}
		for i := range typ.NumField() {
			f := typ.Field(i)
			key := f.Tag.Get("yaml")
			if key == "" || f.Tag.Get("doc") == "" || keys[key] {
				t.Errorf("%s.%s: key %q, doc %q", name, f.Name, key, f.Tag.Get("doc"))
			}
			keys[key] = true
			if s := f.Tag.Get("default"); s != "" {
				d := &decoder{at: map[string]place{}}
				d.fill(&yaml.Node{Kind: yaml.ScalarNode, Value: s}, reflect.New(f.Type).Elem(), nil, f.Tag)
				if len(d.faults) > 0 {
					t.Errorf("%s.%s: the default %q is not allowed: %v", name, f.Name, s, d.faults)
				}
			}
		}
	}
}

func TestSurveyOfARound(t *testing.T) {
	p := changed(t, "survey staff baseline: 100 %", "survey baseline: 100 %")
	if r := p.Recruitment.Eligible[2]; r.Survey != "staff" || r.Text != "survey baseline: 100 % of teachers of years 5, 6" {
		t.Errorf("got %+v", r)
	}
	text := strings.Replace(template(t, "rlc"), "survey staff baseline: 100 %", "survey baseline: 100 %", 1)
	text = strings.Replace(text, "\noutcomes:", "\n  - {id: heads, rounds: [{id: baseline}]}\noutcomes:", 1)
	if _, err := ParseProtocol("trial.yaml", []byte(text)); err == nil || !strings.Contains(err.Error(), `2 surveys have a round "baseline": staff, heads`) {
		t.Errorf("got %v", err)
	}
}

func TestTemplateThatIsNot(t *testing.T) {
	if _, err := Template("rcl"); err == nil || !strings.Contains(err.Error(), "the templates are: rlc, minimal") {
		t.Errorf("got %v", err)
	}
}
