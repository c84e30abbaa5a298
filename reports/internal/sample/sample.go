// Package sample makes fixed inputs of a report for tests: a trial of 24
// schools in two arms whose numbers are those of a real fit (lme4, Debian's R)
// to synthetic data, and hostile variants of it.
package sample

import (
	"fmt"
	"math"
	"strings"
	"time"

	"evenhand/analysis"
	"evenhand/analysis/attrition"
	"evenhand/analysis/missing"
	"evenhand/analysis/power"
	"evenhand/analysis/sap"
	"evenhand/reports"
	"evenhand/trial"
)

func at(day, clock string) time.Time {
	t, err := time.Parse("2006-01-02 15:04:05", day+" "+clock)
	if err != nil {
		panic(err)
	}
	return t.UTC()
}

// Input is a finished trial with two arms.
func Input() reports.Input {
	p := &trial.Protocol{
		Evenhand: 1,
		Trial: trial.About{ID: "rlc", Title: "Research Learning Communities", Registration: "ISRCTN14382473", Unit: "school", Measured: "pupils",
			Contacts: trial.Contacts{Evaluator: "A. Evaluator", Statistician: "B. Statistician", Delivery: "C. Deliverer", Funder: "D. Foundation"}},
		Arms:        []trial.Arm{{ID: "rlc", Label: "Research Learning Community", Weight: 1}, {ID: "control", Label: "Business as usual", Weight: 1, Control: true}},
		Recruitment: trial.Recruitment{Target: 24, Region: "region"},
		Strata:      []string{"region", "ks2_band"},
		Draw:        trial.DrawSettings{Method: "stratified", Misfits: "pooled", Chance: "two-party"},
		Communities: []trial.CommunityRule{{Arm: "rlc", Size: trial.Sizes{Min: 5, Max: 6}, How: "random"}},
		Delivery:    trial.Delivery{Sessions: []trial.Session{{ID: "w1", Label: "Workshop 1", On: "2014-10-14"}, {ID: "w2", Label: "Workshop 2", On: "2015-01-20"}, {ID: "w3", Label: "Workshop 3", On: "2015-04-21"}, {ID: "w4", Label: "Workshop 4"}}, Complier: trial.Complier{Sessions: 3, By: "any leader"}},
		Outcomes: []trial.Outcome{
			{ID: "ks2_reading", Label: "Key Stage 2 reading, scaled score", On: "2016-05-12", Primary: true, Range: trial.Range{Low: 80, High: 120, Set: true}, Baseline: trial.BaselineMeasure{Label: "Key Stage 1 reading, points", On: "2012-05-15"}},
			{ID: "ks2_gps", Label: "Key Stage 2 grammar, punctuation and spelling", On: "2016-05-12", Range: trial.Range{Low: 80, High: 120, Set: true}},
			{ID: "ks2_maths", Label: "Key Stage 2 mathematics", On: "2016-05-13"},
		},
		Plan: trial.Plan{Model: "mixed", Covariates: []string{"baseline", "strata"}, DF: "satterthwaite", EffectSize: "total-empty", Interval: 0.95, Multiplicity: "benjamini-hochberg",
			PupilColumns: []trial.PupilColumn{{ID: "fsm", Label: "Eligible for free school meals", Kind: "yes/no"}}},
		Security:   "eef",
		Months:     trial.MonthsRule{Shown: true},
		Disclosure: trial.Disclosure{Rule: "srs10", Threshold: 10},
	}
	schools := func(n int, lost ...trial.Count) trial.LevelFlow {
		f := trial.LevelFlow{Randomised: n, Analysed: n, Lost: lost}
		for _, l := range lost {
			f.Analysed -= l.N
		}
		return f
	}
	rlcSchools, rlcPupils := schools(12, trial.Count{What: "withdrew from data collection", N: 0}), schools(172, trial.Count{What: "absent", N: 12}, trial.Count{What: "left school", N: 11})
	rlcSchools.WithdrewProgramme = 2
	controlSchools, controlPupils := schools(12, trial.Count{What: "withdrew from data collection", N: 0}), schools(172, trial.Count{What: "absent", N: 9}, trial.Count{What: "not entered", N: 4})
	rlcPupils.Joiners, controlPupils.Joiners = 5, 4
	in := reports.Input{
		GeneratedAt: at("2016-11-21", "09:30:00"), Phase: trial.Drawn, Protocol: p,
		Flow: trial.Flow{
			Stages: []trial.StageCount{{Stage: trial.Listed, Reached: 61, Now: 10}, {Stage: trial.Approached, Reached: 51, Now: 6}, {Stage: trial.Interested, Reached: 36, Now: 2}, {Stage: trial.Agreed, Reached: 29, Now: 1}, {Stage: trial.BaselineIn, Reached: 25, Now: 0}, {Stage: trial.Ready, Reached: 24, Now: 24}},
			Exits:  []trial.Count{{What: "declined: no time", N: 9}, {What: "declined: no reply", N: 4}, {What: "ineligible: survey baseline", N: 3}, {What: "withdrew before the draw: leadership change", N: 2}},
			Arms:   []trial.ArmFlow{{Arm: "rlc", Label: "Research Learning Community", Schools: rlcSchools, Pupils: rlcPupils}, {Arm: "control", Label: "Business as usual", Control: true, Schools: controlSchools, Pupils: controlPupils}},
		},
		Regions:     []reports.RegionCount{{Region: "London", Listed: 22, Agreed: 12, Ready: 10, Left: 6}, {Region: "North West", Listed: 20, Agreed: 9, Ready: 8, Left: 7}, {Region: "South East", Listed: 19, Agreed: 8, Ready: 6, Left: 5}},
		Results:     []sap.Results{primary(), secondary()},
		Communities: communities(),
		Delivery:    reports.Delivery{Sessions: p.Delivery.Sessions, Complier: "at least 3 sessions attended by any leader", Recorded: true},
		Draw: &reports.DrawFacts{Arms: []string{"rlc", "control"},
			Means: []reports.ColumnMeans{{Column: "pupils on the roster", Known: 24, Means: []float64{14.33, 14.33}, Difference: []float64{0}}, {Column: "fsm", Known: 23, Means: []float64{21.7, 24.9}, Difference: []float64{-0.2811}}},
			Shown: []string{"both numbers fit the digests in the commitment"}, NotShown: []string{"that the two parties did not agree their numbers"}},
		Deviations: []reports.Deviation{{On: at("2015-02-03", "10:00:00"), By: "ana", Kind: "protocol version 2", What: "closing date of recruitment put back by a month", Why: "two local authorities answered late"}},
		Provenance: reports.Provenance{
			Program: "evenhand 0.1.0", ProtocolVersion: 2, Protocol: digest(1), Design: digest(2), Roster: digest(3), Pupils: digest(4), Commitment: digest(5), Allocation: digest(6), Data: digest(7), Results: digest(8),
			Rule: "rule 1", Chance: "7692c3ad3540bb803c020b3aee66cd8887123234ea0c6e7143c0add73ff431ed", ChanceSource: "two parties’ sealed numbers", Rehearsals: 14,
			Locked: reports.Act{At: at("2014-09-22", "14:02:11"), People: []string{"ana"}}, Committed: reports.Act{At: at("2014-09-23", "09:00:40"), People: []string{"sam"}},
			Drawn: reports.Act{At: at("2014-09-24", "10:02:05"), People: []string{"ana", "sam"}}, Analysed: reports.Act{At: at("2016-11-14", "16:20:00"), People: []string{"sam"}},
			LedgerEntries: 1882, LedgerHead: digest(9),
			Receipts: []trial.Receipt{{Trial: "rlc", Size: 604, Head: digest(10), At: at("2014-09-23", "09:05:00")}, {Trial: "rlc", Size: 1871, Head: digest(11), At: at("2016-11-14", "16:30:00")}},
		},
	}
	in.Detectable, in.Attrition, in.Missing = detectable(), course(), lacking()
	pictures(&in)
	for i := range 24 {
		arm := "rlc"
		if i%2 == 1 {
			arm = "control"
		}
		in.SchoolMeans = append(in.SchoolMeans, reports.SchoolMean{School: fmt.Sprint(100001 + i), Arm: arm, N: 9 + i%8, Mean: 101.5 + float64((i*7919)%97)/12 - 3})
	}
	return in
}

