package config

import (
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"facesieve/cmd/facesieve/internal/testsupport"
)

// The shipped file shows every key with its default.
func TestShippedFileEqualsDefaults(t *testing.T) {
	path := testsupport.RepositoryPath(t, "systemd", "facesieve.yaml")
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	l := newLoader(ForDaemon(), testsupport.NoEnvironment)
	got := l.load(text)
	want := Default()
	want.Device = HostName()
	want.MQTT.Device = want.Device
	want.Web.Listen = "127.0.0.1:8470" // the only exception, which the file states
	normalise(&got)
	normalise(&want)
	if !reflect.DeepEqual(got, want) {
		t.Errorf("shipped file\n%+v\ndefaults\n%+v", got, want)
	}
	if faults := l.binder.faults.list; len(faults) != 1 || faults[0].Key != "cameras" {
		t.Errorf("faults %v, want only that no camera is configured", faults)
	}
	missing := []string{}
	for key := range fieldKeys(reflect.TypeFor[Config](), "") {
		if !l.given(key) {
			missing = append(missing, key)
		}
	}
	if len(missing) > 0 {
		t.Errorf("not in the shipped file: %s", Listed(missing))
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
	keys := map[string]bool{}
	for name, index := range fieldsOf(t) {
		field := t.FieldByIndex(index).Type
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

// badEnvironment returns values that are not valid where the files of testdata/bad use them.
func badEnvironment(name string) string {
	return map[string]string{
		"LINES":      "S3\ncret",
		"COLON":      "S3:cret",
		"LOGIN":      "viewer:S3cret@host",
		"CAMERA_URL": "rtsp://viewer:S3#cret@host/x",
		"QUOTED":     `"S3cret`,
		"LONG":       strings.Repeat("S3cret", 800) + "ä",
	}[name]
}

// Each file in testdata/bad breaks one rule; the .txt file of the same name holds the exact message.
func TestBadFiles(t *testing.T) {
	files, err := filepath.Glob("testdata/bad/*.yaml")
	if err != nil || len(files) < 10 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			_, err := Load(ForCheck(), file, badEnvironment)
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
			if strings.Contains(err.Error(), "S3") || strings.Contains(err.Error(), "cret") {
				t.Error("a password is in a fault")
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

// FuzzParseConfig checks that any text gives a configuration or a list of faults without secrets, and never a panic.
func FuzzParseConfig(f *testing.F) {
	f.Add("cameras: [{name: a, url: b.mp4}]")
	f.Add("detect: {score: x}\nmqtt: 3\nunknown: &a [*a]")
	f.Add("a: &a {b: 1}\ncameras: [{<<: *a, name: a, url: \"rtsp://u:${SECRET}@h/x\"}]\n---\n")
	files, err := filepath.Glob("testdata/bad/*.yaml")
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range append(files, testsupport.RepositoryPath(f, "systemd", "facesieve.yaml")) {
		text, err := os.ReadFile(filepath.Clean(file))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(text))
	}
	const secret = "⟦s3cret⟧"
	f.Fuzz(func(t *testing.T, text string) {
		cfg, err := parseConfig("fuzz.yaml", []byte(text), func(string) string { return secret })
		if err == nil {
			if len(cfg.Cameras) == 0 {
				t.Error("a configuration without a camera")
			}
			return
		}
		var faults Faults
		if !errors.As(err, &faults) || len(faults.List) == 0 {
			t.Fatalf("no list of faults: %v", err)
		}
		for _, fault := range faults.List {
			if fault.Text == "" || strings.Contains(fault.Text, secret) {
				t.Errorf("%+v", fault)
			}
		}
	})
}

// parseConfig decodes and checks text, the content of the file at path, for the daemon.
func parseConfig(path string, text []byte, getenv func(string) string) (Config, error) {
	return Parse(ForDaemon(), path, text, getenv)
}

// A fault is an error of its own, with the key, the value and the line.
func TestFaultsAreTyped(t *testing.T) {
	_, err := Parse(ForDaemon(), "test.yaml", []byte("max_fps: 2000\ncameras: [{name: a, url: 'ftp://u:S3cret@h'}]\n"),
		testsupport.NoEnvironment)
	var first Fault
	if !errors.As(err, &first) {
		t.Fatalf("%T", err)
	}
	want := Fault{
		Key: "max_fps", Value: "2000", Line: 1, Column: 10,
		Text: "2000 is outside 0..1000 frames a second (0 takes every frame)",
	}
	if first != want {
		t.Errorf("got %+v, want %+v", first, want)
	}
	var all Faults
	if !errors.As(err, &all) || len(all.List) != 2 || all.List[1].Value != "" {
		t.Errorf("got %+v", all)
	}
}
