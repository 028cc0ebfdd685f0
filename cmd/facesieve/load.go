package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"reflect"
	"regexp"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// maxConfigBytes bounds a configuration file; a larger one is something else given by mistake.
const maxConfigBytes = 1 << 20

// document is the configuration file as YAML sees it: cameras stay undecoded until the defaults they build on are known.
type document struct {
	Config  `yaml:",inline"`
	Cameras []yaml.Node `yaml:"cameras"`
}

// LoadConfig reads the configuration: defaults, then the file, then the environment. Its error is a Faults that holds
// everything that is wrong, or says that the file cannot be read.
func LoadConfig(path string, getenv func(string) string) (Config, error) {
	text, err := readBounded(path)
	if err != nil {
		return Config{}, configured(err)
	}
	return parseConfig(path, text, getenv)
}

// parseConfig decodes and checks text, the content of the file at path.
func parseConfig(path string, text []byte, getenv func(string) string) (Config, error) {
	loader := loader{keys: keyFinder{lines: map[string]int{}}, getenv: getenv}
	cfg := loader.load(text)
	if len(loader.keys.faults) > 0 {
		return Config{}, Faults{File: path, List: loader.keys.faults}
	}
	return cfg, nil
}

func readBounded(path string) ([]byte, error) {
	file, err := os.Open(path) //nolint:gosec // the user names the file
	if err != nil {
		return nil, fmt.Errorf("open configuration: %w", err)
	}
	defer file.Close() //nolint:errcheck // only read
	text, err := io.ReadAll(io.LimitReader(file, maxConfigBytes+1))
	if err != nil {
		return nil, fmt.Errorf("read configuration: %w", err)
	}
	if len(text) > maxConfigBytes {
		return nil, fmt.Errorf("read configuration: %s is larger than %d bytes; is it a YAML file?", path, maxConfigBytes)
	}
	return text, nil
}

// loader turns the text of a file into a Config and collects what is wrong with it.
type loader struct {
	keys   keyFinder
	getenv func(string) string
}

func (l *loader) fault(key, format string, args ...any) {
	l.keys.faults = append(l.keys.faults, Fault{Key: key, Line: l.line(key), Text: fmt.Sprintf(format, args...)})
}

// line finds where key stands in the file; for a key that is not there, the section that it would stand in.
func (l *loader) line(key string) int {
	for key != "" {
		if line, ok := l.keys.lines[key]; ok {
			return line
		}
		key = key[:max(0, strings.LastIndexAny(key, ".["))]
	}
	return 0
}

func (l *loader) load(text []byte) Config {
	doc := document{Config: DefaultConfig()}
	root, ok := l.parse(text)
	if !ok {
		return doc.Config
	}
	l.decodeAt("", root, &doc)
	l.environment(&doc.Config)
	if doc.Device == "" {
		doc.Device = hostName()
	}
	doc.MQTT.Device = doc.Device
	for i := range doc.Cameras {
		camera := doc.camera()
		l.decodeAt(fmt.Sprintf("cameras[%d]", i), &doc.Cameras[i], &camera)
		camera.Capture.Shown = camera.Capture.URL
		camera.Capture.URL = l.expand(fmt.Sprintf("cameras[%d].url", i), camera.Capture.URL)
		doc.Config.Cameras = append(doc.Config.Cameras, camera)
	}
	l.validate(doc.Config)
	return doc.Config
}

// parse reads text as one YAML document, a mapping or nothing.
func (l *loader) parse(text []byte) (*yaml.Node, bool) {
	var root yaml.Node
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	if err := decoder.Decode(&root); err != nil && !errors.Is(err, io.EOF) {
		l.yamlFault("not YAML: " + strings.TrimPrefix(err.Error(), "yaml: "))
		return nil, false
	}
	if root.Kind != 0 && root.Content[0].Kind != yaml.MappingNode && root.Content[0].Tag != "!!null" {
		l.keys.faults = append(l.keys.faults, Fault{Line: 1, Text: "the file is not a mapping of keys to values"})
		return nil, false
	}
	if err := decoder.Decode(new(yaml.Node)); !errors.Is(err, io.EOF) {
		l.keys.faults = append(l.keys.faults, Fault{Text: "the file holds more than one YAML document; keep the first"})
		return nil, false
	}
	return &root, true
}

// decodeAt decodes node, which stands at key, over what value points at; values of a wrong type and unknown keys become
// faults. It decodes first: that is where package yaml refuses aliases without end.
func (l *loader) decodeAt(key string, node *yaml.Node, value any) {
	if node.Kind == 0 {
		return
	}
	err := node.Decode(value)
	var types *yaml.TypeError
	if err != nil && !errors.As(err, &types) {
		l.yamlFault(strings.TrimPrefix(err.Error(), "yaml: "))
		return
	}
	l.keys.walk(node, reflect.TypeOf(value).Elem(), key)
	if types != nil {
		for _, text := range types.Errors {
			l.yamlFault(text)
		}
	}
}

var yamlLine = regexp.MustCompile(`^(not YAML: )?line (\d+): (.*)$`) //nolint:gochecknoglobals // compiled once, never written

// yamlFault adds a message of the yaml package, "line 3: cannot unmarshal ...", as a fault with its line and key.
func (l *loader) yamlFault(text string) {
	match := yamlLine.FindStringSubmatch(text)
	if match == nil {
		l.keys.faults = append(l.keys.faults, Fault{Text: text})
		return
	}
	line, _ := strconv.Atoi(match[2]) //nolint:errcheck // \d+
	key := ""
	for candidate, at := range l.keys.lines {
		if at == line && len(candidate) > len(key) {
			key = candidate
		}
	}
	l.keys.faults = append(l.keys.faults, Fault{Key: key, Line: line, Text: match[1] + plainType(match[3])})
}

// plainType rewords yaml's "cannot unmarshal !!str `abc` into float64" for a person.
func plainType(text string) string {
	match := regexp.MustCompile("^cannot unmarshal !!(\\w+)(?: `(.*)`)? into (.+)$").FindStringSubmatch(text)
	if match == nil {
		return text
	}
	wanted := map[string]string{
		"float64": "a number", "float32": "a number", "int": "a whole number", "bool": "true or false",
		"string": "text", "time.Duration": "a duration such as 500ms, 2s or 1m",
	}[match[3]]
	if wanted == "" {
		wanted = "a " + match[3]
	}
	got := map[string]string{"map": "a mapping", "seq": "a list"}[match[1]]
	if got == "" {
		got = strconv.Quote(match[2])
	}
	return got + " is not " + wanted
}
