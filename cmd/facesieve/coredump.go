package main

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// forbidCoreDumps keeps the secrets in memory out of core files and away from other programs of the same user. It
// returns an error only if they stay reachable: a filter of system calls may refuse a call for a limit that systemd has
// set.
func forbidCoreDumps() error {
	err := errors.Join(
		unix.Setrlimit(unix.RLIMIT_CORE, &unix.Rlimit{}),
		unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0),
	)
	if err == nil {
		return nil
	}
	var limit unix.Rlimit
	dumpable, _ := unix.PrctlRetInt(unix.PR_GET_DUMPABLE, 0, 0, 0, 0) //nolint:errcheck // then it returns 0 or err
	if unix.Getrlimit(unix.RLIMIT_CORE, &limit) == nil && limit.Cur == 0 && dumpable == 0 {
		return nil
	}
	return fmt.Errorf("forbid core dumps: %w", err)
}
