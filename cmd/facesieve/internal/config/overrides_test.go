package config

import (
	"errors"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"facesieve/cmd/facesieve/internal/testsupport"
	"facesieve/detect"
)

const twoCameras = `
quality: {threshold: 25, gates: {max_yaw: 50}}
cameras:
  - {name: door, url: "rtsp://u:${SECRET}@host/x"}
  - {name: front yard, url: b.mp4, quality: {policy: all}, detect: {roi: [[0, 0], [1, 0], [1, 1]]}}
`

// site is a configuration file and a state directory.
type site struct {
	t             *testing.T
	config, state string
}

func newSite(t *testing.T, configuration string) site {
	t.Helper()
	return site{t: t, config: testsupport.WriteFile(t, "facesieve.yaml", configuration), state: t.TempDir()}
}

func (s site) getenv(name string) string {
	return map[string]string{
		"STATE_DIRECTORY": s.state, "SECRET": "S3cret", "FACESIEVE_MQTT_USER": "box", "FACESIEVE_MQTT_PASSWORD": "S3cret",
	}[name]
}

func (s site) path() string { return filepath.Join(s.state, OverridesName) }

func (s site) write(text string) {
	s.t.Helper()
	testsupport.Must(s.t, os.WriteFile(s.path(), []byte(text), 0o600))
}

func (s site) load() InForce {
	s.t.Helper()
	cfg, err := LoadInForce(ForDaemon(), s.config, s.getenv)
	testsupport.Must(s.t, err)
	return cfg
}

// An override replaces the value of its camera alone, and nothing without a value.
func TestOverridesReplaceTheFile(t *testing.T) {
	s := newSite(t, twoCameras)
	before := s.load()
	if before.OverridesFault != nil || before.OverridesPath != s.path() || len(before.Overrides.Cameras) != 0 {
		t.Fatalf("without a file: %+v", before)
	}
	s.write(`
cameras:
  door:
    enabled: false
    quality: {threshold: 40, policy: quick, gates: {min_sharpness: 20, max_roll: }}
    detect: {roi: [[0, 0], [1, 0], [0, 1]], masks: [[[0, 0], [0.5, 0], [0, 0.5]]]}
  front yard:
    detect: {roi: []}
  gone: {enabled: false}
  dor: {enabled: false}
`)
	got := s.load()
	if got.OverridesFault != nil {
		t.Fatal(got.OverridesFault)
	}
	want := before.Config
	want.Cameras = slices.Clone(want.Cameras)
	door, yard := &want.Cameras[0], &want.Cameras[1]
	door.Enabled, door.Quality.Threshold, door.Quality.Policy, door.Quality.Gates.MinSharpness = false, 40, "quick", 20
	door.Detect.ROI = detect.Polygon{{0, 0}, {1, 0}, {0, 1}}
	door.Detect.Masks = []detect.Polygon{{{0, 0}, {0.5, 0}, {0, 0.5}}}
	yard.Detect.ROI = detect.Polygon{}
	if !reflect.DeepEqual(got.Config, want) {
		t.Errorf("got\n%+v\nwant\n%+v", got.Config, want)
	}
	const ignored = `:10:3: cameras.dor: the configuration has no camera "dor"; did you mean "door"?`
	if text := got.Ignored.Error(); !strings.Contains(text, s.path()+ignored) ||
		!strings.Contains(text, `no camera "gone", it has door, front yard`) {
		t.Errorf("ignored: %s", text)
	}
}

// Every override has the key of a setting of a camera and its type, and every gate can be overridden.
func TestOverridesCorrespondToSettings(t *testing.T) {
	camera := fieldTypes(reflect.TypeFor[Camera](), "")
	override := fieldTypes(reflect.TypeFor[CameraOverride](), "")
	for key, kind := range override {
		if kind.Kind() != reflect.Pointer || camera[key] != kind.Elem() {
			t.Errorf("override %s is a %v, the setting is a %v", key, kind, camera[key])
		}
	}
	for key := range camera {
		if strings.HasPrefix(key, "quality.gates.") && override[key] == nil {
			t.Errorf("%s cannot be overridden", key)
		}
	}
}

