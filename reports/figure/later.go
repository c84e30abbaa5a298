package figure

import "sync"

// Later is a drawing that takes time to work out and is made when it is first
// drawn: a document may be built for its numbers alone.
func Later(description string, make func() Drawing) Drawing {
	return &later{desc: description, make: sync.OnceValue(make)}
}

type later struct {
	desc string
	make func() Drawing
}

func (l *later) Draw(prefix string) string { return l.make().Draw(prefix) }
func (l *later) Texts() []string           { return l.make().Texts() }
func (l *later) Description() string       { return l.desc }
func (l *later) plan() (*canvas, float64, float64) {
	return l.make().plan()
}
