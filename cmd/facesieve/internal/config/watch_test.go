package config

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"facesieve/cmd/facesieve/internal/testsupport"
)

// Every way in which a file gets another content is seen, once; what happens beside it is not.
func TestChangesOfTheFileAreSeen(t *testing.T) {
	root := t.TempDir()
	at := func(name string) string { return filepath.Join(root, name) }
	put := func(name, text string) error { return os.WriteFile(at(name), []byte(text), 0o600) }
	// As Kubernetes mounts it: file -> ..data/file, ..data -> a folder of this version; and a folder that is a link itself.
	testsupport.Must(t, os.MkdirAll(at("etc/v1"), 0o700), os.MkdirAll(at("etc/v2"), 0o700), os.MkdirAll(at("other"), 0o700),
		put("etc/v1/file", "1"), put("etc/v2/file", "2"), put("other/file", "3"), os.Symlink("v1", at("etc/..data")),
		os.Symlink("..data/file", at("etc/file")), os.Symlink("etc", at("current")))
	w, err := Watch(at("current/file"), zerolog.Nop())
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
		{"another file takes the name", func() error {
			testsupport.Must(t, put("etc/v1/file~", "1c"))
			return os.Rename(at("etc/v1/file~"), at("etc/v1/file"))
		}},
		{"the version's link is turned", func() error { return swap("v2", "etc/..data") }},
		{"the new target is written", func() error { return put("etc/v2/file", "2b") }},
		{"the folder's link is turned", func() error { return swap("other", "current") }},
		{"and its file is written", func() error { return put("other/file", "3b") }},
		{"removed", func() error { return os.Remove(at("other/file")) }},
		{"and back", func() error { return put("other/file", "4") }},
		{"its folder is moved away", func() error { return os.Rename(at("other"), at("gone")) }},
	} {
		testsupport.Must(t, put("other/beside", step.name), put("etc/beside", step.name))
		select {
		case <-w.Changed:
			t.Fatalf("before %q: a change that was none", step.name)
		default:
		}
		testsupport.Must(t, step.do())
		select {
		case <-w.Changed:
		case <-time.After(testsupport.Timeout):
			t.Fatalf("%s: not seen", step.name)
		}
	}
}
