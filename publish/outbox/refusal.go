package outbox

import (
	"errors"

	bolterrors "go.etcd.io/bbolt/errors"
)

// refusal is a permanent error. After any other error Open continues in memory and tries again.
type refusal struct{ error }

func (r refusal) Unwrap() error { return r.error }

func refuse(err error) error { return refusal{err} }

func refuses(err error) bool {
	var r refusal
	return errors.As(err, &r) || errors.Is(err, errKey) || errors.Is(err, bolterrors.ErrTimeout)
}
