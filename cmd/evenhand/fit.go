package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"path/filepath"
	"regexp"
	"slices"
	"sort"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"evenhand/analysis"
	"evenhand/analysis/means"
	"evenhand/analysis/mixed"
	"evenhand/analysis/permute"
	"evenhand/analysis/robust"
	"evenhand/trial"
	"evenhand/trial/intake"
)

// fitFlags are the choices of `analysis fit`.
type fitFlags struct {
	data, outcome, arm, control, cluster string
	levels, covariates, factors          []string
	partial                              string
	receivedCol, weightsCol, strataCol   string
	model, df, method, slope, se         choice
	confidence                           float64
	quadrature                           int

	estimator, weighting, population choice // of model means
	pairs                            bool

	priorSD                string // of model bayes
	byArm, interactions    []string
	profile, schoolEffects bool
	months                 string

	seed      uint64
	draws     int // of model bayes, in each chain
	permute   int
	design    string
	roster    string
	chance    string
	bootstrap int
	resample  choice
	wild      int

	// Worked out by check.
	changed             map[string]bool // flags that were given
	clusterName         string          // the column that schools are counted by, "" for none
	levelNames          []string        // columns of the random intercepts (without --partial), outermost first
	needsLevels         bool            // the model has random intercepts
	permuted, resampled bool            // a randomisation test, a bootstrap was asked for
}

// Words of the flags.
const (
	modelMixed    = "mixed"
	modelLogistic = "logistic"
	modelOLS      = "ols"
	modelIV       = "iv"
	modelMeans    = "means"
	modelBayes    = "bayes"

	byArmResidual = "residual"
	byArmClusters = "clusters"

	byDifference   = "difference"
	byClusterMeans = "cluster-means"
	byRCTYes       = "rct-yes"
)

// fitFor says which models a flag belongs to; a flag that is not here belongs
// to all.
var fitFor = map[string][]string{
	"levels":         {modelMixed, modelBayes},
	"partial":        {modelMixed, modelBayes},
	"slope":          {modelMixed, modelBayes},
	"by-arm":         {modelMixed, modelBayes},
	"profile":        {modelMixed},
	"school-effects": {modelMixed},
	"interactions":   {modelMixed, modelLogistic, modelOLS, modelBayes},
	"df":             {modelMixed},
	"method":         {modelMixed},
	"quadrature":     {modelLogistic},
	"se":             {modelOLS, modelIV},
	"weights":        {modelOLS, modelIV},
	"received":       {modelIV},
	"estimator":      {modelMeans},
	"weighting":      {modelMeans},
	"population":     {modelMeans},
	"pairs":          {modelMeans},
	"draws":          {modelBayes},
	"permute":        {modelMixed, modelOLS},
	"bootstrap":      {modelMixed, modelOLS},
}