// pictures adds what only pictures are drawn from.
func pictures(in *reports.Input) {
	for i := range 61 {
		for k, s := range in.Flow.Stages {
			if i < s.Reached {
				in.Reached = append(in.Reached, reports.ReachedOn{Stage: s.Stage, On: at("2014-01-13", "00:00:00").AddDate(0, 0, 3*i+9*k)})
			}
		}
	}
	for i, stratum := range []string{"London / lower", "London / upper", "North West / lower", "North West / upper", "South East / lower", "South East / upper"} {
		for c := range 2 {
			in.Drawn = append(in.Drawn, reports.DrawnInto{Stratum: stratum, Arm: "rlc", Community: 1 + (i+c)%2, Schools: 1})
		}
		in.Drawn = append(in.Drawn, reports.DrawnInto{Stratum: stratum, Arm: "control", Schools: 2})
		in.Elsewhere = append(in.Elsewhere, reports.SchoolLine{ID: fmt.Sprint(100002 + 2*i), HasPlace: true, Easting: 410000 + float64(i*i*1931%110000), Northing: 190000 + float64(i*9973%220000)})
	}
	in.Results[0].Posterior = posterior(in.Results[0].Contrasts[0])
	Scores(in)
}

// posterior is that of a normal distribution.
func posterior(c sap.Contrast) *sap.Posterior {
	mean, sd := c.EffectSize.Value, c.EffectSize.SE
	a := sap.PosteriorArm{Arm: c.Arm, Against: c.Against, SD: c.EffectSize.SD, Mean: mean, Spread: sd, Interval: interval(mean, 1.96*sd, "posterior"), RHat: 1.0012, Bulk: 3120.4, Tail: 2987.1}
	for k := -20; k <= 42; k++ {
		x := float64(k) / 40
		a.Exceeds = append(a.Exceeds, sap.ExceedProbability{Above: x, Probability: math.Round(4000*0.5*math.Erfc((x-mean)/sd/math.Sqrt2)) / 4000})
	}
	return &sap.Posterior{Model: "random intercepts, half-Student-t priors of SDs, flat priors of coefficients", Chains: 4, Draws: 1000, Seed: 7, Arms: []sap.PosteriorArm{a}}
}