// fieldTypes returns the type of each dotted key that is no section.
func fieldTypes(t reflect.Type, section string) map[string]reflect.Type {
	all := map[string]reflect.Type{}
	for name, index := range fieldsOf(t) {
		field, key := t.FieldByIndex(index).Type, join(section, name)
		if field.Kind() == reflect.Struct {
			maps.Copy(all, fieldTypes(field, key))
			continue
		}
		all[key] = field
	}
	return all
}

// Each file in testdata/overrides breaks one rule; the .txt file of the same name holds the exact message. The
// configuration of the file is returned without the overrides.
func TestBadOverrides(t *testing.T) {
	files, err := filepath.Glob("testdata/overrides/*.yaml")
	if err != nil || len(files) < 10 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			s := newSite(t, twoCameras)
			before := s.load()
			text, err := os.ReadFile(file)
			testsupport.Must(t, err)
			s.write(string(text))
			cfg := s.load()
			if cfg.OverridesFault == nil {
				t.Fatal("no fault")
			}
			if !reflect.DeepEqual(cfg.Config, before.Config) || len(cfg.Overrides.Cameras) > 0 ||
				!reflect.DeepEqual(cfg.Origins, before.Origins) {
				t.Errorf("not the configuration of the file: %+v", cfg)
			}
			got := strings.ReplaceAll(cfg.OverridesFault.Error(), s.state+"/", "") + "\n"
			golden := strings.TrimSuffix(file, ".yaml") + ".txt"
			if os.Getenv("FACESIEVE_UPDATE") != "" {
				testsupport.Must(t, os.WriteFile(golden, []byte(got), 0o600))
			}
			want, err := os.ReadFile(golden)
			testsupport.Must(t, err)
			if got != string(want) {
				t.Errorf("got\n%swant\n%s", got, want)
			}
			if strings.Contains(got, "S3") {
				t.Error("a password is in a fault")
			}
		})
	}
}

// A file that cannot be read is a fault of the overrides, not of the configuration.
func TestUnreadableOverrides(t *testing.T) {
	s := newSite(t, twoCameras)
	testsupport.Must(t, os.Mkdir(s.path(), 0o700))
	if err := s.load().OverridesFault; err == nil || !strings.Contains(err.Error(), "is a directory") {
		t.Error(err)
	}
	s.state = ""
	if cfg := s.load(); cfg.OverridesFault != nil || cfg.OverridesPath != "" {
		t.Errorf("without a state directory: %+v", cfg)
	}
}

func TestOrigins(t *testing.T) {
	s := newSite(t, "device: box\nmqtt: {user: a}\nmax_fps:\nquality:\n  threshold: 25\ncameras:\n"+
		"  - name: door\n    url: a.mp4\n    max_fps: 5\n    detect: {roi: [[0, 0], [1, 0], [1, 1]]}\n")
	s.write("cameras:\n  door:\n    quality: {gates: {max_yaw: 40}}\n    detect:\n      masks: []\n")
	cfg := s.load()
	for key, want := range map[string]string{
		"device": s.config + ":1", "mqtt.user": "environment FACESIEVE_MQTT_USER", "max_fps": "default",
		"mqtt.password": "environment FACESIEVE_MQTT_PASSWORD", "outbox.dir": "environment STATE_DIRECTORY",
		"quality.threshold": s.config + ":5", "quality.policy": "default", "cameras[0].name": s.config + ":7",
		"cameras[0].quality.threshold": s.config + ":5", "cameras[0].quality.policy": "default",
		"cameras[0].max_fps": s.config + ":9", "cameras[0].detect.roi": s.config + ":10",
		"cameras[0].enabled":               "default",
		"cameras[0].quality.gates.max_yaw": "override " + s.path() + ":3",
		"cameras[0].detect.masks":          "override " + s.path() + ":5", "quality.gates.max_yaw": "default",
	} {
		if got := cfg.Origins.Of(key).String(); got != want {
			t.Errorf("%s is from %q, want %q", key, got, want)
		}
	}
}

