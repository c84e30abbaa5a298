package effectsize

import (
	"fmt"
	"math"
)

// Sizes are the numbers of pupils in the schools of two arms.
type Sizes struct {
	Treated, Control []int
}

// sums are the sums over schools that the closed forms need.
type sums struct{ n, s2, s3, m, nU float64 }

func sumsOf(sizes []int) sums {
	var s sums
	for _, k := range sizes {
		f := float64(k)
		s.n += f
		s.s2 += f * f
		s.s3 += f * f * f
		s.m++
	}
	s.nU = (s.n*s.n - s.s2) / (s.n * (s.m - 1))
	return s
}

func (z Sizes) check() error {
	for _, arm := range [][]int{z.Treated, z.Control} {
		if len(arm) < 2 {
			return fmt.Errorf("closed-form effect size: an arm has %d schools; at least 2 are needed", len(arm))
		}
		for _, n := range arm {
			if n < 1 {
				return fmt.Errorf("closed-form effect size: a school has %d pupils", n)
			}
		}
	}
	return nil
}

// Hedges2007 is the effect size of a trial with two levels in the total SD,
// from raw or published numbers (Hedges 2007, J Educ Behav Stat 32: 341-370,
// with unequal sizes). It is for recomputing published results and for
// comparison; with the pupils' data a mixed model does better.
type Hedges2007 struct {
	NTilde, A, B float64 // ñ, A and B of the paper
	// Factor is the root of 1 − (N−2−B)ρ/(N−2): what the clustering takes
	// off a difference over the pooled SD of the pupils.
	Factor float64
	D      float64 // difference/S · Factor
	DF     float64 // h
	J      float64
	G      float64 // J·D
	// VarD is (1/N_T + 1/N_C)(1 + (ñ−1)ρ) + D²/(2h), by the delta method;
	// VarPublished has the second term as equation 16 prints it, which is
	// smaller by Factor².
	VarD, VarPublished float64
	VarSampling        float64 // the first term alone
	SEG                float64 // J·√VarD
}

// NewHedges2007 takes the difference between the arms, the pooled SD of the
// pupils' scores (N−2 degrees of freedom), the sizes of the schools and the
// intra-cluster correlation rho in [0,1].
func NewHedges2007(difference, pooledSD, rho float64, z Sizes) (Hedges2007, error) {
	if err := z.check(); err != nil {
		return Hedges2007{}, err
	}
	if !(pooledSD > 0) || !(rho >= 0 && rho <= 1) {
		return Hedges2007{}, fmt.Errorf("closed-form effect size: SD %v must be positive and the intra-cluster correlation %v between 0 and 1", pooledSD, rho)
	}
	t, c := sumsOf(z.Treated), sumsOf(z.Control)
	n := t.n + c.n
	var h Hedges2007
	h.B = t.nU*(t.m-1) + c.nU*(c.m-1)
	for _, s := range []sums{t, c} {
		h.A += (s.n*s.n*s.s2 + s.s2*s.s2 - 2*s.n*s.s3) / (s.n * s.n)
	}
	h.NTilde = c.n*t.s2/(t.n*n) + t.n*c.s2/(c.n*n)
	factor2 := 1 - (n-2-h.B)*rho/(n-2)
	h.Factor = math.Sqrt(factor2)
	h.D = difference / pooledSD * h.Factor
	num := (n - 2) - rho*(n-2-h.B)
	h.DF = num * num / ((n-2)*(1-rho)*(1-rho) + h.A*rho*rho + 2*h.B*rho*(1-rho))
	h.J = J(h.DF)
	h.G = h.J * h.D
	h.VarSampling = (1/t.n + 1/c.n) * (1 + (h.NTilde-1)*rho)
	h.VarD = h.VarSampling + h.D*h.D/(2*h.DF)
	h.VarPublished = h.VarSampling + h.D*h.D/(2*h.DF)*factor2
	h.SEG = h.J * math.Sqrt(h.VarD)
	return h, nil
}

