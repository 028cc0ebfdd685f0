package config

import (
	"bytes"
	"errors"
	"io"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"

	"go.yaml.in/yaml/v4"
)

// parse reads text as one YAML document, which is empty or a section of keys such as example.
func (l *loader) parse(text []byte, example string) (*yaml.Node, bool) {
	if fault, bad := unreadable(text); bad {
		l.binder.faults.add("", func() Fault { return fault })
		return nil, false
	}
	decoder, err := yaml.NewLoader(bytes.NewReader(withoutVersion(text)))
	if err != nil {
		l.syntax(text, err)
		return nil, false
	}
	root, second := new(yaml.Node), new(yaml.Node)
	if err := decoder.Load(root); err != nil {
		if !errors.Is(err, io.EOF) { // an empty file
			l.syntax(text, err)
		}
		return nil, errors.Is(err, io.EOF)
	}
	top := root.Content[0]
	if top.Kind != yaml.MappingNode && (top.Kind != yaml.ScalarNode || coreTag(top) != tagNull) {
		l.binder.fault(positionOf(top), "", "the file is not a section of keys and values, such as %s", example)
		return nil, false
	}
	switch err := decoder.Load(second); {
	case err == nil:
		l.binder.fault(positionOf(second), "", "a second YAML document begins (---); keep the first")
		return nil, false
	case !errors.Is(err, io.EOF):
		l.syntax(text, err)
		return nil, false
	}
	return root, true
}

// versionLine is the directive of YAML 1.2, or of 1.1 with the same syntax, before a document.
var versionLine = regexp.MustCompile(`\A(?:\x{feff})?(?:[ \t]*(?:#.*)?\r?\n)*%YAML[ \t]+1\.[12][ \t]*\r?\n`)

// withoutVersion makes the version line a comment, because the yaml package accepts only 1.1.
func withoutVersion(text []byte) []byte {
	line := versionLine.Find(text)
	if line == nil {
		return text
	}
	text = bytes.Clone(text)
	text[bytes.LastIndexByte(line, '%')] = '#'
	return text
}

// unreadable returns a fault for text that cannot be YAML: it has bytes that are not UTF-8, or control characters. The
// yaml package decodes text with the byte order mark of UTF-16.
func unreadable(text []byte) (Fault, bool) {
	if mark := string(text[:min(2, len(text))]); mark == "\xff\xfe" || mark == "\xfe\xff" {
		return Fault{}, false
	}
	if len(text) > 1 && (text[0] == 0) != (text[1] == 0) {
		return Fault{Line: 1, Column: 1, Text: "UTF-16 without its mark; save the file as UTF-8"}, true
	}
	return unreadableCharacter(text)
}

func unreadableCharacter(text []byte) (Fault, bool) {
	line, column := 1, 0
	for rest := text; len(rest) > 0; {
		r, size := utf8.DecodeRune(rest)
		rest = rest[size:]
		column++
		switch {
		case r == utf8.RuneError && size == 1:
			return Fault{Line: line, Column: column, Text: "a byte that is not UTF-8; save the file as UTF-8"}, true
		case r == '\n':
			line, column = line+1, 0
		case unicode.IsControl(r) && !strings.ContainsRune("\t\r\u0085", r):
			const text = "a control character; remove it, or write it as \\x07 within double quotes"
			return Fault{Line: line, Column: column, Text: text}, true
		}
	}
	return Fault{}, false
}

// syntax adds a fault for an error of the yaml package. The messages of the package may repeat a value, so each known
// message is replaced by a text of syntaxFaults, and any other by a general one.
func (l *loader) syntax(text []byte, err error) {
	fault := Fault{Text: "not YAML; check indentation, colons and quotes"}
	var load *yaml.LoadError
	if errors.As(err, &load) {
		where := load.Mark
		if load.ContextMsg == "while scanning a quoted scalar" && load.Message == "found unexpected end of stream" {
			where = load.ContextMark
		}
		fault.Line, fault.Column = where.Line, where.Column
		for _, known := range syntaxFaults() {
			if strings.HasPrefix(load.Message, known.message) {
				fault.Text = "not YAML: " + known.text
				break
			}
		}
		for _, line := range []int{where.Line, load.ContextMark.Line} {
			if column, found := indentedByTab(text, line); found {
				fault = Fault{Line: line, Column: column, Text: "not YAML: " + tabFault}
				break
			}
		}
	}
	l.binder.faults.add("", func() Fault { return fault })
}

// indentedByTab finds a tab in the indentation of a line. Line and column count from 1.
func indentedByTab(text []byte, line int) (column int, found bool) {
	if line < 1 {
		return 0, false
	}
	lines := bytes.SplitN(text, []byte("\n"), line+1)
	if len(lines) < line {
		return 0, false
	}
	indentation := lines[line-1][:len(lines[line-1])-len(bytes.TrimLeft(lines[line-1], " \t"))]
	tab := bytes.IndexByte(indentation, '\t')
	return tab + 1, tab >= 0
}

const tabFault = "a tab in the indentation; replace it with spaces"

type syntaxFault struct{ message, text string }

// syntaxFaults returns the beginnings of the yaml package's messages, and the texts that replace them.
func syntaxFaults() []syntaxFault {
	const (
		flow   = `a comma or the closing bracket is missing; put a value that holds , [ ] { or } in quotes`
		value  = `a second ": " in one value, or wrong indentation; put a value that holds ": " in quotes`
		escape = `an unknown escape; write \\ for a backslash, or use single quotes`
		indent = `wrong indentation; align the keys of a section`
	)
	return []syntaxFault{
		{"found character that cannot start any token", "a value that begins with @, % or ` must be in quotes"},
		{"found a tab character", tabFault},
		{"mapping values are not allowed", value},
		{"did not find expected ',' or", flow},
		{"did not find expected node content", flow},
		{"did not find expected key", indent},
		{"did not find expected '-' indicator", indent},
		{"did not find expected <document start>", indent},
		{"block sequence entries are not allowed", indent},
		{"block mapping entries are not allowed", indent},
		{"mapping keys are not allowed", indent},
		{"found mixed spaces and tabs", tabFault},
		{"found a comment without preceding whitespace", "a # behind a value; put a space before it, or quotes around"},
		{"could not find expected ':'", `a key without its colon; write "key: value", with a space after the colon`},
		{"found unexpected end of stream", "this quote is never closed"},
		{"found unexpected document indicator", "a quote that is not closed before --- or ..."},
		{"unknown anchor", "no value has this anchor (&name); put a value that begins with * in quotes"},
		{
			"did not find expected alphabetic or numeric character",
			"a value that begins with & or * must be in quotes",
		},
		{"found undefined tag handle", "a value that begins with ! must be in quotes"},
		{"did not find the expected '>'", "a value that begins with ! must be in quotes"},
		{"found character", "a value that begins with ! must be in quotes"},
		{"did not find expected whitespace or line break", "a value that begins with !, & or * must be in quotes"},
		{"did not find expected comment or line break", "a value that begins with | or > must be in quotes"},
		{"found unknown escape character", escape},
		{"did not find expected hexadecimal number", escape},
		{"found invalid Unicode character escape code", escape},
		{"exceeded max depth", "too many levels of nesting"},
		{"found incompatible YAML document", "its %YAML line names another version; use 1.2, or remove the line"},
		{"found unknown directive name", "a line that begins with % is not a YAML directive; remove it"},
		{"document contains excessive aliasing", "aliases (*name) repeat too much"},
		{"incomplete UTF-16", "UTF-16 that is cut off; save the file as UTF-8"},
	}
}
