package main

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"syscall"
)

// The exit codes of every sub-command; the README lists them. 64 and 78 are EX_USAGE and EX_CONFIG of sysexits.h. A Go
// program that crashes, by a panic or by SIGABRT of systemd's watchdog, returns 2, so 2 can have no meaning here.
const (
	exitOK      = 0
	exitFailure = 1  // something could not be done: a file, a camera, a broker
	exitUsage   = 64 // the command line is wrong
	exitConfig  = 78 // the configuration is wrong; every fault was printed
)

// errConfigured marks an error that a restart cannot fix: the configuration, or a file that it names, must change.
var errConfigured = errors.New("wrong configuration")

// configured marks err, a failure to read the configuration or a file that it names, with errConfigured. It does not
// mark failures that may not occur at the next start: an error of a disk or a network file system, too little memory,
// too many open files.
func configured(err error) error {
	var number syscall.Errno
	lasting := []syscall.Errno{
		syscall.ENOENT, syscall.EACCES, syscall.EPERM, syscall.EISDIR, syscall.ENOTDIR, syscall.ELOOP,
		syscall.ENAMETOOLONG, syscall.EINVAL, syscall.ENODEV, syscall.ENXIO,
	}
	if err == nil || errors.As(err, &number) && !slices.Contains(lasting, number) {
		return err
	}
	return configuredError{err}
}

// configuredError wraps an error and errConfigured, and has the text of the error alone.
type configuredError struct{ error }

func (e configuredError) Unwrap() []error { return []error{e.error, errConfigured} }

// report prints err and returns its exit code.
func report(err error, stderr io.Writer) int {
	var faults Faults
	switch {
	case err == nil:
		return exitOK
	case errors.As(err, &faults):
		fmt.Fprintln(stderr, faults.Error())
		return exitConfig
	case errors.Is(err, errConfigured):
		fmt.Fprintf(stderr, "facesieve: %v\n", err)
		return exitConfig
	default:
		fmt.Fprintf(stderr, "facesieve: %v\n", err)
		return exitFailure
	}
}
