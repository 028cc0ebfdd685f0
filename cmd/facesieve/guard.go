package main

import (
	"errors"
	"fmt"
	"runtime/debug"

	"github.com/rs/zerolog"
)

// errPanic is a fault of the program itself.
var errPanic = errors.New("a fault in the program")

// guarded calls f, and makes an error of its panic: one camera must not end the others, nor a bad file the program.
func guarded(log zerolog.Logger, f func() error) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("%w: %v", errPanic, r)
			log.Error().Err(err).Bytes("stack", debug.Stack()).Msg("please report this")
		}
	}()
	return f()
}
