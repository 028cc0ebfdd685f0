package event

import "strings"

// Kind is a kind of message. Its value is the end of the topic, behind the root and, for most kinds, the camera.
type Kind string

// The kinds of messages.
const (
	KindFace     Kind = "face"
	KindJPEG     Kind = "face/jpeg"
	KindRejected Kind = "rejected"
	KindState    Kind = "state"
	KindStatus   Kind = "status"
	KindProbe    Kind = "probe"
	KindDevice   Kind = "device"
	KindResult   Kind = kindSet + settingResult
	KindFeedback Kind = "feedback"

	kindSet = "set/" // of commands, before the setting
)

// QoS is the quality of service with which messages of the kind are published.
func (k Kind) QoS() byte {
	if k == KindRejected {
		return 0
	}
	return 1
}

// Retained reports whether the broker keeps the last message of the kind for later subscribers.
func (k Kind) Retained() bool { return k == KindState || k == KindStatus || k == KindDevice }

// ofDevice reports whether the kind has one topic for the whole device, not one for each camera.
func (k Kind) ofDevice() bool { return k == KindStatus || k == KindProbe || k == KindDevice }

// Topics builds the topics below one root.
type Topics struct {
	root string
}

// NewTopics returns the topics below root; see CheckRoot.
func NewTopics(root string) Topics { return Topics{root} }

// Root is the beginning of all topics.
func (t Topics) Root() string { return t.root }

// Of is the topic of a kind. The camera is not used for a kind that the whole device has.
func (t Topics) Of(kind Kind, camera string) string {
	if kind.ofDevice() {
		return t.root + "/" + string(kind)
	}
	return t.root + "/" + camera + "/" + string(kind)
}

// Face is the topic of a camera's faces.
func (t Topics) Face(camera string) string { return t.Of(KindFace, camera) }

// JPEG is the topic of a camera's faces as JPEG alone.
func (t Topics) JPEG(camera string) string { return t.Of(KindJPEG, camera) }

// Rejected is the topic of a camera's faces that did not pass.
func (t Topics) Rejected(camera string) string { return t.Of(KindRejected, camera) }

// State is the topic of a camera's state.
func (t Topics) State(camera string) string { return t.Of(KindState, camera) }

// Status is the topic of the device's status.
func (t Topics) Status() string { return t.Of(KindStatus, "") }

// Probe is the topic of messages that test whether the broker accepts any.
func (t Topics) Probe() string { return t.Of(KindProbe, "") }

// Device is the topic of the device's state.
func (t Topics) Device() string { return t.Of(KindDevice, "") }

// Set is the topic of the commands that change a setting of a camera.
func (t Topics) Set(camera, setting string) string {
	return t.root + "/" + camera + "/" + kindSet + setting
}

// Result is the topic of the answers to the commands of a camera.
func (t Topics) Result(camera string) string { return t.Of(KindResult, camera) }

// Feedback is the topic of what recognisers report about a camera's faces.
func (t Topics) Feedback(camera string) string { return t.Of(KindFeedback, camera) }

// ParseTopic splits a topic. The camera is empty for a status, and all are empty for a topic that subscribers do not
// handle.
func ParseTopic(topic string) (root, camera string, kind Kind) {
	if root, ok := strings.CutSuffix(topic, "/"+string(KindStatus)); ok {
		return root, "", KindStatus
	}
	for _, kind := range []Kind{KindFace, KindJPEG, KindRejected, KindState} {
		rest, ok := strings.CutSuffix(topic, "/"+string(kind))
		if i := strings.LastIndexByte(rest, '/'); ok && i > 0 {
			return rest[:i], rest[i+1:], kind
		}
	}
	return "", "", ""
}
