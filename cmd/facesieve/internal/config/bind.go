package config

import (
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v4"

	"facesieve/quality"
)

const (
	maxValues = 100_000 // in a file; a value that aliases repeat counts each time
	maxMerges = 10      // nesting depth of merge keys (<<)
)

//nolint:gochecknoglobals // constants that Go cannot declare as such
var (
	nodeType      = reflect.TypeFor[yaml.Node]()
	durationType  = reflect.TypeFor[time.Duration]()
	thresholdType = reflect.TypeFor[quality.Threshold]()
)

// position is a line and a column of the file, both from 1; 0 means that the position is unknown.
type position struct{ line, column int }

func positionOf(node *yaml.Node) position { return position{node.Line, node.Column} }

// binder stores the values of a YAML document in Go values; keys that the document does not have keep their values. It
// records the position of every key, and collects unknown keys and values of a wrong type. It replaces the decoder of
// the yaml package, whose errors have neither path nor column and repeat values, and whose time grows with the square
// of the number of keys.
type binder struct {
	faults     faultList
	faulty     map[string]bool     // the keys that have a fault
	at         map[string]position // of the value of each dotted key; of the key where the value is a section or list
	stored     map[string]bool     // the keys whose value was stored; a key without a value keeps its default
	scalars    map[string]string   // the text of each key with a scalar value
	logins     map[string]bool     // the keys that need no url, but whose text may be one with user and password
	fields     map[reflect.Type]fields
	vocabulary vocabulary                                              // nil until a key is unknown
	unknownKey func(v vocabulary, section, key string, f fields) Fault // of a key that is not in f
	values     int                                                     // visited so far
}

func newBinder() *binder {
	return &binder{
		at: map[string]position{}, faulty: map[string]bool{}, logins: map[string]bool{}, scalars: map[string]string{},
		fields: map[reflect.Type]fields{}, stored: map[string]bool{}, unknownKey: vocabulary.unknown,
	}
}

// target is where a value is stored: its dotted key, and whether an alias provides the value. The value of an alias may
// be the password of another key, so no message contains it.
type target struct {
	key     string
	aliased bool
}

func (t target) under(key string) target { return target{join(t.key, key), t.aliased} }

func (t target) item(i int) target { return target{t.key + "[" + strconv.Itoa(i) + "]", t.aliased} }

func (b *binder) fault(at position, key, format string, args ...any) {
	for faulty := key; faulty != ""; faulty = faulty[:max(0, strings.LastIndexByte(faulty, '['))] {
		b.faulty[faulty] = true // also the lists that contain it
	}
	b.faults.add(key, func() Fault {
		text, value := fmt.Sprintf(format, args...), b.scalars[key]
		if !strings.Contains(text, value) { // the text omits values that may be secrets
			value = ""
		}
		return Fault{Key: key, Value: value, Line: at.line, Column: at.column, Text: text}
	})
}

// bind stores node in v. A value of a wrong type is a fault; an empty value changes nothing.
func (b *binder) bind(node *yaml.Node, v reflect.Value, at target) {
	if node, at = b.resolve(node, at); node == nil {
		return
	}
	if v.Type() == nodeType {
		v.Set(reflect.ValueOf(*node))
		return
	}
	switch kind := v.Kind(); {
	case null(node) && (kind != reflect.String || node.Value == ""):
	case kind == reflect.Pointer:
		fresh := reflect.New(v.Type().Elem())
		b.bind(node, fresh.Elem(), at)
		v.Set(fresh)
	case kind == reflect.Struct:
		b.bindStruct(node, v, at)
	default:
		b.stored[at.key] = true
		b.bindValue(node, v, at)
	}
}

// bindValue stores a list, a map or a scalar.
func (b *binder) bindValue(node *yaml.Node, v reflect.Value, at target) {
	switch kind := v.Kind(); {
	case kind == reflect.Slice || kind == reflect.Array:
		b.bindList(node, v, at)
	case kind == reflect.Map && v.Type().Elem().Kind() == reflect.Struct:
		b.bindSections(node, v, at)
	case kind == reflect.Map:
		b.bindMap(node, v, at)
	default:
		b.bindScalar(node, v, at)
	}
}

