package hass

import (
	"fmt"
	"strings"
)

// Prefix is what the topics of discovery begin with: the default of Home Assistant.
const Prefix = "homeassistant"

// StatusTopic is the topic on which Home Assistant publishes StatusOnline when it has started, by default not retained.
const (
	StatusTopic  = Prefix + "/status"
	StatusOnline = "online"
)

// Filter matches all topics of Discovery for a device, and no others. Mosquitto's access control needs it.
func Filter(device string) string { return topic(device, "+") }

func topic(device, object string) string {
	return Prefix + "/device/facesieve_" + escape(device) + "/" + object + "/config"
}

func boardObject() string { return "board" }

func cameraObject(camera string) string { return "camera_" + escape(camera) }

// uniqueID joins names to an id. An escaped name has no dot, so that different names give different ids.
func uniqueID(names ...string) string {
	id := "facesieve"
	for _, name := range names {
		id += "." + escape(name)
	}
	return id
}

// escape returns a name with the characters that Home Assistant allows in a topic, [a-zA-Z0-9_-]. Letters, digits and _
// stay; a hyphen is doubled; any other byte becomes a hyphen and two lower-case hexadecimal digits. Two names never have
// the same result, because a reader could reverse it.
func escape(name string) string {
	var b strings.Builder
	for _, c := range []byte(name) {
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '_':
			b.WriteByte(c)
		case c == '-':
			b.WriteString("--")
		default:
			fmt.Fprintf(&b, "-%02x", c)
		}
	}
	return b.String()
}

// IsDiscovery reports whether a topic is one of Discovery for a device.
func IsDiscovery(device, topic string) bool {
	before, after, _ := strings.Cut(Filter(device), "+")
	object, ok := strings.CutPrefix(topic, before)
	if !ok {
		return false
	}
	object, ok = strings.CutSuffix(object, after)
	return ok && object != "" && !strings.Contains(object, "/")
}
