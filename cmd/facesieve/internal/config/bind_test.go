package config

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"facesieve/cmd/facesieve/internal/testsupport"
)

// keyAt is a key of the file or of a camera, its type, and the text of a file in which it has this value.
type keyAt struct {
	key  string
	kind reflect.Type
	text func(value string) string
}

// everyKey returns each key that holds a number, a duration, true or false, text, or a list.
func everyKey() []keyAt {
	var all []keyAt
	collect := func(t reflect.Type, before, indent, section string) {
		all = append(all, keysBelow(t, before, indent, section)...)
	}
	collect(reflect.TypeFor[Config](), "", "", "")
	collect(reflect.TypeFor[Camera](), "cameras:\n  - ", "    ", "cameras[0]")
	return all
}

func keysBelow(t reflect.Type, before, indent, section string) []keyAt {
	var all []keyAt
	for name, index := range fieldsOf(t) {
		kind := t.FieldByIndex(index).Type
		key := join(section, name)
		if kind.Kind() == reflect.Struct {
			all = append(all, keysBelow(kind, before+name+":\n  "+indent, indent+"  ", key)...)
			continue
		}
		all = append(all, keyAt{key, kind, func(value string) string { return before + name + ": " + value + "\n" }})
	}
	return all
}

// Every key, also one that is added later, refuses values of other types with a fault at their position.
func TestEveryKeyRefusesOtherTypes(t *testing.T) {
	keys := everyKey()
	if len(keys) < 80 {
		t.Fatalf("only %d keys", len(keys))
	}
	numbers := []string{
		"1_000", "0b1", "1:30", "two", ".nan", ".NaN", ".inf", "-.Inf", "1e999", "-1e999",
		"{a: 1}", "[1]", "true", "2024-01-01", `"5"`,
	}
	for _, k := range keys {
		var bad []string
		switch {
		case k.kind == reflect.TypeFor[time.Duration]():
			bad = []string{"5", "1_000s", "soon", "1:30", "true", ".nan", "1e999s", "9999999h", "{a: 1}", "[1s]"}
		case k.kind.Kind() == reflect.Bool:
			bad = []string{"yes", "no", "on", "off", "y", "1", "0", `"true"`, "tRUE", "{a: 1}", "[true]"}
		case k.kind.Kind() == reflect.Float64:
			bad = numbers
		case k.kind.Kind() == reflect.Int || k.kind.Kind() == reflect.Int64:
			bad = append(numbers, "1.5", "1e3", "99999999999999999999")
		case k.kind.Kind() == reflect.String:
			bad = []string{
				"0", "007", "1e3", "0x10", "1.5", "-1", ".inf", "true", "False", "null", "~", "!!binary YQ==", "!x y",
				"{a: b}", "[a]",
			}
		case k.kind.Kind() == reflect.Slice:
			bad = []string{"1", "text", "{a: 1}", "[[.nan, 0], [1, 0], [1, 1]]", "[null]", "[1]", "!x [1]"}
		case k.kind.Kind() == reflect.Array:
			bad = []string{"1", "text", "{a: 1}", "[1]", "[1, 2, 3]", "[a, 2]", "[.nan, 2]", "!x [1, 2]"}
		case k.kind.Kind() == reflect.Map:
			bad = []string{"1", "text", "[a]", "{a: [1]}", "{a: null}", "{a: b, a: c}", "{a: !x y}"}
		default:
			t.Fatalf("%s is a %v, which no file can hold", k.key, k.kind)
		}
		for _, value := range bad {
			text := k.text(value)
			if !anyBelow(t, text, k.key) {
				t.Errorf("no fault of %s in\n%s", k.key, text)
			}
		}
	}
}

// anyBelow reports whether the file has a fault of the key, or of a value in it, with the right position.
func anyBelow(t *testing.T, text, key string) bool {
	t.Helper()
	_, err := parseConfig("test.yaml", []byte(text), testsupport.NoEnvironment)
	var faults Faults
	if !errors.As(err, &faults) {
		return false
	}
	lines := strings.Split(text, "\n")
	last := len(lines) - 1 // the line of the value; the text ends with a line end
	for _, fault := range faults.List {
		inPlace := fault.Line == last && fault.Column > strings.Index(lines[last-1], ":")
		if strings.HasPrefix(fault.Key, key) && inPlace && fault.Text != "" {
			return true
		}
	}
	return false
}

func TestCoreSchemaOfNumbers(t *testing.T) {
	for value, want := range map[string]float64{
		"10": 10, "010": 10, "0o10": 8, "0x10": 16, "+5": 5, "1e1": 10, "1.5": 1.5, ".5": 0.5, "5.": 5, "-0": 0,
		"1E+1": 10,
	} {
		text := "max_fps: " + value + "\ncameras: [{name: a, url: a.mp4}]\n"
		cfg, err := parseConfig("test.yaml", []byte(text), testsupport.NoEnvironment)
		if err != nil || cfg.MaxFPS != want {
			t.Errorf("%s is %g, %v, want %g", value, cfg.MaxFPS, err, want)
		}
	}
	// These are text in YAML 1.2, so they are valid names.
	for _, name := range []string{
		"yes", "off", "1_000", "0b1", "12:30", "2024-01-01", "0x", "1e", "nan", "tRUE", ".", `"1"`, "!!str 1",
	} {
		cfg, err := parseConfig("test.yaml", []byte("cameras: [{url: a.mp4, name: "+name+"}]\n"), testsupport.NoEnvironment)
		if err != nil || !strings.Contains(name, cfg.Cameras[0].Name) {
			t.Errorf("%s: %+v, %v", name, cfg.Cameras, err)
		}
	}
}

