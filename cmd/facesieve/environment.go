package main

import (
	"os"
	"strings"

	"facesieve/publish"
)

// environment applies the environment variables that carry secrets, so that they need not stand in the file.
func (l *loader) environment(cfg *Config) {
	if user := l.getenv("FACESIEVE_MQTT_USER"); user != "" {
		cfg.MQTT.User = user
	}
	if password := l.getenv("FACESIEVE_MQTT_PASSWORD"); password != "" {
		cfg.MQTT.Password = publish.Secret(password)
	}
}

// expand replaces ${NAME} in a camera's URL by the environment variable of that name.
func (l *loader) expand(key, text string) string {
	return os.Expand(protectDollar(text), func(name string) string {
		if name == "$" {
			return "$"
		}
		value := l.getenv(name)
		if value == "" {
			l.fault(key, "environment variable %s is not set; set it, or write its value", name)
		}
		return value
	})
}

// protectDollar doubles every $ that does not begin ${NAME}: passwords may hold dollars.
func protectDollar(text string) string {
	text = strings.ReplaceAll(text, "$", "${$}")
	return strings.ReplaceAll(text, "${$}{", "${")
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
