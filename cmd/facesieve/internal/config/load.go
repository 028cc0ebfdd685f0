package config

import (
	"fmt"
	"reflect"
	"strings"

	"go.yaml.in/yaml/v4"
)

// document is the content of a configuration file. Cameras are decoded last, because they build on the other sections.
type document struct {
	Config  `yaml:",inline"`
	Cameras []yaml.Node `yaml:"cameras"`
}

// Load reads the part of a configuration that a command uses: defaults, then the file, then the environment. Getenv
// returns the value of an environment variable or a secret. The error is of type Faults and holds everything that is
// wrong, or it is the error of reading the file.
func Load(used Scope, path string, getenv func(string) string) (Config, error) {
	text, err := readConfigFile(path)
	if err != nil {
		return Config{}, Invalid(err)
	}
	return Parse(used, path, text, getenv)
}

// Parse is Load for the text of the file at path.
func Parse(used Scope, path string, text []byte, getenv func(string) string) (Config, error) {
	loader := newLoader(used, getenv)
	cfg := loader.load(text)
	if err := loader.faults(path); err != nil {
		return Config{}, err
	}
	return cfg, nil
}

// loader turns the text of a file into a Config and collects what is wrong with it.
type loader struct {
	use    Scope
	top    fields // the keys at the top of the file
	binder *binder
	getenv func(string) string
	// variables holds, by dotted key, the environment variable or credential that a value is from.
	variables map[string]string
}

func newLoader(used Scope, getenv func(string) string) *loader {
	l := &loader{
		use: used, top: fieldsOf(reflect.TypeFor[document]()), binder: newBinder(), getenv: getenv,
		variables: map[string]string{},
	}
	l.binder.faults.ignored = l.ignores
	return l
}

// faults returns what is wrong with the file at path as Faults, or nil.
func (l *loader) faults(path string) error {
	if l.binder.faults.empty() {
		return nil
	}
	return Faults{File: path, List: l.binder.faults.list, Omitted: l.binder.faults.omitted}
}

// fault adds a fault of the value at key, unless that has one already.
func (l *loader) fault(key, format string, args ...any) {
	switch {
	case l.binder.faulty[key]:
	case l.binder.logins[key]:
		l.binder.fault(l.position(key), key,
			"not valid here; the value is not shown, because it may contain user and password of a url")
	default:
		l.binder.fault(l.position(key), key, format, args...)
	}
}

// position returns the position of key in the file; for a key that is not in the file, that of its section.
func (l *loader) position(key string) position {
	for key != "" {
		if at, ok := l.binder.at[key]; ok {
			return at
		}
		key = key[:max(0, strings.LastIndexAny(key, ".["))]
	}
	return position{}
}

func (l *loader) load(text []byte) Config {
	doc := document{Config: Default()}
	root, ok := l.parse(text, "log: {level: info}")
	if !ok {
		return doc.Config
	}
	if root != nil {
		l.binder.bind(root, reflect.ValueOf(&doc).Elem(), target{})
	}
	if l.binder.values > maxValues { // the checks would be slow too, and report values that were not read
		return doc.Config
	}
	l.environment(&doc.Config)
	if doc.Device == "" {
		doc.Device = HostName()
	}
	doc.MQTT.Device = doc.Device
	if l.use.reads("cameras") {
		for i := range doc.Cameras {
			doc.Config.Cameras = append(doc.Config.Cameras, l.camera(i, &doc.Cameras[i], doc.Config))
		}
	}
	l.validate(doc.Config)
	return doc.Config
}

// camera decodes a camera. A key that it does not have keeps the value from the top of the file.
func (l *loader) camera(i int, node *yaml.Node, cfg Config) Camera {
	if name := nameIn(node); l.use.skips(i, name) {
		return Camera{Name: name}
	}
	key := cameraKey(i)
	camera := cfg.NewCamera()
	if l.binder.faulty[key] { // it is not a camera, and has a fault
		return camera
	}
	l.binder.bind(node, reflect.ValueOf(&camera).Elem(), target{key: key})
	camera.Capture.Shown = camera.Capture.URL
	if l.use.sources {
		camera.Capture.URL = l.expand(key+".url", camera.Capture.URL)
	}
	return camera
}

func cameraKey(i int) string { return fmt.Sprintf("cameras[%d]", i) }
