package main

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/alecthomas/kong"
)

// filePath is a path on the command line, made absolute. Unlike kong's own type it keeps the bytes of a name that is
// not UTF-8.
type filePath string

// Decode takes the next argument; kong calls it.
func (p *filePath) Decode(ctx *kong.DecodeContext) error {
	token, err := ctx.Scan.PopValue("file")
	if err != nil {
		return err
	}
	text, ok := token.Value.(string)
	if !ok {
		return fmt.Errorf("%v is not a path", token.Value)
	}
	*p = filePath(kong.ExpandPath(text))
	return nil
}

// printable returns a file's name as it is, or quoted where it holds anything that a terminal would not show as it is:
// control characters, invisible ones, ones that change the direction of writing, bytes that are not UTF-8.
func printable(name string) string {
	hidden := func(r rune) bool { return !strconv.IsPrint(r) }
	if utf8.ValidString(name) && !strings.HasPrefix(name, `"`) && strings.IndexFunc(name, hidden) < 0 {
		return name
	}
	return strconv.Quote(name)
}

// printableJSON writes what a terminal would not show as \uXXXX, which is the same JSON.
func printableJSON(line []byte) []byte {
	var out []byte
	for len(line) > 0 {
		r, size := utf8.DecodeRune(line)
		switch {
		case r < utf8.RuneSelf || strconv.IsPrint(r): // JSON has escaped the control characters of ASCII already
			out = append(out, line[:size]...)
		case r > 0xffff:
			r -= 0x10000
			out = fmt.Appendf(out, `\u%04x\u%04x`, 0xd800+r>>10, 0xdc00+r&0x3ff)
		default:
			out = fmt.Appendf(out, `\u%04x`, r)
		}
		line = line[size:]
	}
	return out
}
