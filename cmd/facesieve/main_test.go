package main

import (
	"os"
	"testing"
)

// The tests keep their state, and look for that of earlier runs, in a directory of their own.
func TestMain(m *testing.M) {
	if os.Getenv(childVariable) != "" {
		beChild()
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