// Hedges2007Components is the effect size in the total and in the within SD
// from the variances between and within schools of equal size n, m schools in
// all: d with S²_B + (n−1)S²_W/n (Hedges 2007, equation 15 ff.; the degrees of
// freedom of Pustejovsky 2016).
func Hedges2007Components(difference, meansVariance, withinVariance float64, n, schoolsT, schoolsC int) (dTotal, varTotal, dfTotal, dWithin, varWithin float64, err error) {
	if n < 2 || schoolsT < 2 || schoolsC < 2 || !(withinVariance > 0) || !(meansVariance >= 0) {
		return 0, 0, 0, 0, 0, fmt.Errorf("closed-form effect size: needs at least 2 pupils a school, 2 schools an arm and positive variances")
	}
	f := float64(n)
	m := float64(schoolsT + schoolsC)
	nt, nc := f*float64(schoolsT), f*float64(schoolsC)
	total := meansVariance + (f-1)*withinVariance/f
	rho := (total - withinVariance) / total
	eta := 1 + (f-1)*rho
	dTotal = difference / math.Sqrt(total)
	r1 := 1 - rho
	varTotal = eta*(1/nt+1/nc) + dTotal*dTotal*(eta*eta/(2*f*f*(m-2))+(f-1)*(f-1)*r1*r1/(2*f*f*(m*f-m)))
	dfTotal = f * f * m * (m - 2) / (m*eta*eta + (m-2)*(f-1)*r1*r1)
	dWithin = difference / math.Sqrt(withinVariance)
	varWithin = eta*(1/nt+1/nc)/r1 + dWithin*dWithin/(2*(m*f-m))
	return dTotal, varTotal, dfTotal, dWithin, varWithin, nil
}

// Hedges2011 is the effect size of a balanced trial with three levels in the
// total SD (Hedges 2011, J Educ Behav Stat 36: 346-380): schools of p classes
// of n pupils.
type Hedges2011 struct {
	Factor      float64
	D           float64
	DF          float64
	J           float64
	G           float64
	VarSampling float64
	VarD        float64
}

// NewHedges2011 takes the difference, the pooled SD of the pupils, the pupils
// in a class, the classes in a school, the schools in each arm and the
// intra-cluster correlations of school and class.
func NewHedges2011(difference, pooledSD float64, pupils, classes, schoolsT, schoolsC int, rhoSchool, rhoClass float64) (Hedges2011, error) {
	if pupils < 1 || classes < 1 || schoolsT < 1 || schoolsC < 1 || schoolsT+schoolsC < 3 || !(pooledSD > 0) || !(rhoSchool >= 0 && rhoClass >= 0 && rhoSchool+rhoClass < 1) {
		return Hedges2011{}, fmt.Errorf("closed-form effect size: needs pupils, classes and schools, a positive SD and intra-cluster correlations that sum to less than 1")
	}
	n, p := float64(pupils), float64(classes)
	mt, mc := float64(schoolsT), float64(schoolsC)
	all := n * p * (mt + mc)
	s, c := rhoSchool, rhoClass
	r := 1 - s - c
	b := 1 - (2*(p*n-1)*s+2*(n-1)*c)/(all-2)
	d := p*n*(all-2*p*n)*s*s + n*(all-2*n)*c*c + (all-2)*r*r + 2*n*(all-2*p*n)*s*c + 2*(all-2*p*n)*s*r + 2*(all-2*n)*c*r
	var h Hedges2011
	h.Factor = math.Sqrt(b)
	h.D = difference / pooledSD * h.Factor
	h.DF = (all - 2) * b * (all - 2) * b / d
	h.J = J(h.DF)
	h.G = h.J * h.D
	h.VarSampling = (1/mt + 1/mc) * (1 + (p*n-1)*s + (n-1)*c) / (p * n)
	h.VarD = h.VarSampling + h.D*h.D/(2*h.DF)
	return h, nil
}
