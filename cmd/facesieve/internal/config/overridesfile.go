package config

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"sync"

	"github.com/google/renameio/v2"
	"go.yaml.in/yaml/v4"
)

// previousName is the name of the file with the overrides before the last change.
const previousName = "overrides.previous.yaml"

var (
	// ErrNoStateDirectory means that the environment names no directory for the overrides.
	ErrNoStateDirectory = errors.New("no state directory for the overrides; set STATE_DIRECTORY, XDG_STATE_HOME or HOME")
	// ErrNothingToUndo means that no change was saved, or that the last one is undone already.
	ErrNothingToUndo = errors.New("no saved change of the overrides to undo")
)

// OverridesFile changes the overrides in the state directory. The daemon reloads when the file changes. Its methods are
// safe for concurrent use; a program has one OverridesFile, so that no change is lost.
type OverridesFile struct {
	mutex      sync.Mutex
	source     inForceLoader
	path       string
	previous   string
	configFile string
}

// OpenOverrides returns the overrides of the configuration file at path. Getenv is that of Load. Nothing is written
// before Update. The error is ErrNoStateDirectory.
func OpenOverrides(path string, getenv func(string) string) (*OverridesFile, error) {
	directory, _ := stateDirectory(getenv)
	if directory == "" {
		return nil, ErrNoStateDirectory
	}
	f := &OverridesFile{
		path: filepath.Join(directory, OverridesName), previous: filepath.Join(directory, previousName), configFile: path,
	}
	f.source = inForceLoader{use: ForDaemon(), path: path, overrides: f.path, getenv: getenv}
	return f, nil
}

// Path returns the path of the file.
func (f *OverridesFile) Path() string { return f.path }

// CanUndo reports whether there is a saved change for Undo.
func (f *OverridesFile) CanUndo() bool {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	_, err := os.Stat(f.previous)
	return err == nil
}

// Update replaces the overrides by those that change makes of the present ones. It writes nothing if change returns an
// error, if the present file has a fault, or if the configuration with the new overrides would be refused; the error is
// then of type Faults. The former content is kept for Undo.
func (f *OverridesFile) Update(change func(*Overrides) error) error {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	before, err := readOverrides(f.path)
	if err != nil {
		return err
	}
	l := newOverridesLoader()
	overrides := l.overrides(before)
	if err := l.faults(f.path); err != nil {
		return err
	}
	known := keysOf(overrides.Cameras)
	if overrides.Cameras == nil {
		overrides.Cameras = map[string]CameraOverride{}
	}
	if err := change(&overrides); err != nil {
		return err
	}
	text, err := overrides.text()
	if err != nil {
		return err
	}
	if err := f.check(text, known); err != nil || bytes.Equal(before, text) {
		return err
	}
	if err := writeState(f.previous, before); err != nil {
		return err
	}
	return writeState(f.path, text)
}

// Undo restores the overrides before the last Update, byte for byte. Only one change can be undone. It refuses
// overrides that are no longer valid, as Update does.
func (f *OverridesFile) Undo() error {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	text, err := readConfigFile(f.previous)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return ErrNothingToUndo
	case err != nil:
		return fmt.Errorf("the former overrides cannot be read: %w", err)
	}
	l := newOverridesLoader()
	if err := f.check(text, keysOf(l.overrides(text).Cameras)); err != nil {
		return err
	}
	if len(text) > 0 {
		err = writeState(f.path, text)
	} else if err = os.Remove(f.path); errors.Is(err, fs.ErrNotExist) { // there was no file before
		err = nil
	}
	if err != nil {
		return fmt.Errorf("undo the last change of the overrides: %w", err)
	}
	if err := os.Remove(f.previous); err != nil {
		return fmt.Errorf("undo the last change of the overrides: %w", err)
	}
	return syncDirectory(filepath.Dir(f.path))
}

// check returns the faults of the configuration with the overrides in text. A camera that the configuration does not
// have is a fault unless it is known: it had overrides before.
func (f *OverridesFile) check(text []byte, known []string) error {
	file, err := readConfigFile(f.configFile)
	if err != nil {
		return Invalid(err)
	}
	state, err := f.source.load(file, func() ([]byte, error) { return text, nil })
	if err == nil {
		err = state.OverridesFault
	}
	var faults Faults
	if errors.As(err, &faults) && faults.File == f.path {
		faults.List = withoutPositions(faults.List) // the text is not in the file
		return faults
	}
	if err != nil {
		return err
	}
	unknown := slices.DeleteFunc(state.Ignored.List, func(fault Fault) bool {
		return slices.ContainsFunc(known, func(name string) bool { return fault.Key == join("cameras", name) })
	})
	if len(unknown) > 0 {
		return Faults{File: f.path, List: withoutPositions(unknown)}
	}
	return nil
}

func withoutPositions(faults []Fault) []Fault {
	all := slices.Clone(faults)
	for i := range all {
		all[i].Line, all[i].Column = 0, 0
	}
	return all
}

// text returns the content of the file: YAML without the cameras that have no override.
func (o Overrides) text() ([]byte, error) {
	cameras := map[string]CameraOverride{}
	for name, camera := range o.Cameras {
		if !reflect.ValueOf(camera).IsZero() {
			cameras[name] = camera
		}
	}
	text, err := yaml.Marshal(Overrides{Cameras: cameras})
	if err != nil {
		return nil, fmt.Errorf("write the overrides as YAML: %w", err)
	}
	text = append([]byte("# Settings that replace those of the configuration file. Written by facesieve.\n"), text...)
	if len(text) > MaxBytes {
		return nil, fmt.Errorf("the overrides are larger than %d MiB; use regions with fewer corners", MaxBytes>>20)
	}
	return text, nil
}

// writeState replaces a file of the state directory, which it creates. After a crash, the file has the former content
// or the new one.
func writeState(path string, text []byte) error {
	directory := filepath.Dir(path)
	err := os.MkdirAll(directory, 0o700)
	if err == nil {
		err = renameio.WriteFile(path, text, 0o600, renameio.WithTempDir(directory)) // it syncs the file
	}
	if err == nil {
		err = syncDirectory(directory)
	}
	if err != nil {
		return fmt.Errorf("write the overrides: %w; the user of facesieve must be able to write in the directory", err)
	}
	return nil
}

// syncDirectory writes the names in a directory to disk.
func syncDirectory(path string) error {
	directory, err := os.Open(path) //nolint:gosec // the state directory
	if err != nil {
		return err
	}
	return errors.Join(directory.Sync(), directory.Close())
}
