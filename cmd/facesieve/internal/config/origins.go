package config

import (
	"fmt"
	"reflect"
	"strings"
)

// OriginKind is the layer of the configuration that a value is from. A later layer replaces the value of an earlier one.
type OriginKind string

// The layers, the first one first.
const (
	OriginDefault     OriginKind = "default"
	OriginFile        OriginKind = "file"
	OriginEnvironment OriginKind = "environment" // an environment variable, or a credential of systemd
	OriginOverride    OriginKind = "override"
)

// Origin is where a value of the configuration in force is from.
type Origin struct {
	Kind OriginKind `json:"kind"`
	Name string     `json:"name,omitempty"` // path of the file, or name of the variable or credential
	Line int        `json:"line,omitempty"` // of the file, from 1; 0 without a file
}

// String returns the origin as text, for example "default", "facesieve.yaml:7" or "override overrides.yaml:3".
func (o Origin) String() string {
	switch o.Kind {
	case OriginDefault:
		return string(o.Kind)
	case OriginFile:
		return fmt.Sprintf("%s:%d", o.Name, o.Line)
	case OriginOverride:
		return fmt.Sprintf("%s %s:%d", o.Kind, o.Name, o.Line)
	default:
		return fmt.Sprintf("%s %s", o.Kind, o.Name)
	}
}

// Origins holds the origin of each value that is not a default, by its dotted key in the file, as in mqtt.broker or
// cameras[0].quality.threshold. A list is one value.
type Origins map[string]Origin

// Of returns the origin of the value at a dotted key. A camera that does not have a key inherits the origin from the top
// of the file.
func (o Origins) Of(key string) Origin {
	if origin, ok := o[key]; ok {
		return origin
	}
	if _, inherited, ok := strings.Cut(key, "]."); ok && strings.HasPrefix(key, "cameras[") {
		return o.Of(inherited)
	}
	return Origin{Kind: OriginDefault}
}

// origins returns the origins of the values that l loaded from the file at path and from the environment.
func (l *loader) origins(path string) Origins {
	all := Origins{}
	for key := range l.binder.stored {
		if !strings.HasSuffix(key, "]") { // an item belongs to its list
			all[key] = Origin{Kind: OriginFile, Name: path, Line: l.position(key).line}
		}
	}
	for key, variable := range l.variables {
		all[key] = Origin{Kind: OriginEnvironment, Name: variable}
	}
	return all
}

// addOverrides sets the origins of the values that the overrides of the i-th camera replace. l loaded the file of the
// overrides, at path.
func (o Origins) addOverrides(l *loader, path string, i int, name string, own CameraOverride) {
	var walk func(v reflect.Value, section string)
	walk = func(v reflect.Value, section string) {
		for key, index := range fieldsOf(v.Type()) {
			field, key := v.FieldByIndex(index), join(section, key)
			switch {
			case field.Kind() == reflect.Struct:
				walk(field, key)
			case !field.IsNil():
				line := l.position(overrideKey(name, key)).line
				o[cameraKey(i)+"."+key] = Origin{Kind: OriginOverride, Name: path, Line: line}
			}
		}
	}
	walk(reflect.ValueOf(own), "")
}
