package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"evenhand/analysis/power"
)

// powerDesigns says each design in a line, in the order of power.Designs.
const powerDesigns = `Designs (what is drawn; which number the required size is of):
  ira1              pupils, no blocks (pupils)
  bira2c            pupils within schools, one effect in all (pupils in each school)
  bira2f            pupils within schools, these schools (pupils in each school)
  bira2r            pupils within schools, schools a sample (schools)
  cra2              schools (schools)
  cra3              schools of classes (--clusters is classes in a school; schools: --top)
  bcra3f            schools within strata, these strata (schools in each of --top strata)
  bcra3r            schools within blocks, blocks a sample (blocks: --top)
  bira3r            pupils within schools within districts (districts: --top)
  ira1-pn           pupils; the treated work in groups (pupils)
  bira2-pn          pupils within schools; the treated work in groups (schools)
  cra2-pn           schools; pupils of treated schools work in groups (schools)
  bcra3-pn          schools within blocks; pupils of treated schools in groups (blocks: --top)
  cra2-communities  schools; treated schools work in communities of --group-size schools (schools)

Effects are in standard deviations of the outcome. The t test's noncentral distribution gives the
exact numbers; the approximation (t1 + t2) x SE of the field's tables is given beside it.`

func (a *app) powerCommand() *cobra.Command {
	var in power.Inputs
	var effect float64
	make := func(c *cobra.Command, needs bool) *cobra.Command {
		powerFlags(c, &in)
		if needs {
			c.Flags().Float64Var(&effect, "effect", 0, "the effect size to be found, in SDs (negative for a fall)")
		}
		return c
	}
	// ready refuses what every one of the commands needs and was not given.
	ready := func(c *cobra.Command) error {
		for _, name := range []string{"design", "effect"} {
			if f := c.Flags().Lookup(name); f != nil && !f.Changed {
				return usagef("--%s is missing", name)
			}
		}
		return nil
	}
	var mdes, of, size *cobra.Command
	mdes = make(command("mdes --design DESIGN …", "The smallest effect that a trial can be expected to find",
		"The minimum detectable effect size of a design.\n\n"+powerDesigns,
		"evenhand power mdes --design cra2 --clusters 114 --size 45 --icc 0.13 --r2-cluster 0.5 --r2-pupil 0.4 --covariates 1\nevenhand power mdes --design cra2-communities --clusters 114 --size 45 --icc 0.13 --group-size 6 --icc-group 0.02 --lost-clusters 0.1 --format json",
		noArgs, func(context.Context, []string) error {
			if err := ready(mdes); err != nil {
				return err
			}
			m, err := power.Detectable(in)
			if err != nil {
				return powerFault(err)
			}
			return a.print(m, func() {
				a.say("%s: minimum detectable effect size %.4f SD (exact; by the two-t approximation %.4f)", m.Design, m.Exact, m.MDES)
				a.say("  standard error %.4f, %s; power %v, alpha %v, %d-sided", m.SE, freedom(m.DF), in.Power, in.Alpha, in.Tails)
			})
		}), false)
	of = make(command("power --design DESIGN --effect SD …", "How likely a trial is to find an effect of a given size",
		"The power of a design, exactly, from the noncentral t distribution.\n\n"+powerDesigns,
		"evenhand power power --design cra2 --clusters 114 --size 45 --icc 0.13 --effect 0.2",
		noArgs, func(context.Context, []string) error {
			if err := ready(of); err != nil {
				return err
			}
			p, err := power.Of(in, effect)
			if err != nil {
				return powerFault(err)
			}
			return a.print(p, func() {
				a.say("%s: power %.4f for an effect of %v SD", p.Design, p.Power, p.Effect)
				a.say("  standard error %.4f, %s; alpha %v, %d-sided", p.SE, freedom(p.DF), in.Alpha, in.Tails)
			})
		}), true)
	size = make(command("size --design DESIGN --effect SD …", "How many schools, or pupils, a trial needs",
		"The smallest whole number of units whose exact power is at least the one wanted: never rounded down.\nLosses that are expected (--lost-clusters, --lost-pupils) are allowed for: the number is to be\nrandomised.\n\n"+powerDesigns,
		"evenhand power size --design cra2 --size 45 --icc 0.13 --effect 0.2\nevenhand power size --design cra2 --size 45 --icc 0.13 --effect 0.2 --power 0.9 --lost-clusters 0.15 --format json",
		noArgs, func(context.Context, []string) error {
			if err := ready(size); err != nil {
				return err
			}
			if unit := string(power.UnitOf(in.Design)); size.Flags().Changed(unit) {
				a.note("--%s is the number asked for with design %s: what was given is not used", unit, in.Design)
			}
			s, err := power.Required(in, effect)
			if err != nil {
				return powerFault(err)
			}
			return a.print(s, func() {
				a.say("%s: %s needed for an effect of %v SD; power there %.4f", s.Design, unitsNeeded(s), s.Effect, s.Power)
				a.say("  by the two-t approximation %.2f; %s; alpha %v, %d-sided", s.Approximate, freedom(s.DF), in.Alpha, in.Tails)
			})
		}), true)
	return group("power", "How many schools are needed, and what they can show", mdes, of, size, a.powerCurveCommand(), a.powerStatusCommand(), a.powerSimulateCommand())
}

