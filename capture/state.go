package capture

import "time"

// State is what a Source is doing.
type State string

// The states of a Source.
const (
	Connecting   State = "connecting"   // opening for the first time, no frame yet
	Running      State = "running"      // frames come
	Reconnecting State = "reconnecting" // lost, or never reached; a live source only
	Stopped      State = "stopped"      // at its end, failed, or closed
)

// Stats counts since Open.
type Stats struct {
	Frames     uint64    // captured; Frame.Sequence counts the same
	Dropped    uint64    // captured, but replaced by a newer frame before Next returned them
	Stale      uint64    // discarded around a reconnect, because they were out of date
	Skipped    uint64    // damaged pictures in a directory, or of a snapshot url
	Reconnects uint64    // successful reconnections of a lost source
	Abandoned  uint64    // abandoned calls into OpenCV
	Width      int       // pixels, of the last frame; 0 before the first
	Height     int       // pixels, of the last frame; 0 before the first
	FPS        float64   // frames a second: declared by a file, measured for a live source; 0: unknown
	LastError  string    // of the last failure, without credentials; kept after recovery
	Reason     Reason    // of the last failure; empty while frames arrive
	NextTry    time.Time // next attempt to open a lost source; zero while frames arrive or it is being opened
}
