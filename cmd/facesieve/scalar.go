package main

import (
	"regexp"

	"go.yaml.in/yaml/v4"
)

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
