// Package power says how small an effect a trial can detect (the MDES), how
// likely it is to detect an effect of a given size (its power), and how many
// schools or pupils it needs.
//
// Every number is given twice where there are two ways: exactly, from the
// noncentral t distribution, and by the approximation MDES = (t₁ + t₂) SE that
// the field's tables use. Required numbers are found by search on the exact
// power and are never rounded down. Effects are in standard deviations of the
// outcome before adjustment for covariates.
//
// Formulas: Dong and Maynard, J. Research on Educational Effectiveness 6(1),
// 2013, 24–67; for partial nesting Lohr, Schochet and Sanders, NCER 2014-2000.
package power
