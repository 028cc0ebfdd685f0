package main

import (
	"fmt"
	"reflect"
	"strings"

	"go.yaml.in/yaml/v3"
)

// keyFinder walks a YAML document beside the Go type that it is decoded into. It notes the line of every key and
// collects the keys that the type does not have; yaml's own KnownFields stops at the first and gives no path.
type keyFinder struct {
	lines  map[string]int
	faults []Fault
}

// walk visits node, which stands at the dotted path and is decoded into t.
func (k *keyFinder) walk(node *yaml.Node, t reflect.Type, path string) {
	node = content(node)
	if path != "" {
		k.lines[path] = node.Line
	}
	switch {
	case node.Kind == yaml.MappingNode && t.Kind() == reflect.Struct && t != reflect.TypeFor[yaml.Node]():
		k.walkStruct(node, t, path)
	case node.Kind == yaml.SequenceNode && t.Kind() == reflect.Slice:
		for i, item := range node.Content {
			k.walk(item, t.Elem(), fmt.Sprintf("%s[%d]", path, i))
		}
	}
}

// content looks through documents and aliases.
func content(node *yaml.Node) *yaml.Node {
	for {
		switch {
		case node.Kind == yaml.AliasNode:
			node = node.Alias
		case node.Kind == yaml.DocumentNode && len(node.Content) > 0:
			node = node.Content[0]
		default:
			return node
		}
	}
}

func (k *keyFinder) walkStruct(node *yaml.Node, t reflect.Type, path string) {
	known := map[string]reflect.Type{}
	yamlFields(t, known)
	for i := 0; i+1 < len(node.Content); i += 2 {
		key, value := node.Content[i], node.Content[i+1]
		child := key.Value
		if path != "" {
			child = path + "." + key.Value
		}
		field, ok := known[key.Value]
		if !ok {
			k.faults = append(k.faults, Fault{child, key.Line, unknownKey(key.Value, known)})
			continue
		}
		k.walk(value, field, child)
		k.lines[child] = key.Line
	}
}

// yamlFields adds the YAML keys of struct type t, those of its inlined fields included, to known.
func yamlFields(t reflect.Type, known map[string]reflect.Type) {
	for i := range t.NumField() {
		field := t.Field(i)
		name, options, _ := strings.Cut(field.Tag.Get("yaml"), ",")
		switch {
		case name == "-" || !field.IsExported():
		case strings.Contains(options, "inline"):
			yamlFields(field.Type, known)
		case name == "":
			known[strings.ToLower(field.Name)] = field.Type
		default:
			known[name] = field.Type
		}
	}
}

// unknownKey says that key does not exist, and which of the known keys was probably meant.
func unknownKey(key string, known map[string]reflect.Type) string {
	best, bestDistance := "", min(3, len(key)/2+1) // a short name has nothing in common with most
	names := make([]string, 0, len(known))
	for name := range known {
		names = append(names, name)
		if d := editDistance(key, name); d < bestDistance || (d == bestDistance && best != "" && name < best) {
			best, bestDistance = name, d
		}
	}
	if best != "" {
		return fmt.Sprintf("unknown key; did you mean %q?", best)
	}
	return "unknown key; known here are " + listed(names)
}
