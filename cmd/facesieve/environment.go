package main

import (
	"os"
	"path/filepath"
	"strings"

	"facesieve/capture/sourceurl"
	"facesieve/publish"
	"facesieve/publish/outbox"
)

// secrets returns what ${NAME} and the FACESIEVE_ variables stand for: the environment variable, or else the credential
// of that name, as it is or in small letters, that systemd hands over (LoadCredential). Empty: there is neither.
func secrets(name string) string {
	if value := os.Getenv(name); value != "" {
		return value
	}
	folder := os.Getenv("CREDENTIALS_DIRECTORY")
	if folder == "" || filepath.Base(name) != name || name == ".." {
		return ""
	}
	for _, file := range []string{name, strings.ToLower(name)} {
		if text, err := readConfigFile(filepath.Join(folder, file)); err == nil {
			return strings.TrimRight(string(text), "\r\n")
		}
	}
	return ""
}

// environment applies the variables that carry secrets, so that they need not stand in the file.
func (l *loader) environment(cfg *Config) {
	if user := l.getenv("FACESIEVE_MQTT_USER"); user != "" {
		cfg.MQTT.User = user
	}
	if password := l.getenv("FACESIEVE_MQTT_PASSWORD"); password != "" {
		cfg.MQTT.Password = publish.Secret(password)
	}
	l.outbox(&cfg.Outbox)
}

// outboxKey is the name of the systemd credential that seals the outbox.
const outboxKey = "facesieve-outbox-key"

// outbox sets State, the directory from systemd or the user's state directory, and StateKey, the key from systemd. They
// are set for every configuration, because an earlier one may have left events there. Where the file names no directory
// or no key, they are used as such.
func (l *loader) outbox(cfg *outbox.Config) {
	cfg.State = l.stateDirectory()
	if directory := l.getenv("CREDENTIALS_DIRECTORY"); directory != "" {
		if key := filepath.Join(directory, outboxKey); exists(key) {
			cfg.StateKey = key
		}
	}
	if cfg.Store != outbox.Disk {
		return
	}
	if cfg.Dir == "" {
		cfg.Dir = cfg.State
	}
	if cfg.KeyFile == "" {
		cfg.KeyFile = cfg.StateKey
	}
}

// stateDirectory is where the program may keep what must outlive it, or empty.
func (l *loader) stateDirectory() string {
	if first, _, _ := strings.Cut(l.getenv("STATE_DIRECTORY"), ":"); first != "" {
		return first
	}
	if state := l.getenv("XDG_STATE_HOME"); state != "" {
		return filepath.Join(state, "facesieve")
	}
	if home := l.getenv("HOME"); home != "" {
		return filepath.Join(home, ".local", "state", "facesieve")
	}
	return ""
}

func exists(path string) bool {
	_, err := os.Stat(path) //nolint:gosec // in a directory that systemd names
	return err == nil
}

// expand replaces each ${NAME} in a camera's URL by the environment variable or credential of that name.
func (l *loader) expand(key, text string) string {
	url, err := sourceurl.Expand(text, l.getenv)
	for _, fault := range unjoin(err) {
		l.binder.fault(l.position(key), key, "%v", fault)
	}
	return url
}

// hostName is the machine's own name without its domain.
func hostName() string {
	name, err := os.Hostname()
	if err != nil {
		return "facesieve"
	}
	host, _, _ := strings.Cut(name, ".")
	return host
}
