package event

import "time"

// Visit is the presence of one person before one camera, as far as it is known when a message is made.
type Visit struct {
	// ID is a UUIDv7 in lower case with hyphens, the same in all messages about the visit.
	ID string `json:"id"`
	// FirstSeen and LastSeen are the times of the first and of the last frame with the person's face, UTC.
	FirstSeen time.Time `json:"first_seen"`
	LastSeen  time.Time `json:"last_seen"`
	// Frames counts the analysed frames with the person's face, Faces those of them in which the face was scored.
	Frames int `json:"frames"`
	Faces  int `json:"faces"`
	// Tracks counts the tracks that were joined: 1 for a person who was never lost from sight.
	Tracks int `json:"tracks"`
}

// ShortID returns the last eight characters of the id, for people: they are random, the first ones are the time. It is
// empty for a message of version 2.
func (v Visit) ShortID() string { return v.ID[max(0, len(v.ID)-8):] }

// utc returns the visit with its times in UTC.
func (v Visit) utc() Visit {
	v.FirstSeen, v.LastSeen = utc(v.FirstSeen), utc(v.LastSeen)
	return v
}
