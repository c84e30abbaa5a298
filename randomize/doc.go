// Package randomize draws schools by lot: which arm each gets and, inside an
// arm, which learning community.
//
// It sees three things and nothing else: a [Design] (what was declared), a
// [Roster] (a name, a stratum and whole-number balance columns for each unit)
// and a [Chance] (32 bytes nobody could choose). It never sees a school's
// name, a contact, an outcome or a date, and it has no clock, disk, network or
// entropy of its own: concealment is a type here, not a promise.
//
// The promise: the same design text, roster text and chance give the same
// allocation on any machine, in any row order, in any language, for ever. The
// rule is written down in RULE.md beside this file, uses SHA-256 and whole
// numbers only, and has frozen vectors in testdata/vectors. No decision meets
// a floating-point number. The folder redraw holds the same rule in Python and
// in R for those who trust nobody.
//
//	design, err := randomize.ParseDesign(designText)
//	roster, err := randomize.ParseRoster(rosterText)
//	chance, err := randomize.ParseChance(chanceText)
//	allocation, err := randomize.Draw(design, roster, chance)
//
// The same Design also answers what could have happened: [Design.Probabilities],
// [Design.PairProbabilities], [Design.Planned], [Design.Count],
// [Design.Enumerate] and [Redraws].
package randomize
