package event

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// Rejected is about a visit that ended without a face that could be sent: its face of the highest score, or the largest
// one if none was scored, and why that did not pass. With the reason static it is about the last face of a visit that ended
// because the face did not move; one of the visit may have been sent before. It is the payload of
// <root>/<camera>/rejected, and has no image.
type Rejected struct {
	// Schema is Version, or 2 in a message of an earlier program.
	Schema int    `json:"schema"`
	Device string `json:"device"`
	Camera string `json:"camera"`
	// Visit, Track, Time, Frame and Box are as in Face.
	Visit Visit     `json:"visit,omitzero" since:"3"`
	Track uint64    `json:"track"`
	Time  time.Time `json:"time"`
	Frame Size      `json:"frame"`
	Box   Box       `json:"box"`
	// Reasons are 1 to 16: first what decided, then the other limits that the face missed. None has the reason and
	// the measure of another. In a message of version 2 they have no measured values.
	Reasons []Miss `json:"reasons"`
	// Score is 0..100, or NotAssessed if the face was rejected before it was scored.
	Score float64 `json:"score"`
	// Labels are as in Quality; empty if the face was not scored.
	Labels     Labels     `json:"labels"`
	Components Components `json:"components"`
}

// Values of State.State.
const (
	Running      = "running"
	Reconnecting = "reconnecting"
	Stopped      = "stopped"
)

// State is the state of a camera: the retained payload of <root>/<camera>/state.
type State struct {
	// Schema is Version, or 2 in a message of an earlier program.
	Schema int    `json:"schema"`
	Device string `json:"device"`
	Camera string `json:"camera"`
	// State is Running, Reconnecting (also before the first frame) or Stopped.
	State string `json:"state"`
	// FPS is the number of captured frames a second, FacesPerSecond that of faces that passed; both over the last
	// seconds.
	FPS            float64 `json:"fps"`
	FacesPerSecond float64 `json:"faces_per_second"`
	// Since is when State took its present value, UTC.
	Since time.Time `json:"since"`
	// Reason is a keyword for programs: why a camera is not running, for example unauthorized, forbidden, not_found or
	// no_video (package capture has the list). Empty while it runs, and if no keyword applies.
	Reason string `json:"reason,omitempty"`
	// Detail is a text for people: what failed, what to do, when the next attempt is. It contains no credentials.
	Detail string `json:"detail,omitempty"`
	// Health is about the camera's picture. It is zero, and missing in the message, if it is not checked or no frame has
	// come yet.
	Health Health `json:"health,omitzero"`
	// Occupied is true while somebody is in sight: a face was in the picture within the last seconds.
	Occupied bool `json:"occupied,omitempty"`
	// FacesLastHour is the number of faces that passed in the last hour, since the start of the program at most, and
	// LastFace the last of them; zero if there is none.
	FacesLastHour uint64   `json:"faces_last_hour,omitempty"`
	LastFace      LastFace `json:"last_face,omitzero"`
	// Settings are those in force that commands can change. They are zero in a message of an earlier program.
	Settings Settings `json:"settings,omitzero"`
}

// LastFace has the small fields of a Face.
type LastFace struct {
	Time      time.Time `json:"time"`
	Score     float64   `json:"score"`
	LatencyMS int64     `json:"latency_ms"`
}

// Settings are the settings of a camera that a Command can change.
type Settings struct {
	// Enabled is false if the camera is not read.
	Enabled bool `json:"enabled"`
	// Threshold is the least score of a face that is sent, 0..100.
	Threshold float64 `json:"threshold"`
	// Policy is best, quick, interval or all.
	Policy string `json:"policy"`
	// Auto is true if the threshold follows what recognisers report.
	Auto bool `json:"auto,omitempty"`
}

// UnmarshalJSON refuses settings without a policy, which would be taken for missing ones.
func (s *Settings) UnmarshalJSON(data []byte) error {
	type fields Settings // without this method
	if err := json.Unmarshal(data, (*fields)(s)); err != nil {
		return err
	}
	if s.Policy == "" {
		return errors.New("settings.policy: missing or empty")
	}
	return nil
}

// Device is the state of the device: the retained payload of <root>/device.
type Device struct {
	Schema int    `json:"schema"`
	Device string `json:"device"`
	// Version is that of the program, for example 1.4.0 or development.
	Version string `json:"version"`
	Outbox  Outbox `json:"outbox"`
}

// Outbox counts events that were accepted.
type Outbox struct {
	// Waiting are stored and not acknowledged by the broker. Dropped were deleted without delivery since the start of the
	// program, because the outbox was full, they were too old, or the file was damaged.
	Waiting uint64 `json:"waiting"`
	Dropped uint64 `json:"dropped"`
}

// Values of Health.State.
const (
	HealthLearning = "learning" // nothing is wrong, but what is usual for this camera is not known yet
	HealthOK       = "ok"
	HealthDegraded = "degraded"
)

// Health is whether the picture of a camera is as good as it usually is.
type Health struct {
	// State is HealthLearning, HealthOK or HealthDegraded. A later program may add others.
	State string `json:"state"`
	// Since is when State and Reason took their present values, UTC.
	Since time.Time `json:"since"`
	// Reason is covered, dark, moved, dirty_or_out_of_focus or low_scores. It and the other fields are empty unless State
	// is HealthDegraded. A later program may add others.
	Reason string `json:"reason,omitempty"`
	// Measure, Measured, Limit and Unit are as in Miss.
	Measure  string  `json:"measure,omitempty"`
	Measured float64 `json:"measured,omitempty"`
	Limit    float64 `json:"limit,omitempty"`
	Unit     string  `json:"unit,omitempty"`
	// Detail is a text for people: what is wrong and what to do.
	Detail string `json:"detail,omitempty"`
}

// UnmarshalJSON refuses a health without a state, which would be taken for a missing one.
func (h *Health) UnmarshalJSON(data []byte) error {
	type fields Health // without this method
	if err := json.Unmarshal(data, (*fields)(h)); err != nil {
		return err
	}
	if h.State == "" {
		return errors.New("health.state: missing or empty")
	}
	return nil
}

// Status is whether a device is online: the retained payload of <root>/status, plain text.
type Status string

// Values of Status. Offline is also the last will.
const (
	Online  Status = "online"
	Offline Status = "offline"
)

// DecodeStatus reads the payload of a status topic.
func DecodeStatus(payload []byte) (Status, error) {
	switch s := Status(payload); s {
	case Online, Offline:
		return s, nil
	}
	return "", fmt.Errorf("status: %.40q is neither online nor offline", payload)
}
