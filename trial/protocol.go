package trial

// Protocol is a trial as trial.yaml declares it: one commented file that an
// evaluator can read aloud. ParseProtocol reads it; every later step asks it.
//
// The tags are the one description of the file: ParseProtocol and the JSON
// Schema for editors are both made from them. yaml is the key, doc the sentence
// that an evaluator needs, enum the words allowed, need:"yes" a key that must be
// there, default what stands where the key is left out, min and max the limits
// of a whole number, unit the words that may follow it, and form:"name" a name
// as the drawing rule allows it: letters, digits and . _ - only, at most 64.
type Protocol struct {
	Evenhand    int             `yaml:"evenhand" doc:"version of this file's format: 1" need:"yes" min:"1" max:"1"`
	Trial       About           `yaml:"trial" doc:"what the trial is and who runs it" need:"yes"`
	Arms        []Arm           `yaml:"arms" doc:"what schools are drawn into; one of them is the control arm" need:"yes"`
	Schools     SchoolFile      `yaml:"schools" doc:"how to read the file of schools"`
	Recruitment Recruitment     `yaml:"recruitment" doc:"which schools are wanted, how many, and what each must do before the draw" need:"yes"`
	Strata      []string        `yaml:"strata" doc:"columns of the schools within whose values the draw is made" form:"name"`
	Draw        DrawSettings    `yaml:"draw" doc:"how the lots are drawn" need:"yes"`
	Communities []CommunityRule `yaml:"communities" doc:"the communities that an arm's schools are drawn into"`
	Delivery    Delivery        `yaml:"delivery" doc:"the sessions, and what counts as having taken part"`
	Surveys     []Survey        `yaml:"surveys" doc:"surveys of staff and when they are held"`
	Outcomes    []Outcome       `yaml:"outcomes" doc:"what is measured, when, and in which range" need:"yes"`
	Plan        Plan            `yaml:"plan" doc:"the statistical analysis plan"`
	SampleSize  SampleSize      `yaml:"sample size" doc:"what the number of schools was reckoned from, so that what the trial can detect is known at every stage"`
	Security    string          `yaml:"security" doc:"whose security rating is shown: eef or none" enum:"eef,none" default:"none"`
	Months      MonthsRule      `yaml:"months of progress" doc:"effect sizes in months of progress, a convention of some funders and no estimate"`
	Disclosure  Disclosure      `yaml:"disclosure" doc:"the smallest count that may be published"`
}

// About is the trial's name and people.
type About struct {
	ID           string   `yaml:"id" doc:"short name, letters, digits, . _ -" need:"yes" form:"name"`
	Title        string   `yaml:"title" doc:"full title" need:"yes"`
	Registration string   `yaml:"registration" doc:"registry number, e.g. ISRCTN14382473"`
	Unit         string   `yaml:"unit" doc:"what is drawn: school" enum:"school" default:"school"`
	Measured     string   `yaml:"measured" doc:"whom the outcomes belong to: pupils or schools" enum:"pupils,schools" default:"pupils"`
	Contacts     Contacts `yaml:"contacts" doc:"who is responsible"`
	Blind        Blind    `yaml:"blind" doc:"who must not learn an arm, and until when"`
}

// Contacts names the people responsible.
type Contacts struct {
	Evaluator    string `yaml:"evaluator" doc:"who runs the evaluation"`
	Statistician string `yaml:"statistician" doc:"who makes the draw; not involved in recruitment"`
	Delivery     string `yaml:"delivery" doc:"who delivers the programme"`
	Funder       string `yaml:"funder" doc:"who pays, and keeps receipts"`
}

// Blind says who must not learn which school is in which arm.
type Blind struct {
	People []string `yaml:"people" doc:"names as given with --as"`
	Until  string   `yaml:"until" doc:"when they may learn it" enum:"plan locked,report,never" default:"plan locked"`
	// The results are blind for everybody, see conduct.Unblind.
	Confirm int `yaml:"unblinded by" doc:"how many people must be named when the outcomes' results are put under the arms' names: 1 or 2" default:"1" min:"1" max:"2" unit:"person,people"`
}

