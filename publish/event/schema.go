package event

import _ "embed" // the schemas are files, so that developers of subscribers in other languages can copy them

// The JSON Schemas (draft 2020-12) of Face, Rejected, State, Device, Result and Feedback. They allow additional fields, as readers
// must. They are not to be changed.
var (
	//go:embed face.schema.json
	FaceSchema string
	//go:embed rejected.schema.json
	RejectedSchema string
	//go:embed state.schema.json
	StateSchema string
	//go:embed device.schema.json
	DeviceSchema string
	//go:embed result.schema.json
	ResultSchema string
	//go:embed feedback.schema.json
	FeedbackSchema string
)
