package storetest

import (
	"os/exec"
	"os/user"
	"strconv"
	"syscall"
)

// stopSignal asks Postgres for an immediate end.
const stopSignal = syscall.SIGQUIT

// command makes a command that runs as a user (nil for this one) and that
// dies with the tests, even when they are killed.
func command(as *user.User, name string, args ...string) *exec.Cmd {
	cmd := exec.Command(name, args...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGQUIT}
	if as != nil {
		uid, _ := strconv.Atoi(as.Uid)
		gid, _ := strconv.Atoi(as.Gid)
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
	}
	return cmd
}
