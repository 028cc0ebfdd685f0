// Command demo demonstrates facesieve without a camera, a broker or a configuration. It renders a clip of a man who
// walks up to a camera, or takes another source, runs the daemon on it with the embedded broker, subscribes with
// facesieve watch, and writes a page with every face, its score, and the ones that were sent.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout, os.Stderr); err != nil {
		fmt.Fprintln(os.Stderr, "demo:", err)
		stop()
		os.Exit(1)
	}
}

// options are the command line of the demo.
type options struct {
	binary, picture, source, out string
	duration                     time.Duration
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	var o options
	flags := flag.NewFlagSet("demo", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.StringVar(&o.binary, "binary", "bin/facesieve", "the facesieve program")
	flags.StringVar(&o.picture, "picture", "", "image of a face to render the clip from")
	flags.StringVar(&o.source, "source", "", "a camera, stream or file to use instead of the rendered clip")
	flags.StringVar(&o.out, "out", "demo", "directory to write to")
	flags.DurationVar(&o.duration, "duration", 30*time.Second, "how long to run on a source that does not end")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if err := os.MkdirAll(o.out, 0o750); err != nil {
		return fmt.Errorf("create the output directory: %w", err)
	}
	if o.source == "" {
		o.source = filepath.Join(o.out, "walk_up.avi")
		if err := renderClip(ctx, o.picture, o.source, stdout); err != nil {
			return err
		}
	}
	return show(ctx, o, stdout, stderr)
}

// show runs the daemon and the subscriber side by side until the source ends, o.duration is over or ctx is done.
func show(ctx context.Context, o options, stdout, stderr io.Writer) error {
	broker, err := freeAddress()
	if err != nil {
		return err
	}
	config := filepath.Join(o.out, "facesieve.yaml")
	if err := os.WriteFile(config, []byte(configuration(o.source, broker)), 0o600); err != nil {
		return fmt.Errorf("write the configuration: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, o.duration)
	defer cancel()
	fmt.Fprintf(stdout, "$ %s run --config %s --gallery %s\n", o.binary, config, o.out)
	daemon := child(ctx, stderr, stderr, o.binary, "run", "--config", config, "--gallery", o.out)
	if err := daemon.Start(); err != nil {
		return fmt.Errorf("start facesieve run: %w; run make build first", err)
	}
	awaitBroker(ctx, broker)
	fmt.Fprintf(stdout, "$ %s watch --broker tcp://%s\n", o.binary, broker)
	watch := child(ctx, stdout, io.Discard, o.binary, "watch", "--broker", "tcp://"+broker)
	if err := watch.Start(); err != nil {
		return errors.Join(fmt.Errorf("start facesieve watch: %w", err), interrupt(daemon))
	}
	err = daemon.Wait()
	if ctx.Err() != nil {
		err = nil // the interrupt ended it
	}
	err = errors.Join(err, interrupt(watch))
	if err == nil {
		fmt.Fprintf(stdout, "\nEvery face, its score, and the ones that were sent: %s\n",
			filepath.Join(o.out, "index.html"))
	}
	return err
}

// child prepares a command that receives SIGINT when ctx ends, and is killed if it does not end then.
func child(ctx context.Context, stdout, stderr io.Writer, name string, args ...string) *exec.Cmd {
	command := exec.CommandContext(ctx, name, args...) //nolint:gosec // the program built beside this one
	command.Stdout, command.Stderr = stdout, stderr
	command.Cancel = func() error { return command.Process.Signal(os.Interrupt) }
	command.WaitDelay = 5 * time.Second
	return command
}

// interrupt sends SIGINT to a started command and waits until it has ended.
func interrupt(command *exec.Cmd) error {
	_ = command.Process.Signal(os.Interrupt) // it may have ended by itself
	var exit *exec.ExitError
	if err := command.Wait(); err != nil && !errors.As(err, &exit) && !errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("%s: %w", command.Args[1], err)
	}
	return nil
}

// awaitBroker waits until the broker accepts connections, at most for about five seconds.
func awaitBroker(ctx context.Context, address string) {
	for range 50 {
		if connection, err := net.DialTimeout("tcp", address, time.Second); err == nil {
			_ = connection.Close() // nothing was sent
			return
		}
		select {
		case <-time.After(100 * time.Millisecond):
		case <-ctx.Done():
			return
		}
	}
}

// freeAddress returns a TCP address of this machine without a listener.
func freeAddress() (string, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("find a free port: %w", err)
	}
	defer listener.Close() //nolint:errcheck // nothing was sent
	return listener.Addr().String(), nil
}

// configuration returns the least that a configuration needs, a camera and a broker, and the settings of the demo.
func configuration(source, broker string) string {
	return fmt.Sprintf(`# Written by the demo.
device: demo
log: {level: warn}
cameras:
  - name: camera
    url: %q
mqtt:
  broker: embedded
  listen: %s
outbox: {store: memory}
`, source, broker)
}
