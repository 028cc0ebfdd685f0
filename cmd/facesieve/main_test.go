package main

import (
	"os"
	"testing"
)

// TestMain sets a temporary state directory, so that the tests do not use the outbox of an installed program.
func TestMain(m *testing.M) {
	if os.Getenv(childVariable) != "" {
		runAsChild()
	}
	state, err := os.MkdirTemp("", "facesieve-test-")
	if err != nil {
		panic(err)
	}
	if err := os.Setenv("STATE_DIRECTORY", state); err != nil {
		panic(err)
	}
	code := m.Run()
	_ = os.RemoveAll(state)
	os.Exit(code)
}
