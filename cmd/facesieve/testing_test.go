package main

import (
	"bytes"
	"context"
	"encoding/json"
	"strings"
	"testing"
)

// invoke runs the command line args and returns its exit code and what it printed.
func invoke(ctx context.Context, args ...string) (code int, stdout, stderr string) {
	var out, err bytes.Buffer
	code = run(ctx, args, &out, &err)
	return code, out.String(), err.String()
}

// mustInvoke is invoke for a command that must succeed.
func mustInvoke(t *testing.T, args ...string) (stdout, stderr string) {
	t.Helper()
	code, stdout, stderr := invoke(t.Context(), args...)
	if code != exitOK {
		t.Fatalf("facesieve %s: exit code %d\n%s%s", strings.Join(args, " "), code, stdout, stderr)
	}
	return stdout, stderr
}

// forwardedIDs returns the ids of the events that a daemon logged as forwarded. The log has the format json.
func forwardedIDs(t testing.TB, log string) map[string]bool {
	t.Helper()
	ids := map[string]bool{}
	for line := range strings.Lines(log) {
		var entry struct{ ID, Message string }
		if err := json.Unmarshal([]byte(line), &entry); err != nil {
			t.Fatalf("%v: %s", err, line)
		}
		if entry.Message == "face forwarded" {
			ids[entry.ID] = true
		}
	}
	return ids
}
