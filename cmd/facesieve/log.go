package main

import (
	"io"
	"os"
	"sync/atomic"
	"time"

	"github.com/mattn/go-isatty"
	"github.com/rs/zerolog"
)

// newLogger returns a logger that writes to w as cfg says. Times are UTC with milliseconds.
func newLogger(cfg LogConfig, w io.Writer) zerolog.Logger {
	log, _ := openLog(cfg, w)
	return log
}

// openLog returns a logger as newLogger does, and the switch that changes what it and all made of it write.
func openLog(cfg LogConfig, w io.Writer) (zerolog.Logger, *logSwitch) {
	s := &logSwitch{out: w}
	s.set(cfg)
	return zerolog.New(s).Level(zerolog.TraceLevel).Hook(s), s
}

// logSwitch is the writer and the filter of loggers. It is safe for several goroutines.
type logSwitch struct {
	out    io.Writer
	level  atomic.Int32
	writer atomic.Pointer[io.Writer]
}

// set makes the loggers write as cfg says from now on.
func (s *logSwitch) set(cfg LogConfig) {
	level, err := zerolog.ParseLevel(cfg.Level)
	if err != nil {
		level = zerolog.InfoLevel
	}
	w := s.out
	if cfg.Format == "console" || (cfg.Format == "auto" && isTerminal(w)) {
		w = zerolog.ConsoleWriter{Out: w, TimeFormat: time.TimeOnly, NoColor: !isTerminal(w)}
	}
	s.level.Store(int32(level))
	s.writer.Store(&w)
}

// Write writes one line.
func (s *logSwitch) Write(line []byte) (int, error) { return (*s.writer.Load()).Write(line) }

// Run drops what is below the level, and stamps the rest; zerolog's own stamp has whole seconds, unless a global variable
// says otherwise.
func (s *logSwitch) Run(e *zerolog.Event, level zerolog.Level, _ string) {
	if int32(level) < s.level.Load() {
		e.Discard()
		return
	}
	e.Str(zerolog.TimestampFieldName, time.Now().UTC().Format("2006-01-02T15:04:05.000Z07:00"))
}

// isTerminal says whether w is a terminal, where colour and progress bars are welcome.
func isTerminal(w io.Writer) bool {
	file, ok := w.(*os.File)
	return ok && isatty.IsTerminal(file.Fd())
}
