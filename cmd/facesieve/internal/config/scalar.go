package config

import (
	"errors"
	"math"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v4"

	"facesieve/quality"
)

// bindScalar stores a number, a duration, true or false, or text.
func (b *binder) bindScalar(node *yaml.Node, v reflect.Value, at target) {
	if node.Kind != yaml.ScalarNode {
		b.unfit(node, v, at)
		return
	}
	tag, text := coreTag(node), node.Value
	var err error
	switch {
	case tag == tagOther:
		b.fault(positionOf(node), at.key, tagFault)
		return
	case v.Kind() == reflect.String:
		b.bindText(node, tag, v, at)
		return
	case tag == tagNull:
		return
	case v.Type() == durationType:
		err = setDuration(v, text)
	case v.Type() == thresholdType && tag == tagText:
		err = setThreshold(v, text)
	case v.Kind() == reflect.Bool:
		err = setBool(v, tag, text)
	case v.CanInt():
		err = setInt(v, tag, text)
	case v.CanFloat():
		err = setFloat(v, tag, text)
	default:
		err = errors.ErrUnsupported
	}
	if err != nil {
		b.unfit(node, v, at)
	}
}

var (
	login    = regexp.MustCompile(`(?s):.*@`)
	redacted = regexp.MustCompile(`\.url$|^mqtt\.broker$`) // keys whose values messages show without user and password
)

// bindText stores text. Where YAML reads a number, true, false or null without quotes, it adds a fault: a program that
// rewrites the file may change the spelling, as of 1e3 or 007.
func (b *binder) bindText(node *yaml.Node, tag string, v reflect.Value, at target) {
	switch tag {
	case tagText:
		v.SetString(node.Value)
		b.logins[at.key] = login.MatchString(node.Value) && !redacted.MatchString(at.key)
	case tagNull:
		b.fault(positionOf(node), at.key, "null is not text; put it in quotes, or leave the key out")
	case tagBool:
		b.fault(positionOf(node), at.key, "true and false are not text; put the value in quotes")
	default:
		b.fault(positionOf(node), at.key, "a number is not text; put the value in quotes")
	}
}

func (b *binder) unfit(node *yaml.Node, v reflect.Value, at target) {
	got := shapeName(node)
	if node.Kind == yaml.ScalarNode && !at.aliased && len(node.Value) <= maxRepeated {
		got = strconv.Quote(node.Value) // a word in place of a number, a duration, true or false
	}
	if v.CanFloat() && coreTag(node) == tagFloat {
		b.fault(positionOf(node), at.key, "%s is infinite, too large or not a number", got)
		return
	}
	b.fault(positionOf(node), at.key, "%s is not %s", got, wanted(v.Type()))
}

var errUnfit = errors.New("does not fit") //nolint:gochecknoglobals // a sentinel

func setDuration(v reflect.Value, text string) error {
	d, err := time.ParseDuration(text)
	if err == nil {
		v.SetInt(int64(d))
	}
	return err
}

func setThreshold(v reflect.Value, text string) error {
	if _, err := strconv.ParseFloat(text, 64); err == nil {
		return errUnfit // a number in quotes
	}
	var threshold quality.Threshold
	if err := threshold.UnmarshalText([]byte(text)); err != nil {
		return err
	}
	v.SetFloat(float64(threshold))
	return nil
}

func setBool(v reflect.Value, tag, text string) error {
	if tag != tagBool {
		return errUnfit
	}
	v.SetBool(strings.EqualFold(text, "true"))
	return nil
}

func setInt(v reflect.Value, tag, text string) error {
	if tag != tagInt {
		return errUnfit
	}
	digits, base := text, 10
	switch {
	case strings.HasPrefix(text, "0o"):
		digits, base = text[2:], 8
	case strings.HasPrefix(text, "0x"):
		digits, base = text[2:], 16
	}
	number, err := strconv.ParseInt(digits, base, v.Type().Bits())
	if err == nil {
		v.SetInt(number)
	}
	return err
}

// setFloat stores a finite number. It refuses NaN, which passes any check for values outside a range.
func setFloat(v reflect.Value, tag, text string) error {
	if tag == tagInt {
		whole := reflect.New(reflect.TypeFor[int64]()).Elem()
		if setInt(whole, tag, text) == nil {
			v.SetFloat(float64(whole.Int()))
			return nil
		}
	}
	number, err := strconv.ParseFloat(text, v.Type().Bits())
	if err != nil || tag != tagInt && tag != tagFloat || math.IsNaN(number) || math.IsInf(number, 0) {
		return errUnfit
	}
	v.SetFloat(number)
	return nil
}

