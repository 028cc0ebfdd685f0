package main

import (
	"context"
	"fmt"
	"io"

	"github.com/alecthomas/kong"
)

// cli is the command line.
type cli struct {
	Run       runCommand       `cmd:"" help:"Read the configured cameras and forward good faces (the daemon)."`
	Check     checkCommand     `cmd:"" help:"Check a configuration and print all its faults."`
	Doctor    doctorCommand    `cmd:"" help:"Check cameras, broker, outbox, page, networks, clock and service, and print how to fix what is wrong."`
	Bench     benchCommand     `cmd:"" help:"Measure the time of each stage on this board, and how many such cameras it can take."`
	Page      pageCommand      `cmd:"" help:"Print the address of the page, with its token."`
	Score     scoreCommand     `cmd:"" help:"Score the faces in images."`
	Replay    replayCommand    `cmd:"" help:"Run the whole pipeline on a recording as fast as it can."`
	Calibrate calibrateCommand `cmd:"" help:"Show what a threshold would send of recordings, in one HTML file."`
	Watch     watchCommand     `cmd:"" help:"Subscribe to a broker and show the faces that arrive."`
	Schema    schemaCommand    `cmd:"" help:"Print the JSON Schema of an event."`
	Version   versionCommand   `cmd:"" help:"Print the versions of program, libraries and networks, and the terms of use."`
}

// console is the output of a sub-command: results to out, everything else to err.
type console struct {
	out io.Writer
	err io.Writer
}

// run parses args, runs the sub-command they name until it ends or ctx does, and returns the exit code.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	var c cli
	exited := -1
	parser, err := kong.New(&c,
		kong.Name("facesieve"),
		kong.Description("Forwards only the faces that a recogniser can use.\n\n"+
			"Exit codes: 0 done, 1 failed, 64 wrong command line, 78 wrong configuration."),
		kong.Writers(stdout, stderr),
		kong.Exit(func(code int) { exited = code }),
		kong.UsageOnError(),
		kong.BindTo(ctx, (*context.Context)(nil)),
		kong.Bind(console{out: stdout, err: stderr}),
	)
	if err != nil {
		fmt.Fprintf(stderr, "facesieve: %v\n", err)
		return exitFailure
	}
	parsed, err := parser.Parse(args)
	if exited >= 0 { // --help was printed
		return exited
	}
	if err != nil {
		fmt.Fprintf(stderr, "facesieve: %v; see facesieve --help\n", err)
		return exitUsage
	}
	return report(parsed.Run(), stderr)
}