func (a *app) fitCommand() *cobra.Command {
	var f fitFlags
	var c *cobra.Command
	c = command("fit --data FILE --outcome COL --arm COL --cluster COL", "Fit the model of a trial to a CSV file, without any store",
		"Fit a model to a CSV file and give the adjusted difference between arms, its effect size by every\ndenominator, variances and intra-cluster correlation. An empty cell or NA is a missing value; rows\nwith one are left out and counted.\n\n"+
			"Models: mixed (pupils in schools, random intercepts; the default), logistic (an outcome of 0 and 1),\nols (least squares, standard errors robust to schools), iv (two-stage least squares: the arm drawn is\nthe instrument for what was received), means (difference in means by the design declared: --cluster if\nschools were drawn, --strata if within blocks, --pairs if in pairs), bayes (posterior of the mixed\nmodel). A flag that says less than it seems to (of another model) is refused.\n\n"+
			"--permute redraws: by the trial's own --design with --strata (or --roster), else by exchanging the\narms of schools (within --strata), all exchanges where they are at most the number asked for.",
		"evenhand analysis fit --data ks2.csv --outcome Posttest --arm Treat --cluster School\n"+
			"evenhand analysis fit --data ks2.csv --outcome Posttest --arm Treat --control 0 --cluster School --covariates Pretest,FSM --factors Stratum --df satterthwaite --format json\n"+
			"evenhand analysis fit --data ks2.csv --outcome Posttest --arm Treat --levels School,Class --covariates Pretest\n"+
			"evenhand analysis fit --data ks2.csv --outcome Posttest --arm Treat --cluster School --partial Community --by-arm residual\n"+
			"evenhand analysis fit --data ks2.csv --outcome Posttest --arm Treat --cluster School --covariates FSM --interactions Treat:FSM --profile --school-effects\n"+
			"evenhand analysis fit --data mst.csv --outcome Posttest --arm Treat --cluster School --slope full\n"+
			"evenhand analysis fit --data ks2.csv --outcome Pass --arm Treat --cluster School --model logistic --quadrature 25\n"+
			"evenhand analysis fit --data ks2.csv --outcome Posttest --arm Treat --cluster School --model ols --se CR2\n"+
			"evenhand analysis fit --data ks2.csv --outcome Posttest --arm Treat --cluster School --model iv --received Sessions\n"+
			"evenhand analysis fit --data ks2.csv --outcome Posttest --arm Treat --cluster School --strata Stratum --model means\n"+
			"evenhand analysis fit --data ks2.csv --outcome Posttest --arm Treat --cluster School --permute 10000 --design design.txt --strata Stratum\n"+
			"evenhand analysis fit --data ks2.csv --outcome Posttest --arm Treat --cluster School --bootstrap 2000 --resample schools",
		noArgs, func(context.Context, []string) error {
			f.changed = map[string]bool{}
			c.Flags().Visit(func(flag *pflag.Flag) { f.changed[flag.Name] = true })
			return a.fit(f)
		})
	flags := c.Flags()
	flags.StringVar(&f.data, "data", "", "the CSV file")
	flags.StringVar(&f.outcome, "outcome", "", "column of the outcome")
	flags.StringVar(&f.arm, "arm", "", "column of the arm")
	flags.StringVar(&f.control, "control", "", "the control arm's value (default: the first in order)")
	flags.StringVar(&f.cluster, "cluster", "", "column of the school")
	flags.StringSliceVar(&f.levels, "levels", nil, "instead of --cluster: columns of the random intercepts, outermost first (School,Class)")
	flags.StringVar(&f.partial, "partial", "", "column of the communities, empty where a school is in none, as in the control arm")
	addChoice(c, &f.slope, "slope", "", "the arm's effect varies over schools: with a covariance or without", string(mixed.FullSlope), string(mixed.DiagonalSlope))
	flags.StringSliceVar(&f.covariates, "covariates", nil, "columns of numeric covariates")
	flags.StringSliceVar(&f.factors, "factors", nil, "columns of categorical covariates")
	flags.StringSliceVar(&f.interactions, "interactions", nil, "products of two columns of the model, the arm's among them (Treat:FSM)")
	flags.StringSliceVar(&f.byArm, "by-arm", nil, "variances that each arm has of its own: residual, clusters, or both between commas")
	flags.BoolVar(&f.profile, "profile", false, "profile-likelihood intervals of coefficients and variances too")
	flags.BoolVar(&f.schoolEffects, "school-effects", false, "the predicted effect of every school (community, class) too, with standard errors")
	flags.StringVar(&f.months, "months", "", "a CSV table of months of progress (columns months, from, to) instead of the one for single trials")
	addChoice(c, &f.model, "model", modelMixed, "the model", modelMixed, modelLogistic, modelOLS, modelIV, modelMeans, modelBayes)
	flags.StringVar(&f.receivedCol, "received", "", "model iv: column of what was received (0/1, or a dose)")
	flags.StringVar(&f.weightsCol, "weights", "", "models ols and iv: column of the weights")
	flags.StringVar(&f.strataCol, "strata", "", "column of the strata or blocks of the draw, for means, --permute and --bootstrap (as covariates they are --factors)")
	flags.Float64Var(&f.confidence, "confidence", 0.95, "confidence of the intervals, in (0,1)")
	addChoice(c, &f.df, "df", string(mixed.KenwardRoger), "degrees of freedom; with --method ml satterthwaite", string(mixed.KenwardRoger), string(mixed.Satterthwaite), string(mixed.SatterthwaiteExpected), string(mixed.Containment), string(mixed.Z))
	addChoice(c, &f.method, "method", "reml", "criterion by which variances are estimated", "reml", "ml")
	addChoice(c, &f.se, "se", "", "models ols and iv: standard errors (default: CR2 with --cluster, else HC2)", varianceNames()...)
	flags.IntVar(&f.quadrature, "quadrature", 25, "model logistic: quadrature points; 1 is Laplace")
	addChoice(c, &f.estimator, "estimator", byDifference, "model means: of people, of schools' means, or of the RCT-YES family", byDifference, byClusterMeans, byRCTYes)
	addChoice(c, &f.weighting, "weighting", string(means.ByPeople), "cluster-means and rct-yes: what a school or block counts", string(means.ByPeople), string(means.Equally))
	addChoice(c, &f.population, "population", string(means.Finite), "rct-yes: whom the answer is for", string(means.Finite), string(means.Super))
	flags.BoolVar(&f.pairs, "pairs", false, "model means: --strata are pairs")
	flags.IntVar(&f.draws, "draws", 1000, "model bayes: draws of each of 4 chains")
	flags.StringVar(&f.priorSD, "prior-sd", "", "model bayes: scale of the half-t priors of SDs between groups, in outcome units, or flat (default: the outcome's SD)")
	flags.IntVar(&f.permute, "permute", 0, "redraws of a randomisation test")
	flags.StringVar(&f.design, "design", "", "with --permute: the trial's design (design.txt of its bundle)")
	flags.StringVar(&f.roster, "roster", "", "with --design: the trial's roster (roster.txt) instead of --strata")
	flags.StringVar(&f.chance, "chance", "", "with --design of method constrained: the draw's chance (chance.txt)")
	flags.IntVar(&f.bootstrap, "bootstrap", 0, "bootstrap replicates")
	addChoice(c, &f.resample, "resample", string(permute.Schools), "with --bootstrap: what varies", string(permute.Schools), string(permute.Pupils), string(permute.Both), string(permute.Residual))
	flags.IntVar(&f.wild, "wild", 0, "model ols: replicates of the wild cluster bootstrap of the arms (every assignment of signs with at most 12 schools)")
	flags.Uint64Var(&f.seed, "seed", 1, "seed of simulated numbers: the same seed gives the same answer")
	return c
}

