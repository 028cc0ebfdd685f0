package main

import (
	"io"

	"github.com/schollz/progressbar/v3"

	"facesieve/cmd/facesieve/internal/logging"
)

// progress is a progress bar on a terminal, and nothing elsewhere, so that log files have none.
type progress struct{ bar *progressbar.ProgressBar }

// newProgress starts a bar of total steps, or a spinner if total is unknown (-1).
func newProgress(w io.Writer, total int, unit string) progress {
	if !logging.IsTerminal(w) {
		return progress{}
	}
	return progress{progressbar.NewOptions(total,
		progressbar.OptionSetWriter(w), progressbar.OptionSetDescription(unit), progressbar.OptionShowCount(),
		progressbar.OptionShowIts(), progressbar.OptionSetPredictTime(true), progressbar.OptionClearOnFinish())}
}

func (p progress) add() {
	if p.bar != nil {
		_ = p.bar.Add(1) // a bar that fails is no fault of the command
	}
}

// clear removes the bar before a line that may go to the same terminal is printed.
func (p progress) clear() {
	if p.bar != nil {
		_ = p.bar.Clear()
	}
}

func (p progress) finish() {
	if p.bar != nil {
		_ = p.bar.Finish()
	}
}
