// Package logging creates the loggers of the commands and of the daemon.
package logging

import (
	"io"
	"os"
	"sync/atomic"
	"time"

	"github.com/mattn/go-isatty"
	"github.com/rs/zerolog"

	"facesieve/cmd/facesieve/internal/config"
)

// New returns a logger that writes to w with the level and the format of cfg. Times are UTC with milliseconds.
func New(cfg config.Log, w io.Writer) zerolog.Logger {
	log, _ := Open(cfg, w)
	return log
}

// Open is New, and returns also the switch that changes level and format of the logger and of all derived loggers.
func Open(cfg config.Log, w io.Writer) (zerolog.Logger, *Switch) {
	s := &Switch{out: w}
	s.Set(cfg)
	return zerolog.New(s).Level(zerolog.TraceLevel).Hook(s), s
}

// Switch is the writer and the filter of loggers. It is safe for concurrent use.
type Switch struct {
	out    io.Writer
	level  atomic.Int32
	writer atomic.Pointer[io.Writer]
}

// Set changes level and format.
func (s *Switch) Set(cfg config.Log) {
	level, err := zerolog.ParseLevel(cfg.Level)
	if err != nil {
		level = zerolog.InfoLevel
	}
	w := s.out
	if cfg.Format == "console" || (cfg.Format == "auto" && IsTerminal(w)) {
		w = zerolog.ConsoleWriter{Out: w, TimeFormat: time.TimeOnly, NoColor: !IsTerminal(w)}
	}
	s.level.Store(int32(level))
	s.writer.Store(&w)
}

// Write writes one line.
func (s *Switch) Write(line []byte) (int, error) { return (*s.writer.Load()).Write(line) }

// Run discards an event below the level, and adds the time to others. It is a hook, because zerolog's own time has
// whole seconds unless a global variable is changed.
func (s *Switch) Run(e *zerolog.Event, level zerolog.Level, _ string) {
	if int32(level) < s.level.Load() {
		e.Discard()
		return
	}
	e.Str(zerolog.TimestampFieldName, time.Now().UTC().Format("2006-01-02T15:04:05.000Z07:00"))
}

// IsTerminal reports whether w is a terminal, which can show colours and progress bars.
func IsTerminal(w io.Writer) bool {
	file, ok := w.(*os.File)
	return ok && isatty.IsTerminal(file.Fd())
}
