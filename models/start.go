package models

import (
	"errors"
	"fmt"

	"github.com/rs/zerolog"
)

// Start makes an interpreter that has passed its self-test. When an external delegate cannot be loaded, fails or drifts, a
// warning says why and XNNPACK on the CPU takes over. Any other failure is an error.
func Start(m *Model, rt Runtime, log zerolog.Logger) (*Interpreter, error) {
	if err := rt.Validate(); err != nil {
		return nil, fmt.Errorf("models: runtime: %w", err)
	}
	i, err := tested(m, rt)
	if err != nil && rt.Delegate == DelegateExternal {
		log.Warn().Err(err).Str("model", m.Manifest.Name).Str("library", rt.Library).
			Msg("the external delegate is refused, XNNPACK on the CPU takes over")
		rt = Runtime{Threads: rt.Threads, Delegate: DelegateXNNPACK}
		i, err = tested(m, rt)
	}
	if err != nil {
		return nil, err
	}
	log.Info().Str("model", m.Manifest.Name).Str("version", m.Manifest.Version).Str("source", m.Source).
		Str("delegate", rt.Delegate).Int("threads", rt.Threads).Msg("network is ready, self-test passed")
	return i, nil
}

func tested(m *Model, rt Runtime) (*Interpreter, error) {
	i, err := NewInterpreter(m, rt)
	if err != nil {
		return nil, err
	}
	if err := i.SelfTest(); err != nil {
		return nil, errors.Join(fmt.Errorf("%s: %w", rt.describe(), err), i.Close())
	}
	return i, nil
}
