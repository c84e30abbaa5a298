package missing

import (
	"fmt"
	"os"
	"strconv"
	"testing"

	"evenhand/analysis"
	"evenhand/analysis/effectsize"
	"evenhand/analysis/internal/golden"
	"evenhand/analysis/mixed"
)

// The twenty fixed imputations, fitted here: every fit is that of 40-digit
// arithmetic, and so are effect sizes pooled on their own scale by three
// denominators (the reference has g_mlm with lmeInfo's standard error).
func TestFixedImputations(t *testing.T) {
	ref := golden.JSON(t, os.DirFS("testdata"), "mi.json")
	tab := golden.Data(t, "sim_missing.csv")
	cells := golden.CSV(t, os.DirFS("testdata"), "mi_imputed.csv")
	golden.AtLeast(t, "imputed cells", cells.Rows, 5640)
	columns := map[string][]float64{}
	for _, name := range []string{"Pretest", "Posttest"} {
		for _, v := range tab.Text(name) {
			x, err := strconv.ParseFloat(v, 64)
			if err != nil {
				x = 0 // missing: it comes from the cells
			}
			columns[name] = append(columns[name], x)
		}
	}
	school, labels := tab.Codes("School")
	arm := make([]int, tab.Rows)
	for i, a := range tab.Floats("Treat") {
		arm[i] = int(a)
	}
	scales := map[analysis.Scale]string{
		analysis.ScaleTotalConditional:   "total variance of model with covariates (conditional)",
		analysis.ScaleTotalUnconditional: "total variance of model with treatment only (EEF unconditional)",
		analysis.ScaleTotalEmpty:         "total variance of model intercept only (eefAnalytics unconditional)",
	}
	g, se, plain := map[analysis.Scale][]float64{}, map[analysis.Scale][]float64{}, map[analysis.Scale]float64{}
	n, imputations := 0, ref.At("per_imputation").Len()
	golden.AtLeast(t, "imputations", imputations, 20)
	at, row, column, value := cells.Floats("imputation"), cells.Floats("row"), cells.Text("column"), cells.Floats("value")
	var sigma2, tau float64
	for k := range imputations {
		for c := range at {
			if int(at[c]) == k+1 {
				columns[column[c]][int(row[c])-1] = value[c]
			}
		}
		rows := mixed.Rows{Outcome: analysis.Column{Name: "Posttest", Values: columns["Posttest"]}, Arm: analysis.Column{Name: "Treat", Levels: []string{"0", "1"}, Codes: arm},
			Covariates: []analysis.Column{{Name: "Pretest", Values: columns["Pretest"]}}, Levels: []mixed.Level{{Name: "School", Index: school, Labels: labels}}}
		data, _, err := rows.Design()
		if err != nil {
			t.Fatal(err)
		}
		fit, err := mixed.New(data, mixed.Model{})
		if err != nil {
			t.Fatal(err)
		}
		want := ref.At("per_imputation").Index(k)
		what := fmt.Sprint("imputation ", k+1)
		for j, c := range fit.Coefficients {
			golden.Close(t, what+" "+c.Name, c.Estimate, want.At("fixef").Index(j).Float(), 1e-8)
			golden.Close(t, what+" SE of "+c.Name, c.SE, want.At("se").Index(j).Float(), 1e-8)
			n += 2
		}
		golden.CloseMatrix(t, what+" covariance", fit.Vcov, want.At("vcov").Matrix(), 1e-8)
		golden.Close(t, what+" school variance", fit.Variances[0].Value, want.At("tau_school").Float(), 1e-7)
		golden.Close(t, what+" residual variance", fit.Variances[1].Value, want.At("sigma2").Float(), 1e-8)
		golden.Close(t, what+" criterion", fit.Criterion, want.At("REMLcrit").Float(), 1e-10)
		tau, sigma2 = tau+fit.Variances[0].Value/20, sigma2+fit.Variances[1].Value/20
		n += 12
		denominators, lacking := effectsize.Denominators(fit, "1")
		if len(lacking) > 0 {
			t.Fatal(lacking)
		}
		for _, d := range denominators {
			if scales[d.Scale] == "" {
				continue
			}
			switch d.Scale {
			case analysis.ScaleTotalUnconditional:
				golden.Close(t, what+" total variance, arm alone", d.SD*d.SD, want.At("total_var_treat_model").Float(), 1e-8)
			case analysis.ScaleTotalEmpty:
				golden.Close(t, what+" total variance, empty", d.SD*d.SD, want.At("total_var_null_model").Float(), 1e-8)
			}
			x, err := effectsize.NewGMLM(fit, "1", d, mixed.ExpectedInformation, 0.95)
			if err != nil {
				t.Fatal(err)
			}
			g[d.Scale], se[d.Scale] = append(g[d.Scale], x.G), append(se[d.Scale], x.SELmeInfo)
			plain[d.Scale] += x.Delta / 20
		}
	}
	for scale, key := range scales {
		want := ref.At("pooled_effect_sizes", key)
		p, err := Pool(g[scale], se[scale], want.At("dfcom").Float(), 0.95)
		if err != nil {
			t.Fatal(err)
		}
		for name, v := range map[string]float64{"estimate": p.Estimate, "within": p.Within, "between": p.Between, "total": p.Total, "se": p.SE, "riv": p.RIV, "lambda_": p.Lambda, "fmi": p.FMI,
			"df_old": p.DFOld, "df_obs": p.DFObserved, "df": p.DF, "t": p.Statistic, "p": p.P, "mean_unadjusted_delta": plain[scale]} {
			golden.Close(t, key+" "+name, v, want.At(name).Float(), 1e-6)
			n++
		}
		golden.CloseAll(t, key+" ci", []float64{p.Interval.Low, p.Interval.High}, want.At("ci95").Floats(), 1e-6)
	}
	golden.Close(t, "mean residual variance", sigma2, ref.At("pooled_variance_components", "sigma2").Float(), 1e-8)
	golden.Close(t, "mean school variance", tau, ref.At("pooled_variance_components", "tau_school").Float(), 1e-7)
	golden.AtLeast(t, "numbers", n, 20*18+3*14)
}