// Scores makes scores of as many pupils as the results of the primary outcome
// speak of.
func Scores(in *reports.Input) {
	bell := func(n int, mean, sd float64) []float64 { // whole numbers spread like a bell
		all := make([]float64, n)
		for i := range all {
			all[i] = math.Round(mean + sd*math.Sqrt2*math.Erfinv(2*(float64(i)+0.5)/float64(n)-1))
		}
		return all
	}
	in.Scores = nil
	for _, a := range in.Results[0].Arms {
		set := reports.ScoreSet{Arm: a.Arm, After: bell(a.N, a.Mean, a.SD)}
		for _, b := range in.Results[0].Balance {
			for _, of := range b.Arms {
				if b.Variable == "baseline" && b.Set == "randomised" && of.Arm == a.Arm {
					set.Before = bell(of.N, of.Mean, of.SD)
				}
			}
		}
		in.Scores = append(in.Scores, set)
	}
}

func digest(i int) string { return trial.DigestOf(fmt.Sprint("sample ", i)) }

// lacking is what is missing, school by school: 36 scores and 12 baselines.
func lacking() *reports.MissingBySchool {
	out := &reports.MissingBySchool{Schools: map[string][]string{}}
	out.Table.Rows = 344
	for _, v := range []struct {
		name string
		lost [2]int
	}{{"outcome", [2]int{23, 13}}, {"baseline", [2]int{5, 7}}} {
		gap := missing.VariableGap{Name: v.name, Missing: v.lost[0] + v.lost[1]}
		gap.Share = float64(gap.Missing) / 344
		for k, arm := range []string{"rlc", "control"} {
			gap.Arms = append(gap.Arms, missing.ArmGap{Arm: arm, Rows: 172, Missing: v.lost[k], Share: float64(v.lost[k]) / 172})
			left := v.lost[k]
			for i := 0; left > 0; i++ {
				n := min(left, 1+(i*7)%5)
				gap.Schools = append(gap.Schools, missing.SchoolGap{School: fmt.Sprint(100001 + k + 2*i), Arm: arm, Rows: 14, Missing: n})
				left -= n
			}
		}
		out.Table.Variables = append(out.Table.Variables, gap)
	}
	for i := range 24 {
		arm := []string{"rlc", "control"}[i%2]
		out.Schools[arm] = append(out.Schools[arm], fmt.Sprint(100001+i))
	}
	return out
}

