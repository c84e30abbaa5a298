// Package steps shows on a terminal what long work does next.
package steps

import (
	"fmt"
	"io"
	"os"

	"golang.org/x/term"
)

// On gives a function that shows a step on w's last line, in place of the one
// before; "" takes the line away. In a pipe nothing is shown.
func On(w io.Writer) func(what string) {
	f, ok := w.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return func(string) {}
	}
	return func(what string) {
		if what != "" {
			what += " …"
		}
		fmt.Fprintf(f, "\r\033[K%s", what)
	}
}
