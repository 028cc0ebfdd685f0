package config

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"syscall"
	"time"
)

const (
	// MaxBytes bounds a configuration file; a larger file is not a configuration.
	MaxBytes = 1 << 20
	// pipeTime bounds the time to read a configuration from a pipe, such as <(...) of a shell.
	pipeTime = 5 * time.Second
)

// readConfigFile reads a configuration from a file or a pipe, in bounded time. It does not open devices, because
// opening some of them has side effects.
func readConfigFile(path string) ([]byte, error) {
	info, err := os.Stat(path) //nolint:gosec // the user names the file
	if err != nil {
		return nil, fmt.Errorf("open configuration: %w", err)
	}
	switch {
	case info.IsDir():
		return nil, fmt.Errorf("read configuration: %s is a directory; name the file in it", path)
	case !info.Mode().IsRegular() && info.Mode()&fs.ModeNamedPipe == 0:
		return nil, fmt.Errorf("read configuration: %s is neither a file nor a pipe; name a YAML file", path)
	}
	file, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0) //nolint:gosec // the user names the file
	if err != nil {
		return nil, fmt.Errorf("open configuration: %w", err)
	}
	defer file.Close() //nolint:errcheck // only read
	return readBounded(file, path, info.Mode()&fs.ModeNamedPipe != 0)
}

func readBounded(file *os.File, path string, pipe bool) ([]byte, error) {
	if pipe {
		if err := file.SetReadDeadline(time.Now().Add(pipeTime)); err != nil {
			return nil, fmt.Errorf("read configuration: %w", err)
		}
	}
	text, err := io.ReadAll(io.LimitReader(file, MaxBytes+1))
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		return nil, fmt.Errorf("read configuration: the pipe %s did not end within %v; name a YAML file",
			path, pipeTime)
	case err != nil:
		return nil, fmt.Errorf("read configuration: %w", err)
	case pipe && len(text) == 0:
		return nil, fmt.Errorf("read configuration: nothing was written to the pipe %s; name a YAML file", path)
	case len(text) > MaxBytes:
		return nil, fmt.Errorf("read configuration: %s is larger than %d MiB; is it a YAML file?",
			path, MaxBytes>>20)
	}
	return text, nil
}
