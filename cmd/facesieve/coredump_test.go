package main

import (
	"os"
	"os/exec"
	"testing"

	"golang.org/x/sys/unix"

	"facesieve/cmd/facesieve/internal/testsupport"
)

// The test runs in a child process, because a process cannot allow core dumps after it has forbidden them.
func TestCoreDumpsAreForbidden(t *testing.T) {
	if os.Getenv("FACESIEVE_TEST_COREDUMP") == "" {
		child := exec.Command(os.Args[0], "-test.run=^TestCoreDumpsAreForbidden$") //nolint:gosec // this test
		child.Env = append(os.Environ(), "FACESIEVE_TEST_COREDUMP=1")
		if out, err := child.CombinedOutput(); err != nil {
			t.Errorf("%v\n%s", err, out)
		}
		return
	}
	testsupport.Must(t, forbidCoreDumps())
	var limit unix.Rlimit
	testsupport.Must(t, unix.Getrlimit(unix.RLIMIT_CORE, &limit))
	dumpable, err := unix.PrctlRetInt(unix.PR_GET_DUMPABLE, 0, 0, 0, 0)
	testsupport.Must(t, err)
	if limit.Cur != 0 || limit.Max != 0 || dumpable != 0 {
		t.Errorf("limit %+v, dumpable %d", limit, dumpable)
	}
}
