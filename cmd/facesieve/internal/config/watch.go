package config

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/fsnotify/fsnotify"
	"github.com/rs/zerolog"
)

const (
	settle   = 300 * time.Millisecond // editors write in several steps
	maxLinks = 40                     // as the kernel
)

// Watcher reports when a file of the configuration may have changed. It watches directories instead of the files,
// because an editor replaces a file by another of the same name, and a file may not exist yet. It watches every directory
// that holds a link on the way to a file, because a link may be changed too.
type Watcher struct {
	Changed     chan struct{} // holds one signal, which stands for any number of changes
	paths       []string      // of the files, absolute
	log         zerolog.Logger
	watcher     *fsnotify.Watcher
	names       map[string]bool // of the files, and of the links on the way to them
	directories map[string]bool // that hold them
	done        chan struct{}
}

// Watch starts to watch the files at paths. Call Close after use.
func Watch(log zerolog.Logger, paths ...string) (*Watcher, error) {
	absolute := make([]string, len(paths))
	for i, path := range paths {
		var err error
		if absolute[i], err = filepath.Abs(path); err != nil {
			return nil, fmt.Errorf("watch the configuration: %w", err)
		}
	}
	watcher, err := fsnotify.NewWatcher()
	if err != nil {
		return nil, fmt.Errorf("watch the configuration: %w", err)
	}
	w := &Watcher{
		Changed: make(chan struct{}, 1), paths: absolute, log: log, watcher: watcher, done: make(chan struct{}),
	}
	if err := w.update(); err != nil {
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

// run signals a change of the files when no other follows within settle.
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
			if (w.names[event.Name] || w.directories[event.Name]) && event.Op != fsnotify.Chmod {
				quiet.Reset(settle)
			}
		case err := <-w.watcher.Errors:
			if err != nil { // changes were missed, perhaps those of a file
				w.log.Warn().Err(err).Msg("cannot watch the configuration file")
				quiet.Reset(settle)
			}
		case <-quiet.C:
			if err := w.update(); err != nil {
				w.log.Warn().Err(err).Msg("changes of the configuration file may not be detected; use systemctl reload")
			}
			select {
			case w.Changed <- struct{}{}:
			default:
			}
		}
	}
}

// update watches the directories on the present way to the files, and no others.
func (w *Watcher) update() error {
	w.names = map[string]bool{}
	for _, path := range w.paths {
		maps.Copy(w.names, trail(path))
	}
	w.directories = map[string]bool{}
	var all error
	for name := range w.names {
		directory := filepath.Dir(name)
		if !w.directories[directory] {
			w.directories[directory] = true
			all = errors.Join(all, w.watcher.Add(directory)) // no effect if it is watched already
		}
	}
	for _, directory := range w.watcher.WatchList() {
		if !w.directories[directory] {
			all = errors.Join(all, w.watcher.Remove(directory))
		}
	}
	if all != nil {
		return fmt.Errorf("watch the configuration: %w", all)
	}
	return nil
}

// trail returns the path of the file, which is absolute, and of all links on the way to it. The directories of these
// paths contain no links.
func trail(path string) map[string]bool {
	names := map[string]bool{}
	at, rest := "/", parts(path)
	for links := 0; len(rest) > 0 && links < maxLinks; {
		next := filepath.Join(at, rest[0])
		rest = rest[1:]
		target, err := os.Readlink(next)
		if err != nil { // not a link, or absent: both may change
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