// resolve replaces a document or an alias by its value. It returns nil when the file has too many values.
func (b *binder) resolve(node *yaml.Node, at target) (*yaml.Node, target) {
	for node.Kind == yaml.AliasNode || node.Kind == yaml.DocumentNode {
		if node.Kind == yaml.AliasNode {
			node, at.aliased = node.Alias, true
		} else {
			node = node.Content[0]
		}
	}
	if b.values++; b.values <= maxValues {
		return node, at
	}
	if b.values == maxValues+1 {
		b.fault(positionOf(node), at.key, "more than %d values, which no configuration needs; "+
			"aliases (*name) may repeat too much", maxValues)
	}
	return nil, at
}

// shape adds a fault, and returns false, if node is of another kind or has an explicit tag.
func (b *binder) shape(node *yaml.Node, kind yaml.Kind, t reflect.Type, at target) bool {
	switch {
	case node.Kind != kind:
		b.fault(positionOf(node), at.key, "%s is not %s", shapeName(node), wanted(t))
	case node.Style&yaml.TaggedStyle != 0 && node.Tag != "!!map" && node.Tag != "!!seq":
		b.fault(positionOf(node), at.key, tagFault)
	default:
		return true
	}
	return false
}

const tagFault = "has a tag (!...), which no value needs; remove it, or put a value that begins with ! in quotes"

func (b *binder) bindStruct(node *yaml.Node, v reflect.Value, at target) {
	if b.shape(node, yaml.MappingNode, v.Type(), at) {
		b.bindKeys(node, v, at, map[string]position{}, 0)
	}
}

// bindKeys stores the values of a section's keys. seen holds the keys that are set already and take precedence: the
// section's own keys over those of a merge (<<), and those of an earlier merge over those of a later one.
func (b *binder) bindKeys(node *yaml.Node, v reflect.Value, at target, seen map[string]position, depth int) {
	known := b.fieldsOf(v.Type())
	own := map[string]position{}
	var merged []*yaml.Node
	for i := 0; i+1 < len(node.Content); i += 2 {
		key, value := node.Content[i], node.Content[i+1]
		if isMerge(key) {
			merged = append(merged, value)
			continue
		}
		name := b.keyName(key, at)
		index, ok := known[name]
		if !ok {
			b.unknown(key, name, at, known)
			continue
		}
		if first, repeated := own[name]; repeated {
			b.fault(positionOf(key), at.under(name).key, "given twice, first in line %d; keep one", first.line)
			continue
		}
		own[name] = positionOf(key)
		if _, overruled := seen[name]; overruled {
			continue
		}
		b.record(key, value, at.under(name))
		b.bind(value, v.FieldByIndex(index), at.under(name))
	}
	for name, where := range own {
		seen[name] = where
	}
	for _, value := range merged {
		b.merge(value, v, at, seen, depth+1)
	}
}

func isMerge(key *yaml.Node) bool {
	return key.Kind == yaml.ScalarNode && key.Value == "<<" && key.Style&(quoted|yaml.TaggedStyle) == 0
}

// merge stores the keys of the section, or of the list of sections, that << names.
func (b *binder) merge(node *yaml.Node, v reflect.Value, at target, seen map[string]position, depth int) {
	where := positionOf(node)
	if node, at = b.resolve(node, at); node == nil {
		return
	}
	switch {
	case depth > maxMerges:
		b.fault(where, at.key, "more than %d levels of <<", maxMerges)
	case node.Kind == yaml.MappingNode:
		b.bindKeys(node, v, at, seen, depth)
	case node.Kind == yaml.SequenceNode:
		for _, item := range node.Content {
			b.merge(item, v, at, seen, depth+1)
		}
	default:
		b.fault(where, at.key, "<< needs a section, or a list of sections: <<: *name")
	}
}

// keyName returns the text of a key, or nothing for a key that is not a scalar.
func (b *binder) keyName(key *yaml.Node, at target) string {
	if key, _ = b.resolve(key, at); key == nil || key.Kind != yaml.ScalarNode {
		return ""
	}
	return key.Value
}