// course is how the attrition of Input came about; one school was away for a
// while, for the sake of the picture.
func course() *attrition.Status {
	must := func(err error) {
		if err != nil {
			panic(err)
		}
	}
	arm := func(id string, randomised, analysed int) attrition.Arm {
		return attrition.Arm{Label: id, Randomised: randomised, Analysed: analysed}
	}
	schoolsT, schoolsC, pupilsT, pupilsC := arm("rlc", 12, 12), arm("control", 12, 12), arm("rlc", 172, 149), arm("control", 172, 159)
	steps, err := attrition.AssessClustered(schoolsT, schoolsC, pupilsT, pupilsC, false)
	must(err)
	s := &attrition.Status{Steps: &steps, Margins: &attrition.LevelMargins{}, Timeline: &attrition.LevelsTimelines{}}
	s.Margins.Schools, err = attrition.BothMargins(schoolsT, schoolsC)
	must(err)
	s.Margins.Pupils, err = attrition.BothMargins(pupilsT, pupilsC)
	must(err)
	s.Timeline.Pupils, err = attrition.Timeline(pupilsT, pupilsC, []attrition.Departure{{When: "2014-12-01", Treated: true, N: 11}, {When: "2015-06-10", N: 4}, {When: "2016-05-12", Treated: true, N: 12}, {When: "2016-05-12", N: 9}})
	must(err)
	return s
}

// detectable has a gap at every place where there may be one.
func detectable() []power.Stage {
	of := func(v float64) *float64 { return &v }
	var all []power.Stage
	for i, stage := range []string{power.AtProtocol, power.AtRandomisation, power.AtAnalysis} {
		for k, group := range []string{power.Overall, power.FSM} {
			s := power.Stage{Stage: stage, Group: group, Alpha: 0.05, Power: 0.8, Tails: 2, Covariates: 1, SchoolsTreated: 12, SchoolsControl: 12, ICC: of(0.2), PrePupil: of(0.7)}
			s.PupilsTreated, s.PupilsControl = []float64{180, 172, 149}[i]/float64(1+2*k), []float64{180, 172, 159}[i]/float64(1+2*k)
			if i > 0 {
				s.CV = 0.21
			}
			if i == 2 {
				s.Estimated, s.PreSchool, s.OwnSE = true, of(0.66), of(0.59)
			}
			if i == 0 && k == 1 {
				s.PupilsTreated, s.PupilsControl = 0, 0
				s.Why = "the protocol's `sample size` gives no `pupils per school` under `fsm`"
			} else {
				s.Detect()
			}
			all = append(all, s)
		}
	}
	return all
}

func communities() []reports.Community {
	regions := []string{"London", "North West", "South East"}
	var out []reports.Community
	for c := range 2 {
		com := reports.Community{Arm: "rlc", Number: c + 1, Attended: []int{6, 6, 5 - c, 4}, Compliers: 5 - c, AttendedByAny: []int{6, 6, 5 - c, 4}, AttendedByEvery: []int{5, 6, 4, 1 + c}}
		for s := range 6 {
			i := 6*c + s
			com.Schools = append(com.Schools, reports.SchoolLine{ID: fmt.Sprint(100001 + 2*i), Name: fmt.Sprintf("%s Primary School", []string{"Alder", "Birch", "Cedar", "Dogwood", "Elder", "Fir", "Gorse", "Hazel", "Ivy", "Juniper", "Kapok", "Larch"}[i]),
				Region: regions[(c+s/3)%3], Pupils: 14 + (i % 2), HasPlace: true, Easting: 400000 + float64(i*i*977%120000), Northing: 180000 + float64(i*7717%240000), Withdrew: i == 3 || i == 9, Present: []bool{true, true, s != 5 || c == 0, s < 4}})
		}
		out = append(out, com)
	}
	return out
}

func interval(v, half float64, method string) analysis.Interval {
	return analysis.Interval{Low: v - half, High: v + half, Level: 0.95, Method: method}
}

