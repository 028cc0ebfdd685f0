// Package sourceurl handles the text that names a source: a URL with a login, a GStreamer pipeline or a path. Expand
// replaces the variables in it, Check validates it, and Redact removes its credentials for logs, metrics and messages.
//
// User and password in a URL must be percent-encoded, and an @ after the host must be written %40. Expand encodes the
// values of variables, and quotes them in a pipeline. The errors of Check and Expand contain the position of the first
// character that is not allowed, but neither the text nor a value.
package sourceurl

import (
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"unicode"
)

// PipelinePrefix begins the text of a GStreamer pipeline, in any case.
const PipelinePrefix = "gst:"

// schemeFile is the scheme of a path.
const schemeFile = "file"

// maxBytes is the maximum length of a URL, percent-encoded.
const maxBytes = 4096

// HasPrefix reports whether text begins with prefix, in any case.
func HasPrefix(text, prefix string) bool {
	return len(text) >= len(prefix) && strings.EqualFold(text[:len(prefix)], prefix)
}

// misspelled matches a URL that lacks its :// or its scheme.
var misspelled = regexp.MustCompile(`(?i)^(?:(?:rtsps?|rtps?|rstp|rtmp|https?|htt?p|file|gst)(?:[:;.]?//|\s*[:;])` +
	`|\d+\.\d+\.\d+\.\d+(?:[:/]|$))`)

// Misspelled reports whether a text without :// is a misspelled URL, not a path.
func Misspelled(text string) bool {
	at := strings.LastIndexByte(text, '@')
	return misspelled.MatchString(text) || at >= 0 && isLogin(text[:at])
}

// Check returns an error if raw, which contains ://, is not a valid URL of a server. The error contains no part of raw.
func Check(raw string) error {
	if err := checkCharacters(raw); err != nil {
		return err
	}
	u, err := url.Parse(raw)
	if err != nil { // it quotes the part that cannot be parsed, which may be a password
		return errors.New("not a valid URL; write scheme://user:password@host:port/path")
	}
	if err := checkHost(u); err != nil {
		return err
	}
	if len(raw) > maxBytes {
		return fmt.Errorf("too long: %d bytes, percent-encoded; use at most %d", len(raw), maxBytes)
	}
	return nil
}

// components splits the part of a URL after :// into the login (before the last @ of the authority), host and port, and
// the rest.
func components(rest string) (login, host, path string) {
	end := strings.IndexAny(rest, "/?#")
	if end < 0 {
		end = len(rest)
	}
	host, path = rest[:end], rest[end:]
	if at := strings.LastIndexByte(host, '@'); at >= 0 {
		login, host = host[:at], host[at+1:]
	}
	return login, host, path
}

// checkCharacters returns an error for the first character that is not allowed at its position in a URL, with that
// position. Such characters are an @ in the path, which may belong to a password with an unencoded
// / ? or #, and characters that must be percent-encoded.
func checkCharacters(raw string) error {
	begin := strings.Index(raw, "://") + len("://")
	login, host, path := components(raw[begin:])
	hostBegin := begin + len(login)
	if login != "" || strings.HasPrefix(raw[begin:], "@") {
		hostBegin++
	}
	if at := strings.IndexByte(path, '@'); at >= 0 {
		return fmt.Errorf("character %d of the url is an @ after the first / ? or #; "+
			"in user and password write / as %%2F, ? as %%3F and # as %%23, or use a variable, ${NAME}; "+
			"in a path write @ as %%40", position(raw, hostBegin+len(host)+at))
	}
	for i, r := range login {
		if strings.HasPrefix(login[i:], "%") && !escape.MatchString(login[i:]) || !loginCharacter(r) {
			return fmt.Errorf("character %d of the url must be written %s in user and password; "+
				"or use a variable, ${NAME}, which takes any", position(raw, begin+i), percent(string(r), ""))
		}
	}
	for i, r := range path {
		if unicode.IsSpace(r) || unicode.IsControl(r) {
			at := position(raw, hostBegin+len(host)+i)
			return fmt.Errorf("character %d of the url must be written %s", at, percent(string(r), ""))
		}
	}
	return nil
}

// position converts a byte offset in text to a character position, counted from 1.
func position(text string, at int) int { return len([]rune(text[:at])) + 1 }

var escape = regexp.MustCompile(`^%[0-9a-fA-F]{2}`)

// loginCharacter reports whether user and password may contain a character without percent-encoding: those of RFC 3986,
// and @, because the login ends at the last @.
func loginCharacter(r rune) bool {
	const marks = "-._~!$&'()*+,;=:@%"
	return r <= unicode.MaxASCII && (unicode.IsLetter(r) || unicode.IsDigit(r) || strings.ContainsRune(marks, r))
}

var hostName = regexp.MustCompile(`^[A-Za-z0-9._-]+$`)

// checkHost checks host and port.
func checkHost(u *url.URL) error {
	host := u.Hostname()
	switch {
	case host == "":
		return errors.New("not a valid URL: the host is missing; write scheme://user:password@host:port/path")
	case strings.HasSuffix(u.Host, ":") || u.Port() != "" && !validPort(u.Port()):
		return errors.New("the port is not a number from 1 to 65535")
	case strings.HasPrefix(u.Host, "["):
		if addr, err := netip.ParseAddr(host); err != nil || !addr.Is6() || addr.Zone() != "" {
			return errors.New("not an IPv6 address between [ and ]; write it without a zone (%eth0)")
		}
	case strings.Contains(host, ":"):
		return errors.New("write an IPv6 address between [ and ], as in rtsp://[fd00::20]:554/stream")
	case !hostName.MatchString(host):
		return errors.New("the host contains a character that is not allowed in a host name")
	}
	return nil
}

func validPort(port string) bool {
	number, err := strconv.ParseUint(port, 10, 16)
	return err == nil && number > 0
}
