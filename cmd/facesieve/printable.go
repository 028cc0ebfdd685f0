package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxShown bounds external text in one line, in runes.
const maxShown = 300

// printable makes external text, such as a topic, safe for a terminal. It writes terminal escapes and other controls,
// bidirectional controls, invisible characters, and bytes that are not UTF-8 as Go escapes, and cuts long text.
func printable(text string) string { return printableUpTo(text, maxShown) }

// printableUpTo is printable for text of up to this number of runes.
func printableUpTo(text string, limit int) string {
	var out strings.Builder
	shown := 0
	for i, r := range text {
		if shown++; shown > limit {
			out.WriteRune('…')
			break
		}
		_, size := utf8.DecodeRuneInString(text[i:])
		switch {
		case r == utf8.RuneError && size == 1:
			fmt.Fprintf(&out, `\x%02x`, text[i])
		case isShown(r):
			out.WriteRune(r)
		case r < utf8.RuneSelf:
			fmt.Fprintf(&out, `\x%02x`, r)
		case r > 0xFFFF:
			fmt.Fprintf(&out, `\U%08x`, r)
		default:
			fmt.Fprintf(&out, `\u%04x`, r)
		}
	}
	return out.String()
}

// printablePath returns a path unchanged, or quoted if it has characters that are not safe for a terminal or begins
// with a quotation mark. It does not cut the path.
func printablePath(path string) string {
	hidden := func(r rune) bool { return !isShown(r) }
	if utf8.ValidString(path) && !strings.HasPrefix(path, `"`) && strings.IndexFunc(path, hidden) < 0 {
		return path
	}
	return strconv.Quote(path)
}

// isShown reports whether a rune is visible. The two joiners are invisible, but are parts of words and of emoji.
func isShown(r rune) bool {
	const nonJoiner, joiner = '\u200c', '\u200d'
	return unicode.IsPrint(r) || r == nonJoiner || r == joiner
}

// printJSON prints a value as indented JSON that is safe for a terminal.
func printJSON(w io.Writer, value any) error {
	text, err := json.MarshalIndent(value, "", "  ")
	if err != nil {
		return err
	}
	_, err = w.Write(append(safeJSON(text), '\n'))
	return err
}

// safeJSON writes characters that are not safe for a terminal as JSON escapes; the decoded value stays the same.
func safeJSON(text []byte) []byte {
	var out []byte
	for _, r := range string(text) {
		switch {
		case isShown(r) || r == '\n':
			out = utf8.AppendRune(out, r)
		case r > 0xFFFF:
			const base, high, low, ten = 0x10000, 0xD800, 0xDC00, 10
			out = fmt.Appendf(out, `\u%04x\u%04x`, high+(r-base)>>ten, low+(r-base)&(1<<ten-1))
		default:
			out = fmt.Appendf(out, `\u%04x`, r)
		}
	}
	return out
}