func varianceNames() []string {
	names := make([]string, len(robust.Variances))
	for i, v := range robust.Variances {
		names[len(names)-1-i] = string(v)
	}
	return names
}

// check refuses flags that are missing, contradict one another or belong to
// another model, all at once.
func (f *fitFlags) check() error {
	var faults []string
	say := func(format string, args ...any) { faults = append(faults, fmt.Sprintf(format, args...)) }
	for _, needed := range []struct{ flag, value string }{{"data", f.data}, {"outcome", f.outcome}, {"arm", f.arm}} {
		if needed.value == "" {
			say("--%s is missing", needed.flag)
		}
	}
	model := f.model.value
	if _, err := f.prior(); err != nil {
		say("%v", err)
	}
	f.permuted, f.resampled = f.changed["permute"], f.changed["bootstrap"]
	f.needsLevels = model == modelMixed || model == modelLogistic || model == modelBayes
	switch {
	case f.cluster != "" && len(f.levels) > 0:
		say("--cluster and --levels: give one of them; --levels names all random intercepts, the school's too")
	case f.cluster == "" && len(f.levels) == 0 && f.needsLevels:
		say("--cluster is missing")
	}
	var names []string
	for name := range f.changed {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		if models, ok := fitFor[name]; ok && !slices.Contains(models, model) {
			say("--%s belongs to --model %s, not to %s", name, strings.Join(models, " or "), model)
		}
	}
	if f.method.value == "ml" && f.df.value == string(mixed.KenwardRoger) {
		if f.changed["df"] {
			say("--df kenward-roger adjusts a fit by REML: give --df satterthwaite, or leave --method ml out")
		}
		f.df.value = string(mixed.Satterthwaite)
	}
	columns := append(slices.Clone(f.covariates), f.factors...)
	for i, name := range columns {
		if slices.Contains(columns[:i], name) {
			say("--covariates and --factors: %s is given twice", name)
		}
	}
	for _, v := range f.byArm {
		if v != byArmResidual && v != byArmClusters {
			say("--by-arm: %q is no variance; say %s, %s or both", v, byArmResidual, byArmClusters)
		}
	}
	for _, x := range f.interactions {
		if len(strings.Split(x, ":")) != 2 {
			say("--interactions: %q is not two columns with a colon between them, such as Treat:FSM", x)
		}
	}
	if len(f.interactions) > 0 && f.permuted {
		say("--permute: an arm with an interaction has no one difference to test; leave --interactions out")
	}
	if f.partial != "" && f.permuted {
		say("--permute: the communities of --partial belong to the arms as they were drawn, and would have to be formed anew in every redraw; leave --partial out (the test holds whatever the model)")
	}
	if model == modelIV && f.receivedCol == "" {
		say("--received is missing: model iv needs the column of what was received")
	}
	if !(f.confidence > 0 && f.confidence < 1) {
		say("--confidence: a number between 0 and 1, such as 0.95")
	}
	if f.quadrature < 1 || f.quadrature > 100 {
		say("--quadrature: from 1 (Laplace) to 100 points")
	}
	if f.draws < 20 || f.draws > 1_000_000 {
		say("--draws: from 20 to 1,000,000")
	}
	if f.permuted && (f.permute < 1 || f.permute > 1_000_000) {
		say("--permute: from 1 to 1,000,000 redraws")
	}
	if f.resampled && (f.bootstrap < 100 || f.bootstrap > 1_000_000) {
		say("--bootstrap: from 100 to 1,000,000 replicates")
	}
	if f.changed["wild"] && (f.wild < 100 || f.wild > 1_000_000) {
		say("--wild: from 100 to 1,000,000 replicates")
	}
	if f.changed["wild"] && f.cluster == "" {
		say("--wild turns the signs of whole schools' residuals: --cluster is missing")
	}
	if f.resampled && f.partial != "" {
		say("--bootstrap: schools of a community would have to be drawn together, and others alone; leave --partial out")
	}
	if f.resampled && f.cluster == "" && len(f.levels) == 0 {
		say("--bootstrap resamples schools, or pupils in schools: --cluster is missing")
	}
	for _, with := range []struct {
		flag string
		ok   bool
		of   string
	}{
		{"design", f.permuted, "--permute"}, {"roster", f.design != "", "--design"}, {"chance", f.design != "", "--design"},
		{"resample", f.resampled, "--bootstrap"}, {"pairs", f.strataCol != "", "--strata"},
		{"strata", model == modelMeans || f.permuted || f.resampled, "--model means, --permute or --bootstrap"},
		{"seed", model == modelBayes || f.permuted || f.resampled || f.wild > 0, "--model bayes, --permute, --bootstrap or --wild"},
		{"population", f.estimator.value == byRCTYes, "--estimator rct-yes"},
		{"weighting", f.estimator.value != byDifference, "--estimator cluster-means or rct-yes"},
	} {
		if f.changed[with.flag] && !with.ok {
			say("--%s goes with %s", with.flag, with.of)
		}
	}
	if model == modelMeans && f.estimator.value == byClusterMeans && f.cluster == "" {
		say("--estimator cluster-means compares the means of schools: --cluster is missing")
	}
	if model == modelMeans && f.estimator.value != byRCTYes && len(f.covariates)+len(f.factors) > 0 {
		say("--covariates and --factors: a difference in means has none (--estimator rct-yes can have them, and so can the other models)")
	}
	if f.design != "" && f.roster != "" && f.strataCol != "" {
		say("--roster and --strata: give one of them; the roster has the strata")
	}
	if len(faults) > 0 {
		return usageError{errors.New(strings.Join(faults, "\n"))}
	}
	f.levelNames, f.clusterName = f.levels, f.cluster
	if f.cluster != "" {
		f.levelNames = []string{f.cluster}
	} else if len(f.levels) > 0 {
		f.clusterName = f.levels[0]
	}
	return nil
}

