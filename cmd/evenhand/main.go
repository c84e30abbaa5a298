// Command evenhand runs randomised trials in schools: it recruits schools,
// draws them by lot into learning communities and a control arm, follows who
// leaves, estimates effects, and writes a report and a bundle that an
// independent evaluator can check without trusting anybody.
//
//	evenhand init mytrial      write trial.yaml and make the store
//	evenhand demo              a whole synthetic trial, from recruitment to report
//	evenhand COMMAND --help    what a command does, with examples
//
// Exit status: 0 done, 1 failed, 2 used wrongly, 3 a verification disagreed.
package main

import (
	"context"
	"crypto/rand"
	"io"
	"os"
	"os/signal"
	"os/user"
	"syscall"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	go func() {
		<-ctx.Done()
		stop() // the first Ctrl-C ends a command in order, the second at once
	}()
	a := &app{stdin: os.Stdin, stdout: os.Stdout, stderr: os.Stderr, now: time.Now, entropy: rand.Reader, getenv: os.Getenv, user: systemUser, settings: os.UserConfigDir}
	os.Exit(a.run(ctx, os.Args[1:]))
}

// app is the program with the world it may touch, so that tests can hand it
// another one.
type app struct {
	stdin          io.Reader
	stdout, stderr io.Writer
	now            func() time.Time
	entropy        io.Reader
	getenv         func(string) string
	user           func() string
	settings       func() (string, error) // the user's folder for settings; nil for none
	remind         bool                   // end with a note on receipts

	// Flags that every command has.
	storeFlag, protocolFlag, trialFlag, asFlag string
	format                                     choice
}

func systemUser() string {
	if u, err := user.Current(); err == nil && u.Username != "" {
		return u.Username
	}
	return os.Getenv("USER")
}
