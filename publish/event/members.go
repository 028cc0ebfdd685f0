package event

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// instant is a time as the schemas describe it; package time also parses "T0:00:00" and "00,5".
var instant = regexp.MustCompile(`^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,9})?Z$`)

// checkMembers refuses what json.Unmarshal accepts although the schemas refuse it: missing and repeated fields, names
// in another case, null, arrays of another length, text that is not UTF-8, line breaks in base64, times not in UTC or
// finer than nanoseconds. It skips fields that type t does not have in the version of the message: the tag since of a
// field is the version that added it. A field that may be omitted and has no such tag is optional.
func checkMembers(data []byte, t reflect.Type, version int) error {
	if !utf8.Valid(data) {
		return errors.New("not UTF-8")
	}
	w := walker{json.NewDecoder(bytes.NewReader(data)), version}
	w.UseNumber()
	return w.value(t, "")
}

// walker checks one value after the other; path is the JSON path of the value.
type walker struct {
	*json.Decoder
	version int
}

func (w walker) value(t reflect.Type, path string) error {
	token, err := w.Token()
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	if token == nil {
		return fmt.Errorf("%s: null", path)
	}
	if what, accepts := w.text(t); accepts != nil {
		if s, ok := token.(string); !ok || !accepts(s) {
			return fmt.Errorf("%s: %.40v is not %s", path, token, what)
		}
		return nil
	}
	switch t.Kind() { // json.Unmarshal has checked the others
	case reflect.Struct:
		return w.structure(token, t, path)
	case reflect.Map:
		_, err := w.members(token, path, func(_, at string) error { return w.value(t.Elem(), at) })
		return err
	case reflect.Array, reflect.Slice:
		return w.array(token, t, path)
	}
	return nil
}

// text returns what a type is in JSON if it is a text, and a check of it; nil: it is no text.
func (w walker) text(t reflect.Type) (what string, accepts func(string) bool) {
	switch {
	case t == reflect.TypeFor[time.Time]():
		return "a time in UTC to the nanosecond", instant.MatchString
	case t == reflect.TypeFor[[]byte]():
		return "base64 in one piece", func(s string) bool { return !strings.ContainsAny(s, "\r\n") }
	case t == reflect.TypeFor[Miss]() && w.version == oldestVersion:
		return "a text", func(string) bool { return true }
	}
	return "", nil
}

func (w walker) structure(token json.Token, t reflect.Type, path string) error {
	fields := make(map[string]field, t.NumField())
	for i := range t.NumField() {
		if f := newField(t.Field(i)); f.since <= w.version {
			fields[f.name] = f
		}
	}
	found, err := w.members(token, path, func(name, at string) error {
		if f, ok := fields[name]; ok {
			return w.value(f.kind, at)
		}
		for known := range fields {
			if strings.EqualFold(known, name) { // json.Unmarshal takes it for the known field
				return fmt.Errorf("%s: differs from %s in case", at, known)
			}
		}
		return w.Decode(new(json.RawMessage))
	})
	if err != nil {
		return err
	}
	for i := range t.NumField() {
		f := newField(t.Field(i))
		if _, ok := fields[f.name]; ok && !found[f.name] && !f.optional {
			return fmt.Errorf("%s: missing", join(path, f.name))
		}
	}
	return nil
}

// field is a field of a message.
type field struct {
	name     string // in JSON
	kind     reflect.Type
	optional bool // also in a message of the present version
	since    int  // version that requires it; 0: it is older than oldestVersion, or optional
}

func newField(f reflect.StructField) field {
	name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
	since, _ := strconv.Atoi(f.Tag.Get("since")) // 0 without the tag
	return field{name: name, kind: f.Type, optional: options != "" && since == 0, since: since}
}

// members calls each for every name of the object that begins with token; each must read the value, whose path is at.
func (w walker) members(token json.Token, path string, each func(name, at string) error) (map[string]bool, error) {
	if token != json.Delim('{') {
		return nil, fmt.Errorf("%s: %v is not an object", path, token)
	}
	found := map[string]bool{}
	for w.More() {
		key, err := w.Token()
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		name, _ := key.(string)
		at := join(path, name)
		if found[name] {
			return nil, fmt.Errorf("%s: repeated", at)
		}
		found[name] = true
		if err := each(name, at); err != nil {
			return nil, err
		}
	}
	_, err := w.Token()
	return found, err
}

func (w walker) array(token json.Token, t reflect.Type, path string) error {
	if token != json.Delim('[') {
		return fmt.Errorf("%s: %v is not an array", path, token)
	}
	n := 0
	for ; w.More(); n++ {
		if err := w.value(t.Elem(), fmt.Sprintf("%s[%d]", path, n)); err != nil {
			return err
		}
	}
	if t.Kind() == reflect.Array && n != t.Len() {
		return fmt.Errorf("%s: %d elements, not %d", path, n, t.Len())
	}
	_, err := w.Token()
	return err
}

func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}