// tableData is a CSV file with its columns found by header.
type tableData struct {
	file   string
	t      *intake.Table
	faults []string
}

func (a *app) readTable(file string) (*tableData, error) {
	data, err := a.readFile(file)
	if err != nil {
		return nil, err
	}
	t, err := intake.ReadTable(filepath.Base(file), bytes.NewReader(data))
	if err != nil {
		return nil, err
	}
	for _, n := range t.Notes {
		a.note("%s: %s", filepath.Base(file), n)
	}
	return &tableData{file: filepath.Base(file), t: t}, nil
}

// find gives the place of a column, recording a fault where there is none.
func (d *tableData) find(flag, name string) int {
	for i, h := range d.t.Header {
		if h == name {
			return i
		}
	}
	fault := fmt.Sprintf("--%s: %s has no column %q", flag, d.file, name)
	if near := trial.Nearest(name, d.t.Header); near != "" {
		fault += fmt.Sprintf("; did you mean %q?", near)
	} else {
		fault += "; it has " + strings.Join(d.t.Header, ", ")
	}
	d.faults = append(d.faults, fault)
	return -1
}

// fault is all of the faults as an error, the first twenty in full.
func (d *tableData) fault() error {
	faults := d.faults
	if len(faults) > 20 {
		faults = append(slices.Clone(faults[:20]), fmt.Sprintf("and %d more", len(faults)-20))
	}
	return errors.New(strings.Join(faults, "\n"))
}

// absurd is a size that no measurement has, and whose square is too large to
// compute with.
const absurd = 1e140

var decimalComma = regexp.MustCompile(`^-?[0-9]+,[0-9]+$`)

func isMissing(cell string) bool { return cell == "" || cell == "NA" }

// number reads a column of numbers.
func (d *tableData) number(flag, name string) analysis.Column {
	c := analysis.Column{Name: name, Values: make([]float64, len(d.t.Rows)), Observed: make([]bool, len(d.t.Rows))}
	at := d.find(flag, name)
	if at < 0 {
		return c
	}
	wrong := 0
	for i, row := range d.t.Rows {
		if isMissing(row[at]) {
			continue
		}
		v, err := strconv.ParseFloat(row[at], 64)
		if err != nil || math.IsNaN(v) || math.Abs(v) > absurd {
			if wrong++; wrong <= 20 {
				fault := fmt.Sprintf("%s row %d, %s: %q is not a number", d.file, d.t.At[i], name, row[at])
				switch {
				case err == nil && !math.IsNaN(v) && !math.IsInf(v, 0):
					fault = fmt.Sprintf("%s row %d, %s: %s is too large for a measurement; check it, or change the unit", d.file, d.t.At[i], name, row[at])
				case wrong == 1 && decimalComma.MatchString(row[at]):
					fault += " (numbers are read with a decimal point: write " + strings.Replace(row[at], ",", ".", 1) + ")"
				}
				d.faults = append(d.faults, fault)
			}
			continue
		}
		c.Values[i], c.Observed[i] = v, true
	}
	if wrong > 20 {
		d.faults = append(d.faults, fmt.Sprintf("%s, %s: and %d more that are not numbers (is it a category? then give it with --factors)", d.file, name, wrong-20))
	}
	return c
}

// category reads a column of categories; levels are sorted, as numbers if all
// of them are numbers.
func (d *tableData) category(flag, name string) analysis.Column {
	c := analysis.Column{Name: name, Codes: make([]int, len(d.t.Rows)), Observed: make([]bool, len(d.t.Rows))}
	at := d.find(flag, name)
	if at < 0 {
		return c
	}
	place := map[string]int{}
	for _, row := range d.t.Rows {
		if !isMissing(row[at]) {
			place[row[at]] = 0
		}
	}
	for v := range place {
		c.Levels = append(c.Levels, v)
	}
	sortLevels(c.Levels)
	for i, v := range c.Levels {
		place[v] = i
	}
	for i, row := range d.t.Rows {
		if !isMissing(row[at]) {
			c.Codes[i], c.Observed[i] = place[row[at]], true
		}
	}
	return c
}

func sortLevels(levels []string) {
	numeric := true
	value := map[string]float64{}
	for _, l := range levels {
		v, err := strconv.ParseFloat(l, 64)
		numeric = numeric && err == nil
		value[l] = v
	}
	sort.Slice(levels, func(i, j int) bool {
		if numeric && value[levels[i]] != value[levels[j]] {
			return value[levels[i]] < value[levels[j]]
		}
		return levels[i] < levels[j]
	})
}

