package models

import (
	"errors"
	"fmt"

	"github.com/rs/zerolog"
)

// rounds is how often an external delegate computes each test picture, because some delegates drift only later.
const rounds = 4

// Start returns an interpreter that has passed its self-test. If an external delegate cannot be loaded, fails or
// drifts, the interpreter uses XNNPACK on the CPU instead, and its Refusal returns the reason, which the caller must
// report. Any other failure is an error. The caller must also test an external delegate with Verify at each input size
// that it uses.
func Start(m *Model, rt Runtime, log zerolog.Logger) (*Interpreter, error) {
	if err := rt.Validate(); err != nil {
		return nil, fmt.Errorf("models: runtime: %w", err)
	}
	i, err := tested(m, rt)
	if err != nil && rt.Delegate == DelegateExternal {
		refusal := err
		if i, err = tested(m, rt.OnCPU()); err == nil {
			i.refusal = refusal
		}
	}
	if err != nil {
		return nil, err
	}
	log.Info().Str("model", m.Manifest.Name).Str("version", m.Manifest.Version).Str("source", m.Source).
		Str("delegate", i.Delegate()).Int("threads", rt.Threads).Msg("network is ready, self-test passed")
	return i, nil
}

func tested(m *Model, rt Runtime) (*Interpreter, error) {
	i, err := NewInterpreter(m, rt)
	if err != nil {
		return nil, err
	}
	times := 1
	if rt.Delegate == DelegateExternal {
		times = rounds
	}
	for range times {
		if err := i.SelfTest(); err != nil {
			return nil, errors.Join(fmt.Errorf("%s: %w", rt.describe(), err), i.Close())
		}
	}
	return i, nil
}
