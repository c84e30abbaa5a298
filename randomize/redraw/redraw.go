// Package redraw holds the two programs with which anyone can draw again
// without Evenhand. They follow RULE.md and share no code with package
// randomize, whose tests compare them byte for byte over random rosters.
package redraw

import _ "embed" // the programs

// Python is redraw.py: Python 3, standard library only.
//
//	python3 redraw.py DESIGN ROSTER CHANCE [--rehearsal N | --redraw N] > allocation.txt
//
//go:embed redraw.py
var Python []byte

// R is redraw.R: base R and the package digest.
//
//	Rscript redraw.R DESIGN ROSTER CHANCE [--rehearsal N | --redraw N] > allocation.txt
//
//go:embed redraw.R
var R []byte
