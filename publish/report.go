package publish

import "time"

// Rejected says why a face did not pass: the payload of <root>/<camera>/rejected. It carries no picture.
type Rejected struct {
	// Schema is SchemaVersion.
	Schema int    `json:"schema"`
	Device string `json:"device"`
	Camera string `json:"camera"`
	// Track is as in Event.
	Track uint64 `json:"track"`
	// Time is when the frame was captured, UTC.
	Time time.Time `json:"time"`
	// Frame is the size of the full frame, Box the face in it, in pixels.
	Frame Size `json:"frame"`
	Box   Box  `json:"box"`
	// Reasons are one or more of too_small, too_blurred, pose, low_quality, edge, duplicate, none twice.
	Reasons []string `json:"reasons"`
	// Score is 0..100, or NotAssessed when the face was turned away before it was scored.
	Score float64 `json:"score"`
	// Labels are as in Quality; empty when the face was not scored.
	Labels Labels `json:"labels"`
	// Components are NotAssessed where they were not measured.
	Components Components `json:"components"`
}

// Words of State.
const (
	Running      = "running"
	Reconnecting = "reconnecting"
	Stopped      = "stopped"
)

// State is how a camera does: the retained payload of <root>/<camera>/state.
type State struct {
	// Schema is SchemaVersion.
	Schema int    `json:"schema"`
	Device string `json:"device"`
	Camera string `json:"camera"`
	// State is Running, Reconnecting (also before the first frame) or Stopped.
	State string `json:"state"`
	// FPS is frames per second as captured, FacesPerSecond the faces that passed; both over the last seconds.
	FPS            float64 `json:"fps"`
	FacesPerSecond float64 `json:"faces_per_second"`
	// Since is when State took its present value, UTC.
	Since time.Time `json:"since"`
	// Reason is a keyword for programs: why a camera is not running, for example unauthorized, forbidden, not_found or
	// no_video (package capture has the list). Empty while it runs, and if no keyword applies.
	Reason string `json:"reason,omitempty"`
	// Detail is a text for people: what failed, what to do, when the next attempt is. It contains no credentials.
	Detail string `json:"detail,omitempty"`
}

// Payloads of <root>/status, plain text.
const (
	Online  = "online"
	Offline = "offline"
)