// maxRepeated is the length in bytes of the longest value that a message repeats.
const maxRepeated = 40

// shapeName describes a value without repeating it, because any value may be a password.
func shapeName(node *yaml.Node) string {
	switch node.Kind {
	case yaml.MappingNode:
		return "a section of keys and values"
	case yaml.SequenceNode:
		return "a list"
	}
	return "this value"
}

// wanted describes the values that a type accepts.
func wanted(t reflect.Type) string {
	named := map[reflect.Type]string{
		durationType:                      "a duration with its unit, such as 500ms, 2s or 1m",
		thresholdType:                     "a number or auto",
		reflect.TypeFor[quality.Bounds](): "two scores, such as [10, 50]",
	}
	switch {
	case named[t] != "":
		return named[t]
	case t.Kind() == reflect.Pointer:
		return wanted(t.Elem())
	case t == nodeType || t == reflect.TypeFor[Camera]():
		return "a camera: write its keys and values, such as name: entrance"
	}
	switch t.Kind() {
	case reflect.Bool:
		return "true or false"
	case reflect.Float32, reflect.Float64:
		return "a number"
	case reflect.String:
		return "text; put it in quotes"
	case reflect.Map:
		return wantedMap(t)
	case reflect.Struct:
		return "a section: write its keys in the lines below, indented"
	case reflect.Array:
		return "a corner: two numbers, such as [0.1, 0.2]"
	case reflect.Slice:
		return wantedList(t)
	default:
		return "a whole number"
	}
}

func wantedMap(t reflect.Type) string {
	if t.Elem().Kind() == reflect.Struct {
		return "a section: write the name of each camera with a colon, and its keys in the lines below, indented"
	}
	return "a section: write name: value in the lines below, indented"
}

func wantedList(t reflect.Type) string {
	const corners = "a list of corners, such as [[0.1, 0.2], [0.9, 0.2], [0.9, 0.9]]"
	switch t.Elem().Kind() {
	case reflect.Struct:
		return `a list: begin each camera with a dash, as in "- name: entrance" and, indented below, ` +
			`"url: rtsp://192.168.1.20/stream1"`
	case reflect.Array:
		return corners
	case reflect.Slice:
		return "a list of regions, each of them " + corners
	default:
		return "a list, such as [a, b]"
	}
}

// The types that a plain scalar can have by the core schema of YAML 1.2 (section 10.3.2): 010 is ten, 0o10 eight, and
// yes, 1_000, 0b1 and dates are text. The yaml package still resolves some of them as YAML 1.1 did.
const (
	tagText  = "!!str"
	tagNull  = "!!null"
	tagBool  = "!!bool"
	tagInt   = "!!int"
	tagFloat = "!!float"
	tagOther = "" // an explicit tag that the configuration does not use
)

//nolint:gochecknoglobals // compiled once, never written
var coreSchema = []struct {
	tag     string
	pattern *regexp.Regexp
}{
	{tagNull, regexp.MustCompile(`^(?:null|Null|NULL|~|)$`)},
	{tagBool, regexp.MustCompile(`^(?:true|True|TRUE|false|False|FALSE)$`)},
	{tagInt, regexp.MustCompile(`^(?:[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+)$`)},
	{tagFloat, regexp.MustCompile(`^[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?$`)},
	{tagFloat, regexp.MustCompile(`^(?:[-+]?\.(?:inf|Inf|INF)|\.nan|\.NaN|\.NAN)$`)},
}

const quoted = yaml.SingleQuotedStyle | yaml.DoubleQuotedStyle | yaml.LiteralStyle | yaml.FoldedStyle

// coreTag returns the type of a scalar.
func coreTag(node *yaml.Node) string {
	switch {
	case node.Style&yaml.TaggedStyle != 0:
		if node.Tag == tagText || node.Tag == "!" {
			return tagText
		}
		return tagOther
	case node.Style&quoted != 0:
		return tagText
	}
	for _, rule := range coreSchema {
		if rule.pattern.MatchString(node.Value) {
			return rule.tag
		}
	}
	return tagText
}

// null reports whether a value is empty or null.
func null(node *yaml.Node) bool { return node.Kind == yaml.ScalarNode && coreTag(node) == tagNull }
