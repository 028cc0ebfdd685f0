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

// newLogger returns a logger that writes to w as cfg says. Times are UTC with milliseconds.
func New(cfg config.Log, w io.Writer) zerolog.Logger {
	log, _ := Open(cfg, w)
	return log
}

// openLog returns a logger as newLogger does, and the switch that changes what it and all made of it write.
func Open(cfg config.Log, w io.Writer) (zerolog.Logger, *Switch) {
	s := &Switch{out: w}
	s.Set(cfg)
	return zerolog.New(s).Level(zerolog.TraceLevel).Hook(s), s
}

// logSwitch is the writer and the filter of loggers. It is safe for several goroutines.
type Switch struct {
	out    io.Writer
	level  atomic.Int32
	writer atomic.Pointer[io.Writer]
}

// set makes the loggers write as cfg says from now on.
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

// Run drops what is below the level, and stamps the rest; zerolog's own stamp has whole seconds, unless a global variable
// says otherwise.
func (s *Switch) Run(e *zerolog.Event, level zerolog.Level, _ string) {
	if int32(level) < s.level.Load() {
		e.Discard()
		return
	}
	e.Str(zerolog.TimestampFieldName, time.Now().UTC().Format("2006-01-02T15:04:05.000Z07:00"))
}

// isTerminal says whether w is a terminal, where colour and progress bars are welcome.
func IsTerminal(w io.Writer) bool {
	file, ok := w.(*os.File)
	return ok && isatty.IsTerminal(file.Fd())
}