// The JSON of `analysis fit`; numbers unrounded, null where there is none.
type fitJSON struct {
	N             fitN               `json:"n"`
	Model         string             `json:"model"`
	Control       string             `json:"control"`
	Coefficients  []fitCoefficient   `json:"coefficients"`
	JointTests    []fitJointTest     `json:"joint_tests"` // of arms, where there are more than two, and of factors
	Variances     []fitVariance      `json:"variances"`
	ICC           []fitICC           `json:"icc"`
	Criterion     *fitCriterion      `json:"criterion"`
	Convergence   *fitConvergence    `json:"convergence"`
	EffectSizes   []fitEffect        `json:"effect_sizes"`
	GMLM          []fitGMLM          `json:"g_mlm"`
	Hedges        []fitHedges        `json:"hedges"`
	EEF           []fitEEF           `json:"eef_analytics"`
	Months        []fitMonths        `json:"months"`
	Profile       *fitProfile        `json:"profile"`
	SchoolEffects []fitSchoolEffect  `json:"school_effects"` // null unless asked for
	IV            *fitIV             `json:"iv"`
	Posterior     *fitPosterior      `json:"posterior"`
	Randomisation *fitRandomisation  `json:"randomisation_inference"`
	Bootstrap     *fitBootstrap      `json:"bootstrap"`
	Wild          []robust.Bootstrap `json:"wild_bootstrap"` // null unless asked for
	Warnings      []analysis.Warning `json:"warnings"`

	statistic  string // "t" or "z", for the table
	confidence float64
}

type fitN struct {
	Rows     int          `json:"rows"`
	Used     int          `json:"used"`
	Clusters int          `json:"clusters"` // schools with a row used; 0 where no school was named
	Groups   []fitGroups  `json:"groups"`   // of each random intercept, outermost first
	Dropped  []fitDropped `json:"dropped"`
}

type fitGroups struct {
	Level string `json:"level"`
	N     int    `json:"n"`
}

type fitDropped struct {
	Reason string `json:"reason"`
	Rows   int    `json:"rows"`
}

type fitCoefficient struct {
	Term      string     `json:"term"`
	Estimate  float64    `json:"estimate"`
	SE        float64    `json:"se"`
	DF        *float64   `json:"df"`
	Statistic *float64   `json:"statistic"`
	P         *float64   `json:"p"`
	CI        [2]float64 `json:"ci"`
	DFMethod  string     `json:"df_method"`
}

type fitJoint struct {
	F      float64  `json:"f"`
	DF1    float64  `json:"df1"`
	DF2    *float64 `json:"df2"`
	P      float64  `json:"p"`
	Method string   `json:"method"`
}

type fitVariance struct {
	Level string   `json:"level"`
	Term  string   `json:"term,omitempty"` // of a random slope: its column, or both columns of a covariance
	Value float64  `json:"value"`
	SE    *float64 `json:"se"`
}

type fitICC struct {
	Level string      `json:"level"`
	Value float64     `json:"value"`
	CI    *[2]float64 `json:"ci"`
}

type fitCriterion struct {
	Method string  `json:"method"`
	Value  float64 `json:"value"`
}

type fitConvergence struct {
	Iterations int     `json:"iterations"`
	Gradient   float64 `json:"gradient"`
	// Tolerance is the size of a step, relative to the variances, at which the
	// search stops.
	Tolerance float64 `json:"tolerance"`
	Singular  bool    `json:"singular"`
}

type fitEffect struct {
	Term        string         `json:"term"`
	Denominator analysis.Scale `json:"denominator"`
	SD          *float64       `json:"sd"`
	Value       float64        `json:"value"`
	SE          *float64       `json:"se"`
	CI          [2]float64     `json:"ci"`
	DF          *float64       `json:"df"`
	Method      string         `json:"method"`
	// Hedges' small-sample factor for the SD and its degrees of freedom; Value is
	// without it.
	HedgesJ  *float64 `json:"hedges_j"`
	HedgesDF *float64 `json:"hedges_df"`
}

type fitGMLM struct {
	Term        string         `json:"term"`
	Denominator analysis.Scale `json:"denominator"`
	SD          float64        `json:"sd"`
	Delta       float64        `json:"delta"`
	G           float64        `json:"g"`
	SE          float64        `json:"se"`
	// SELmeInfo is as lmeInfo 0.3.2 computes it, by a mistake (METHODS.md).
	SELmeInfo  float64    `json:"se_lmeinfo"`
	DF         float64    `json:"df"`
	J          float64    `json:"j"`
	Symmetric  [2]float64 `json:"ci_symmetric"`
	Noncentral [2]float64 `json:"ci_noncentral"`
}

type fitEEF struct {
	Term  string     `json:"term"`
	Name  string     `json:"name"`
	Value float64    `json:"value"`
	CI    [2]float64 `json:"ci"`
	SE    float64    `json:"se"`
	Plain float64    `json:"plain"` // the difference over the SD, without that package's factor
}

func some(v float64) *float64 { return &v }

// someOr0 is nil for the 0 that stands for "none".
func someOr0(v float64) *float64 {
	if v == 0 {
		return nil
	}
	return &v
}

func finiteDF(df float64) *float64 {
	if df == 0 || math.IsInf(df, 0) {
		return nil
	}
	return &df
}