// Arm is what a school may be drawn into.
type Arm struct {
	ID      string `yaml:"id" doc:"short name, letters, digits, . _ -" need:"yes" form:"name"`
	Label   string `yaml:"label" doc:"name for reports"`
	Weight  int    `yaml:"weight" doc:"whole number: the arm's share of the schools is its weight over the sum of the weights" default:"1" min:"1" max:"1000"`
	Control bool   `yaml:"control" doc:"yes for the one control arm"`
}

// SchoolFile says which column of the file of schools is which. The columns of
// the English register (Get Information about Schools) are known by header, and
// Columns adds to them; with an id among Columns, the file is the trial's own
// and only the columns named are read (see SchoolColumns).
type SchoolFile struct {
	Columns map[string]string `yaml:"columns" doc:"our name: the file's header. With an id among them these are all the columns; without, they are added to those of the English register, which are known" form:"name"`
	Bands   []Band            `yaml:"bands" doc:"columns made by cutting a number into bands"`
	Groups  []Group           `yaml:"groups" doc:"columns made by grouping the values of another"`
	IDs     string            `yaml:"ids" doc:"what an ID must look like: urn (six digits; so unless columns has an id) or any" enum:"urn,any"`
}

// Band makes a column of a school from a number: with cuts c1 < c2 < … a value
// below c1 gets the first label, one from c1 to below c2 the second, and so on.
type Band struct {
	Name   string    `yaml:"name" doc:"name of the new column" need:"yes" form:"name"`
	From   string    `yaml:"from" doc:"the column with the number" need:"yes" form:"name"`
	Cuts   []float64 `yaml:"cuts" doc:"where one band ends and the next begins (a value at a cut belongs to the upper band)" need:"yes"`
	Labels []string  `yaml:"labels" doc:"one more than there are cuts" need:"yes"`
}

// Group makes a column of a school by naming groups of another's values.
type Group struct {
	Name      string              `yaml:"name" doc:"name of the new column" need:"yes" form:"name"`
	From      string              `yaml:"from" doc:"the column with the values" need:"yes" form:"name"`
	Groups    map[string][]string `yaml:"groups" doc:"group: the values in it" need:"yes"`
	Otherwise string              `yaml:"otherwise" doc:"group of every other value; without it such a school has no value"`
}

// Recruitment says which schools are wanted and what they must do.
type Recruitment struct {
	Target    int          `yaml:"target" doc:"how many schools are wanted" need:"yes" min:"2" max:"100000" unit:"schools"`
	Region    string       `yaml:"region" doc:"column shown in the funnel" form:"name"`
	Opens     Date         `yaml:"opens" doc:"first day of recruitment"`
	Closes    Date         `yaml:"closes" doc:"last day of recruitment; the pace needed is worked out from it"`
	Agreement []string     `yaml:"agreement" doc:"who must sign, e.g. head, chair of governors"`
	Leaders   []LeaderRule `yaml:"leaders" doc:"the people each school must name"`
	Eligible  []Rule       `yaml:"eligible" doc:"rules, each computed; a school that fails one is told which"`
	Reasons   []string     `yaml:"reasons" doc:"short list of reasons for declining, withdrawing or being ineligible"`
}

// LeaderRule is a role that each school fills with named people.
type LeaderRule struct {
	Role  string `yaml:"role" doc:"e.g. senior leader" need:"yes"`
	Count int    `yaml:"count" doc:"how many people" default:"1" min:"1" max:"20" unit:"person,people"`
}

