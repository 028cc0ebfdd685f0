// Package models contains the networks of facesieve and runs them. A network is a TensorFlow Lite file with a manifest:
// a JSON file of the same base name that describes the network, the decoding of its outputs, and its outputs for
// generated test images. The C library does not validate its input. A network without a manifest, or with other bytes
// than those of the manifest's SHA-256, therefore never reaches it.
package models

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Limits of the files: far above any network that runs on a camera, far below the memory of such a machine.
const (
	maxModelBytes    = 64 << 20
	maxManifestBytes = 8 << 20
)

// ErrForeign marks a file that is not a TensorFlow Lite network, or not the one that its manifest describes.
var ErrForeign = errors.New("not the network of the manifest")

// The networks are strings, because an embed.FS returns copies.
var (
	//go:embed detector.json landmarks.json quality.json
	manifests embed.FS
	//go:embed detector.tflite
	detectorNetwork string
	//go:embed landmarks.tflite
	landmarksNetwork string
	//go:embed quality.tflite
	qualityNetwork string
)

// Model is a network whose bytes match its manifest. It may be shared.
type Model struct {
	Manifest Manifest
	Source   string // for messages: "embedded quality" or the path of the file

	// file is an anonymous file with the network, which nobody can change. All interpreters map it, so they share its
	// memory, and Go has no copy. It is closed after the last use of the Model.
	file    *os.File
	builtIn bool
	// tested is true after a self-test under XNNPACK: further interpreters of this process run the same code.
	tested atomic.Bool
}

// BuiltIn reports whether the network is part of the program and not read from a file.
func (m *Model) BuiltIn() bool { return m.builtIn }

// Embedded returns the built-in network with this name, which is that of its task.
func Embedded(name string) (*Model, error) {
	manifest, err := EmbeddedManifest(name)
	if err != nil {
		return nil, err
	}
	network := map[string]string{
		TaskDetector: detectorNetwork, TaskLandmarks: landmarksNetwork, TaskQuality: qualityNetwork,
	}[name]
	bytes := unsafe.Slice(unsafe.StringData(network), len(network)) // read only
	m, err := build("embedded "+name, name+".tflite", bytes, manifest)
	if err != nil {
		return nil, err
	}
	m.builtIn = true
	forget(bytes)
	return m, nil
}

// forget removes the whole pages of bytes, which are part of the program's file, from the memory of the process: the
// anonymous file has a copy. The kernel reads them again if they are needed.
func forget(bytes []byte) {
	page := os.Getpagesize()
	first := -int(uintptr(unsafe.Pointer(unsafe.SliceData(bytes)))) & (page - 1) //nolint:gosec // within a page
	if whole := (len(bytes) - first) &^ (page - 1); whole > 0 {
		_ = unix.Madvise(bytes[first:first+whole], unix.MADV_DONTNEED) // without it they only take memory
	}
}

// EmbeddedManifest returns the manifest of a built-in network. It takes a tenth of the time of Embedded.
func EmbeddedManifest(name string) (Manifest, error) {
	bytes, err := manifests.ReadFile(name + ".json")
	if err != nil {
		return Manifest{}, fmt.Errorf("models: no embedded network %q, there are %q, %q and %q",
			name, TaskDetector, TaskLandmarks, TaskQuality)
	}
	return parseManifest("embedded "+name, bytes)
}

// parseManifest is ParseManifest for the manifest of a source, which its errors name.
func parseManifest(source string, bytes []byte) (Manifest, error) {
	manifest, err := ParseManifest(bytes)
	if err != nil {
		return Manifest{}, fmt.Errorf("models: manifest of %s: %w; take it and the network from the same delivery again",
			source, err)
	}
	return manifest, nil
}

