package audit

import (
	"fmt"
	"hash/fnv"
	"math"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"

	"evenhand/analysis"
	"evenhand/analysis/rows"
	"evenhand/randomize"
	"evenhand/trial"
)

// Where the data must stay in a secure room, a bundle has their digests and a
// stand-in: files of the same form whose values are made up, so that a script can
// be tried before it is taken into the room.

const (
	dataDigestsName = "data.digests.txt"
	standInFolder   = "synthetic/"
	withheld        = "the data themselves, which stay in a secure room: data.digests.txt has their digests, and the folder synthetic holds made-up values of the same form"
)

// standIn gives the digests and the made-up files.
func (b Bundle) standIn() ([]entry, error) {
	all := []entry{{dataDigestsName, []byte(rows.DigestText(b.Data))}}
	for _, named := range b.Data {
		d, err := rows.Read(named.Files)
		if err != nil {
			return nil, err
		}
		files, err := rows.Write(madeUp(d, named.Outcome))
		if err != nil {
			return nil, fmt.Errorf("make a stand-in for %s: %w", named.Outcome, err)
		}
		for i, data := range [][]byte{files.People, files.Schools, files.Codebook} {
			all = append(all, entry{standInFolder + strings.TrimPrefix(rows.Names(named.Outcome)[i], "data/"), data})
		}
	}
	return all, nil
}

// madeUp is a dataset of the same people, schools, arms and columns, which the
// bundle's other files show anyway. Its values are drawn anew for each person
// alone: numbers about the mean of all, with their SD, both to two digits; levels
// and yes or no by a coin; who was lost at the rate of all, to two digits. Nothing
// in it tells of a person, a school or an arm.
func madeUp(d *analysis.Dataset, outcome string) *analysis.Dataset {
	h := fnv.New64a()
	h.Write([]byte(outcome))
	rng := rand.New(rand.NewPCG(h.Sum64(), 1))
	out := *d
	out.Outcome, out.Observed, out.Lost = make([]float64, len(d.ID)), make([]bool, len(d.ID)), make([]string, len(d.ID))
	mean, sd, there := roughly(d.Outcome, d.Observed)
	for i := range d.ID {
		if out.Observed[i] = rng.Float64() < there; out.Observed[i] {
			out.Outcome[i] = math.Round(mean + sd*rng.NormFloat64())
		} else {
			out.Lost[i] = "made up"
		}
	}
	out.Covariates = madeUpColumns(rng, d.Covariates)
	out.SchoolCovariates = madeUpColumns(rng, d.SchoolCovariates)
	return &out
}

func madeUpColumns(rng *rand.Rand, columns []analysis.Column) []analysis.Column {
	var all []analysis.Column
	for _, c := range columns {
		n := max(len(c.Values), len(c.Codes))
		mean, sd, there := 0.0, 0.0, 1.0
		if c.Levels == nil {
			mean, sd, there = roughly(c.Values, c.Observed)
		} else if c.Observed != nil {
			_, _, there = roughly(make([]float64, n), c.Observed)
		}
		made := c
		if c.Observed != nil {
			made.Observed = make([]bool, n)
			for i := range made.Observed {
				made.Observed[i] = rng.Float64() < there
			}
		}
		if c.Levels != nil {
			made.Codes = make([]int, n)
			for i := range made.Codes {
				made.Codes[i] = rng.IntN(len(c.Levels))
			}
		} else {
			made.Values = make([]float64, n)
			for i := range made.Values {
				if c.Binary {
					made.Values[i] = float64(rng.IntN(2))
				} else {
					made.Values[i] = math.Round(mean + sd*rng.NormFloat64())
				}
			}
		}
		all = append(all, made)
	}
	return all
}

// roughly gives mean, SD and share observed, to two digits.
func roughly(values []float64, observed []bool) (mean, sd, there float64) {
	n := 0.0
	for i, x := range values {
		if observed == nil || observed[i] {
			n++
			mean += x
		}
	}
	if n == 0 {
		return 0, 0, 0
	}
	mean /= n
	for i, x := range values {
		if observed == nil || observed[i] {
			sd += (x - mean) * (x - mean) / n
		}
	}
	return twoDigits(mean), twoDigits(math.Sqrt(sd)), twoDigits(n / float64(len(values)))
}

func twoDigits(x float64) float64 {
	y, _ := strconv.ParseFloat(strconv.FormatFloat(x, 'e', 1, 64), 64)
	return y
}

// away says whether the data are not in the bundle, but their digests.
func (v *verifier) away() bool { return v.files[dataDigestsName] != nil }

// recordedAway holds the digests of data that stay elsewhere to the entry that
// records them.
func (v *verifier) recordedAway(f *failures, seq int, want string) bool {
	if got := digest(v.files[dataDigestsName]); got != want {
		f.add("%s has SHA-256 %s, entry %d of the ledger records %s for the data", dataDigestsName, got, seq, want)
		return false
	}
	return true
}

// flowAway holds the flow to what is here where the data are not: the draw, the
// list of pupils, the ledger, and the sum of those analysed and lost.
func (v *verifier) flowAway(f *failures, flow *trial.Flow, equal func(what, from string, in, got int)) {
	allocation, err := randomize.ParseAllocation(v.files[allocationName])
	if err != nil {
		return // said at the draw
	}
	pupils := map[string]int{}
	for _, school := range v.listed() {
		if a, ok := allocation.Of(school); ok {
			pupils[a.Arm]++
		}
	}
	for _, a := range flow.Arms {
		equal("arm "+a.Arm+", schools randomised", "the draw", a.Schools.Randomised, allocation.Size(a.Arm))
		equal("arm "+a.Arm+", pupils randomised", "the list as locked", a.Pupils.Randomised, pupils[a.Arm])
		for _, l := range []struct {
			name string
			flow trial.LevelFlow
		}{{"schools", a.Schools}, {"pupils", a.Pupils}} {
			sum := l.flow.Analysed
			for _, x := range l.flow.Lost {
				sum += x.N
			}
			equal(fmt.Sprintf("arm %s, %s analysed and lost together", a.Arm, l.name), "those randomised", sum, l.flow.Randomised)
		}
	}
	if all, err := v.results(); err == nil && len(all) > 0 {
		schools, people := 0, 0
		for _, a := range flow.Arms {
			schools, people = schools+a.Schools.Analysed, people+a.Pupils.Analysed
		}
		equal("schools analysed, all arms", resultsName, schools, all[0].Counts.SchoolsUsed)
		if people > 0 {
			equal("pupils analysed, all arms", resultsName, people, all[0].Counts.PupilsUsed)
		}
	}
}

// standsIn says whether a name is of the stand-in's files.
func standsIn(name string) bool {
	return name == dataDigestsName || strings.HasPrefix(name, standInFolder)
}

// sameForm holds the stand-in to the codebook's columns and to having no more
// people than the data could have.
func (v *verifier) sameForm(f *failures) {
	names := sortedNames(v.files)
	if !slices.ContainsFunc(names, func(n string) bool { return strings.HasPrefix(n, standInFolder) }) {
		f.add("%s is there, and no stand-in in %s", dataDigestsName, standInFolder)
	}
	for _, name := range names {
		if strings.HasPrefix(name, "data/") {
			f.add("%s is there, although the data are said to stay in a secure room", name)
		}
	}
}