func (b *binder) unknown(key *yaml.Node, name string, at target, known fields) {
	b.faults.add(join(at.key, name), func() Fault {
		if b.vocabulary == nil {
			b.vocabulary = newVocabulary()
		}
		fault := b.unknownKey(b.vocabulary, at.key, name, known)
		fault.Line, fault.Column = key.Line, key.Column
		return fault
	})
}

// record stores the position and the text of a key's value.
func (b *binder) record(key, value *yaml.Node, at target) {
	b.at[at.key] = positionOf(key)
	if value.Kind == yaml.ScalarNode && value.Value != "" {
		b.at[at.key], b.scalars[at.key] = positionOf(value), value.Value
	}
}

func (b *binder) bindList(node *yaml.Node, v reflect.Value, at target) {
	if !b.shape(node, yaml.SequenceNode, v.Type(), at) {
		return
	}
	if v.Kind() == reflect.Slice {
		v.Set(reflect.MakeSlice(v.Type(), len(node.Content), len(node.Content)))
	} else if len(node.Content) != v.Len() {
		b.fault(positionOf(node), at.key, "%d values; give %s", len(node.Content), wanted(v.Type()))
		return
	}
	for i, item := range node.Content {
		if b.values > maxValues {
			return
		}
		if v.Kind() == reflect.Slice { // the numbers of a corner need no position
			b.record(item, item, at.item(i))
		}
		if null(item) || item.Kind == yaml.AliasNode && null(item.Alias) {
			b.fault(positionOf(item), at.item(i).key, "empty; give %s", wanted(v.Type().Elem()))
			continue
		}
		b.bind(item, v.Index(i), at.item(i))
	}
}

// bindSections stores sections of one type by their name.
func (b *binder) bindSections(node *yaml.Node, v reflect.Value, at target) {
	if !b.shape(node, yaml.MappingNode, v.Type(), at) {
		return
	}
	all := reflect.MakeMap(v.Type())
	for i := 0; i+1 < len(node.Content) && b.values <= maxValues; i += 2 {
		key, value := node.Content[i], node.Content[i+1]
		name := b.keyName(key, at)
		switch {
		case name == "":
			b.fault(positionOf(key), at.key, "a section without a name; write name: and, indented below, its keys")
			continue
		case all.MapIndex(reflect.ValueOf(name)).IsValid():
			b.fault(positionOf(key), at.under(name).key, "given twice; keep one")
			continue
		}
		b.record(key, value, at.under(name))
		section := reflect.New(v.Type().Elem()).Elem()
		b.bind(value, section, at.under(name))
		all.SetMapIndex(reflect.ValueOf(name), section)
	}
	v.Set(all)
}

// bindMap stores the options of a library, which are text and are not converted.
func (b *binder) bindMap(node *yaml.Node, v reflect.Value, at target) {
	if !b.shape(node, yaml.MappingNode, v.Type(), at) {
		return
	}
	all := reflect.MakeMap(v.Type())
	for i := 0; i+1 < len(node.Content); i += 2 {
		key, value := node.Content[i], node.Content[i+1]
		where := positionOf(key)
		name := reflect.ValueOf(b.keyName(key, at))
		value, _ = b.resolve(value, at)
		switch {
		case value == nil:
			return
		case value.Kind != yaml.ScalarNode || coreTag(value) == tagOther ||
			coreTag(value) == tagNull && value.Value != "":
			b.fault(where, at.key, "the value of this option is not text; put it in quotes")
		case all.MapIndex(name).IsValid():
			b.fault(where, at.key, "this option is given twice; keep one")
		default:
			all.SetMapIndex(name, reflect.ValueOf(value.Value).Convert(v.Type().Elem()))
		}
	}
	v.Set(all)
}

func (b *binder) fieldsOf(t reflect.Type) fields {
	known, ok := b.fields[t]
	if !ok {
		known = fieldsOf(t)
		b.fields[t] = known
	}
	return known
}
