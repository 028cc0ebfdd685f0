package event

import (
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Bounds, in bytes.
const (
	MaxName = 255  // name of a device or a camera
	MaxRoot = 1024 // root of the topics; MQTT itself allows 65535 for the whole topic
	// MaxTopic is the length of the longest topic.
	MaxTopic = MaxRoot + 1 + MaxName + 1 + len(KindJPEG)
)

// maxLevels bounds the levels of a root. Mosquitto allows 200 in a topic.
const maxLevels = 100

// CheckName returns an error if a device or a camera must not have a name: some characters make brokers close the
// connection, and others mislead readers. A decoder accepts more, because an event may come from an earlier version.
func CheckName(name string) error {
	if err := checkLevel(name); err != nil {
		return err
	}
	if strings.TrimSpace(name) != name {
		return fmt.Errorf("%q begins or ends with a space: leave it out", name)
	}
	if i := strings.IndexFunc(name, invisible); i >= 0 {
		r, _ := utf8.DecodeRuneInString(name[i:])
		return fmt.Errorf("%q contains %U, which is invisible and can mislead readers: leave it out", name, r)
	}
	return CheckText(name)
}

// checkLevel returns an error if a name cannot be one level of a topic.
func checkLevel(name string) error {
	switch {
	case name == "":
		return errors.New("is empty: give it a name")
	case len(name) > MaxName:
		return fmt.Errorf("%q... has %d bytes: use at most %d", name[:16], len(name), MaxName)
	case !utf8.ValidString(name):
		return fmt.Errorf("%q is not UTF-8", name)
	case strings.ContainsAny(name, "+#/"):
		return fmt.Errorf("%q contains one of + # /, which mean something else in a topic: leave them out", name)
	case strings.ContainsFunc(name, unicode.IsControl):
		return fmt.Errorf("%q contains a control character: leave it out", name)
	}
	return nil
}

// CheckText returns an error if a text cannot be a string of MQTT: a broker may close the connection over control
// characters and non-characters of Unicode (MQTT 3.1.1 and 5, 1.5.3 and 1.5.4).
func CheckText(text string) error {
	if !utf8.ValidString(text) {
		return fmt.Errorf("%q is not UTF-8", text)
	}
	if i := strings.IndexFunc(text, forbidden); i >= 0 {
		r, _ := utf8.DecodeRuneInString(text[i:])
		return fmt.Errorf("%q contains %U, which MQTT forbids: leave it out", text, r)
	}
	return nil
}

// forbidden reports C0 and C1 controls and the 66 non-characters of Unicode.
func forbidden(r rune) bool {
	return unicode.IsControl(r) || r >= 0xFDD0 && r <= 0xFDEF || r&0xFFFE == 0xFFFE
}

// invisible reports line separators, and characters that change how the text around them is shown: bidirectional
// controls, marks of zero width, tags. The joiners are part of words in some scripts.
func invisible(r rune) bool {
	const nonJoiner, joiner = '\u200c', '\u200d'
	return unicode.In(r, unicode.Cf, unicode.Zl, unicode.Zp) && r != nonJoiner && r != joiner
}

// CheckRoot returns an error if a device must not use a root.
func CheckRoot(root string) error { return checkRoot(root, CheckName) }

// CheckRootFilter returns an error if a subscriber must not use a root. Levels may be +, and names those of earlier
// versions.
func CheckRootFilter(root string) error {
	return checkRoot(root, func(level string) error {
		if level == "+" {
			return nil
		}
		return checkLevel(level)
	})
}

func checkRoot(root string, checkName func(string) error) error {
	if len(root) > MaxRoot {
		return fmt.Errorf("%q... has %d bytes: use at most %d", root[:16], len(root), MaxRoot)
	}
	if strings.HasPrefix(root, "$") {
		return fmt.Errorf("%q begins with $, which belongs to the broker: leave it out", root)
	}
	if n := strings.Count(root, "/") + 1; n > maxLevels {
		return fmt.Errorf("%.40q... has %d levels: use at most %d", root, n, maxLevels)
	}
	for level := range strings.SplitSeq(root, "/") {
		if level == "" {
			return fmt.Errorf("%q has an empty level: write it like facesieve/gate, without a / at its ends", root)
		}
		if err := checkName(level); err != nil {
			return err
		}
	}
	return nil
}