func primary() sap.Results {
	counts := analysis.Counts{PupilsRandomised: 344, PupilsUsed: 308, SchoolsRandomised: 24, SchoolsUsed: 24, PupilsLost: []analysis.Loss{{Reason: "absent", N: 21}, {Reason: "left school", N: 11}, {Reason: "not entered", N: 4}}}
	few := []analysis.Warning{{Code: "few-clusters", Text: "24 schools are few for a mixed model; read the interval together with the randomisation test."}}
	est := func(v, se, df, half, p float64, scale analysis.Scale, sd float64) analysis.Estimate {
		return analysis.Estimate{Estimand: analysis.Estimand{Outcome: "ks2_reading", Arm: "rlc", Against: "control", Set: analysis.CompleteCase}, Method: "two-level random-intercept model, REML", Scale: scale, SD: sd, Value: v, SE: se, DF: df, DFMethod: "satterthwaite", Statistic: v / se, P: p, Interval: interval(v, half, "t, Satterthwaite"), Counts: counts, Warnings: few}
	}
	scaled := func(scale analysis.Scale, sd float64) analysis.Estimate {
		return est(1.7039186537/sd, 1.3412328272/sd, 20.8459, 2.0805*1.3412328272/sd, 0.2179344, scale, sd)
	}
	es := scaled(analysis.ScaleTotalEmpty, math.Sqrt(16.651109086+27.222581986))
	return sap.Results{
		Plan: sap.Plan{Outcome: "ks2_reading", Label: "Key Stage 2 reading, scaled score", TimePoint: "2016-05", Role: sap.Primary, Model: "mixed", Covariates: []string{"baseline", "Stratum"}, DF: "satterthwaite", EffectSize: analysis.ScaleTotalEmpty, Level: 0.95},
		Arms: []sap.ArmSummary{
			{Arm: "Research Learning Community", Schools: 12, N: 149, Missing: 23, Mean: 103.4721, SD: 6.7113, CI: interval(103.4721, 2.6611, "t")},
			{Arm: "Business as usual", Control: true, Schools: 12, N: 159, Missing: 13, Mean: 102.0126, SD: 6.3608, CI: interval(102.0126, 2.4107, "t")},
		},
		Contrasts: []sap.Contrast{{Arm: "Research Learning Community", Against: "Business as usual", Unadjusted: new(1.4595), Difference: est(1.7039186537, 1.3412328272, 20.8459, 2.0805*1.3412328272, 0.2179344, analysis.ScaleDifference, 0), EffectSize: es,
			EffectSizes: []analysis.Estimate{es, scaled(analysis.ScaleWithinEmpty, math.Sqrt(27.222581986)), scaled(analysis.ScaleTotalConditional, math.Sqrt(9.3673507472+16.820946191)), scaled(analysis.ScaleWithinConditional, math.Sqrt(16.820946191)), scaled(analysis.ScalePooledSD, 6.5331)}}},
		Covariates: []sap.Coefficient{{Term: "(Intercept)", Est: est(81.3312, 2.4, 60, 4.8, 0, analysis.ScaleDifference, 0)}, {Term: "baseline", Est: est(1.0917608014, 0.0789833846, 290.1, 0.1554, 1e-30, analysis.ScaleDifference, 0)}},
		Variances:  []sap.Variance{{Level: "school", Model: "conditional", Value: 9.3673507472}, {Level: "residual", Model: "conditional", Value: 16.820946191}, {Level: "school", Model: "empty", Value: 16.651109086}, {Level: "residual", Model: "empty", Value: 27.222581986}},
		ICC:        []sap.ICC{{Level: "school", Model: "empty", Value: 0.37952378, CI: &analysis.Interval{Low: 0.2411, High: 0.5402, Level: 0.95}}, {Level: "school", Model: "conditional", Value: 0.35769}},
		Fit:        sap.FitNote{Method: "two-level random-intercept model, REML", Criterion: 1786.34614, Iterations: 14, Gradient: 1e-9},
		Counts:     counts,
		Balance: []sap.BalanceRow{
			balance("baseline", "randomised", 172, 172, 15.1, 14.9, 3.7, 3.9, 0.0479790172), balance("baseline", "analysed", 149, 159, 15.2, 14.9, 3.7, 3.8, 0.0713),
			shareRow("randomised", 172, 172, 61, 48, 0.2144), shareRow("analysed", 149, 159, 51, 45, 0.1689),
			{Variable: "school size", Level: "school", Set: "randomised", Arms: []sap.ArmBalance{{Arm: "Research Learning Community", N: 12, Mean: 14.33, SD: 4.1}, {Arm: "Business as usual", N: 12, Mean: 14.33, SD: 3.6}}, Effect: 0, HasEffect: true, Scale: "hedges-g"},
		},
		Attrition: &sap.AttritionNote{
			Schools: sap.AttritionLevel{RandomisedT: 12, RandomisedC: 12, AnalysedT: 12, AnalysedC: 12, Cautious: true, Optimistic: true, CautiousAt: 0.057, OptimisticAt: 0.1},
			Pupils:  sap.AttritionLevel{RandomisedT: 172, RandomisedC: 172, AnalysedT: 149, AnalysedC: 159, Overall: 36.0 / 344, Differential: 10.0 / 172, Cautious: true, Optimistic: true, CautiousAt: 0.063, OptimisticAt: 0.109}},
		Warnings: few,
	}
}

