// Package reports turns a trial's records and results into a document: first
// as data (Report, with its sections, sentences, tables and pictures), which
// reports/render then writes as HTML or text.
//
// A number exists once. Every value is a Cell, every cell stands in a table,
// and a sentence or a picture that needs the value refers to that very cell,
// so that text, table and picture cannot disagree: Build refuses a sentence
// with a digit in it that is not a cell's. All rounding and all formats of
// numbers are in format.go; the results themselves are never rounded.
//
// What is missing leaves a visible gap that says why it is missing.
package reports
