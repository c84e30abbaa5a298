// Package mixed fits linear mixed models to trials in schools: pupils in
// schools, in classes in schools, in schools in communities (of one arm only,
// where the design is partially nested), with random slopes of the arm where
// pupils are randomised within schools, and logistic models with a random
// intercept for outcomes that are passed or failed.
//
// A fit reads the rows once. What it needs of them is small: per cell (rows
// that share every random effect) the number of rows and the mean of each
// column, and over all cells one matrix of cross-products within cells
// (reduce.go). The likelihood and its exact derivatives are computed from
// these (criterion.go), and the variances are found as the root of the score
// (fit.go): the deviance itself is flat to double precision over a relative
// 1e-7, so a minimiser of it cannot give more than 7 digits.
//
// Inference (Kenward–Roger, Satterthwaite by observed or expected
// information, containment, z) is in inference.go, intra-cluster correlations
// are in icc.go, profile likelihood intervals in profile.go, school effects in
// effects.go, refits for redrawn arms in refit.go, logistic models in
// logistic.go.
package mixed