// fitRows are the rows that a model is fitted to, with what belongs to them.
type fitRows struct {
	fitFlags
	file     string
	rows     int // in the file
	dropped  []fitDropped
	data     *mixed.Data     // complete rows
	school   analysis.Column // of the rows used; Codes nil where no school was named
	schools  int             // with a row used
	strata   analysis.Column // the same, of the strata
	received []float64
	weights  []float64
	whole    analysis.Column // the school of every row of the file
	table    *tableData
	read     func(string) ([]byte, error)
	open     func(string) (*tableData, error)
	notes    []analysis.Warning
}

func (a *app) fit(f fitFlags) error {
	if err := f.check(); err != nil {
		return err
	}
	d, err := a.readTable(f.data)
	if err != nil {
		return err
	}
	var out *fitJSON
	r, err := d.fitRows(f, a.readFile)
	if err == nil {
		r.open = a.readTable
		out, err = r.fit()
	}
	var single *mixed.NotIdentifiedError
	var empty *mixed.EmptyArmError
	switch {
	case errors.As(err, &single) && single.SingleRows:
		return withHint(err, "a model of schools as rows is --model ols; in a protocol it is `measured: schools` with `model: linear`")
	case errors.As(err, &empty) && len(f.levels) > 0:
		return withHint(err, "is a level empty in the whole arm? A level that one arm does not have is given with --partial")
	case err != nil:
		return err
	}
	out.N.Rows, out.N.Used, out.N.Clusters, out.N.Dropped = r.rows, len(r.data.Y), r.schools, r.dropped
	out.Warnings = append(out.Warnings, r.notes...)
	slices.SortStableFunc(out.Warnings, func(x, y analysis.Warning) int { return strings.Compare(x.Code, y.Code) })
	out.Warnings = slices.Compact(out.Warnings)
	return a.print(out, func() { a.showFit(out) })
}

// fitRows reads the columns and leaves out incomplete rows.
func (d *tableData) fitRows(f fitFlags, read func(string) ([]byte, error)) (*fitRows, error) {
	n := len(d.t.Rows)
	r := &fitRows{fitFlags: f, file: d.file, rows: n, table: d, read: read, dropped: []fitDropped{}}
	in := mixed.Rows{Outcome: d.number("outcome", f.outcome), Arm: d.category("arm", f.arm)}
	var extra []analysis.Column
	levelFlag := "cluster"
	if len(f.levels) > 0 {
		levelFlag = "levels"
	}
	var levels []analysis.Column
	for _, name := range f.levelNames {
		c := d.category(levelFlag, name)
		if name == f.clusterName {
			r.whole = c
		}
		levels, extra = append(levels, c), append(extra, c)
	}
	optional := func(flag, name string, read func(string, string) analysis.Column) (c analysis.Column) {
		if name != "" {
			c = read(flag, name)
			extra = append(extra, c)
		}
		return c
	}
	strata := optional("strata", f.strataCol, d.category)
	received := optional("received", f.receivedCol, d.number)
	weights := optional("weights", f.weightsCol, d.number)
	for _, name := range f.covariates {
		in.Covariates = append(in.Covariates, d.number("covariates", name))
	}
	for _, name := range f.factors {
		in.Covariates = append(in.Covariates, d.category("factors", name))
	}
	for _, x := range f.interactions {
		pair := [2]string(strings.Split(x, ":"))
		for i, name := range pair {
			switch {
			case name == f.arm:
				pair[i] = "arm"
			case !slices.Contains(f.covariates, name) && !slices.Contains(f.factors, name):
				d.faults = append(d.faults, fmt.Sprintf("--interactions: %s is neither the arm nor among --covariates and --factors; a product needs both of its columns in the model", name))
			}
		}
		in.Interactions = append(in.Interactions, pair)
		if i := slices.Index(pair[:], "arm"); i >= 0 {
			r.notes = append(r.notes, analysis.Warning{Code: "interaction", Text: fmt.Sprintf("With a product of the arm and %s in the model, the arm's own term, its effect sizes and its bootstrap are of rows where %s is 0 (of a factor, at its first level).", pair[1-i], pair[1-i])})
		}
	}
	var partial analysis.Column
	if f.partial != "" {
		partial = d.category("partial", f.partial)
	}
	if len(d.faults) == 0 {
		if f.control != "" {
			if in.Control = slices.Index(in.Arm.Levels, f.control); in.Control < 0 {
				d.faults = append(d.faults, fmt.Sprintf("--control: %s has no %q in %s; it has %s", d.file, f.control, f.arm, strings.Join(in.Arm.Levels, ", ")))
			}
		}
		switch len(in.Arm.Levels) {
		case 0:
			d.faults = append(d.faults, fmt.Sprintf("--arm: %s has no value in %s", d.file, f.arm))
		case 1:
			d.faults = append(d.faults, fmt.Sprintf("--arm: %s has one value only in %s (%s): there is nothing to compare", d.file, f.arm, in.Arm.Levels[0]))
		}
		for i := range weights.Values {
			if weights.Observed[i] && !(weights.Values[i] > 0) {
				d.faults = append(d.faults, fmt.Sprintf("%s row %d, %s: %v is no weight; weights are positive", d.file, d.t.At[i], f.weightsCol, weights.Values[i]))
			}
		}
	}
	if len(d.faults) > 0 {
		return nil, d.fault()
	}
	// Why a row is left out: the first column that it lacks.
	lost := map[string]int{}
	all := append(append([]analysis.Column{in.Outcome, in.Arm}, extra...), in.Covariates...)
	in.Arm.Observed = slices.Clone(in.Arm.Observed)
	for i := range n {
		for _, c := range all {
			if !c.Observed[i] {
				lost[c.Name]++
				in.Arm.Observed[i] = false
				break
			}
		}
	}
	for _, c := range all {
		if k := lost[c.Name]; k > 0 {
			r.dropped = append(r.dropped, fitDropped{c.Name + " missing", k})
			delete(lost, c.Name)
		}
	}
	if f.needsLevels {
		in.Levels = r.levels(partial, levels, in.Arm)
	}
	data, used, err := in.Design()
	if err != nil {
		return nil, err
	}
	r.data = data
	r.school, r.strata = pickRows(r.whole, used.Rows), pickRows(strata, used.Rows)
	r.received, r.weights = pickRows(received, used.Rows).Values, pickRows(weights, used.Rows).Values
	seen := map[int]bool{}
	for _, c := range r.school.Codes {
		seen[c] = true
	}
	r.schools = len(seen)
	return r, r.look(used.Rows)
}

