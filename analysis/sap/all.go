package sap

import (
	"errors"
	"sync"

	"evenhand/analysis"
)

// Job is the analysis of one outcome.
type Job struct {
	Plan    Plan
	Data    *analysis.Dataset
	Redraw  func(i int) []int // as for Run
	Letters []int             // as for RunBlind; nil for arms under their names
}

// RunAll runs several outcomes' plans at the same time, and then adjusts the
// p-values of the secondary ones together (see Adjust). Results come in the
// order of the jobs, and do not depend on the number of processors.
func RunAll(jobs []Job) ([]Results, error) {
	found, faults := make([]*Results, len(jobs)), make([]error, len(jobs))
	var wait sync.WaitGroup
	for i, j := range jobs {
		wait.Go(func() {
			if j.Letters == nil {
				found[i], faults[i] = Run(j.Plan, j.Data, j.Redraw)
			} else {
				found[i], faults[i] = RunBlind(j.Plan, j.Data, j.Letters, j.Redraw)
			}
		})
	}
	wait.Wait()
	if err := errors.Join(faults...); err != nil {
		return nil, err
	}
	all := make([]Results, len(jobs))
	for i, r := range found {
		all[i] = *r
	}
	return all, Adjust(all)
}
