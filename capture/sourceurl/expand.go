package sourceurl

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Expand replaces each ${NAME} in the URL of a source by the value that lookup returns; an empty value counts as
// missing. A value is used literally. Expand encodes it as its position in the URL requires:
//
//   - In user and password, before the @ of a URL: percent-encoded. A single value there may be user:password.
//   - In host and port: not encoded. Only letters, digits and . - _ : [ ] are allowed.
//   - In the path of a URL: percent-encoded, except / and other characters that a path may contain.
//   - In the query of a URL: percent-encoded.
//   - In a GStreamer pipeline, inside double quotes or as the whole value of a property (user-pw=${NAME}): quoted.
//   - In a URL in a pipeline: percent-encoded.
//   - Elsewhere in a pipeline: not encoded. Only letters, digits and . - _ ~ / : % + , are allowed.
//   - In a file path, and if the whole URL is one value: unchanged. Such a URL must already be encoded.
//
// Errors are joined. They contain the names of variables and character positions in text, but neither text nor values.
func Expand(text string, lookup func(name string) string) (string, error) {
	parts, err := split(text)
	if err != nil {
		return "", err
	}
	var faults []error
	for i := range parts {
		if parts[i].name == "" {
			continue
		}
		parts[i].text = lookup(parts[i].name)
		faults = append(faults, parts[i].check())
	}
	if err := errors.Join(faults...); err != nil {
		return "", err
	}
	return encodeAll(text, parts)
}

// part is literal text, or the value of a variable.
type part struct {
	text string
	name string // of the variable; empty: literal
	span int    // number of characters of ${NAME} in the original text
}

// variable matches ${NAME}.
var variable = regexp.MustCompile(`^\$\{([A-Za-z0-9_.-]+)\}`)

// split finds the variables in text. Any other $ is literal, because passwords may contain it.
func split(text string) ([]part, error) {
	var parts []part
	for rest := text; rest != ""; {
		begin := strings.Index(rest, "${")
		if begin < 0 {
			return append(parts, literal(rest)), nil
		}
		if begin > 0 {
			parts = append(parts, literal(rest[:begin]))
			rest = rest[begin:]
		}
		match := variable.FindStringSubmatch(rest)
		if match == nil {
			at := utf8.RuneCountInString(text[:len(text)-len(rest)]) + 1
			return nil, fmt.Errorf("character %d of the url begins a ${ that is not ${NAME}: "+
				"write a name of letters, digits and _ . - and then }; "+
				"write a ${ that is part of the password as %%24%%7B", at)
		}
		parts = append(parts, part{name: match[1], span: len(match[0])})
		rest = rest[len(match[0]):]
	}
	return parts, nil
}

func literal(text string) part { return part{text: text, span: utf8.RuneCountInString(text)} }

// check returns an error if a value is not allowed at any position.
func (p part) check() error {
	if p.text == "" {
		return fmt.Errorf("%s is neither an environment variable nor a credential, or is empty; "+
			"set it, or write its value into the url", p.name)
	}
	if strings.ContainsFunc(p.text, unicode.IsControl) {
		return fmt.Errorf("%s contains a line end or another control character; remove it", p.name)
	}
	return nil
}

func joined(parts []part) string {
	var b strings.Builder
	for _, p := range parts {
		b.WriteString(p.text)
	}
	return b.String()
}

// skeleton returns the original text with each character of a variable replaced by a letter.
func skeleton(parts []part) string {
	var b strings.Builder
	for _, p := range parts {
		if p.name == "" {
			b.WriteString(p.text)
		} else {
			b.WriteString(strings.Repeat("x", p.span))
		}
	}
	return b.String()
}
