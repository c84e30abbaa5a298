// Package robust fits linear models by least squares and judges them without
// trusting that pupils of one school are independent: ordinary and weighted
// least squares and two-stage least squares, with variances that are robust to
// unequal spread (HC2) and to clustering (CR0, CR1, CR1S, CR2, CR3), Satterthwaite
// degrees of freedom, tests of several coefficients at once (HTZ), the wild
// cluster bootstrap and, for compliance, the Anderson-Rubin interval.
//
// Everything is computed from a QR decomposition of the design and from
// cross-products of a school's rows. The adjustment (I − H_jj)^(−1/2) of a
// school's residuals is the identity plus a matrix of the rank of the design, so
// that no matrix is ever as large as a school.
//
// Papers: Bell and McCaffrey, Survey Methodology 28(2), 2002, 169–181 (CR2 and
// its degrees of freedom); Pustejovsky and Tipton, JBES 36(4), 2018, 672–683
// (CR2 in general, absorbed effects, HTZ); MacKinnon and White, J. Econometrics
// 29, 1985 (HC2); Cameron, Gelbach and Miller, REStat 90(3), 2008 (wild cluster
// bootstrap); Anderson and Rubin, Ann. Math. Stat. 20(1), 1949.
package robust
