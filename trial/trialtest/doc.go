// Package trialtest makes synthetic trials, for tests and for the demo: the
// files that an evaluator would be sent in a trial like that of the Research
// Learning Communities, from the list of schools to the outcomes. Schools,
// people and scores are invented; regions and local authorities are England's.
// Everything is a function of the seed and the number of schools (and, after
// the draw, of the allocation).
package trialtest
