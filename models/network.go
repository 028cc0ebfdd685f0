package models

import (
	"errors"
	"fmt"
	"os"

	"github.com/mattn/go-tflite"
	"golang.org/x/sys/unix"
)

// mapNetwork hands the bytes of a network to the C library. They go through an anonymous file, which the library maps and
// unmaps by itself: go-tflite's way for bytes in memory never frees its copy, which a daemon that reloads cannot afford.
func mapNetwork(bytes []byte) (network *tflite.Model, err error) {
	fd, err := unix.MemfdCreate("network.tflite", unix.MFD_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("anonymous file: %w", err)
	}
	file := os.NewFile(uintptr(fd), "network.tflite") //nolint:gosec // not negative here
	defer func() { err = errors.Join(err, file.Close()) }()
	if _, err := file.Write(bytes); err != nil {
		return nil, fmt.Errorf("anonymous file: %w", err)
	}
	network = tflite.NewModelFromFile(fmt.Sprintf("/proc/self/fd/%d", fd))
	if network == nil {
		return nil, errors.New("TensorFlow Lite cannot read the network")
	}
	return network, nil
}