// look refuses data that no model can do with, and warns of what may be a
// mistake in them.
func (r *fitRows) look(used []int) error {
	rows, schools := make([]int, len(r.data.Arms)), make([]map[int]bool, len(r.data.Arms))
	for i, a := range r.data.Arm {
		if rows[a]++; rows[a] == 1 {
			schools[a] = map[int]bool{}
		}
		if r.school.Codes != nil {
			schools[a][r.school.Codes[i]] = true
		}
	}
	for a, n := range rows {
		switch arm := r.data.Arms[a]; {
		case n == 0:
			return &mixed.EmptyArmError{Arm: arm}
		case len(schools[a]) == 1 && r.schools > 1:
			// mixed models refuse it
			r.notes = append(r.notes, analysis.Warning{Code: "one-school", Text: fmt.Sprintf("Arm %s has one %s: what the arm does cannot be told from what is particular to it, and the standard error does not know of it.", arm, r.clusterName)})
		}
	}
	if v := robust.Variance(r.se.value); v != "" && !byschools(v) && r.cluster != "" {
		r.notes = append(r.notes, analysis.Warning{Code: "schools-ignored", Text: fmt.Sprintf("The standard errors (%s) take those of one %s to be independent. Where whole schools were drawn they are too small: give --se CR2.", v, r.clusterName)})
	}
	low, high := slices.Min(r.data.Y), slices.Max(r.data.Y)
	if low == high {
		return &mixed.ConstantOutcomeError{Outcome: r.outcome, Value: low}
	}
	if high-low < 1e-140 {
		return fmt.Errorf("outcome %q varies by %.3g only, too little to square and sum; change its unit", r.outcome, high-low)
	}
	r.far(r.outcome, r.data.Y, used)
	for _, c := range r.data.Columns {
		if slices.Contains(r.covariates, c.Name) {
			r.far(c.Name, c.Values, used)
		}
	}
	return nil
}

// far warns of values far from all others, such as −999 for a missing one, and
// of values whose leading digits are all the same.
func (r *fitRows) far(name string, values []float64, used []int) {
	sorted := slices.Sorted(slices.Values(values))
	n := len(sorted)
	q1, q3 := sorted[n/4], sorted[n-1-n/4]
	const reach = 10 // spans of the middle half
	first, count := -1, 0
	for i, v := range values {
		if q3 > q1 && (v < q1-reach*(q3-q1) || v > q3+reach*(q3-q1)) {
			if count++; first < 0 {
				first = i
			}
		}
	}
	if count > 0 {
		r.notes = append(r.notes, analysis.Warning{Code: "far-values", Text: fmt.Sprintf("%s: %s far from the others (first: row %d, %v; half of all are between %v and %v). Mistyped, or a code for a missing value? They were analysed as they are.", name, valuesAre(count), r.table.t.At[used[first]], values[first], q1, q3)})
	}
	if size, width := max(math.Abs(sorted[0]), math.Abs(sorted[n-1])), sorted[n-1]-sorted[0]; width > 0 && size > 1e7*width {
		r.notes = append(r.notes, analysis.Warning{Code: "leading-digits", Text: fmt.Sprintf("%s: all values have their first %d digits in common (they are between %v and %v), and about as many of 16 digits of what is computed of their differences are lost. Take a constant off.", name, int(math.Log10(size/width)), sorted[0], sorted[n-1])})
	}
}

func valuesAre(n int) string {
	if n == 1 {
		return "1 value is"
	}
	return fmt.Sprintf("%d values are", n)
}

// levels makes the random intercepts, outermost first. An inner group's label
// that comes in two outer groups names two groups.
func (r *fitRows) levels(partial analysis.Column, columns []analysis.Column, arm analysis.Column) []mixed.Level {
	var all []mixed.Level
	if partial.Name != "" {
		all = append(all, mixed.LevelOf(partial))
		without := 0
		for i := range arm.Codes {
			if arm.Observed[i] && !partial.Observed[i] {
				without++
			}
		}
		if without == 0 {
			r.notes = append(r.notes, analysis.Warning{Code: "not-partial", Text: fmt.Sprintf("Every row is in a %s: no arm is without, and the variance between them is taken to be the same in all arms. Leave the column empty in the arm that had none.", partial.Name)})
		}
	}
	for k, c := range columns {
		level := mixed.LevelOf(c)
		if k > 0 {
			outer := all[len(all)-1]
			within := mixed.Within(outer, level)
			if groupsOf(within) > groupsOf(level) {
				r.notes = append(r.notes, analysis.Warning{Code: "labels-reused", Text: fmt.Sprintf("The same %s labels occur in several groups of %s: they were taken to be different groups.", c.Name, outer.Name)})
			}
			level = within
		}
		all = append(all, level)
	}
	return all
}