// DrawSettings says how the lots are drawn (see randomize/RULE.md).
type DrawSettings struct {
	Method     string         `yaml:"method" doc:"how schools are drawn: all at once, within strata, in blocks as they arrive, one after another to the arm that balances best, the best balanced of many candidates, or within matched sets; simple (a coin for each school) and efron (a biased coin) are for teaching and comparison" enum:"complete,stratified,blocks,minimisation,constrained,pairs,simple,efron" need:"yes"`
	Misfits    string         `yaml:"misfits" doc:"schools left over in a stratum (or a matched set): pooled over the trial, or within the stratum" enum:"pooled,within" default:"pooled"`
	Chance     string         `yaml:"chance" doc:"where chance comes from: this computer, two parties' sealed numbers, a public beacon, or dice" enum:"local,two-party,beacon,dice" default:"local"`
	Confirm    int            `yaml:"confirm" doc:"how many people must be named when the draw is made: 1 or 2" default:"1" min:"1" max:"2" unit:"person,people"`
	Waves      int            `yaml:"waves" doc:"how often schools are locked, committed and drawn, where they come in waves; left out: once" min:"1" max:"50" unit:"wave,waves"`
	Blocks     []int          `yaml:"blocks" doc:"method blocks: the block sizes" min:"1" max:"1000"`
	Sequence   string         `yaml:"sequence" doc:"methods blocks, minimisation and efron: the column with the order of arrival, a whole number" form:"name"`
	Set        string         `yaml:"set" doc:"method pairs, where the sets were matched elsewhere: the column that says which schools form a matched set" form:"name"`
	Match      MatchRule      `yaml:"match" doc:"method pairs: schools alike in these columns are matched within their stratum when the roster is locked"`
	Imbalance  string         `yaml:"imbalance" doc:"method minimisation: how imbalance is measured" enum:"range,variance,sd,taves"`
	Best       Percent        `yaml:"best arm" doc:"method minimisation: the chance of the arm that balances best, e.g. 80 %; method efron: that of the arm that is behind"`
	Candidates int            `yaml:"candidates" doc:"method constrained: how many candidate draws are made" min:"1" max:"10000000"`
	Keep       Percent        `yaml:"keep" doc:"method constrained: which share of the candidates is kept, e.g. 10 %"`
	Distinct   int            `yaml:"distinct at least" doc:"method constrained: how many different draws must be among those kept; left out: 1000" min:"1" max:"10000000"`
	PairsLeast Percent        `yaml:"pairs at least" doc:"method constrained: the least share of the kept candidates in which any two schools may be in one arm, e.g. 25 %; left out: more than none"`
	PairsMost  Percent        `yaml:"pairs at most" doc:"method constrained: the greatest such share, e.g. 75 %; left out: fewer than all"`
	Clusters   string         `yaml:"clusters" doc:"the column whose equal values are drawn as one, e.g. a federation; all of them lie in one stratum" form:"name"`
	Balance    map[string]int `yaml:"balance" doc:"methods constrained and minimisation: the columns to be balanced, each with a whole-number weight" form:"name" min:"0" max:"1000000"`
}

// Waves is how many waves of schools are drawn, each by itself.
func (p *Protocol) Waves() int { return max(1, p.Draw.Waves) }

// MatchRule says how schools are matched into pairs, triples, … before the draw.
type MatchRule struct {
	On   map[string]int `yaml:"on" doc:"the columns in which schools of a set are to be alike, each with a whole-number weight" form:"name" min:"0" max:"1000000"`
	Size int            `yaml:"size" doc:"schools in a set: 2 for pairs (so if left out), 3 for triples" min:"2" max:"20" unit:"schools"`
}

// CommunityRule says how an arm's schools are drawn into communities.
type CommunityRule struct {
	Arm      string         `yaml:"arm" doc:"the arm" need:"yes" form:"name"`
	Size     Sizes          `yaml:"size" doc:"how many schools a community has, e.g. 5 to 6" need:"yes"`
	How      string         `yaml:"how" doc:"how they are put together: by lot, by lot within a column, near one another, or mixed so that communities are alike" enum:"random,within,near,mixed" default:"random"`
	Within   string         `yaml:"within" doc:"how within (or near, mixed): the column that no community crosses" form:"name"`
	Apart    []string       `yaml:"apart" doc:"columns: schools with the same value are never in one community" form:"name"`
	Together []string       `yaml:"together" doc:"columns: schools with the same value are always in one community" form:"name"`
	Minutes  string         `yaml:"minutes" doc:"a file beside this one with the minutes from every school to every other, taken in place of distances"`
	Longest  int            `yaml:"travel minutes" doc:"longest journey within a community, in minutes as the file says; 0 for no limit" min:"0" max:"2000" unit:"minutes"`
	Travel   int            `yaml:"travel km" doc:"longest distance within a community, in km as the crow flies; 0 for no limit" min:"0" max:"2000" unit:"km"`
	Balance  map[string]int `yaml:"balance" doc:"how mixed (or near): the columns in which communities are to be alike, each with a whole-number weight" form:"name" min:"0" max:"1000000"`
	Mix      Percent        `yaml:"mix" doc:"how near with balance, or mixed: the share of balance in the judgement, the rest being nearness; left out: none for near, all for mixed"`
	Number   int            `yaml:"number" doc:"how many communities; left out: as few as the size allows" min:"0" max:"10000"`
	Counts   []CountRule    `yaml:"counts" doc:"at least or at most so many schools of a kind in every community"`
	Hubs     []HubRule      `yaml:"hubs" doc:"places where the communities meet, one community each"`
	Starts   int            `yaml:"starts" doc:"formed by search: from how many independent starts; left out: 1000" min:"0" max:"1000000"`
	Keep     Percent        `yaml:"keep" doc:"formed by search: which share of the different ways found is kept, of which chance chooses one; left out: 10 %"`
	Notional bool           `yaml:"notional for control" doc:"yes to put control schools in notional communities by the same rule, for a sensitivity analysis"`
}

