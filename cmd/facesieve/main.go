// Command facesieve reads surveillance video, finds and tracks faces, scores how well a face recogniser can use each of
// them, and forwards only the good ones over MQTT.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	if err := forbidCoreDumps(); err != nil {
		fmt.Fprintf(os.Stderr, "facesieve: %v\n", err)
		os.Exit(exitFailure)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}