func balance(name, set string, nt, nc int, mt, mc, st, sc, g float64) sap.BalanceRow {
	return sap.BalanceRow{Variable: name, Level: "pupil", Set: set, Arms: []sap.ArmBalance{{Arm: "Research Learning Community", N: nt, Mean: mt, SD: st}, {Arm: "Business as usual", N: nc, Mean: mc, SD: sc}}, Effect: g, HasEffect: true, Scale: "hedges-g"}
}

func shareRow(set string, nt, nc, ct, cc int, effect float64) sap.BalanceRow {
	return sap.BalanceRow{Variable: "fsm", Level: "pupil", Category: "yes", Set: set, Arms: []sap.ArmBalance{{Arm: "Research Learning Community", N: nt, Mean: float64(ct) / float64(nt), Count: ct}, {Arm: "Business as usual", N: nc, Mean: float64(cc) / float64(nc), Count: cc}}, Effect: effect, HasEffect: true, Scale: "cox"}
}

func secondary() sap.Results {
	r := primary()
	r.Plan.Outcome, r.Plan.Label, r.Plan.Role = "ks2_gps", "Key Stage 2 grammar, punctuation and spelling", sap.Secondary
	c := r.Contrasts[0]
	c.Difference.Value, c.Difference.P = -0.4121, 0.7413
	c.EffectSize.Value, c.EffectSize.P, c.EffectSize.Interval = -0.0612, 0.7413, interval(-0.0612, 0.3711, "t, Satterthwaite")
	c.EffectSize.Counts.PupilsUsed = 305
	r.Contrasts = []sap.Contrast{c}
	return r
}

// Stopped is a trial that was stopped before its draw.
func Stopped() reports.Input {
	in := Input()
	in.Phase = trial.Stopped
	in.Results, in.Communities, in.SchoolMeans, in.Detectable, in.Attrition, in.Draw = nil, nil, nil, nil, nil, nil
	in.Flow.Arms = nil
	in.Results, in.Communities, in.SchoolMeans = nil, nil, nil
	in.Flow.Arms, in.Drawn, in.Scores, in.Elsewhere = nil, nil, nil, nil
	in.Provenance = reports.Provenance{Program: "evenhand 0.1.0", ProtocolVersion: 1, Protocol: digest(1), LedgerEntries: 77, LedgerHead: digest(12)}
	in.Deviations = nil
	in.Stopped = &reports.Stopped{On: at("2014-09-20", "11:00:00"), By: "ana", Reason: "6 schools of 24 signed"}
	return in
}

// Recruiting is a trial that is still looking for schools.
func Recruiting() reports.Input {
	in := Stopped()
	in.Phase, in.Stopped = trial.Recruiting, nil
	return in
}

