package capture

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

// maxURL bounds a URL, in bytes, percent-encoded.
const maxURL = 4096

// checkURL returns what is wrong with the URL raw, which is scheme://rest. No error contains a part of the URL.
func checkURL(scheme, rest, raw string) error {
	if err := checkCharacters(raw); err != nil {
		return err
	}
	u, err := url.Parse(scheme + "://" + rest)
	if err != nil { // it quotes the part that cannot be parsed, which may be a password
		return errors.New("not a valid URL; write scheme://user:password@host:port/path")
	}
	if err := checkHost(u); err != nil {
		return err
	}
	if len(raw) > maxURL {
		return fmt.Errorf("too long: %d bytes, percent-encoded; use at most %d", len(raw), maxURL)
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
// position from the beginning. Such characters are an @ in the path, which may belong to a password with an unencoded
// / ? or #, and characters that must be percent-encoded.
func checkCharacters(raw string) error {
	begin := strings.Index(raw, "://") + len("://")
	login, host, path := components(raw[begin:])
	hostBegin := begin + len(login)
	if login != "" || strings.HasPrefix(raw[begin:], "@") {
		hostBegin++
	}
	if at := strings.IndexByte(path, '@'); at >= 0 {
		return fmt.Errorf("character %d of the url is an @ behind the first / ? or #; "+
			"in user and password write / as %%2F, ? as %%3F and # as %%23, or use a variable, ${NAME}; "+
			"in a path write @ as %%40", place(raw, hostBegin+len(host)+at))
	}
	for i, r := range login {
		if strings.HasPrefix(login[i:], "%") && !escape.MatchString(login[i:]) || !loginCharacter(r) {
			return fmt.Errorf("character %d of the url must be written %s in user and password; "+
				"or use a variable, ${NAME}, which takes any", place(raw, begin+i), percent(string(r), ""))
		}
	}
	for i, r := range path {
		if unicode.IsSpace(r) || unicode.IsControl(r) {
			at := place(raw, hostBegin+len(host)+i)
			return fmt.Errorf("character %d of the url must be written %s", at, percent(string(r), ""))
		}
	}
	return nil
}

// place converts a byte offset in text to a character position, counted from 1.
func place(text string, at int) int { return len([]rune(text[:at])) + 1 }

var escape = regexp.MustCompile(`^%[0-9a-fA-F]{2}`)

// loginCharacter reports whether user and password may contain a character without percent-encoding: those of RFC 3986,
// and @, because the last @ ends the login.
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
		return errors.New("an IPv6 address stands between [ and ], as in rtsp://[fd00::20]:554/stream")
	case !hostName.MatchString(host):
		return errors.New("the host holds a character that no host name has")
	}
	return nil
}

func validPort(port string) bool {
	number, err := strconv.ParseUint(port, 10, 16)
	return err == nil && number > 0
}
