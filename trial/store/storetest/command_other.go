//go:build !linux

package storetest

import (
	"os"
	"os/exec"
	"os/user"
)

// stopSignal asks Postgres for its end.
var stopSignal = os.Interrupt

// command makes a command. Running as another user is done on Linux only:
// elsewhere tests are not run as root.
func command(_ *user.User, name string, args ...string) *exec.Cmd {
	return exec.Command(name, args...)
}
