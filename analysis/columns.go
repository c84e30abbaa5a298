package analysis

import (
	"sort"
	"strconv"
)

// Number makes a numeric column in which every value was observed.
func Number(name string, values []float64) Column {
	return Column{Name: name, Values: values}
}

// Factor makes a factor from text. Its levels are sorted: as numbers where
// every one of them is a number, by their bytes otherwise; the first is the
// reference. An empty string is a value that was not observed.
func Factor(name string, text []string) Column {
	seen := map[string]bool{}
	var levels []string
	complete := true
	numeric := true
	for _, s := range text {
		if s == "" {
			complete = false
			continue
		}
		if !seen[s] {
			seen[s] = true
			levels = append(levels, s)
			if _, err := strconv.ParseFloat(s, 64); err != nil {
				numeric = false
			}
		}
	}
	sort.Slice(levels, func(i, j int) bool {
		if numeric {
			a, _ := strconv.ParseFloat(levels[i], 64)
			b, _ := strconv.ParseFloat(levels[j], 64)
			if a != b {
				return a < b
			}
		}
		return levels[i] < levels[j]
	})
	code := map[string]int{}
	for i, l := range levels {
		code[l] = i
	}
	c := Column{Name: name, Levels: levels, Codes: make([]int, len(text))}
	if levels == nil {
		c.Levels = []string{}
	}
	if !complete {
		c.Observed = make([]bool, len(text))
	}
	for i, s := range text {
		if s == "" {
			continue
		}
		c.Codes[i] = code[s]
		if !complete {
			c.Observed[i] = true
		}
	}
	return c
}

// IsFactor says whether the column is a factor.
func (c *Column) IsFactor() bool { return c.Levels != nil }

// Len is the number of rows.
func (c *Column) Len() int {
	if c.IsFactor() {
		return len(c.Codes)
	}
	return len(c.Values)
}

// Has says whether row i was observed.
func (c *Column) Has(i int) bool { return c.Observed == nil || c.Observed[i] }
