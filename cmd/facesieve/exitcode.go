package main

import (
	"errors"
	"fmt"
	"io"

	"facesieve/cmd/facesieve/internal/config"
)

// The exit codes of every sub-command; the README lists them. 64 and 78 are EX_USAGE and EX_CONFIG of sysexits.h. A Go
// program that crashes, by a panic or by SIGABRT of systemd's watchdog, returns 2, so 2 can have no meaning here.
const (
	exitOK      = 0
	exitFailure = 1  // something could not be done: a file, a camera, a broker
	exitUsage   = 64 // the command line is wrong
	exitConfig  = 78 // the configuration is wrong; every fault was printed
)

// report prints err and returns its exit code.
func report(err error, stderr io.Writer) int {
	var faults config.Faults
	switch {
	case err == nil:
		return exitOK
	case errors.As(err, &faults):
		fmt.Fprintln(stderr, faults.Error())
		return exitConfig
	case errors.Is(err, config.ErrInvalid):
		fmt.Fprintf(stderr, "facesieve: %v\n", err)
		return exitConfig
	default:
		fmt.Fprintf(stderr, "facesieve: %v\n", err)
		return exitFailure
	}
}
