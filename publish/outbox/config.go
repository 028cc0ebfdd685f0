package outbox

import (
	"errors"
	"fmt"
	"os"
	"time"
)

// Kinds of store.
const (
	Disk   = "disk"
	Memory = "memory"
)

const (
	maxEvents = 100_000
	minMiB    = 4
	maxMiB    = 64 << 10
	maxAge    = 10 * 365 * 24 * time.Hour
	maxRate   = 1000
)

// Config is the outbox section of the configuration.
type Config struct {
	// Store is Disk, or Memory for those who must not write faces to disk: then events are lost with the process.
	Store string `yaml:"store"`
	// Dir is the directory of the file. The program sets it when the configuration does not.
	Dir string `yaml:"dir"`
	// MaxEvents, MaxMiB and MaxAge bound what waits. MaxMiB is the size of the file; events take at most three
	// quarters.
	MaxEvents int           `yaml:"max_events"`
	MaxMiB    int           `yaml:"max_mib"`
	MaxAge    time.Duration `yaml:"max_age"`
	// DrainRate is the maximum number of events of the backlog that are sent a second.
	DrainRate float64 `yaml:"drain_rate"`
	// KeyFile holds 64 hexadecimal digits, the key with which events are sealed; empty: they are not.
	KeyFile string `yaml:"key_file"`

	// State is the directory that Dir defaults to. Events that an earlier run left there, or in a directory that it
	// recorded there, are carried over. Empty: none are.
	State string `yaml:"-"`
	// StateKey is a file with a key that may have sealed them, besides KeyFile; empty: there is none.
	StateKey string `yaml:"-"`
}

// Default keeps a week on disk.
func Default() Config {
	return Config{Store: Disk, MaxEvents: 5000, MaxMiB: 64, MaxAge: 7 * 24 * time.Hour, DrainRate: 20}
}

// Validate returns all faults of the section, joined, each with key, value and fix.
func (c Config) Validate() error {
	var all []error
	check := func(ok bool, key, format string, args ...any) {
		if !ok {
			all = append(all, KeyError{key, fmt.Errorf(format, args...)})
		}
	}
	check(c.Store == Disk || c.Store == Memory, "store", "%q: use %s or %s", c.Store, Disk, Memory)
	check(c.MaxEvents >= 1 && c.MaxEvents <= maxEvents, "max_events", "%d: use 1 to %d", c.MaxEvents, maxEvents)
	check(c.MaxMiB >= minMiB && c.MaxMiB <= maxMiB, "max_mib", "%d: use %d to %d MiB", c.MaxMiB, minMiB, maxMiB)
	check(c.MaxAge >= time.Minute && c.MaxAge <= maxAge, "max_age", "%v: use 1m to %v", c.MaxAge, maxAge)
	check(c.DrainRate >= 0.01 && c.DrainRate <= maxRate,
		"drain_rate", "%g: use 0.01 to %d events a second", c.DrainRate, maxRate)
	check(c.Store != Memory || c.KeyFile == "", "key_file", "set, but store is %s: nothing is written, remove it",
		Memory)
	return errors.Join(all...)
}

// maxUsage returns the number of bytes that events may use.
func (c Config) maxUsage() int64 {
	bytes := int64(c.MaxMiB) << 20
	if c.Store == Disk {
		bytes -= bytes / 4 // for the overhead of the file
	}
	return bytes
}

// recordOverhead is about what a record takes besides its data, in bytes.
const recordOverhead = 256

// usage returns the number of bytes that a record with so many bytes of data takes.
func (c Config) usage(size int) int64 {
	if c.Store == Disk {
		return diskUsage(size)
	}
	return int64(size) + recordOverhead
}

// diskUsage returns whole pages: in bbolt a value begins in a page that it shares, and continues in pages of its own.
func diskUsage(size int) int64 {
	page := os.Getpagesize()
	return int64((size + recordOverhead + page - 1) / page * page)
}

// KeyError is the error of one key of the section outbox of the configuration, or of the section mqtt.
type KeyError struct {
	Key string // dotted
	Err error  // what is wrong and how to fix it
}

func (e KeyError) Error() string { return e.Key + ": " + e.Err.Error() }

// Unwrap returns the error without its key.
func (e KeyError) Unwrap() error { return e.Err }

// ConfigKey returns the key, which the reader of the configuration reports with its line.
func (e KeyError) ConfigKey() string { return e.Key }

// CheckFiles reads the key file, and returns its fault as Validate does.
func (c Config) CheckFiles() error {
	_, err := readKey(c.KeyFile)
	return err
}
