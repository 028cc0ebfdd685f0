package config

import (
	"errors"
	"slices"
	"syscall"
)

// errConfigured marks an error that a restart cannot fix: the configuration, or a file that it names, must change.
var ErrInvalid = errors.New("wrong configuration")

// configured marks err, a failure to read the configuration or a file that it names, with errConfigured. It does not
// mark failures that may not occur at the next start: an error of a disk or a network file system, too little memory,
// too many open files.
func Invalid(err error) error {
	var number syscall.Errno
	lasting := []syscall.Errno{
		syscall.ENOENT, syscall.EACCES, syscall.EPERM, syscall.EISDIR, syscall.ENOTDIR, syscall.ELOOP,
		syscall.ENAMETOOLONG, syscall.EINVAL, syscall.ENODEV, syscall.ENXIO,
	}
	if err == nil || errors.As(err, &number) && !slices.Contains(lasting, number) {
		return err
	}
	return invalidError{err}
}

// configuredError wraps an error and errConfigured, and has the text of the error alone.
type invalidError struct{ error }

func (e invalidError) Unwrap() []error { return []error{e.error, ErrInvalid} }
