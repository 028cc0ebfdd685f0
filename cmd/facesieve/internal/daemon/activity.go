package daemon

import (
	"sync"
	"time"

	"facesieve/cmd/facesieve/internal/pipeline"
	"facesieve/publish/event"
)

// occupiedFor is how long a camera counts as occupied after the last frame with a face. A person who turns away for a
// moment is still there.
const occupiedFor = 10 * time.Second

// activity observes what happens before each camera, for the states. It is safe for concurrent use.
type activity struct {
	pipeline.NoObserver
	mutex   sync.Mutex
	cameras map[string]*cameraActivity
}

// cameraActivity is what was seen last before one camera.
type cameraActivity struct {
	seen time.Time // a frame with a track
	face event.LastFace
	hour lastHour // accepted events
}

func newActivity() *activity { return &activity{cameras: map[string]*cameraActivity{}} }

// Frame records that a frame has a track. The face of a poster is not one for long, see quality.visit.static.
func (a *activity) Frame(f pipeline.FrameReport) {
	if !f.Analysed || len(f.Tracks) == 0 {
		return
	}
	a.mutex.Lock()
	defer a.mutex.Unlock()
	a.of(f.Camera).seen = time.Now()
}

// accepted records an event that the outbox has accepted.
func (a *activity) accepted(e event.Face) {
	a.mutex.Lock()
	defer a.mutex.Unlock()
	c := a.of(e.Camera)
	c.face = event.LastFace{Time: e.Time.Round(0).UTC(), Score: e.Quality.Score, LatencyMS: e.LatencyMS}
	c.hour.add(time.Now(), 1)
}

// complete adds the activity of a camera to its state.
func (a *activity) complete(c *CameraState, now time.Time) {
	a.mutex.Lock()
	defer a.mutex.Unlock()
	seen := a.of(c.Name)
	c.Occupied = now.Sub(seen.seen) < occupiedFor
	c.FacesLastHour, c.LastFace = seen.hour.add(now, 0), seen.face
}

// of returns the activity of a camera. The caller holds the mutex.
func (a *activity) of(camera string) *cameraActivity {
	if a.cameras[camera] == nil {
		a.cameras[camera] = &cameraActivity{}
	}
	return a.cameras[camera]
}
