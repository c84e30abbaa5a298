// Package permute judges an effect by the draw itself: it redraws the trial's own
// design and counts how often chance alone gives as much as was observed. It
// also resamples schools and pupils (the bootstrap) and adjusts several p-values
// on the same redraws (Westfall and Young).
//
// It never imports the drawing rule: it takes redraw functions. What an effect
// is measured by is a Statistic; those here are computed from sums of each
// school, so that a redraw costs nothing per pupil.
//
// Streams of simulated numbers are PCG, one a replicate, so that results do not
// depend on how many processors worked.
package permute
