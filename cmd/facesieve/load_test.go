package main

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

func noEnvironment(string) string { return "" }

// The shipped file shows every key with its default.
func TestShippedFileEqualsDefaults(t *testing.T) {
	path := filepath.Join("..", "..", "systemd", "facesieve.yaml")
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	l := loader{keys: keyFinder{lines: map[string]int{}}, getenv: noEnvironment}
	got := l.load(text)
	want := DefaultConfig()
	want.Device = hostName()
	want.MQTT.Device = want.Device
	normalise(&got)
	normalise(&want)
	if !reflect.DeepEqual(got, want) {
		t.Errorf("shipped file\n%+v\ndefaults\n%+v", got, want)
	}
	if len(l.keys.faults) != 1 || l.keys.faults[0].Key != "cameras" {
		t.Errorf("faults %v, want only that no camera is configured", l.keys.faults)
	}
	missing := []string{}
	for key := range fieldKeys(reflect.TypeFor[Config](), "") {
		if _, ok := l.keys.lines[key]; !ok {
			missing = append(missing, key)
		}
	}
	if len(missing) > 0 {
		t.Errorf("not in the shipped file: %s", listed(missing))
	}
}

// normalise makes empty and missing lists the same.
func normalise(c *Config) {
	if len(c.Detect.ROI) == 0 {
		c.Detect.ROI = nil
	}
	if len(c.Detect.Masks) == 0 {
		c.Detect.Masks = nil
	}
	if len(c.Runtime.Options) == 0 {
		c.Runtime.Options = nil
	}
}

// fieldKeys returns the dotted keys of everything in t that is no struct.
func fieldKeys(t reflect.Type, path string) map[string]bool {
	known, keys := map[string]reflect.Type{}, map[string]bool{}
	yamlFields(t, known)
	for name, field := range known {
		if path != "" {
			name = path + "." + name
		}
		if field.Kind() != reflect.Struct {
			keys[name] = true
			continue
		}
		for key := range fieldKeys(field, name) {
			keys[key] = true
		}
	}
	return keys
}

// Each file in testdata/bad breaks one rule; the file beside it holds the exact message.
func TestBadFiles(t *testing.T) {
	files, err := filepath.Glob("testdata/bad/*.yaml")
	if err != nil || len(files) < 10 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			_, err := LoadConfig(file, noEnvironment)
			if err == nil {
				t.Fatal("no error")
			}
			want, readErr := os.ReadFile(strings.TrimSuffix(file, ".yaml") + ".txt")
			if os.Getenv("FACESIEVE_UPDATE") != "" {
				readErr = os.WriteFile(strings.TrimSuffix(file, ".yaml")+".txt", []byte(err.Error()+"\n"), 0o600)
			}
			if readErr != nil {
				t.Fatal(readErr)
			}
			if got := err.Error() + "\n"; got != string(want) {
				t.Errorf("got\n%swant\n%s", got, want)
			}
		})
	}
}

func TestCamerasInherit(t *testing.T) {
	cfg, err := parseConfig("test.yaml", []byte(`
max_fps: 5
detect: {score: 0.7, input: 320}
cameras:
  - {name: a, url: a.mp4}
  - {name: b, url: "rtsp://u:${SECRET}$5@host/x", max_fps: 2, detect: {input: 640}, quality: {policy: all}}
`), func(name string) string {
		return map[string]string{"SECRET": "s3cret", "FACESIEVE_MQTT_USER": "u"}[name]
	})
	if err != nil {
		t.Fatal(err)
	}
	a, b := cfg.Cameras[0], cfg.Cameras[1]
	if a.MaxFPS != 5 || a.Detect.Input != 320 || a.Detect.Score != 0.7 || a.Quality.Policy != "best" {
		t.Errorf("camera a: %+v", a)
	}
	if b.MaxFPS != 2 || b.Detect.Input != 640 || b.Detect.Score != 0.7 || b.Quality.Policy != "all" {
		t.Errorf("camera b: %+v", b)
	}
	if b.Capture.URL != "rtsp://u:s3cret$5@host/x" || cfg.MQTT.User != "u" {
		t.Errorf("environment: %q, user %q", b.Capture.URL, cfg.MQTT.User)
	}
}

func FuzzParseConfig(f *testing.F) {
	f.Add("cameras: [{name: a, url: b.mp4}]")
	f.Add("detect: {score: x}\nmqtt: 3\nunknown: &a [*a]")
	f.Fuzz(func(t *testing.T, text string) {
		_, err := parseConfig("fuzz.yaml", []byte(text), noEnvironment)
		if err != nil && err.Error() == "" {
			t.Error("an error without a text")
		}
	})
}

// The outbox lies where systemd says, or below the user's own state, and takes systemd's key; the file comes before both.
func TestOutboxFromTheEnvironment(t *testing.T) {
	credentials := t.TempDir()
	key := filepath.Join(credentials, outboxKey)
	if err := os.WriteFile(key, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		section           string
		environment       map[string]string
		wantDir, wantFile string
	}{
		{"", nil, "", ""},
		{"", map[string]string{"HOME": "/home/a"}, "/home/a/.local/state/facesieve", ""},
		{"", map[string]string{"HOME": "/home/a", "XDG_STATE_HOME": "/s"}, "/s/facesieve", ""},
		{"", map[string]string{"HOME": "/", "STATE_DIRECTORY": "/var/lib/facesieve:/other"}, "/var/lib/facesieve", ""},
		{"", map[string]string{"CREDENTIALS_DIRECTORY": credentials}, "", key},
		{"", map[string]string{"CREDENTIALS_DIRECTORY": t.TempDir()}, "", ""},
		{
			"outbox: {dir: /mine, key_file: /key}",
			map[string]string{"STATE_DIRECTORY": "/s", "CREDENTIALS_DIRECTORY": credentials},
			"/mine", "/key",
		},
		{"outbox: {store: memory}", map[string]string{"STATE_DIRECTORY": "/s", "CREDENTIALS_DIRECTORY": credentials}, "", ""},
	} {
		text := "cameras: [{name: a, url: a.mp4}]\n" + c.section
		cfg, err := parseConfig("test.yaml", []byte(text), func(name string) string { return c.environment[name] })
		if err != nil || cfg.Outbox.Dir != c.wantDir || cfg.Outbox.KeyFile != c.wantFile {
			t.Errorf("%q, %v: dir %q, key_file %q, %v", c.section, c.environment, cfg.Outbox.Dir, cfg.Outbox.KeyFile, err)
		}
	}
}
