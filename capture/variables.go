package capture

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Expand replaces each ${NAME} in a source's URL by its value, which lookup returns; an empty value is none. A value
// stands for itself, whatever is in it: Expand encodes it as its place in the URL requires.
//
//   - Before the @ of a URL, in user and password: percent-encoded. One value alone there may be user:password.
//   - In host and port: letters, digits and . - _ : [ ] only.
//   - In the path: percent-encoded, but for / and what a path may hold as it is. In the query: percent-encoded.
//   - In a GStreamer pipeline: within double quotes, or as the whole of a property (user-pw=${NAME}), quoted; in a URL
//     there percent-encoded; elsewhere letters, digits and . - _ ~ / : % + , only.
//   - In a path, and where the whole URL is one value: as it is. The URL must then be encoded already.
//
// Errors are joined. They name variables, and count characters from the beginning of text, but repeat neither text nor
// a value.
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
	span int    // characters that it takes in the text that was split
}

// variable is ${NAME}.
var variable = regexp.MustCompile(`^\$\{([A-Za-z0-9_.-]+)\}`)

// split finds the variables in text. A $ that does not begin one stands for itself: passwords may hold dollars.
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
			return nil, fmt.Errorf("character %d of the url begins a ${ that is not ${NAME}: give it a name of letters, "+
				"digits and _ . - and close it; a ${ of the password itself is written %%24%%7B", at)
		}
		parts = append(parts, part{name: match[1], span: len(match[0])})
		rest = rest[len(match[0]):]
	}
	return parts, nil
}

func literal(text string) part { return part{text: text, span: utf8.RuneCountInString(text)} }

// check returns what keeps a value from being used anywhere.
func (p part) check() error {
	if p.text == "" {
		return fmt.Errorf("%s is neither an environment variable nor a credential, or is empty; "+
			"set it, or write its value", p.name)
	}
	if strings.ContainsFunc(p.text, unicode.IsControl) {
		return fmt.Errorf("%s holds a line end or another control character; set it without", p.name)
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

// skeleton is the text that was split, with a letter for each character of a variable.
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
