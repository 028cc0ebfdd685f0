package publish

import (
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

const (
	kindFace     = "face"
	kindJPEG     = "face/jpeg"
	kindRejected = "rejected"
	kindState    = "state"
	kindStatus   = "status"
	kindProbe    = "probe"

	maxName = 255  // bytes of the name of a device or a camera
	maxRoot = 1024 // bytes of a root; MQTT itself allows 65535 for the whole topic
	// maxTopic is the length of the longest topic, in bytes.
	maxTopic = maxRoot + 1 + maxName + 1 + len(kindJPEG)
	// maxLevels bounds the levels of a root. Mosquitto allows 200 in a topic.
	maxLevels = 100
)

// Topics names the topics below one root.
type Topics struct {
	root string
}

// Root is what all topics begin with.
func (t Topics) Root() string { return t.root }

// Face is the topic of a camera's events.
func (t Topics) Face(camera string) string { return t.of(camera, kindFace) }

// JPEG is the topic of a camera's plain pictures.
func (t Topics) JPEG(camera string) string { return t.of(camera, kindJPEG) }

// Rejected is the topic of a camera's faces that did not pass.
func (t Topics) Rejected(camera string) string { return t.of(camera, kindRejected) }

// State is the topic of a camera's state.
func (t Topics) State(camera string) string { return t.of(camera, kindState) }

// Status is the topic that says whether the device is online.
func (t Topics) Status() string { return t.root + "/" + kindStatus }

// probe is the topic of messages that test whether the broker accepts any.
func (t Topics) probe() string { return t.root + "/" + kindProbe }

func (t Topics) of(camera, kind string) string { return t.root + "/" + camera + "/" + kind }

// splitTopic takes a topic apart into what Topics made it of; camera is empty for status, kind for a foreign topic.
func splitTopic(topic string) (root, camera, kind string) {
	if root, ok := strings.CutSuffix(topic, "/"+kindStatus); ok {
		return root, "", kindStatus
	}
	for _, kind := range []string{kindFace, kindJPEG, kindRejected, kindState} {
		rest, ok := strings.CutSuffix(topic, "/"+kind)
		if i := strings.LastIndexByte(rest, '/'); ok && i > 0 {
			return rest[:i], rest[i+1:], kind
		}
	}
	return "", "", ""
}

// CheckName returns an error if a name must not be that of a device or a camera. It is stricter than the check of an
// event, whose name may come from an earlier version: some characters make brokers close the connection, and others
// mislead readers.
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
	return checkText(name)
}

// checkLevel returns an error if a name cannot be one level of a topic.
func checkLevel(name string) error {
	switch {
	case name == "":
		return errors.New("is empty: give it a name")
	case len(name) > maxName:
		return fmt.Errorf("%q... has %d bytes: use at most %d", name[:16], len(name), maxName)
	case !utf8.ValidString(name):
		return fmt.Errorf("%q is not UTF-8", name)
	case strings.ContainsAny(name, "+#/"):
		return fmt.Errorf("%q contains one of + # /, which mean something else in a topic: leave them out", name)
	case strings.ContainsFunc(name, unicode.IsControl):
		return fmt.Errorf("%q contains a control character: leave it out", name)
	}
	return nil
}

// checkText returns an error if a text cannot be a string of MQTT: a broker may close the connection over control
// characters and non-characters of Unicode (MQTT 3.1.1 and 5, 1.5.3 and 1.5.4).
func checkText(text string) error {
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

// checkRoot checks a root; wildcard allows what a subscriber may use: levels that are +, and names of earlier versions.
func checkRoot(root string, wildcard bool) error {
	check := CheckName
	if wildcard {
		check = checkLevel
	}
	if len(root) > maxRoot {
		return fmt.Errorf("%q... has %d bytes: use at most %d", root[:16], len(root), maxRoot)
	}
	if strings.HasPrefix(root, "$") {
		return fmt.Errorf("%q begins with $, which belongs to the broker: leave it out", root)
	}
	if n := strings.Count(root, "/") + 1; n > maxLevels {
		return fmt.Errorf("%.40q... has %d levels: use at most %d", root, n, maxLevels)
	}
	for level := range strings.SplitSeq(root, "/") {
		if level == "+" && wildcard {
			continue
		}
		if level == "" {
			return fmt.Errorf("%q has an empty level: write it like facesieve/gate, without a / at its ends", root)
		}
		if err := check(level); err != nil {
			return err
		}
	}
	return nil
}
