package event

import (
	"strings"
	"time"
	"unicode"
)

// Settings that a Command can change: the end of its topic, <root>/<camera>/set/<setting>.
const (
	SettingEnabled   = "enabled"   // ValueOn or ValueOff
	SettingThreshold = "threshold" // a number, 0..100, or auto
	SettingPolicy    = "policy"    // best, quick, interval or all
)

// Values of the setting enabled.
const (
	ValueOn  = "ON"
	ValueOff = "OFF"
)

// Policies returns the values of Face.Policy and of the setting policy.
func Policies() []string { return []string{"best", "quick", "interval", "all"} }

// settingResult is the end of the topic of results, which no setting can have.
const settingResult = "result"

// maxValue is the length of Result.Value, in characters.
const maxValue = 64

// Command is a change of one setting of a camera, as another program has sent it. Nothing of it is checked.
type Command struct {
	Topic   string
	Camera  string
	Setting string
	Value   string // the payload, text
	// Retained is true if the broker had stored the message before the device connected.
	Retained bool
}

// Result is the answer to a Command: the payload of <root>/<camera>/set/result.
type Result struct {
	Schema  int    `json:"schema"`
	Device  string `json:"device"`
	Camera  string `json:"camera"`
	Setting string `json:"setting"`
	// Value is that of the command, see ShownValue.
	Value string `json:"value"`
	// Accepted is true if the setting was saved. It is in force when the state of the camera has it, some seconds later.
	Accepted bool `json:"accepted"`
	// Error is why the command was refused, and which values are permitted; empty if it was accepted.
	Error string    `json:"error,omitempty"`
	Time  time.Time `json:"time"` // of the answer, UTC
}

// ShownValue returns a value from outside as it may be shown: valid UTF-8 without control characters, at most 64
// characters.
func ShownValue(value string) string {
	value = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return unicode.ReplacementChar
		}
		return r
	}, strings.ToValidUTF8(value[:min(len(value), 4*maxValue)], string(unicode.ReplacementChar)))
	if r := []rune(value); len(r) > maxValue {
		return string(r[:maxValue-1]) + "…"
	}
	return value
}

// ParseSet returns the camera and the setting of the topic of a command. The topic of a result is none.
func (t Topics) ParseSet(topic string) (camera, setting string, ok bool) {
	rest, ok := strings.CutPrefix(topic, t.root+"/")
	levels := strings.Split(rest, "/")
	if !ok || len(levels) != 3 || levels[1]+"/" != string(kindSet) || levels[2] == settingResult {
		return "", "", false
	}
	return levels[0], levels[2], true
}
