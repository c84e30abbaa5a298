// Package disclosure decides which counts of a set of linked tables may be
// published so that no small count of people can be read or worked out, and
// works out what an attacker could.
//
// Everything published together is one system: cells, each a whole number of
// people from zero up, and sums, each a cell that is the sum of others. A cell
// stands in the document or can only be worked out (a difference of nested
// groups). An attacker has every published cell, every sum, the marks that
// stand in place of hidden cells, and what earlier releases published; what he
// can find out about a hidden cell is the range of its values over all whole
// solutions.
//
// The rule. With the threshold T, a cell is a secret if its value is 1 to T−1
// (0 to T−1 where zeros count as small), or if an earlier release lets a value
// be known that differs from it by 1 to T−1. Secrets are hidden, and then as
// many other cells as it takes so that
//
//   - a cell marked "<T" can still be any of the values that the mark leaves
//     (1 to T−1; 0 to T−1 where zeros count as small), and
//   - a cell marked "suppressed", and a secret that stands nowhere, can still
//     lie at two values as far apart as those ends (T−2; T−1 where zeros count
//     as small).
//
// Both are shown by whole solutions of the system, not by bounds: what cannot
// be shown within the solver's limits counts as not safe, and more is hidden.
// The first kind of mark is tried on all small cells of every linked group of
// hidden cells, then on one after the other, and given up for the second where
// it would say too much.
//
// The package knows nothing of reports: evenhand/reports builds the system.
package disclosure
