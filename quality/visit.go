package quality

import "time"

// Visit describes the presence of one person before one camera, as far as it is known when a decision is made. It holds
// nothing of the person's embedding.
type Visit struct {
	// ID is a UUIDv7, the same for all decisions about the visit.
	ID string
	// FirstSeen and LastSeen are the times of the first and of the last frame with the person's face.
	FirstSeen, LastSeen time.Time
	// Frames counts the analysed frames with the person's face, Faces those of them in which the face was scored, and
	// Tracks the tracks that were joined: 1 for a person who was never lost from sight.
	Frames, Faces, Tracks int
}