// powerFlags gives a command the inputs of package power. What a design does
// not use is refused there.
func powerFlags(c *cobra.Command, in *power.Inputs) {
	*in = power.Defaults("")
	f := c.Flags()
	names := make([]string, len(power.Designs))
	for i, d := range power.Designs {
		names[i] = string(d)
	}
	f.Var(&designFlag{&in.Design, names}, "design", "the design, see above")
	_ = c.RegisterFlagCompletionFunc("design", cobra.FixedCompletions(names, cobra.ShellCompDirectiveNoFileComp))
	for _, n := range []struct {
		to          *float64
		name, usage string
	}{
		{&in.Size, "size", "pupils in each school (lowest unit), or in all where there are no schools"},
		{&in.Clusters, "clusters", "schools (level-2 units): in all, or in each unit of level 3"},
		{&in.Top, "top", "level-3 units: strata, blocks, districts, or schools of classes"},
		{&in.ICC, "icc", "share of the outcome's variance between schools, in [0,1)"},
		{&in.ICCTop, "icc-top", "share of the variance between level-3 units, in [0,1)"},
		{&in.R2Pupil, "r2-pupil", "share of the pupils' variance that covariates explain, in [0,1)"},
		{&in.R2Cluster, "r2-cluster", "share of the schools' variance that covariates explain, in [0,1)"},
		{&in.R2Top, "r2-top", "share of the level-3 variance that covariates explain, in [0,1)"},
		{&in.R2Effect, "r2-effect", "share of the variation of effects over blocks that is explained, in [0,1)"},
		{&in.Omega, "omega", "variance of the effect over schools, relative to the variance of their means"},
		{&in.OmegaTop, "omega-top", "variance of the effect over level-3 units, relative to that of their means"},
		{&in.Share, "share", "share of the units drawn that are treated, in (0,1)"},
		{&in.Alpha, "alpha", "significance level, in (0,1)"},
		{&in.Power, "power", "power wanted, in (0,1)"},
		{&in.Reliability, "reliability", "of the outcome, in (0,1]"},
		{&in.GroupSize, "group-size", "pupils in a group of the treated (schools in a community)"},
		{&in.ICCGroup, "icc-group", "share of the variance between those groups, in [0,1)"},
		{&in.VarianceRatio, "variance-ratio", "treated pupils' variance over the control pupils' (ira1-pn)"},
		{&in.CV, "cv", "how unequal school sizes are: their SD over their mean"},
		{&in.LostClusters, "lost-clusters", "share of the schools expected to be lost, in [0,1)"},
		{&in.LostPupils, "lost-pupils", "share of the pupils in the others expected to be lost, in [0,1)"},
	} {
		f.Float64Var(n.to, n.name, *n.to, n.usage)
	}
	f.IntVar(&in.Covariates, "covariates", in.Covariates, "covariates at the level that is drawn")
	f.IntVar(&in.Tails, "tails", in.Tails, "1 or 2")
	f.BoolVar(&in.Normal, "normal", in.Normal, "take the normal distribution instead of t (many schools only)")
}

// designFlag is a choice that fills a power.Design.
type designFlag struct {
	to    *power.Design
	names []string
}

func (d *designFlag) String() string {
	if d.to == nil {
		return ""
	}
	return string(*d.to)
}
func (d *designFlag) Type() string { return "design" }
func (d *designFlag) Set(s string) error {
	c := choice{allowed: d.names}
	if err := c.Set(s); err != nil {
		return err
	}
	*d.to = power.Design(s)
	return nil
}

// powerFault names inputs as the flags that they came from. Inputs that
// contradict one another are a wrong use; a design that they leave without
// degrees of freedom is not.
func powerFault(err error) error {
	text := err.Error()
	for _, name := range []string{"r2_pupil", "r2_cluster", "r2_top", "r2_effect", "icc_top", "icc_group", "lost_clusters", "lost_pupils", "omega_top", "group_size", "variance_ratio"} {
		text = strings.ReplaceAll(text, name, strings.ReplaceAll(name, "_", "-"))
	}
	if errors.Is(err, power.ErrDF) {
		return withHint(errors.New(text), "more of the units that are drawn are needed, or fewer covariates")
	}
	return usageError{errors.New(text)}
}

func freedom(df float64) string {
	if df == 0 {
		return "normal distribution"
	}
	return fmt.Sprintf("%.4g degrees of freedom", df)
}

func unitsNeeded(s power.Size) string {
	switch s.Unit {
	case power.UnitTop:
		return fmt.Sprintf("%d level-3 units (%d level-2 units in all) are", s.Required, s.Clusters)
	case power.UnitSize:
		if s.Inputs.Clusters > 0 {
			return fmt.Sprintf("%d pupils in each of %v schools are", s.Required, s.Inputs.Clusters)
		}
		return fmt.Sprintf("%d pupils (%d treated, %d control) are", s.Required, s.Treated, s.Control)
	}
	if s.Inputs.Top > 0 {
		return fmt.Sprintf("%d schools in each of %v strata (%d in all) are", s.Required, s.Inputs.Top, s.Clusters)
	}
	if s.Design == power.BlockedRandom || s.Design == power.BlockedNested { // pupils are drawn, within schools
		return fmt.Sprintf("%d schools are", s.Required)
	}
	return fmt.Sprintf("%d schools (%d treated, %d control) are", s.Required, s.Treated, s.Control)
}
