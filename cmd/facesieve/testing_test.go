package main

import (
	"bytes"
	"context"
	"strings"
	"testing"
)

// invoke runs the command line args and returns its exit code and what it printed.
func invoke(ctx context.Context, args ...string) (code int, stdout, stderr string) {
	var out, err bytes.Buffer
	code = run(ctx, args, &out, &err)
	return code, out.String(), err.String()
}

// mustInvoke fails the test if the command does.
func mustInvoke(t *testing.T, args ...string) (stdout, stderr string) {
	t.Helper()
	code, stdout, stderr := invoke(t.Context(), args...)
	if code != exitOK {
		t.Fatalf("facesieve %s: exit code %d\n%s%s", strings.Join(args, " "), code, stdout, stderr)
	}
	return stdout, stderr
}
