package audit

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"sort"
	"strings"

	"evenhand/analysis/rows"
	"evenhand/randomize"
)

// drawn reads the texts of a bundle's draw.
func drawn(r io.ReaderAt, size int64) (d randomize.Design, roster randomize.Roster, c randomize.Chance, a *randomize.Allocation, files map[string][]byte, err error) {
	v := &verifier{found: &Findings{}, files: map[string][]byte{}}
	if err = v.fileSet(r, size); err != nil {
		return
	}
	files = v.files
	if len(files[allocationName]) == 0 {
		err = errors.New("the bundle holds no draw")
		return
	}
	if len(files[waveFile(2, allocationName)]) > 0 {
		err = errors.New("schools of this bundle were drawn in waves, and what else might have been drawn is shown for a single draw only")
		return
	}
	if d, err = randomize.ParseDesign(files[designName]); err != nil {
		return
	}
	if roster, err = randomize.ParseRoster(files[rosterName]); err != nil {
		return
	}
	if c, err = randomize.ParseChance(string(files[chanceName])); err != nil {
		return
	}
	a, err = randomize.ParseAllocation(files[allocationName])
	return
}

// WhatIfDropped says what the draw had been, from the same chance, had a school
// not been on the roster: how many others would be in another arm or another
// community. Another roster has another digest and so another seed: most
// schools change, which is why nobody can steer a draw by leaving one out.
func WhatIfDropped(r io.ReaderAt, size int64, school string) (string, error) {
	d, roster, c, real, _, err := drawn(r, size)
	if err != nil {
		return "", err
	}
	i := slices.IndexFunc(roster.Units, func(u randomize.Unit) bool { return u.ID == school })
	if i < 0 {
		return "", fmt.Errorf("school %s is not on the roster", school)
	}
	units := slices.Delete(slices.Clone(roster.Units), i, i+1)
	without, err := randomize.NewRoster(roster.Columns, units)
	if err != nil {
		return "", err
	}
	other, err := randomize.Draw(d, without, c)
	if err != nil {
		return "", fmt.Errorf("the design cannot be drawn without it: %w", err)
	}
	arms := 0
	var lines []string
	for _, x := range other.Assignments {
		was, _ := real.Of(x.Unit)
		if was.Arm != x.Arm {
			arms++
		}
		if was != x {
			lines = append(lines, fmt.Sprintf("  %s: %s → %s", x.Unit, placeOf(was), placeOf(x)))
		}
	}
	return fmt.Sprintf("WHAT IF school %s had not been on the roster (same design, same chance):\n%d of the %d others would be in another arm, %d in another arm or community.\n%s\n",
		school, arms, len(other.Assignments), len(lines), strings.Join(lines, "\n")), nil
}

func placeOf(a randomize.Assignment) string {
	if a.Community == 0 {
		return a.Arm
	}
	return fmt.Sprintf("%s, community %d", a.Arm, a.Community)
}

// AmongRedraws says where the real balance lies among n other draws of the same
// design from other chance: of each roster column and, where data are in the
// bundle, of each covariate, the greatest difference between two arms' means.
// A place near either end, for most of them at once, would be remarked.
func AmongRedraws(r io.ReaderAt, size int64, n int) (string, error) {
	d, roster, c, real, files, err := drawn(r, size)
	if err != nil {
		return "", err
	}
	redraw, err := randomize.Redraws(d, randomize.Wave{Roster: roster, Chance: c})
	if err != nil {
		return "", err
	}
	columns := balanceColumns(roster, files)
	if len(columns) == 0 {
		return "", errors.New("the bundle holds no column whose balance could be looked at")
	}
	arm := map[string]int{}
	for i, a := range d.Arms {
		arm[a.Name] = i
	}
	actual := make([]int, len(roster.Units))
	for i, x := range real.Assignments {
		actual[i] = arm[x.Arm]
	}
	spread := make([][]float64, len(columns))
	for i := range n {
		at := redraw(i)
		for k, col := range columns {
			spread[k] = append(spread[k], col.spread(at, len(d.Arms)))
		}
	}
	var b strings.Builder
	fmt.Fprintf(&b, "AMONG %d REDRAWS of the same design: the greatest difference between two arms' means\n", n)
	for k, col := range columns {
		is := col.spread(actual, len(d.Arms))
		below := 0
		for _, x := range spread[k] {
			if x < is {
				below++
			}
		}
		sort.Float64s(spread[k])
		fmt.Fprintf(&b, "\n%s\n  real draw %.4g; smaller in %d of %d redraws (%.1f%%)\n", col.name, is, below, n, 100*float64(below)/float64(n))
		b.WriteString(histogram(spread[k], is))
	}
	return b.String(), nil
}

