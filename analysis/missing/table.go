package missing

import (
	"fmt"
	"sort"
	"strings"

	"evenhand/analysis"
)

// Table says what is missing in a Dataset.
type Table struct {
	Rows      int           `json:"rows"`
	Variables []VariableGap `json:"variables"` // the outcome first, then covariates in their order
	Patterns  []Pattern     `json:"patterns"`  // commonest first
	// Complete is the number of rows with nothing missing.
	Complete int `json:"complete"`
}

// VariableGap is one variable's missing values.
type VariableGap struct {
	Name    string      `json:"name"`
	Missing int         `json:"missing"`
	Share   float64     `json:"share"` // of the rows
	Arms    []ArmGap    `json:"arms"`
	Schools []SchoolGap `json:"schools"` // those with a value missing, most first
	// Whole is the number of schools with every value missing.
	Whole   int             `json:"schools_without_any"`
	Reasons []analysis.Loss `json:"reasons"` // of the outcome only, in order of reason
}

// ArmGap is a variable's missing values in one arm.
type ArmGap struct {
	Arm     string  `json:"arm"`
	Rows    int     `json:"rows"`
	Missing int     `json:"missing"`
	Share   float64 `json:"share"`
}

// SchoolGap is a variable's missing values in one school.
type SchoolGap struct {
	School  string `json:"school"`
	Arm     string `json:"arm"`
	Rows    int    `json:"rows"`
	Missing int    `json:"missing"`
}

// Pattern is a set of variables missing together.
type Pattern struct {
	Missing []string `json:"missing"` // none for complete rows
	Rows    int      `json:"rows"`
	Arms    []int    `json:"arms"` // rows of each arm, in the Dataset's order
}

// Describe counts what is missing.
func Describe(d *analysis.Dataset) (Table, error) {
	n := len(d.Arm)
	if len(d.Observed) != n || len(d.Cluster) != n || d.Lost != nil && len(d.Lost) != n {
		return Table{}, fmt.Errorf("describe what is missing: %d rows with %d marks of observation and %d schools: there must be one of each", n, len(d.Observed), len(d.Cluster))
	}
	for i := range n {
		if d.Arm[i] < 0 || d.Arm[i] >= len(d.Arms) || d.Cluster[i] < 0 || d.Cluster[i] >= len(d.Clusters) {
			return Table{}, fmt.Errorf("describe what is missing: row %d is of arm %d and school %d, and there are %d and %d", i+1, d.Arm[i], d.Cluster[i], len(d.Arms), len(d.Clusters))
		}
	}
	type column struct {
		name     string
		observed []bool
	}
	columns := []column{{"outcome", d.Observed}}
	for _, c := range d.Covariates {
		if c.Observed != nil && len(c.Observed) != n {
			return Table{}, fmt.Errorf("describe what is missing: covariate %q has %d marks of observation for %d rows", c.Name, len(c.Observed), n)
		}
		columns = append(columns, column{c.Name, c.Observed})
	}
	t := Table{Rows: n}
	patterns := map[string]*Pattern{}
	for i := range n {
		var gone []string
		for _, c := range columns {
			if c.observed != nil && !c.observed[i] {
				gone = append(gone, c.name)
			}
		}
		if gone == nil {
			t.Complete++
		}
		key := strings.Join(gone, "\x00")
		p := patterns[key]
		if p == nil {
			p = &Pattern{Missing: gone, Arms: make([]int, len(d.Arms))}
			patterns[key] = p
		}
		p.Rows++
		p.Arms[d.Arm[i]]++
	}
	keys := make([]string, 0, len(patterns))
	for k := range patterns {
		keys = append(keys, k)
	}
	sort.Slice(keys, func(a, b int) bool {
		x, y := patterns[keys[a]], patterns[keys[b]]
		if x.Rows != y.Rows {
			return x.Rows > y.Rows
		}
		return keys[a] < keys[b]
	})
	for _, k := range keys {
		t.Patterns = append(t.Patterns, *patterns[k])
	}
	for c, col := range columns {
		g := VariableGap{Name: col.name}
		arms := make([]ArmGap, len(d.Arms))
		for a := range arms {
			arms[a].Arm = d.Arms[a]
		}
		schools := make([]SchoolGap, len(d.Clusters))
		reasons := map[string]int{}
		for i := range n {
			arms[d.Arm[i]].Rows++
			s := &schools[d.Cluster[i]]
			s.School, s.Arm = d.Clusters[d.Cluster[i]], d.Arms[d.Arm[i]]
			s.Rows++
			if col.observed == nil || col.observed[i] {
				continue
			}
			g.Missing++
			arms[d.Arm[i]].Missing++
			s.Missing++
			if c == 0 {
				r := "reason not recorded"
				if d.Lost != nil && d.Lost[i] != "" {
					r = d.Lost[i]
				}
				reasons[r]++
			}
		}
		if n > 0 {
			g.Share = float64(g.Missing) / float64(n)
		}
		for a := range arms {
			if arms[a].Rows > 0 {
				arms[a].Share = float64(arms[a].Missing) / float64(arms[a].Rows)
			}
		}
		g.Arms = arms
		for _, s := range schools {
			if s.Missing > 0 {
				g.Schools = append(g.Schools, s)
				if s.Missing == s.Rows {
					g.Whole++
				}
			}
		}
		sort.SliceStable(g.Schools, func(a, b int) bool { return g.Schools[a].Missing > g.Schools[b].Missing })
		for r, k := range reasons {
			g.Reasons = append(g.Reasons, analysis.Loss{Reason: r, N: k})
		}
		sort.Slice(g.Reasons, func(a, b int) bool { return g.Reasons[a].Reason < g.Reasons[b].Reason })
		t.Variables = append(t.Variables, g)
	}
	return t, nil
}

// Indicated says whether the protocol's threshold asks for imputation: a share of
// the outcome or of a covariate missing above it (the usual threshold is 0.05).
func (t Table) Indicated(threshold float64) bool {
	for _, v := range t.Variables {
		if v.Share > threshold {
			return true
		}
	}
	return false
}
