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

	maxName = 255  // bytes of the name of a device or a camera
	maxRoot = 1024 // bytes of a root; MQTT itself allows 65535 for the whole topic
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

// CheckName says what keeps a name from being that of a device or a camera, which is one level of a topic.
func CheckName(name string) error {
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

// checkRoot checks a root; wildcard allows levels that are +, as a subscriber may use them.
func checkRoot(root string, wildcard bool) error {
	if len(root) > maxRoot {
		return fmt.Errorf("%q... has %d bytes: use at most %d", root[:16], len(root), maxRoot)
	}
	if strings.HasPrefix(root, "$") {
		return fmt.Errorf("%q begins with $, which belongs to the broker: leave it out", root)
	}
	for level := range strings.SplitSeq(root, "/") {
		if level == "+" && wildcard {
			continue
		}
		if level == "" {
			return fmt.Errorf("%q has an empty level: write it like facesieve/gate, without a / at its ends", root)
		}
		if err := CheckName(level); err != nil {
			return err
		}
	}
	return nil
}