// A key without a value, or with null, keeps its default.
func TestEmptyKeysKeepTheDefault(t *testing.T) {
	cfg, err := parseConfig("test.yaml", []byte(`
mqtt:
detect: ~
max_fps:
quality: {threshold: null, gates: , policy: }
cameras:
  - {name: a, url: a.mp4, detect: , max_fps: }
`), testsupport.NoEnvironment)
	want := Default()
	if err != nil || cfg.MaxFPS != want.MaxFPS || !reflect.DeepEqual(cfg.Quality, want.Quality) ||
		!reflect.DeepEqual(cfg.Cameras[0].Detect, want.Detect) {
		t.Errorf("%+v, %v", cfg, err)
	}
}

// Anchors, aliases and << share settings between cameras. A camera's own keys take precedence, then the first section
// in the list of <<.
func TestAnchorsAndMerges(t *testing.T) {
	cfg, err := parseConfig("test.yaml", []byte(`
cameras:
  - &first {name: a, url: a.mp4, max_fps: 1, detect: &d {input: 320}}
  - {<<: *first, name: b, url: b.mp4}
  - {name: c, url: c.mp4, detect: {<<: [*d, {input: 64, score: 0.5}], min_face: 30}, max_fps: 2}
  - {"<<": x, name: d, url: d.mp4}
`), testsupport.NoEnvironment)
	if err == nil || !strings.HasPrefix(err.Error(), "test.yaml:6:6: cameras[3]: unknown key") ||
		strings.Contains(err.Error(), "\n") {
		t.Fatal(err)
	}
	cfg, err = parseConfig("test.yaml", []byte(`
cameras:
  - &first {name: a, url: a.mp4, max_fps: 1, detect: &d {input: 320}}
  - {<<: *first, name: b, url: b.mp4}
  - {name: c, url: c.mp4, detect: {<<: [*d, {input: 64, score: 0.5}], min_face: 30}, max_fps: 2}
`), testsupport.NoEnvironment)
	if err != nil {
		t.Fatal(err)
	}
	b, c := cfg.Cameras[1], cfg.Cameras[2]
	if b.Name != "b" || b.Capture.URL != "b.mp4" || b.MaxFPS != 1 || b.Detect.Input != 320 {
		t.Errorf("%+v", b)
	}
	if c.Detect.Input != 320 || c.Detect.Score != 0.5 || c.Detect.MinFace != 30 || c.MaxFPS != 2 {
		t.Errorf("%+v", c)
	}
}

// The time to read a file does not grow with the square of its size, for any content.
func TestLargeFilesAreReadInTime(t *testing.T) {
	repeat := func(n int, format string) string {
		var b strings.Builder
		for i := range n {
			b.WriteString(strings.ReplaceAll(format, "#", fmt.Sprint(i)))
		}
		return b.String()
	}
	for name, text := range map[string]string{
		"keys":         repeat(80_000, "k#: 1\n"),
		"same key":     repeat(16_000, "max_fps: 1\n"),
		"options":      "runtime:\n  options:\n" + repeat(12_000, "    o#: 1\n"),
		"cameras":      "cameras:\n" + repeat(2000, "- {name: c#, url: #.mp4}\n"),
		"names":        "cameras:\n" + repeat(2000, "- {name: c, url: #.mp4}\n"),
		"points":       "detect: {roi: [" + repeat(8000, "[0.#, 1],") + "]}",
		"deep":         strings.Repeat("[", 500_000),
		"deep block":   repeat(500, strings.Repeat(" ", 100)) + "a:",
		"anchors":      repeat(10_000, "k#: &a# 1\n"),
		"aliases":      "device: &a x\ndetect: {masks: [" + repeat(20_000, "*a,") + "]}",
		"two lists":    "detect: {roi: &p [" + repeat(2000, "[1,0],") + "], masks: [" + repeat(20_000, "*p,") + "]}",
		"merges":       "cameras:\n- &c {name: a}\n- {<<: [" + repeat(20_000, "*c,") + "]}",
		"merge itself": "mqtt: &m {<<: [" + repeat(1000, "*m,") + "]}",
		"long line":    "device: " + strings.Repeat("x", 1_000_000),
		"long key":     strings.Repeat("x", 1_000_000) + ": 1",
		"comments":     repeat(20_000, "#\n"),
		"dashes":       strings.Repeat("-\n", 100_000),
		"documents":    strings.Repeat("---\n", 50_000),
		"tags":         strings.Repeat("!a ", 60_000),
	} {
		t.Run(name, func(t *testing.T) {
			begin := testsupport.ProcessorTime(t)
			_, err := parseConfig("test.yaml", []byte(text), testsupport.NoEnvironment)
			if took := testsupport.ProcessorTime(t) - begin; took > 15*time.Second {
				t.Errorf("took %v", took)
			}
			if name != "cameras" && err == nil {
				t.Error("no fault")
			}
			if err != nil && len(err.Error()) > 100_000 {
				t.Errorf("%d bytes of faults", len(err.Error()))
			}
		})
	}
}