// Load reads a network from a .tflite file, and its manifest from the .json file with the same base name beside it.
func Load(tflitePath string) (*Model, error) {
	base, found := strings.CutSuffix(tflitePath, ".tflite")
	if !found {
		return nil, fmt.Errorf("models: %s: the name of a network ends in .tflite", tflitePath)
	}
	text, err := readLimited(base+".json", maxManifestBytes)
	if errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("models: %s: its manifest %s is missing, a network is not run without one: %w",
			tflitePath, filepath.Base(base)+".json", err)
	}
	if err != nil {
		return nil, fmt.Errorf("models: manifest of %s: %w", tflitePath, err)
	}
	bytes, err := readLimited(tflitePath, maxModelBytes)
	if err != nil {
		return nil, fmt.Errorf("models: %w", err)
	}
	manifest, err := parseManifest(tflitePath, text)
	if err != nil {
		return nil, err
	}
	return build(tflitePath, filepath.Base(tflitePath), bytes, manifest)
}

// build returns the network with its manifest, or an error if the bytes are not those of the manifest.
func build(source, file string, bytes []byte, manifest Manifest) (*Model, error) {
	if err := verify(&manifest, file, bytes); err != nil {
		return nil, fmt.Errorf("models: %s: %w; take it and its manifest from the same delivery again", source, err)
	}
	anonymous, err := anonymousFile(bytes)
	if err != nil {
		return nil, fmt.Errorf("models: %s: %w", source, err)
	}
	return &Model{Manifest: manifest, Source: source, file: anonymous}, nil
}

// anonymousFile returns a file in memory with these bytes, sealed against changes.
func anonymousFile(bytes []byte) (*os.File, error) {
	fd, err := unix.MemfdCreate("network.tflite", unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING)
	if err != nil {
		return nil, fmt.Errorf("anonymous file: %w", err)
	}
	file := os.NewFile(uintptr(fd), "network.tflite") //nolint:gosec // not negative here
	_, err = file.Write(bytes)
	if err == nil {
		err = seal(file)
	}
	if err != nil {
		return nil, fmt.Errorf("anonymous file: %w", errors.Join(err, file.Close()))
	}
	return file, nil
}

// seal makes an anonymous file unchangeable. While the kernel itself uses a page of the file, when it reclaims memory for
// example, it answers EBUSY: seal repeats the call for two seconds.
func seal(file *os.File) error {
	const pause, attempts = 50 * time.Millisecond, 40
	var err error
	for range attempts {
		_, err = unix.FcntlInt(file.Fd(), unix.F_ADD_SEALS, unix.F_SEAL_WRITE|unix.F_SEAL_SHRINK|unix.F_SEAL_GROW)
		if !errors.Is(err, unix.EBUSY) {
			return err
		}
		time.Sleep(pause)
	}
	return err
}

// verify compares name, identifier and SHA-256 of a network with its manifest.
func verify(manifest *Manifest, file string, bytes []byte) error {
	if manifest.File != file {
		return fmt.Errorf("the manifest is for %q: %w", manifest.File, ErrForeign)
	}
	// A flatbuffer starts with the offset of its root table, followed by four letters that identify its type.
	if len(bytes) < 8 || string(bytes[4:8]) != "TFL3" {
		return fmt.Errorf("not a TensorFlow Lite file (%d bytes, identifier %q instead of \"TFL3\" at byte 4): %w",
			len(bytes), bytes[min(4, len(bytes)):min(8, len(bytes))], ErrForeign)
	}
	sum := sha256.Sum256(bytes)
	if got := hex.EncodeToString(sum[:]); got != manifest.SHA256 {
		return fmt.Errorf("damaged, cut short or another file than the manifest's (%d bytes, SHA-256 %s, manifest %s): %w",
			len(bytes), got, manifest.SHA256, ErrForeign)
	}
	return nil
}

// readLimited reads a regular file of at most limit bytes.
func readLimited(path string, limit int64) (bytes []byte, err error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is not a regular file", path)
	}
	file, err := os.Open(path) //nolint:gosec // the operator's own configuration names the file
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	bytes, err = io.ReadAll(io.LimitReader(file, limit+1))
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	if int64(len(bytes)) > limit {
		return nil, fmt.Errorf("%s is larger than %d MiB", path, limit>>20)
	}
	return bytes, nil
}
