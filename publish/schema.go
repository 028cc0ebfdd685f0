package publish

import _ "embed" // the schemas are files, so that readers in other languages can take them as they are

// EventSchema is the JSON Schema (draft 2020-12) of Event, as `facesieve schema` prints it. Not to be changed.
//
//go:embed event.schema.json
var EventSchema []byte

// RejectedSchema is the JSON Schema of Rejected. Not to be changed.
//
//go:embed rejected.schema.json
var RejectedSchema []byte

// StateSchema is the JSON Schema of State. Not to be changed.
//
//go:embed state.schema.json
var StateSchema []byte
