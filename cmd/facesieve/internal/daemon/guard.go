package daemon

import (
	"errors"
	"fmt"
	"runtime/debug"

	"github.com/rs/zerolog"
)

// errPanic marks an error that recoverPanic made of a panic.
var errPanic = errors.New("a fault in the program")

// recoverPanic calls f and returns its panic as an error, so that a fault in one camera, or a wrong configuration, does
// not end the program.
func recoverPanic(log zerolog.Logger, f func() error) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("%w: %v", errPanic, r)
			log.Error().Err(err).Bytes("stack", debug.Stack()).Msg("recovered from a panic; please report it")
		}
	}()
	return f()
}