// CountRule bounds how many schools of a kind each community has.
type CountRule struct {
	Column string `yaml:"column" doc:"the column" need:"yes" form:"name"`
	Value  string `yaml:"value" doc:"the value that is counted" need:"yes"`
	Least  int    `yaml:"at least" doc:"the fewest in a community" min:"0" max:"1000"`
	Most   int    `yaml:"at most" doc:"the most in a community; left out: no limit" min:"0" max:"1000"`
}

// HubRule is a place where one community meets.
type HubRule struct {
	Name     string `yaml:"name" doc:"the place" need:"yes" form:"name"`
	Distance string `yaml:"distance" doc:"the column with each school's distance to it, in whole metres or minutes" need:"yes" form:"name"`
	Capacity int    `yaml:"capacity" doc:"the most schools it can take; left out: the largest community" min:"0" max:"1000" unit:"schools"`
}

// Delivery says what the programme's sessions are.
type Delivery struct {
	Sessions []Session `yaml:"sessions" doc:"the sessions, in order"`
	Complier Complier  `yaml:"complier" doc:"what counts as having taken part"`
}

// Session is one workshop, held for every community.
type Session struct {
	ID    string `yaml:"id" doc:"short name" need:"yes" form:"name"`
	Label string `yaml:"label" doc:"name for reports"`
	On    Date   `yaml:"on" doc:"planned date"`
}

// Complier says which schools count as having taken part.
type Complier struct {
	Sessions int    `yaml:"sessions" doc:"at least so many sessions; 0 where taking part is not defined" min:"0" max:"1000" unit:"session,sessions"`
	By       string `yaml:"attended by" doc:"who must have been there" enum:"any leader,every leader" default:"any leader"`
}

// Survey is a survey of a school's staff.
type Survey struct {
	ID     string  `yaml:"id" doc:"short name" need:"yes" form:"name"`
	Label  string  `yaml:"label" doc:"name for reports"`
	Rounds []Round `yaml:"rounds" doc:"when it is held" need:"yes"`
}

// Round is one holding of a survey.
type Round struct {
	ID string `yaml:"id" doc:"short name, e.g. baseline" need:"yes" form:"name"`
	On Date   `yaml:"on" doc:"planned date"`
}

// Outcome is something measured of each person.
type Outcome struct {
	ID       string          `yaml:"id" doc:"short name" need:"yes" form:"name"`
	Label    string          `yaml:"label" doc:"name for reports"`
	Column   string          `yaml:"column" doc:"header of its column in the outcome file" need:"yes"`
	Range    Range           `yaml:"range" doc:"lowest and highest possible score, e.g. 80 to 120"`
	On       Date            `yaml:"on" doc:"when it is measured"`
	Primary  bool            `yaml:"primary" doc:"yes for the one primary outcome"`
	Baseline BaselineMeasure `yaml:"baseline" doc:"the same people's earlier score, used as a covariate"`
}

