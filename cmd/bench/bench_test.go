package main

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// The table has the ratio to decoding alone, and the share of what the peer takes beyond its decoding.
func TestTable(t *testing.T) {
	var out bytes.Buffer
	b := bench{options: options{rounds: 2}}
	rows := []row{
		{
			recording: "a.mp4", processor: "AVX2", own: times{10, 12},
			peer: never().least(times{8, 30}).least(times{9, 28}), hasPeer: true,
		},
		{recording: "b.mp4", processor: "AVX2", own: times{10, 15}},
	}
	if err := b.print(&out, rows); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	want := []string{"a.mp4 AVX2 10.00 12.00 1.20 8.00 28.00 2.00 20.00 0.100", "b.mp4 AVX2 10.00 15.00 1.50"}
	for i, line := range lines[max(0, len(lines)-2):] {
		if got := strings.Join(strings.Fields(line), " "); got != want[i] {
			t.Errorf("got %q, want %q", got, want[i])
		}
	}
}

// Without the recordings nothing is measured, and the output states what is missing.
func TestNoRecordings(t *testing.T) {
	t.Setenv("FACESIEVE_SHARED", t.TempDir())
	var out bytes.Buffer
	if err := run(t.Context(), nil, &out, &out); err != nil || !strings.Contains(out.String(), "set FACESIEVE_SHARED") {
		t.Errorf("%v, %s", err, out.String())
	}
	if err := run(t.Context(), []string{"-rounds", "0"}, &out, &out); err == nil {
		t.Error("0 rounds are accepted")
	}
}

// The library compiles, and removes AVX-512 from what CPUID reports to a process, where the processor can do that.
func TestLimit(t *testing.T) {
	if runtime.GOARCH != "amd64" {
		t.Skip("only for x86-64")
	}
	b := bench{options: options{binary: "true"}, directory: t.TempDir(), progress: &bytes.Buffer{}}
	ways, err := b.limits(t.Context(), "AVX2, AVX-512")
	if err != nil {
		t.Fatal(err)
	}
	if len(ways) == 1 {
		t.Skip("this processor cannot be limited")
	}
	source := filepath.Join(b.directory, "probe.c")
	program := strings.TrimSuffix(source, ".c")
	const text = `#include <cpuid.h>
int main(void) {
  unsigned a, b, c, d;
  return __get_cpuid_count(7, 0, &a, &b, &c, &d) ? (b >> 16 & 1) | (b >> 4 & 2) : 4;
}`
	if err := os.WriteFile(source, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.CommandContext(t.Context(), "cc", "-o", program, source).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if got := exitCode(t, ways[1], program); got != 2 {
		t.Errorf("limited: %b, wanted AVX2 alone", got)
	}
}

// exitCode runs a program with a limit.
func exitCode(t *testing.T, l limits, program string) int {
	t.Helper()
	b := bench{}
	_, err := b.output(context.Background(), l, program)
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
		return exit.ExitCode()
	}
	return 0
}
