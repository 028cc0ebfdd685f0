package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/dustin/go-humanize/english"

	"facesieve/cmd/facesieve/internal/config"
	"facesieve/cmd/facesieve/internal/doctor"
	"facesieve/cmd/facesieve/internal/web"
)

// watchTime is how long doctor watches the frames of each camera.
const watchTime = 10 * time.Second

// maxFinding bounds one line of doctor, in runes.
const maxFinding = 2000

type doctorCommand struct {
	Config filePath `required:"" help:"Configuration file (YAML)."`
	JSON   bool     `help:"Print one JSON object."`

	watch time.Duration // 0: watchTime; tests set it
}

// Run makes all checks and prints a line for each. It returns an error if one failed.
func (c *doctorCommand) Run(ctx context.Context, term console) error {
	cfg, err := config.LoadInForce(config.ForDaemon(), string(c.Config), config.Secret)
	if err != nil {
		return err
	}
	watch := c.watch
	if watch == 0 {
		watch = watchTime
	}
	findings := doctor.Run(ctx, cfg, doctor.Options{
		Watch: watch, Progress: term.err, TokenFile: web.TokenFile(cfg.Web),
	})
	if ctx.Err() != nil {
		return errors.New("interrupted before all checks ended")
	}
	if err := c.print(term, findings); err != nil {
		return fmt.Errorf("print the results: %w", err)
	}
	failed := 0
	for _, f := range findings {
		if f.Result == doctor.Failed {
			failed++
		}
	}
	if failed > 0 {
		return fmt.Errorf("%d of %s failed", failed, english.Plural(len(findings), "check", ""))
	}
	return nil
}

// doctorReport is the output of doctor --json.
type doctorReport struct {
	Result doctor.Result    `json:"result"` // the worst
	Checks []doctor.Finding `json:"checks"`
}

func (c *doctorCommand) print(term console, findings []doctor.Finding) error {
	if c.JSON {
		return printJSON(term.out, doctorReport{doctor.Worst(findings), findings})
	}
	for _, f := range findings {
		if _, err := fmt.Fprintln(term.out, findingLine(f)); err != nil {
			return err
		}
	}
	return nil
}

// findingLine returns for example "warning  camera door: rtsp://...; fix: clean the lens".
func findingLine(f doctor.Finding) string {
	subject := f.Check
	if f.Name != "" {
		subject += " " + f.Name
	}
	text := subject + ": " + f.Text
	if f.Fix != "" {
		text += "; fix: " + f.Fix
	}
	return fmt.Sprintf("%-7s  %s", f.Result, printableUpTo(text, maxFinding))
}