// BaselineMeasure is the score before the trial that goes with an outcome.
type BaselineMeasure struct {
	Column string `yaml:"column" doc:"header of its column in the pupil file" need:"yes"`
	Label  string `yaml:"label" doc:"name for reports"`
	Range  Range  `yaml:"range" doc:"lowest and highest possible score"`
	On     Date   `yaml:"on" doc:"when it was measured"`
}

// Plan is the statistical analysis plan.
type Plan struct {
	Model        string        `yaml:"model" doc:"mixed: pupils in schools, random intercept, REML (so where pupils are measured); partially nested: the same with a variance of communities too, in the arms that have them; linear: schools as rows (so where schools are measured)" enum:"mixed,partially nested,linear"`
	Covariates   []string      `yaml:"covariates" doc:"baseline, strata, or columns of the pupil file"`
	DF           string        `yaml:"degrees of freedom" doc:"small-sample method" enum:"satterthwaite,satterthwaite-expected,kenward-roger,containment,z" default:"satterthwaite"`
	EffectSize   string        `yaml:"effect size" doc:"which SD the adjusted difference is divided by" enum:"total-unconditional,within-unconditional,total-empty,within-empty,total-conditional,within-conditional,pooled-sd,control-sd" default:"total-unconditional"`
	Interval     Percent       `yaml:"interval" doc:"confidence, e.g. 95 %" default:"95 %"`
	Redraws      int           `yaml:"redraws" doc:"how many redraws the randomisation test makes; 0 for none" min:"0" max:"10000000" unit:"redraw,redraws"`
	Posterior    bool          `yaml:"posterior" doc:"yes to give the primary outcome's posterior too, by the same model under weak priors: how probable an effect above each size is; takes some seconds"`
	Subgroups    []string      `yaml:"subgroups" doc:"yes/no columns of the pupil file: interaction, and the effect within"`
	Missing      MissingRule   `yaml:"missing" doc:"what is done about missing scores of the primary outcome; of every outcome, what is missing is described"`
	Multiplicity string        `yaml:"multiplicity" doc:"how p-values of secondary outcomes are adjusted" enum:"none,benjamini-hochberg,holm,westfall-young" default:"none"`
	Pairs        []string      `yaml:"pairs" doc:"with three or more arms: further comparisons beside each arm with the control arm, e.g. intense vs light"`
	PupilColumns []PupilColumn `yaml:"pupil columns" doc:"what else the pupil file says of each pupil"`
}

// PupilColumn is a column of the pupil file used as covariate, in the balance
// table or as a subgroup.
type PupilColumn struct {
	ID     string `yaml:"id" doc:"short name" need:"yes" form:"name"`
	Label  string `yaml:"label" doc:"name for reports"`
	Column string `yaml:"column" doc:"header of its column in the pupil file" need:"yes"`
	Kind   string `yaml:"kind" doc:"what its values are" enum:"number,yes/no,category" need:"yes"`
	Range  Range  `yaml:"range" doc:"kind number: lowest and highest possible value"`
}

// MissingRule says what is done about missing scores.
type MissingRule struct {
	ImputeAbove  Percent  `yaml:"impute above" doc:"share of missing outcomes above which multiple imputation is added to the complete cases" default:"5 %"`
	Imputations  int      `yaml:"imputations" doc:"how many imputed data sets" default:"20" min:"2" max:"10000" unit:"imputations"`
	ByArm        bool     `yaml:"by arm" doc:"yes to impute each arm by a model of its own, so that every association may differ between arms"`
	Interactions []string `yaml:"interactions" doc:"covariates of the plan (the baseline, or pupil columns) whose associations with what is imputed may differ between arms, in one imputation model of all arms"`
	Sensitivity  []string `yaml:"sensitivity" doc:"delta: imputed scores shifted; reference: those lost go on as the control arm; bounds; weights" enum:"delta,reference,bounds,weights"`
}

