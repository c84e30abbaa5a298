package randomize

import (
	"bytes"
	"math/big"
	"reflect"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// TestRowOrder draws random rosters in two row orders by every method.
func TestRowOrder(t *testing.T) {
	for _, m := range allMethods() {
		t.Run(string(m), func(t *testing.T) {
			rapid.Check(t, func(t *rapid.T) {
				units := genUnits(30).Draw(t, "units")
				d := genDesign(m).Draw(t, "design")
				c := genChance.Draw(t, "chance")
				draw := func(units []Unit) []byte {
					r, err := NewRoster(genColumns, units)
					if err != nil {
						t.Fatal(err)
					}
					a, err := Draw(d, r, c)
					if err != nil {
						t.Fatal(err)
					}
					return a.Text()
				}
				if got, want := draw(shuffled(t, units)), draw(units); !bytes.Equal(got, want) {
					t.Fatalf("rows in another order give %s, want %s", got, want)
				}
			})
		})
	}
}

// TestCountsExact: the arms' numbers are within what Planned promises, in each
// stratum and in the whole.
func TestCountsExact(t *testing.T) {
	for _, m := range allMethods() {
		t.Run(string(m), func(t *testing.T) {
			rapid.Check(t, func(t *rapid.T) {
				r := genRoster(40).Draw(t, "roster")
				d := genDesign(m).Draw(t, "design")
				d.Cluster = ""
				planned, err := d.Planned(r)
				if err != nil {
					t.Fatal(err)
				}
				a, err := Draw(d, r, genChance.Draw(t, "chance"))
				if err != nil {
					t.Fatal(err)
				}
				byStratum := map[string][]int{}
				for i, x := range a.Assignments {
					name := r.Units[i].Stratum
					switch m {
					case Complete, Minimisation:
						name = "all"
					case Pairs:
						name = "set/" + itoa(r.Units[i].Balance[1])
					}
					if byStratum[name] == nil {
						byStratum[name] = make([]int, len(d.Arms))
					}
					byStratum[name][d.arm(x.Arm)]++
				}
				if len(byStratum) != len(planned.Strata) {
					t.Fatalf("%d strata drawn, %d planned", len(byStratum), len(planned.Strata))
				}
				for _, s := range planned.Strata {
					for arm, n := range byStratum[s.Name] {
						if n < s.Min[arm] || n > s.Max[arm] {
							t.Fatalf("stratum %q: arm %d got %d, planned %d to %d", s.Name, arm, n, s.Min[arm], s.Max[arm])
						}
					}
				}
				for arm, s := range planned.Arms {
					if n := a.Size(s.Arm); n < s.Min || n > s.Max {
						t.Fatalf("arm %d got %d, planned %d to %d", arm, n, s.Min, s.Max)
					}
				}
			})
		})
	}
}

// TestPooledTotals holds the pooled rule to its purpose: the whole trial's
// totals differ from the ratio by less than one pass.
func TestPooledTotals(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := genRoster(60).Draw(t, "roster")
		d := Design{Method: Stratified, Arms: genArms.Draw(t, "arms"), Misfits: Pooled}
		a, err := Draw(d, r, genChance.Draw(t, "chance"))
		if err != nil {
			t.Fatal(err)
		}
		w := d.totalWeight()
		for _, arm := range d.Arms {
			whole := len(r.Units) / w * arm.Weight
			if n := a.Size(arm.Name); n < whole || n > whole+arm.Weight {
				t.Fatalf("arm %s got %d of %d units, want %d to %d", arm.Name, n, len(r.Units), whole, whole+arm.Weight)
			}
		}
	})
}

func TestTextsRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := genRoster(20).Draw(t, "roster")
		back, err := ParseRoster(r.Text())
		if err != nil || !reflect.DeepEqual(back, r) {
			t.Fatalf("ParseRoster(%q) = %v, %v; want %v", r.Text(), back, err, r)
		}
		d := genDesign(rapid.SampledFrom(allMethods()).Draw(t, "method")).Draw(t, "design")
		if list := rapid.SliceOfNDistinct(genCommunity(d), 0, 2, func(c Community) string { return c.Arm }).Draw(t, "communities"); len(list) > 0 {
			d.Communities = list
		}
		if err := d.Validate(); err != nil {
			t.Fatal(err)
		}
		again, err := ParseDesign(d.Text())
		if err != nil || !reflect.DeepEqual(again, d) {
			t.Fatalf("ParseDesign(%q) = %+v, %v; want %+v", d.Text(), again, err, d)
		}
	})
}

