// Package intake reads the files that people send (schools, staff, pupils,
// attendance, outcomes …) and turns them into the domain's values. It stores
// nothing. A file is taken whole or not at all: its faults come all at once,
// each with row and column, as *Errors; without faults, every row is accounted
// for in Counts, as stored or with the reason why not.
//
// Files are CSV, separated by commas, semicolons or tabs, in UTF-8, UTF-16 with
// its mark, or Windows-1252. Headers are found wherever they stand, without
// regard to case. A cell is text: one that looks like a formula stays what it
// is.
package intake