// Blind is the finished trial with its arms relabelled.
func Blind() reports.Input {
	in := Input()
	in.Communities, in.SchoolMeans, in.Drawn, in.Scores, in.Elsewhere, in.Draw, in.Attrition, in.Missing = nil, nil, nil, nil, nil, nil, nil, nil
	names := map[string]string{"Research Learning Community": "B", "Business as usual": "A"}
	in.Flow.Arms = append([]trial.ArmFlow(nil), in.Flow.Arms...)
	for i := range in.Flow.Arms {
		a := &in.Flow.Arms[i]
		a.Label = names[a.Label]
		a.Arm, a.Control = a.Label, false
	}
	for k := range in.Results {
		r := &in.Results[k]
		for i := range r.Arms {
			r.Arms[i].Arm = names[r.Arms[i].Arm]
		}
		if r.Posterior != nil {
			hidden := *r.Posterior
			hidden.Arms = append([]sap.PosteriorArm(nil), hidden.Arms...)
			for i := range hidden.Arms {
				hidden.Arms[i].Arm, hidden.Arms[i].Against = names[hidden.Arms[i].Arm], names[hidden.Arms[i].Against]
			}
			r.Posterior = &hidden
		}
		for i := range r.Contrasts {
			r.Contrasts[i].Arm, r.Contrasts[i].Against = names[r.Contrasts[i].Arm], names[r.Contrasts[i].Against]
		}
		for i := range r.Balance {
			for j := range r.Balance[i].Arms {
				r.Balance[i].Arms[j].Arm = names[r.Balance[i].Arms[j].Arm]
			}
		}
	}
	return in
}

// Hostiles are names that a report must show without being hurt by them.
func Hostiles() []string {
	return []string{
		`<script>alert(1)</script>`, `<img src=x onerror=alert(1)>`, `"><svg onload=alert(1)>`, `</title></svg></style><b>`, `' onmouseover='alert(1)`,
		`{{.Secret}} ${x} <!-- --> ]]>`, `=HYPERLINK("http://x","y")`, "a\u202eb\u202ctfel ot thgir", "nul\x00bel\x07esc\x1b[31m", "line\nbreak\ttab\r\n",
		"bad\xff\xfeutf8", "\u2028\u2029\ufeff\u200b", strings.Repeat("Long ", 2000), strings.Repeat("W", 10000), "שלום عليكم 你好 🏫 e\u0301", "&lt;already&gt; &#x3c;b&#x3e;", `javascript:alert(1)`, `url(//evil.example/x)`,
	}
}

// Hostile is the finished trial with name n of Hostiles wherever somebody else
// chooses a text.
func Hostile(n int) reports.Input {
	in := Input()
	bad := Hostiles()[n]
	p := *in.Protocol
	in.Protocol = &p
	p.Trial.Title, p.Trial.Registration, p.Trial.Contacts.Evaluator = bad, bad, bad
	p.Strata = []string{bad}
	p.Arms = append([]trial.Arm(nil), p.Arms...)
	p.Arms[0].Label = bad + " (arm)"
	p.Outcomes = append([]trial.Outcome(nil), p.Outcomes...)
	p.Outcomes[0].Label, p.Outcomes[0].Baseline.Label = bad, bad
	p.Delivery.Sessions = []trial.Session{{ID: "w1", Label: bad}, {ID: "w2", Label: "w2"}, {ID: "w3", Label: "w3"}, {ID: "w4", Label: "w4"}}
	in.Delivery.Sessions, in.Delivery.Complier = p.Delivery.Sessions, bad
	in.Regions[0].Region = bad
	in.Flow.Exits[0].What = bad
	in.Drawn[0].Stratum = bad
	for i := range in.Flow.Arms {
		in.Flow.Arms[i].Pupils.Lost[0].What = bad
	}
	for k := range in.Results {
		r := &in.Results[k]
		r.Plan.Label = bad
		r.Arms[0].Arm = bad + " (arm)"
		if r.Posterior != nil {
			r.Posterior.Arms[0].Arm = bad + " (arm)"
		}
		r.Contrasts[0].Arm = bad + " (arm)"
		for i := range r.Balance {
			r.Balance[i].Arms[0].Arm = bad + " (arm)"
			r.Balance[i].Category = bad
		}
		r.Warnings = []analysis.Warning{{Code: "x", Text: bad}}
		r.Fit.Method = bad
	}
	for i := range in.Communities {
		in.Communities[i].Schools[0].Name, in.Communities[i].Schools[1].Region, in.Communities[i].Schools[2].ID = bad, bad, bad
	}
	in.Deviations[0].What, in.Deviations[0].By = bad, bad
	in.Provenance.ChanceSource, in.Provenance.Program = bad, bad
	in.Draw.Means[0].Column, in.Draw.Shown[0] = bad, bad
	p.Recruitment.Eligible = []trial.Rule{{Text: bad}}
	p.Plan.Subgroups = []string{bad}
	return in
}
