package sourceurl

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"
)

// encodeAll encodes the values in parts, the result of splitting text, as the kind of source in text requires, and
// returns the joined text.
func encodeAll(text string, parts []part) (string, error) {
	if HasPrefix(text, PipelinePrefix) {
		return encodePipeline(parts)
	}
	scheme, mark, rest := cutFirst(parts, schemeMark)
	if mark == "" || strings.EqualFold(joined(scheme), schemeFile) {
		return joined(parts), nil
	}
	if err := checkCharacters(skeleton(parts)); err != nil {
		return "", err
	}
	encoded, err := encodeURL(rest)
	if err != nil {
		return "", err
	}
	return joined(scheme) + mark + encoded, nil
}

// Patterns that end the components of a URL.
var (
	schemeMark   = regexp.MustCompile(`://`)
	authorityEnd = regexp.MustCompile(`[/?#]`)
	pathEnd      = regexp.MustCompile(`[?#]`)
	userEnd      = regexp.MustCompile(`:`)
)

// cutFirst splits parts around the first match in their literal text. Without a match, before is all of parts.
func cutFirst(parts []part, mark *regexp.Regexp) (before []part, found string, after []part) {
	for i, p := range parts {
		if at := mark.FindStringIndex(p.text); p.name == "" && at != nil {
			return cutAt(parts, i, at[0], at[1])
		}
	}
	return parts, "", nil
}

// cutLast splits parts around the last @ in their literal text. Without an @, before is all of parts.
func cutLast(parts []part) (before []part, found string, after []part) {
	for i, p := range slices.Backward(parts) {
		if at := strings.LastIndexByte(p.text, '@'); p.name == "" && at >= 0 {
			return cutAt(parts, i, at, at+1)
		}
	}
	return parts, "", nil
}

func cutAt(parts []part, i, from, to int) (before []part, found string, after []part) {
	p := parts[i]
	before = append(slices.Clone(parts[:i]), literal(p.text[:from]))
	return before, p.text[from:to], append([]part{literal(p.text[to:])}, parts[i+1:]...)
}

// encodeURL encodes the values in the parts after ://.
func encodeURL(parts []part) (string, error) {
	authority, end, tail := cutFirst(parts, authorityEnd)
	login, at, host := cutLast(authority)
	if at == "" {
		login, host = nil, authority
	}
	var path []part
	mark, query := "", tail
	if end == "/" {
		path, mark, query = cutFirst(tail, pathEnd)
	}
	user, err := encodeLogin(login)
	if err != nil {
		return "", err
	}
	for _, p := range host {
		if p.name != "" && !hostText.MatchString(p.text) {
			return "", fmt.Errorf("%s contains a character that host and port cannot contain; "+
				"use one variable each for user, password and host, or one for the whole url", p.name)
		}
	}
	return user + at + joined(host) + end + encodeParts(path, pathSafe) + mark + encodeParts(query, querySafe), nil
}

// hostText matches the values that are allowed in host and port.
var hostText = regexp.MustCompile(`^[A-Za-z0-9._:\[\]-]+$`)

// The characters, besides letters and digits, that are not percent-encoded in a component of a URL (RFC 3986).
const (
	loginSafe = "-._~"
	pathSafe  = loginSafe + "/!$&'()*+,;=:"
	querySafe = loginSafe + "/,:"
)

// encodeLogin encodes the values before the @.
func encodeLogin(parts []part) (string, error) {
	user, colon, password := cutFirst(parts, userEnd)
	if i := slices.IndexFunc(user, func(p part) bool { return p.name != "" && strings.Contains(p.text, ":") }); i >= 0 {
		if colon != "" || len(joined(user)) != len(user[i].text) {
			return "", fmt.Errorf("%s contains a colon, and a user cannot contain one; "+
				"a variable with user:password must be the only text before the @", user[i].name)
		}
		name, password, _ := strings.Cut(user[i].text, ":")
		return percent(name, loginSafe) + ":" + percent(password, loginSafe), nil
	}
	return encodeParts(user, loginSafe) + colon + encodeParts(password, loginSafe), nil
}

func encodeParts(parts []part, safe string) string {
	var b strings.Builder
	for _, p := range parts {
		if p.name == "" {
			b.WriteString(p.text)
		} else {
			b.WriteString(percent(p.text, safe))
		}
	}
	return b.String()
}

// percent percent-encodes every byte of text except letters, digits and those in safe.
func percent(text, safe string) string {
	var b strings.Builder
	for i := range len(text) {
		c := text[i]
		if 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || strings.IndexByte(safe, c) >= 0 {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	return b.String()
}

// pipelineText matches the values that need no quotes in a pipeline.
var pipelineText = regexp.MustCompile(`^[A-Za-z0-9._~/:%+,-]+$`)

// encodePipeline quotes the values in a pipeline by the rules of gst_parse_launch, so that no value ends its property.
func encodePipeline(parts []part) (string, error) {
	var before strings.Builder
	for i, p := range parts {
		if p.name == "" {
			before.WriteString(p.text)
			continue
		}
		next := ""
		if i+1 < len(parts) {
			next = parts[i+1].text
			if parts[i+1].name != "" {
				next = "x"
			}
		}
		text, err := quoteFor(p, before.String(), next)
		if err != nil {
			return "", fmt.Errorf("%s %w", p.name, err)
		}
		before.WriteString(text)
	}
	return before.String(), nil
}

// quoteFor returns the value of p, quoted as its position requires: before is the pipeline up to it, next the text
// after.
func quoteFor(p part, before, next string) (string, error) {
	quote, word := openWord(before)
	whole := strings.HasSuffix(strings.TrimRight(before, " "), "=") && (next == "" || next[0] == ' ')
	switch {
	case strings.Contains(word, "://"):
		return percent(p.text, loginSafe), nil
	case pipelineText.MatchString(p.text) && p.text != "NULL":
		return p.text, nil
	case quote == '\'':
		return "", errors.New("is in single quotes, but GStreamer does not accept them around a value; use double quotes")
	case quote != '"' && !whole:
		return "", errors.New("contains more than letters, digits and . _ ~ / : % + , -; " +
			"put the whole value of the property in double quotes")
	}
	text, err := escaped(p.text)
	if quote != '"' {
		text = `"` + text + `"`
	}
	return text, err
}

// escaped returns a value with the escapes that double quotes require. It rejects values that GStreamer interprets
// differently, however they are quoted.
func escaped(value string) (string, error) {
	if !utf8.ValidString(value) || value == "NULL" || strings.HasPrefix(value, `"`) || strings.HasSuffix(value, `"`) {
		return "", errors.New("cannot be a property of GStreamer: it begins or ends with a double quote, is the word " +
			"NULL, or is not UTF-8")
	}
	return strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(value), nil
}

// openWord returns the quote that is open at the end of a pipeline, or 0, and the unfinished word at the end.
func openWord(pipeline string) (quote byte, word string) {
	begin := 0
	for i := 0; i < len(pipeline); i++ {
		switch c := pipeline[i]; {
		case c == '\\':
			i++
		case quote != 0 && c == quote:
			quote = 0
		case quote == 0 && (c == '"' || c == '\''):
			quote, begin = c, i
		case quote == 0 && c == ' ':
			begin = i + 1
		}
	}
	return quote, pipeline[min(begin, len(pipeline)):]
}