func groupsOf(l mixed.Level) int {
	seen := map[int]bool{}
	for _, g := range l.Index {
		if g >= 0 {
			seen[g] = true
		}
	}
	return len(seen)
}

// pickRows is a column with the rows given; an empty column stays empty.
func pickRows(c analysis.Column, rows []int) analysis.Column {
	out := analysis.Column{Name: c.Name, Levels: c.Levels}
	for _, i := range rows {
		switch {
		case c.Codes != nil:
			out.Codes = append(out.Codes, c.Codes[i])
		case c.Values != nil:
			out.Values = append(out.Values, c.Values[i])
		}
	}
	return out
}

// fit fits the model that was asked for.
func (r *fitRows) fit() (*fitJSON, error) {
	out := &fitJSON{Control: r.data.Arms[r.data.Control], Variances: []fitVariance{}, ICC: []fitICC{}, EffectSizes: []fitEffect{}, GMLM: []fitGMLM{}, JointTests: []fitJointTest{}, Hedges: []fitHedges{}, Months: []fitMonths{}, EEF: []fitEEF{}, Warnings: []analysis.Warning{}, statistic: "t", confidence: r.confidence}
	out.N.Groups = []fitGroups{}
	fit := map[string]func(*fitJSON) error{modelMixed: r.mixed, modelLogistic: r.logistic, modelOLS: r.ols, modelIV: r.iv, modelMeans: r.means, modelBayes: r.bayes}[r.model.value]
	if err := fit(out); err != nil {
		return nil, err
	}
	if err := r.monthsOf(out); err != nil {
		return nil, err
	}
	if r.permuted {
		if err := r.redraw(out); err != nil {
			return nil, err
		}
	}
	if r.resampled {
		if err := r.resampling(out); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func (a *app) showFit(out *fitJSON) {
	a.say("%s", out.Model)
	schools := ""
	if out.N.Clusters > 0 {
		schools = ", " + count(out.N.Clusters, "school")
	}
	a.say("%d of %s used%s; control arm: %s", out.N.Used, count(out.N.Rows, "row"), schools, out.Control)
	for _, l := range out.N.Dropped {
		a.say("  left out: %d (%s)", l.Rows, l.Reason)
	}
	a.say("")
	interval := fmt.Sprintf("%.6g %% interval", 100*out.confidence)
	rows := [][]string{{"term", "estimate", "SE", "df", out.statistic, "p", interval}}
	method := ""
	number := func(format string, v *float64) string {
		if v == nil {
			return "–"
		}
		return fmt.Sprintf(format, *v)
	}
	for _, c := range out.Coefficients {
		method = c.DFMethod
		rows = append(rows, []string{c.Term, fmt.Sprintf("%.6g", c.Estimate), fmt.Sprintf("%.6g", c.SE), number("%.2f", c.DF), number("%.3f", c.Statistic), number("%.4g", c.P), fmt.Sprintf("%.6g to %.6g", c.CI[0], c.CI[1])})
	}
	a.table(rows)
	a.say("")
	line := "degrees of freedom: " + method
	if out.Criterion != nil {
		line += fmt.Sprintf("; %s criterion %.8g", out.Criterion.Method, out.Criterion.Value)
	}
	a.say("%s", line)
	for _, t := range out.JointTests {
		a.say("%s, all terms at once: F = %.4f on %g and %s degrees of freedom, p = %.4g (%s)", t.Term, t.F, t.DF1, number("%.2f", t.DF2), t.P, t.Method)
	}
	for _, v := range out.Variances {
		name := v.Level
		if v.Term != "" {
			name += ", " + v.Term
		}
		a.say("variance  %-12s %.6g", name, v.Value)
	}
	for _, i := range out.ICC {
		ci := ""
		if i.CI != nil {
			ci = fmt.Sprintf(" (%.4f to %.4f)", i.CI[0], i.CI[1])
		}
		a.say("ICC       %-12s %.4f%s, given the covariates", i.Level, i.Value, ci)
	}
	a.say("")
	rows = [][]string{{"effect size", "SD divided by", "SD", "value", interval}}
	for _, e := range out.EffectSizes {
		rows = append(rows, []string{e.Term, string(e.Denominator), number("%.5g", e.SD), fmt.Sprintf("%.4f", e.Value), fmt.Sprintf("%.4f to %.4f", e.CI[0], e.CI[1])})
	}
	a.table(rows)
	a.showMonths(out.Months)
	a.showProfile(out.Profile, out.confidence)
	a.showSchoolEffects(out.SchoolEffects)
	a.showIV(out.IV)
	a.showPosterior(out.Posterior)
	a.showRandomisation(out.Randomisation)
	a.showBootstrap(out.Bootstrap)
	a.showWild(out.Wild)
	for _, w := range out.Warnings {
		a.say("warning (%s): %s", w.Code, w.Text)
	}
}
