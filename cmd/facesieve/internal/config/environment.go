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
	const user, password = "FACESIEVE_MQTT_USER", "FACESIEVE_MQTT_PASSWORD" //nolint:gosec // names of variables
	if value := l.getenv(user); value != "" {
		cfg.MQTT.User, l.variables["mqtt.user"] = value, user
	}
	if value := l.getenv(password); value != "" {
		cfg.MQTT.Password, l.variables["mqtt.password"] = publish.Secret(value), password
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
	state, variable := stateDirectory(l.getenv)
	cfg.State = state
	if directory := l.getenv("CREDENTIALS_DIRECTORY"); directory != "" {
		if key := filepath.Join(directory, outboxKey); exists(key) {
			cfg.StateKey = key
		}
	}
	if cfg.Store != outbox.Disk {
		return
	}
	if cfg.Dir == "" && cfg.State != "" {
		cfg.Dir, l.variables["outbox.dir"] = cfg.State, variable
	}
	if cfg.KeyFile == "" && cfg.StateKey != "" {
		cfg.KeyFile, l.variables["outbox.key_file"] = cfg.StateKey, outboxKey
	}
}

// stateDirectory returns the directory for files that are kept between runs, and the environment variable that it is
// derived from; or nothing.
func stateDirectory(getenv func(string) string) (directory, variable string) {
	const systemd, xdg, home = "STATE_DIRECTORY", "XDG_STATE_HOME", "HOME"
	if first, _, _ := strings.Cut(getenv(systemd), ":"); first != "" {
		return first, systemd
	}
	if state := getenv(xdg); state != "" {
		return filepath.Join(state, "facesieve"), xdg
	}
	if path := getenv(home); path != "" {
		return filepath.Join(path, ".local", "state", "facesieve"), home
	}
	return "", ""
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
