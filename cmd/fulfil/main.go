// Command fulfil looks after a shop that is built on package checkout: it migrates the database, examines the installation, shows
// orders, carries out a person's decisions about them, sets stock, replays events and erases personal data.
//
// It runs none of the merchant's callbacks. What it records is carried out by the shop's own processes. See "fulfil help".
package main

import (
	"context"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"
)

// The exit codes.
const (
	exitOK     = 0
	exitFailed = 1 // it did not work, or was interrupted
	exitUsage  = 2 // the command line or the environment can't be used; nothing was done
	exitFound  = 3 // doctor or schema found something that must be mended
)

// program is one run of the command, with all that it has from outside.
type program struct {
	getenv         func(name string) string
	stdin          io.Reader
	stdout, stderr io.Writer
	// terminal says that a person sits at stdin.
	terminal bool
	now      func() time.Time

	options options
	secrets []string // no message repeats them
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second Ctrl-C ends the program at once
	info, err := os.Stdin.Stat()
	p := &program{
		getenv: os.Getenv, stdin: os.Stdin, stdout: os.Stdout, stderr: os.Stderr, now: time.Now,
		terminal: err == nil && info.Mode()&os.ModeCharDevice != 0,
	}
	os.Exit(p.run(ctx, os.Args[1:]))
}
