package main

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// forbidCoreDumps keeps the passwords in memory out of files: neither a crash nor another program of the same user gets
// the memory. It is an error only if the memory can be had in the end: a filter of system calls may refuse what systemd has
// set already.
func forbidCoreDumps() error {
	err := errors.Join(
		unix.Setrlimit(unix.RLIMIT_CORE, &unix.Rlimit{}),
		unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0),
	)
	if err == nil {
		return nil
	}
	var limit unix.Rlimit
	dumpable, _ := unix.PrctlRetInt(unix.PR_GET_DUMPABLE, 0, 0, 0, 0) //nolint:errcheck // err is what counts then
	if unix.Getrlimit(unix.RLIMIT_CORE, &limit) == nil && limit.Cur == 0 && dumpable == 0 {
		return nil
	}
	return fmt.Errorf("forbid core dumps: %w", err)
}
