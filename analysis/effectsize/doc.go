// Package effectsize turns an adjusted difference into standard deviations,
// naming the standard deviation: total or within schools, from the model
// without covariates, the empty model or the model with covariates, or the
// raw scores. hedges.go says which SD, ci.go holds the intervals, closed.go
// the closed forms of Hedges (2007, 2011), eef.go what the field's own package
// prints, binary.go the effect sizes of logistic models, months.go the months
// of progress.
package effectsize
