package models

import (
	"errors"
	"strings"
	"sync"
)

// maxReports bounds the messages kept; the first ones say what went wrong.
const maxReports = 8

// reports keeps what the C library says, until an error of ours takes it along. Its threads may report at any time.
type reports struct {
	mutex sync.Mutex
	lines []string
}

func (r *reports) add(message string) {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	if len(r.lines) < maxReports {
		r.lines = append(r.lines, strings.TrimSpace(message))
	}
}

// explain makes an error of what failed and of everything reported so far.
func (r *reports) explain(what string) error {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	if len(r.lines) == 0 {
		return errors.New(what)
	}
	said := strings.Join(r.lines, "; ")
	r.lines = nil
	return errors.New(what + " (TensorFlow Lite: " + said + ")")
}
