package config

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/fsnotify/fsnotify"
	"github.com/rs/zerolog"
)

const (
	settle   = 300 * time.Millisecond // editors write in several steps; the last of them counts
	maxLinks = 40                     // as the kernel
)

// configWatch tells when the configuration file may have changed. It watches folders and not the file, which an editor
// replaces by another of the same name; and since a link on the way to the file may be turned to another place, all
// folders in which one stands.
type Watcher struct {
	Changed chan struct{} // holds one token: more would say nothing more
	path    string
	log     zerolog.Logger
	watcher *fsnotify.Watcher
	names   map[string]bool // of the file, and of the links on the way to it
	folders map[string]bool // in which they stand
	done    chan struct{}
}

// watchConfig begins to watch. Call Close after use.
func Watch(path string, log zerolog.Logger) (*Watcher, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("watch the configuration: %w", err)
	}
	watcher, err := fsnotify.NewWatcher()
	if err != nil {
		return nil, fmt.Errorf("watch the configuration: %w", err)
	}
	w := &Watcher{
		Changed: make(chan struct{}, 1), path: path, log: log, watcher: watcher, done: make(chan struct{}),
	}
	if err := w.follow(); err != nil {
		return nil, errors.Join(err, watcher.Close())
	}
	go w.run()
	return w, nil
}

// Close ends the watching.
func (w *Watcher) Close() error {
	err := w.watcher.Close()
	<-w.done
	return err
}

// run passes on what concerns the file, when nothing more has happened for a while.
func (w *Watcher) run() {
	defer close(w.done)
	quiet := time.NewTimer(time.Hour)
	quiet.Stop()
	for {
		select {
		case event, open := <-w.watcher.Events:
			if !open {
				return
			}
			if (w.names[event.Name] || w.folders[event.Name]) && event.Op != fsnotify.Chmod {
				quiet.Reset(settle)
			}
		case err := <-w.watcher.Errors:
			if err != nil { // something was missed, perhaps what concerns the file
				w.log.Warn().Err(err).Msg("watching the configuration")
				quiet.Reset(settle)
			}
		case <-quiet.C:
			if err := w.follow(); err != nil {
				w.log.Warn().Err(err).Msg("changes of the configuration may go unseen; use systemctl reload")
			}
			select {
			case w.Changed <- struct{}{}:
			default:
			}
		}
	}
}

// follow watches the folders that lead to the file now.
func (w *Watcher) follow() error {
	w.names = trail(w.path)
	w.folders = map[string]bool{}
	var all error
	for name := range w.names {
		folder := filepath.Dir(name)
		if !w.folders[folder] {
			w.folders[folder] = true
			all = errors.Join(all, w.watcher.Add(folder)) // one that is watched stays so
		}
	}
	for _, folder := range w.watcher.WatchList() {
		if !w.folders[folder] {
			all = errors.Join(all, w.watcher.Remove(folder))
		}
	}
	if all != nil {
		return fmt.Errorf("watch the configuration: %w", all)
	}
	return nil
}

// trail returns the names of the file at path, which is absolute, and of all links on the way to it, each in a folder
// that is none.
func trail(path string) map[string]bool {
	names := map[string]bool{}
	at, rest := "/", parts(path)
	for links := 0; len(rest) > 0 && links < maxLinks; {
		next := filepath.Join(at, rest[0])
		rest = rest[1:]
		target, err := os.Readlink(next)
		if err != nil { // no link, or nothing at all: that may change
			at = next
			continue
		}
		links++
		names[next] = true
		rest = append(parts(target), rest...)
		if filepath.IsAbs(target) {
			at = "/"
		}
	}
	names[at] = true
	return names
}

func parts(path string) []string {
	return strings.FieldsFunc(path, func(r rune) bool { return r == filepath.Separator })
}
