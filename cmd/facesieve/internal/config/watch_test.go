package config

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"facesieve/cmd/facesieve/internal/testsupport"
)

// Each way to change the content of the file is reported once. Changes of other files are not reported.
func TestWatcherReportsEachChange(t *testing.T) {
	root := t.TempDir()
	at := func(name string) string { return filepath.Join(root, name) }
	put := func(name, text string) error { return os.WriteFile(at(name), []byte(text), 0o600) }
	// As Kubernetes mounts it: file -> ..data/file, ..data -> a directory of this version; and a directory that is a link.
	testsupport.Must(t,
		os.MkdirAll(at("etc/v1"), 0o700), os.MkdirAll(at("etc/v2"), 0o700), os.MkdirAll(at("other"), 0o700),
		put("etc/v1/file", "1"), put("etc/v2/file", "2"), put("other/file", "3"), os.Symlink("v1", at("etc/..data")),
		os.Symlink("..data/file", at("etc/file")), os.Symlink("etc", at("current")))
	w, err := Watch(zerolog.Nop(), at("current/file"))
	testsupport.Must(t, err)
	defer func() { testsupport.Must(t, w.Close()) }()
	swap := func(target, link string) error {
		return func() error {
			if err := os.Symlink(target, at("tmp")); err != nil {
				return err
			}
			return os.Rename(at("tmp"), at(link))
		}()
	}
	for _, step := range []struct {
		name string
		do   func() error
	}{
		{"written in place", func() error { return put("etc/v1/file", "1b") }},
		{"replaced by another file", func() error {
			testsupport.Must(t, put("etc/v1/file~", "1c"))
			return os.Rename(at("etc/v1/file~"), at("etc/v1/file"))
		}},
		{"the link of the version changes", func() error { return swap("v2", "etc/..data") }},
		{"the new target is written in place", func() error { return put("etc/v2/file", "2b") }},
		{"the link of the directory changes", func() error { return swap("other", "current") }},
		{"the file in the new directory is written", func() error { return put("other/file", "3b") }},
		{"removed", func() error { return os.Remove(at("other/file")) }},
		{"created", func() error { return put("other/file", "4") }},
		{"its directory is renamed", func() error { return os.Rename(at("other"), at("gone")) }},
	} {
		testsupport.Must(t, put("other/beside", step.name), put("etc/beside", step.name))
		select {
		case <-w.Changed:
			t.Fatalf("before %q: a change of another file is reported", step.name)
		default:
		}
		testsupport.Must(t, step.do())
		select {
		case <-w.Changed:
		case <-time.After(testsupport.Timeout):
			t.Fatalf("%s: not reported", step.name)
		}
	}
}
