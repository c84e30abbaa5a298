// Package figure draws the pictures of a report as SVG: real text, a title and
// a description for those who don't see the picture, sizes in millimetres for
// print, colours that colour-blind readers can tell apart, and arms that can
// be told apart without any colour by the shape of their mark.
//
// Every type here is the data of one picture; Draw gives its SVG. All text
// comes in as it is to be shown: nothing is rounded here but the marks on an
// axis. The same data give the same bytes.
package figure

// Drawing is a picture that can be drawn. The prefix makes the identifiers in
// the SVG unique where several pictures stand in one document: letters, digits
// and hyphens, beginning with a letter.
type Drawing interface {
	Draw(prefix string) string
	// Texts lists the words and numbers in the picture that come from the
	// caller, in the order in which they are drawn.
	Texts() []string
	// Description says what the picture shows, for those who don't see it.
	Description() string
	plan() (c *canvas, width, height float64)
}
