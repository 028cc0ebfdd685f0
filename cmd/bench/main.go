// Command bench compares facesieve with decoding alone, and with the usual Python program for the same job, in one run.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
)

// options are those of the command line.
type options struct {
	binary, python, data string
	recordings           []string // names in the shared data
	rounds               int
	operators            bool
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	if err != nil {
		fmt.Fprintf(os.Stderr, "bench: %v\n", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	o, err := parse(args, stderr)
	if err != nil {
		return err
	}
	if _, err := os.Stat(o.data); err != nil {
		fmt.Fprintf(stdout, "the comparison is skipped: the recordings are missing, set FACESIEVE_SHARED: %v\n", err)
		return nil
	}
	directory, err := os.MkdirTemp("", "facesieve-bench-")
	if err != nil {
		return fmt.Errorf("create a directory: %w", err)
	}
	defer os.RemoveAll(directory) //nolint:errcheck // in the system's directory for temporary files
	b := bench{options: o, directory: directory, progress: stderr}
	if o.operators {
		return b.profile(ctx, stdout)
	}
	return b.compare(ctx, stdout)
}

func parse(args []string, stderr io.Writer) (options, error) {
	var o options
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.StringVar(&o.binary, "binary", "bin/facesieve", "the program")
	flags.StringVar(&o.python, "python", ".venv/bin/python", "interpreter with OpenCV and ONNX Runtime")
	flags.IntVar(&o.rounds, "rounds", 3, "measurements of each; the smallest counts")
	flags.BoolVar(&o.operators, "operators", false, "print the most expensive operators of the networks instead")
	all := flags.Bool("all", false, "all recordings, instead of a street and a quiet room")
	if err := flags.Parse(args); err != nil {
		return o, fmt.Errorf("command line: %w", err)
	}
	root := os.Getenv("FACESIEVE_SHARED")
	if root == "" {
		root = filepath.Join("..", "shared")
	}
	o.data = filepath.Join(root, "data")
	o.recordings = []string{"street_exit.mp4", "empty_room.mp4"}
	if *all {
		paths, err := filepath.Glob(filepath.Join(o.data, "videos", "*.mp4"))
		if err != nil {
			return o, fmt.Errorf("list the recordings: %w", err)
		}
		o.recordings = nil
		for _, path := range paths {
			o.recordings = append(o.recordings, filepath.Base(path))
		}
	}
	if o.rounds < 1 || flags.NArg() > 0 {
		return o, fmt.Errorf("command line: %d rounds and the arguments %q; wanted at least 1 and none",
			o.rounds, strings.Join(flags.Args(), " "))
	}
	return o, nil
}