// balanceColumn is a column with the schools' sums and numbers: the value of a
// school is the mean over its n persons.
type balanceColumn struct {
	name string
	sum  []float64
	n    []float64
}

// spread is the greatest difference between two arms' means.
func (c balanceColumn) spread(arm []int, arms int) float64 {
	sum, n := make([]float64, arms), make([]float64, arms)
	for i, a := range arm {
		sum[a] += c.sum[i]
		n[a] += c.n[i]
	}
	lo, hi, first := 0.0, 0.0, true
	for a := range sum {
		if n[a] == 0 {
			continue
		}
		m := sum[a] / n[a]
		if first {
			lo, hi, first = m, m, false
		}
		lo, hi = min(lo, m), max(hi, m)
	}
	return hi - lo
}

// balanceColumns lists the columns whose balance can be looked at: the
// roster's, and the numeric covariates of the first outcome's rows.
func balanceColumns(roster randomize.Roster, files map[string][]byte) []balanceColumn {
	var all []balanceColumn
	at := map[string]int{}
	for i, u := range roster.Units {
		at[u.ID] = i
	}
	for k, name := range roster.Columns {
		c := balanceColumn{name: "roster column " + name, sum: make([]float64, len(roster.Units)), n: make([]float64, len(roster.Units))}
		for i, u := range roster.Units {
			c.sum[i], c.n[i] = float64(u.Balance[k]), 1
		}
		all = append(all, c)
	}
	v := &verifier{files: files}
	data, err := v.data()
	if err != nil || len(data) == 0 {
		return all
	}
	d, err := rows.Read(data[0].Files)
	if err != nil {
		return all
	}
	for _, x := range d.Covariates {
		if x.Levels != nil {
			continue
		}
		c := balanceColumn{name: "covariate " + x.Name, sum: make([]float64, len(roster.Units)), n: make([]float64, len(roster.Units))}
		for i := range d.ID {
			u, ok := at[d.Clusters[d.Cluster[i]]]
			if !ok || x.Observed != nil && !x.Observed[i] {
				continue
			}
			c.sum[u] += x.Values[i]
			c.n[u]++
		}
		all = append(all, c)
	}
	return all
}

// histogram draws sorted values with a marker where one value lies.
func histogram(sorted []float64, marked float64) string {
	const bins, wide = 12, 50
	lo, hi := min(sorted[0], marked), max(sorted[len(sorted)-1], marked)
	if hi == lo {
		return "  every redraw gives the same\n"
	}
	counts := make([]int, bins)
	bin := func(x float64) int { return min(bins-1, int(float64(bins)*(x-lo)/(hi-lo))) }
	most := 0
	for _, x := range sorted {
		counts[bin(x)]++
		most = max(most, counts[bin(x)])
	}
	var b strings.Builder
	for i, n := range counts {
		mark := " "
		if i == bin(marked) {
			mark = ">"
		}
		fmt.Fprintf(&b, "  %s %10.4g %s\n", mark, lo+(hi-lo)*float64(i)/bins, strings.Repeat("#", (n*wide+most-1)/most))
	}
	return b.String()
}
