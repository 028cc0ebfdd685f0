package main

import (
	"crypto/rand"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"facesieve/cmd/facesieve/internal/config"
	"facesieve/cmd/facesieve/internal/testsupport"
)

// secretsIn returns formats of texts that contain a secret and have another meaning in YAML or in a url.
func secretsIn() []string {
	return []string{
		"%s", "'%s", "\"%s", "\"%s\\q\"", "*%s", "&%s", "!%s", "!!%s", "!%s x", "!<%s", "@%s", "`%s", "%%%s", "|%s",
		">%s", "[%s", "{%s", "[%s]", "{%s}",
		"{a: %s}", "x, %s", "x: %s", "x,%s: y", "x #%s", "#%s", "-%s", "- %s", "? %s", "%s:", ":%s", "<<: %s", "\t%s",
		"%s\x00", "%s\x07", "%s\xff",
		"x^%s", "p{%s|", "1#%s", "12/%s", "1?%s", "p@%s", "p %s", "%%4%s", "${%s", "${}%s", "${NO NE}%s", "$%s",
		"u:%s@h", "tcp://u:%s@h", "//u:%s@h",
		"rtsp//u:%s@h/x", "rtsp:/u:%s@h/x", "rtsp;//u:%s@h", " %s", "!!binary %s", "!!int %s", "---\n%s", "x\n%s",
		"x\n  %s", "x\n%s: y", "x\n  %s: y",
	}
}

// secretPlaces returns formats of files with a text as a password, a broker, a url, an option or a key, or at a place
// where a user may write one of these by mistake.
func secretPlaces() []string {
	return []string{
		"mqtt:\n  user: u\n  password: %s\n", "mqtt: {user: u, password: %s}\n", "mqtt:\n  password:%s\n",
		"mqtt:\n  password:\n    %s\n",
		"mqtt:\n  password: &a %s\n  keep_alive: *a\n",
		"mqtt: {password: &a %s, jpeg: *a, broker: *a, listen: *a, client_id: *a}\n",
		"mqtt:\n  pasword: %s\n", "mqtt:\n  passwort %s: x\n", "mqtt: %s\n", "mqtt: [%s]\n", "password: %s\n",
		"log: {password: %s}\n",
		"cameras:\n  - name: a\n    password: %s\n", "mqtt:\n  broker: %s\n", "mqtt: {broker: 'tcp://u:%s@h:1883'}\n",
		"mqtt:\n  broker: tcp://%s\n",
		"mqtt:\n  broker: tcp://h:%s\n", "mqtt:\n  broker: tcp://h/%s\n",
		"mqtt:\n  broker: embedded\n  listen: u:%s@h:1\n",
		"mqtt:\n  broker: ssl://h\n  tls:\n    ca: %s\n    cert: %s\n    key: %s\n", "mqtt: {tls: {key: %s}}\n",
		"outbox:\n  key_file: %s\n",
		"outbox: {store: memory, key_file: %s}\n",
		"runtime:\n  delegate: external\n  library: /x\n  options:\n    key: %s\n",
		"runtime: {options: {key: %s}}\n", "runtime: {options: [%s]}\n", "runtime: {options: %s}\n",
		"runtime: {options: {%s: 1}}\n",
		"cameras:\n  - name: a\n    url: rtsp://u:%s@h/x\n", "cameras: [{name: a, url: 'rtsp://u:%s@h/x'}]\n",
		"cameras: [{name: a, url: rtsp://u:%s@h/x}]\n",
		"cameras: [{name: a, url: \"rtsp//u:%s@h/x\"}]\n", "cameras: [{name: a, url: \"rtsp:/u:%s@h/x\"}]\n",
		"cameras: [{name: a, url: \"u:%s@h/x\"}]\n",
		"cameras: [{name: a, url: \"rtps://u:%s@h/x\"}]\n", "cameras: [{name: a, url: \"rtsp://u:%s@:0/x\"}]\n",
		"cameras: [{name: a, url: \"rtsp://u:%s@h:99999/x\"}]\n",
		"cameras: [{name: a, url: \"http://h:0/x?token=%s\"}]\n",
		"cameras: [{name: a, url: \"gst:rtspsrc user-pw=%s\"}]\n",
		"cameras: [{name: a, url: [\"rtsp://u:%s@h/x\"]}]\n", "cameras: [\"rtsp://u:%s@h/x\"]\n",
		"cameras: \"rtsp://u:%s@h/x\"\n",
		"cameras: {a: \"rtsp://u:%s@h/x\"}\n", "cameras: {a: {url: \"rtsp://u:%s@h/x\"}}\n",
		"cameras: [{url: a, name: \"rtsp://u:%s@h/x\"}]\n",
		"cameras: [{url: a, name: \"u:%s@h/#\"}]\n", "device: \"tcp://u:%s@h\"\n", "mqtt: {root: \"tcp://u:%s@h\"}\n",
		"%s\n", "rtsp://u:%s@h/x\n", "%s: x\n",
	}
}

// The messages about a wrong configuration contain no password, wherever it is in the file.
func TestNoFaultRepeatsASecret(t *testing.T) {
	t.Parallel()
	directory := t.TempDir()
	faulty := 0
	for i, place := range secretPlaces() {
		for j, form := range secretsIn() {
			secret := "S3" + rand.Text()[:12]
			if j%3 == 1 {
				secret = fmt.Sprintf("0x%x", rand.Text()[:6])
			}
			text := strings.ReplaceAll(place, "%s", fmt.Sprintf(form, secret))
			_, err := config.Parse(config.ForCheck(), "test.yaml", []byte(text), testsupport.NoEnvironment)
			if err == nil {
				continue
			}
			faulty++
			if strings.Contains(fmt.Sprintf("%v %#v", err, err), secret) {
				t.Errorf("%q: %v", text, err)
			}
			if (i+j)%20 != 0 {
				continue
			}
			path := filepath.Join(directory, "facesieve.yaml")
			testsupport.Must(t, os.WriteFile(path, []byte(text), 0o600))
			for _, command := range []string{"check", "run"} {
				code, stdout, stderr := invoke(t.Context(), command, "--config", path)
				if code != exitConfig || strings.Contains(stdout+stderr, secret) {
					t.Errorf("%s: exit code %d of %q: %s%s", command, code, text, stdout, stderr)
				}
			}
		}
	}
	if all := len(secretPlaces()) * len(secretsIn()); faulty < all*9/10 {
		t.Errorf("only %d of %d files are faulty", faulty, all)
	}
}
