package models

import (
	"os"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// A file whose pages are in use is sealed as soon as they are free, and cannot be written afterwards.
func TestSealWaitsForPagesInUse(t *testing.T) {
	fd, err := unix.MemfdCreate("test", unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING)
	if err != nil {
		t.Fatal(err)
	}
	file := os.NewFile(uintptr(fd), "test")
	defer func() { _ = file.Close() }()
	if _, err := file.Write(make([]byte, os.Getpagesize())); err != nil {
		t.Fatal(err)
	}
	mapped, err := unix.Mmap(fd, 0, os.Getpagesize(), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		t.Fatal(err)
	}
	freed := make(chan error, 1)
	time.AfterFunc(200*time.Millisecond, func() { freed <- unix.Munmap(mapped) })
	if err := seal(file); err != nil {
		t.Error(err)
	}
	if err := <-freed; err != nil {
		t.Fatal(err)
	}
	if _, err := file.WriteAt([]byte{1}, 0); err == nil {
		t.Error("a sealed file was written")
	}
}