// The YAML of the configuration in force is a configuration file with the same content, except for passwords.
func TestYAMLOfTheConfigurationInForce(t *testing.T) {
	s := newSite(t, twoCameras+"runtime: {delegate: external, library: x.so, options: {a: \"1\"}}\n")
	s.write("cameras: {door: {quality: {threshold: 40}, detect: {masks: [[[0, 0], [0.5, 0], [0, 0.5]]]}}}\n")
	cfg := s.load()
	text, err := cfg.YAML()
	testsupport.Must(t, err)
	for _, want := range []string{
		"  threshold: 40 # override " + s.path() + ":1", "password: '***' # environment FACESIEVE_MQTT_PASSWORD",
		`url: rtsp://`, "policy: best # default", "threshold: 25 # " + s.config + ":2",
	} {
		if !strings.Contains(string(text), want) {
			t.Errorf("%q is missing in\n%s", want, text)
		}
	}
	if strings.Contains(string(text), "S3cret") {
		t.Errorf("a password is in\n%s", text)
	}
	testsupport.Must(t, os.Remove(s.path()))
	s.config = testsupport.WriteFile(t, "again.yaml", string(text))
	again := s.load().Config
	again.Cameras[0].Capture.URL, again.Cameras[0].Capture.Shown = cfg.Cameras[0].Capture.URL, cfg.Cameras[0].Capture.Shown
	normaliseAll(&cfg.Config)
	normaliseAll(&again)
	if !reflect.DeepEqual(again, cfg.Config) {
		t.Errorf("got\n%+v\nwant\n%+v", again, cfg.Config)
	}
}

// normaliseAll is normalise for the cameras too.
func normaliseAll(c *Config) {
	normalise(c)
	for i := range c.Cameras {
		camera := &c.Cameras[i]
		if len(camera.Detect.ROI) == 0 {
			camera.Detect.ROI = nil
		}
		if len(camera.Detect.Masks) == 0 {
			camera.Detect.Masks = nil
		}
		if len(camera.Capture.AllowHosts) == 0 {
			camera.Capture.AllowHosts = nil
		}
	}
}

// FuzzOverrides checks that any text gives a valid configuration or a list of faults, and never a panic, and that what
// was read is the same after it was written and read again.
func FuzzOverrides(f *testing.F) {
	files, err := filepath.Glob("testdata/overrides/*.yaml")
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(text))
	}
	f.Add("cameras: &a {door: {quality: {threshold: 4, gates: {max_yaw: 1e1}}, detect: {roi: [], masks: [[]]}}, \"<<\": *a}")
	base := Default()
	base.Cameras = []Camera{base.NewCamera()}
	base.Cameras[0].Name = "door"
	f.Fuzz(func(t *testing.T, text string) {
		read := func(text []byte) (Overrides, error) {
			l, cfg := newOverridesLoader(), base
			o := l.overrides(text)
			l.applyOverrides(&cfg, o)
			err := l.faults("fuzz.yaml")
			if err == nil && errors.Join(cfg.Cameras[0].Quality.Validate(), cfg.Cameras[0].Detect.Validate()) != nil {
				t.Error("an override that is not valid")
			}
			return o, err
		}
		o, err := read([]byte(text))
		if err != nil {
			return
		}
		written, err := o.text()
		if err != nil {
			t.Fatal(err)
		}
		again, err := read(written)
		if err != nil {
			t.Fatalf("%v in\n%s", err, written)
		}
		maps.DeleteFunc(o.Cameras, func(_ string, c CameraOverride) bool { return reflect.ValueOf(c).IsZero() })
		if len(o.Cameras)+len(again.Cameras) > 0 && !reflect.DeepEqual(o, again) {
			t.Errorf("got\n%s\nof\n%s", written, text)
		}
	})
}