// genCommunity is a valid community rule of one of the design's arms.
func genCommunity(d Design) *rapid.Generator[Community] {
	return rapid.Custom(func(t *rapid.T) Community {
		c := Community{Arm: rapid.SampledFrom(d.Arms).Draw(t, "arm").Name, Min: rapid.IntRange(1, 5).Draw(t, "min"),
			How: rapid.SampledFrom([]Forming{FormRandom, FormNear, FormMixed}).Draw(t, "how")}
		c.Max = c.Min + rapid.IntRange(0, 3).Draw(t, "more")
		c.Notional = rapid.Bool().Draw(t, "notional")
		if rapid.Bool().Draw(t, "within") {
			c.Column = "level"
		} else if rapid.Bool().Draw(t, "number") {
			c.Number = 3
		}
		if rapid.Bool().Draw(t, "constraints") {
			c.Apart, c.Together, c.Farthest = []string{"set"}, []string{"cluster"}, 45000
			c.Counts = []CountLimit{{"level", -2, 0, 3}}
			c.Starts, c.Passes = 5, 1
		}
		if c.How == FormMixed || c.How == FormNear && rapid.Bool().Draw(t, "mix") {
			c.Balance, c.Mix, c.Keep = []ColumnWeight{{"x", 2}, {"level", 0}}, 300, 50
		}
		return c
	})
}

// TestRehearsalsDiffer: the three domains give different allocations of the
// same texts and chance (57 of 114 schools; alike by accident once in 1e33).
func TestRehearsalsDiffer(t *testing.T) {
	d, r, c := rlc(t)
	draw, err := Draw(d, r, c)
	if err != nil {
		t.Fatal(err)
	}
	rehearsal, err := Rehearse(d, r, c, 0)
	if err != nil {
		t.Fatal(err)
	}
	second, err := Rehearse(d, r, c, 1)
	if err != nil {
		t.Fatal(err)
	}
	if draw.Digest() == rehearsal.Digest() || rehearsal.Digest() == second.Digest() {
		t.Error("a rehearsal equals the draw or another rehearsal")
	}
	redraw, err := Redraws(d, Wave{r, c})
	if err != nil {
		t.Fatal(err)
	}
	if slices.Equal(redraw(0), redraw(1)) {
		t.Error("redraw 0 equals redraw 1")
	}
	if !slices.Equal(redraw(3), redraw(3)) {
		t.Error("redraw 3 is not the same twice")
	}
	if _, err := Rehearse(d, r, c, -1); err == nil {
		t.Error("rehearsal -1 is not refused")
	}
}

// rlc is the design, roster and chance of the vector rlc-114.
func rlc(t testing.TB) (Design, Roster, Chance) {
	t.Helper()
	for _, v := range loadVectors(t) {
		if v.name == "rlc-114" {
			d, err := ParseDesign(v.design)
			if err != nil {
				t.Fatal(err)
			}
			r, err := ParseRoster(v.roster)
			if err != nil {
				t.Fatal(err)
			}
			return d, r, v.chance
		}
	}
	t.Fatal("no vector rlc-114")
	panic("not reached")
}

// TestClosedForms holds Probabilities, PairProbabilities and Count to the full
// list of what the draw itself can do.
func TestClosedForms(t *testing.T) {
	seen := map[Method]int{}
	for _, m := range allMethods() {
		if m == Constrained {
			continue
		}
		t.Run(string(m), func(t *testing.T) {
			rapid.Check(t, func(t *rapid.T) {
				d := genDesign(m).Draw(t, "design")
				r := genRoster(5).Draw(t, "roster")
				list, err := d.Enumerate(r, 600)
				if err != nil {
					t.Skip("too many ways")
				}
				seen[m]++
				n, k := len(r.Units), len(d.Arms)
				marginal := make([][]*big.Rat, n)
				joint := make([][]*big.Rat, n*n)
				total := new(big.Rat)
				for i := range marginal {
					marginal[i] = rats(k)
				}
				for i := range joint {
					joint[i] = rats(k * k)
				}
				for _, one := range list {
					total.Add(total, one.P)
					for i, a := range one.Arms {
						marginal[i][a].Add(marginal[i][a], one.P)
						for j, b := range one.Arms {
							joint[i*n+j][a*k+b].Add(joint[i*n+j][a*k+b], one.P)
						}
					}
				}
				if total.Cmp(big.NewRat(1, 1)) != 0 {
					t.Fatalf("the probabilities of the list add to %s", total)
				}
				if p, err := d.Probabilities(r); err == nil {
					for i := range p.P {
						for a, want := range marginal[i] {
							if p.P[i][a].Cmp(want) != 0 {
								t.Fatalf("P(unit %d, arm %d) = %s, want %s", i, a, p.P[i][a], want)
							}
						}
					}
				}
				if count, err := d.Count(r); err == nil && count.Cmp(big.NewInt(int64(len(list)))) != 0 {
					t.Fatalf("Count = %s, want %d", count, len(list))
				}
				pp, err := d.PairProbabilities(r)
				if err != nil {
					return
				}
				for i := range n {
					for j := range n {
						got := pp.Of(i, j)
						for a := range k {
							for b := range k {
								if want := joint[i*n+j][a*k+b]; got[a][b].Cmp(want) != 0 {
									t.Fatalf("P(unit %d arm %d, unit %d arm %d) = %s, want %s", i, a, j, b, got[a][b], want)
								}
							}
						}
					}
				}
			})
		})
	}
	for _, m := range allMethods() {
		if m != Constrained && seen[m] < 20 {
			t.Errorf("method %s was compared %d times only", m, seen[m])
		}
	}
}

func rats(n int) []*big.Rat {
	list := make([]*big.Rat, n)
	for i := range list {
		list[i] = new(big.Rat)
	}
	return list
}
