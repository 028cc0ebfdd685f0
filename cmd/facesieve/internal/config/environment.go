package config

import (
	"os"
	"path/filepath"
	"strings"

	"facesieve/capture/sourceurl"
	"facesieve/publish"
	"facesieve/publish/outbox"
)

// Secret returns the value of ${NAME} or of a FACESIEVE_ variable: the environment variable of this name, or else the
// credential of systemd (LoadCredential) of this name, also in lower case. It returns nothing if there is neither.
func Secret(name string) string {
	if value := os.Getenv(name); value != "" {
		return value
	}
	directory := os.Getenv("CREDENTIALS_DIRECTORY")
	if directory == "" || filepath.Base(name) != name || name == ".." {
		return ""
	}
	for _, file := range []string{name, strings.ToLower(name)} {
		if text, err := readConfigFile(filepath.Join(directory, file)); err == nil {
			return strings.TrimRight(string(text), "\r\n")
		}
	}
	return ""
}

// environment applies the environment variables that replace secrets in the file.
func (l *loader) environment(cfg *Config) {
	if user := l.getenv("FACESIEVE_MQTT_USER"); user != "" {
		cfg.MQTT.User = user
	}
	if password := l.getenv("FACESIEVE_MQTT_PASSWORD"); password != "" {
		cfg.MQTT.Password = publish.Secret(password)
	}
	l.outbox(&cfg.Outbox)
	l.web(&cfg.Web)
}

// outboxKey is the name of the systemd credential that seals the outbox.
const outboxKey = "facesieve-outbox-key"

// outbox sets State, the directory from systemd or the user's state directory, and StateKey, the key from systemd. They
// are set for every configuration, because an earlier one may have left events there. They are the defaults of dir and
// key_file.
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

// stateDirectory returns the directory for files that are kept between runs, or nothing.
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

// HostName returns the name of the machine without its domain.
func HostName() string {
	name, err := os.Hostname()
	if err != nil {
		return "facesieve"
	}
	host, _, _ := strings.Cut(name, ".")
	return host
}
