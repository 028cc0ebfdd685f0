package outbox

import (
	"errors"
	"fmt"
	"runtime/debug"
)

// errTorn is in the error of an operation on a file that is not a sound bbolt file.
var errTorn = errors.New("the file is corrupt or is no outbox")

// guard calls f and makes an error of a panic, also of a fault on memory that is mapped to a file: that is how bbolt
// answers to a file that is damaged or shorter than it says. f must stay on this goroutine, which is why neither bbolt's
// Batch nor its Check is used: they panic on goroutines of their own.
func guard(f func() error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("%w: %v", errTorn, r)
		}
	}()
	return f()
}
