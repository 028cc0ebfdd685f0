package config

import (
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/agnivade/levenshtein"
)

// fields maps the keys of a section to the fields of its Go type, as indexes for reflect.Value.FieldByIndex.
type fields map[string][]int

// fieldsOf returns the keys of struct type t, including those of its inlined fields.
func fieldsOf(t reflect.Type) fields {
	all := fields{}
	all.add(t, nil)
	return all
}

func (f fields) add(t reflect.Type, before []int) {
	for i := range t.NumField() {
		field := t.Field(i)
		index := append(slices.Clone(before), i)
		name, options, _ := strings.Cut(field.Tag.Get("yaml"), ",")
		switch {
		case name == "-" || !field.IsExported():
		case strings.Contains(options, "inline"):
			f.add(field.Type, index)
		case name == "":
			f[strings.ToLower(field.Name)] = index
		default:
			f[name] = index
		}
	}
}

// vocabulary maps every key of the configuration to the sections that have it.
type vocabulary map[string][]string

// newVocabulary returns the keys of the file and of a camera.
func newVocabulary() vocabulary {
	all := vocabulary{}
	all.add(reflect.TypeFor[document](), "")
	all.add(reflect.TypeFor[Camera](), "cameras")
	return all
}

func (v vocabulary) add(t reflect.Type, section string) {
	for name, index := range fieldsOf(t) {
		v[name] = append(v[name], section)
		if field := t.FieldByIndex(index).Type; field.Kind() == reflect.Struct && field != nodeType {
			v.add(field, join(section, name))
		}
	}
}

// join appends a key to the dotted path of its section.
func join(section, key string) string {
	if section == "" {
		return key
	}
	return section + "." + key
}

// unknown returns the fault of a key that its section does not have. It repeats the key only if that is similar to a
// known key, because YAML reads a part of a password as a key if the password has a comma or a colon and no quotes.
func (v vocabulary) unknown(section, key string, known fields) Fault {
	best := nearest(key, keysOf(known))
	if now := renamed(key); known[now] != nil {
		return Fault{Key: join(section, key), Text: fmt.Sprintf("unknown key; it is now %q", now)}
	}
	switch {
	case best != "":
		return Fault{Key: join(section, key), Text: fmt.Sprintf("unknown key; did you mean %q?", best)}
	case v[key] != nil:
		return Fault{Key: join(section, key), Text: "unknown key here; it is a key of " + Listed(sectionNames(v[key]))}
	case v.words(key):
		return Fault{Key: join(section, key), Text: "unknown key; known here are " + Listed(keysOf(known))}
	default:
		return Fault{Key: section, Text: "unknown key, which is not shown, because it may be part of a value without " +
			"quotes; known here are " + Listed(keysOf(known))}
	}
}

// renamed returns the present name of a key of an earlier version, or nothing.
func renamed(key string) string {
	return map[string]string{"second_look": "refine"}[key]
}

// words reports whether key is similar to a known key, or consists of parts of known keys, as fps does.
func (v vocabulary) words(key string) bool {
	if nearest(key, keysOf(v)) != "" {
		return true
	}
	known := map[string]bool{}
	for name := range v {
		for word := range strings.SplitSeq(name, "_") {
			known[word] = true
		}
	}
	for word := range strings.SplitSeq(key, "_") {
		if !known[word] {
			return false
		}
	}
	return true
}

func sectionNames(sections []string) []string {
	var names []string
	for _, section := range sections {
		section = strings.TrimPrefix(section, "cameras.") // a camera may have most of the sections too
		switch section {
		case "":
			section = "the top of the file"
		case "cameras":
			section = "a camera"
		}
		if !slices.Contains(names, section) {
			names = append(names, section)
		}
	}
	return names
}

// maxKeyBytes is the length in bytes of the longest key that may be a misspelling of a known one.
const maxKeyBytes = 64

// nearest returns the name that key is probably a misspelling of, or nothing: at most two insertions, deletions and
// replacements away, and at most one for every three characters of the name.
func nearest(key string, names []string) string {
	if len(key) > maxKeyBytes {
		return ""
	}
	slices.Sort(names)
	key = strings.ToLower(key)
	best, bestDistance := "", 3
	for _, name := range names {
		distance := levenshtein.ComputeDistance(key, name)
		if distance < bestDistance && distance <= (len(name)+1)/3 {
			best, bestDistance = name, distance
		}
	}
	return best
}

func keysOf[T any](m map[string]T) []string {
	names := make([]string, 0, len(m))
	for name := range m {
		names = append(names, name)
	}
	return names
}

// Listed joins names in alphabetical order.
func Listed(names []string) string {
	slices.Sort(names)
	return strings.Join(names, ", ")
}
