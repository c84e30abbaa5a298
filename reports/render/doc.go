// Package render writes a report: HTML is one self-contained page without
// scripts and without links to the outside, Text is for terminals and e-mail.
// Both write the same cells; neither rounds anything.
package render
