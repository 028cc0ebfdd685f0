package config

import (
	"errors"
	"slices"
	"syscall"
)

// ErrInvalid marks an error that a restart cannot fix: the configuration, or a file that it names, must change.
var ErrInvalid = errors.New("wrong configuration")

// Invalid marks err, a failure to read the configuration or a file that it names, with ErrInvalid. It does not mark
// failures that may not occur at the next start: an error of a disk or a network file system, too little memory, too
// many open files.
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

// invalidError wraps an error and ErrInvalid. Its text is that of the error.
type invalidError struct{ error }

func (e invalidError) Unwrap() []error { return []error{e.error, ErrInvalid} }