// SampleSize is what the trial's size was reckoned from when it was planned.
// The number of schools is the target of recruitment; what is not Set was not
// given.
type SampleSize struct {
	Pupils       Decimal       `yaml:"pupils per school" doc:"how many pupils a school is expected to have in the analysis, e.g. 45"`
	Classes      Decimal       `yaml:"classes per school" doc:"how many classes these pupils sit in, where classes are a level of their own"`
	ICC          Decimal       `yaml:"icc" doc:"share of the outcome's variance between schools, in [0,1), e.g. 0.13"`
	ICCClass     Decimal       `yaml:"icc class" doc:"share of it between classes of a school, in [0,1)"`
	ICCCommunity Decimal       `yaml:"icc community" doc:"share of it between communities of the arm that has them, in [0,1)"`
	PrePupil     Decimal       `yaml:"pre-post pupil" doc:"correlation of baseline and outcome among pupils within schools (and classes); left out: none is reckoned with"`
	PreClass     Decimal       `yaml:"pre-post class" doc:"the same between classes of a school"`
	PreSchool    Decimal       `yaml:"pre-post school" doc:"the same between schools"`
	Covariates   Decimal       `yaml:"school covariates" doc:"how many covariates cost degrees of freedom at the level of schools; left out: 1 with a baseline among the covariates, else 0 (strata are added once schools are drawn)"`
	Alpha        Percent       `yaml:"alpha" doc:"significance level" default:"5 %"`
	Power        Percent       `yaml:"power" doc:"power wanted" default:"80 %"`
	Tails        int           `yaml:"tails" doc:"1 or 2" default:"2" min:"1" max:"2"`
	LostSchools  Percent       `yaml:"schools lost" doc:"share of the schools expected to be lost, e.g. 10 %" default:"0 %"`
	LostPupils   Percent       `yaml:"pupils lost" doc:"share of the pupils in the other schools expected to be lost" default:"0 %"`
	FSM          SampleSizeFSM `yaml:"fsm" doc:"the same for pupils with free school meals, on whom a trial is judged too"`
}

// SampleSizeFSM is the part of SampleSize for pupils with free school meals;
// what is not Set is as for all pupils.
type SampleSizeFSM struct {
	Column    string  `yaml:"column" doc:"the yes/no column of the pupil file that says who has them" form:"name"`
	Pupils    Decimal `yaml:"pupils per school" doc:"how many such pupils a school is expected to have"`
	ICC       Decimal `yaml:"icc" doc:"share of their outcome's variance between schools; left out: as for all pupils"`
	PrePupil  Decimal `yaml:"pre-post pupil" doc:"correlation of baseline and outcome among them within schools; left out: as for all pupils"`
	PreSchool Decimal `yaml:"pre-post school" doc:"the same between schools; left out: as for all pupils"`
}

// MonthsRule says whether effect sizes are also shown as months of progress, and
// by which table.
type MonthsRule struct {
	Shown bool         `yaml:"shown" doc:"yes to show months in the executive summary" default:"no"`
	Table []MonthsFrom `yaml:"table" doc:"from which effect size on it is so many months, negative ones mirrored; left out: the table that the Education Endowment Foundation uses for single trials, as far as its published results show it"`
}

// MonthsFrom is a row of a table of months.
type MonthsFrom struct {
	Months int     `yaml:"months" doc:"months of progress" need:"yes" min:"0" max:"120"`
	From   float64 `yaml:"from" doc:"the smallest effect size, to two decimals, that counts as so many months" need:"yes"`
}

// Disclosure says which counts may not be published.
type Disclosure struct {
	Rule      string `yaml:"rule" doc:"whose rule" enum:"none,srs10" default:"srs10"`
	Threshold int    `yaml:"threshold" doc:"smallest count of pupils that may be published; left out: 10 by srs10, none by none" min:"0" max:"1000" unit:"pupils"`
}

// ControlArm gives the index of the control arm in p.Arms, -1 if none is marked.
func (p *Protocol) ControlArm() int {
	for i, a := range p.Arms {
		if a.Control {
			return i
		}
	}
	return -1
}

// Outcome gives the outcome with this ID, or nil.
func (p *Protocol) Outcome(id string) *Outcome {
	for i := range p.Outcomes {
		if p.Outcomes[i].ID == id {
			return &p.Outcomes[i]
		}
	}
	return nil
}

// PrimaryOutcome gives the outcome marked primary, or nil.
func (p *Protocol) PrimaryOutcome() *Outcome {
	for i := range p.Outcomes {
		if p.Outcomes[i].Primary {
			return &p.Outcomes[i]
		}
	}
	return nil
}
