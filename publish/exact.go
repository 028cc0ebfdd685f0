package publish

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"regexp"
	"strings"
	"time"
	"unicode/utf8"
)

// instant is a time as the schema wants it; package time reads "T0:00:00" and "00,5" too.
var instant = regexp.MustCompile(`^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,9})?Z$`)

// exact refuses what json.Unmarshal has let pass when it filled a value of type t: names in another case, missing,
// unknown and repeated fields, null, arrays of another length, text that is not UTF-8, line breaks in base64, times not
// in UTC or finer than nanoseconds.
func exact(data []byte, t reflect.Type) error {
	if !utf8.Valid(data) {
		return errors.New("not UTF-8")
	}
	w := walker{json.NewDecoder(bytes.NewReader(data))}
	w.UseNumber()
	return w.value(t, "")
}

type walker struct{ *json.Decoder }

func (w walker) value(t reflect.Type, path string) error {
	token, err := w.Token()
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	switch {
	case token == nil:
		return fmt.Errorf("%s: null", path)
	case t == reflect.TypeFor[time.Time]():
		if s, ok := token.(string); !ok || !instant.MatchString(s) {
			return fmt.Errorf("%s: %v is not a time in UTC to the nanosecond", path, token)
		}
	case t == reflect.TypeFor[[]byte]():
		if s, ok := token.(string); !ok || strings.ContainsAny(s, "\r\n") {
			return fmt.Errorf("%s: not base64 in one piece", path)
		}
	default:
		return w.nested(token, t, path)
	}
	return nil
}

func (w walker) nested(token json.Token, t reflect.Type, path string) error {
	switch t.Kind() { // json.Unmarshal has looked at the rest
	case reflect.Struct:
		return w.object(token, t, path)
	case reflect.Map:
		return w.mapping(token, t, path)
	case reflect.Array, reflect.Slice:
		return w.array(token, t, path)
	default:
		return nil
	}
}

func (w walker) object(token json.Token, t reflect.Type, path string) error {
	missing := make(map[string]reflect.Type, t.NumField())
	for i := range t.NumField() {
		name, _ := fieldName(t.Field(i))
		missing[name] = t.Field(i).Type
	}
	err := w.members(token, path, func(name, at string) error {
		field, ok := missing[name]
		if !ok {
			return fmt.Errorf("%s: unknown, or there twice", at)
		}
		delete(missing, name)
		return w.value(field, at)
	})
	if err != nil {
		return err
	}
	for i := range t.NumField() {
		if name, optional := fieldName(t.Field(i)); missing[name] != nil && !optional {
			return fmt.Errorf("%s: missing", join(path, name))
		}
	}
	return nil
}

// fieldName returns the name of a field in JSON, and whether it may be missing.
func fieldName(f reflect.StructField) (name string, optional bool) {
	name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
	return name, options == "omitempty"
}

// mapping is an object whose names are free, but each there once.
func (w walker) mapping(token json.Token, t reflect.Type, path string) error {
	seen := map[string]bool{}
	return w.members(token, path, func(name, at string) error {
		if seen[name] {
			return fmt.Errorf("%s: there twice", at)
		}
		seen[name] = true
		return w.value(t.Elem(), at)
	})
}

// members walks through an object that has begun with token; each reads the value of one name, whose path is at.
func (w walker) members(token json.Token, path string, each func(name, at string) error) error {
	if token != json.Delim('{') {
		return fmt.Errorf("%s: %v is not an object", path, token)
	}
	for w.More() {
		key, err := w.Token()
		if err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		name, _ := key.(string)
		if err := each(name, join(path, name)); err != nil {
			return err
		}
	}
	_, err := w.Token()
	return err
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
