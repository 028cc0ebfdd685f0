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
	Dropped    uint64    // captured, but a newer one came before Next took it
	Stale      uint64    // thrown away around a reconnect, because they showed the past
	Skipped    uint64    // broken pictures in a folder, or of a snapshot url
	Reconnects uint64    // times that a lost source came back
	Abandoned  uint64    // calls into OpenCV that were given up
	Width      int       // pixels, of the last frame; 0 before the first
	Height     int       // pixels, of the last frame; 0 before the first
	FPS        float64   // frames a second: of a file as it says, of a live source as they come; 0 where it is not known
	LastError  string    // of the last failure, without credentials; stays after it is over
	Reason     Reason    // of the last failure; empty while frames come
	NextTry    time.Time // when a lost source is opened again; zero while frames come or it is being opened
}
