package daemon

import (
	"iter"
	"slices"
	"time"

	"facesieve/capture"
	"facesieve/cmd/facesieve/internal/config"
	"facesieve/cmd/facesieve/internal/feedback"
	"facesieve/cmd/facesieve/internal/pipeline"
	"facesieve/models"
	"facesieve/publish"
	"facesieve/publish/event"
	"facesieve/quality"
)

// State is a snapshot of the daemon. It never changes, so readers may share it.
type State struct {
	Time          time.Time
	Cameras       []CameraState // in the order of the configuration
	Uplink        publish.Stats
	UplinkStuck   bool   // the publisher does not respond
	FacesLastHour uint64 // delivered to the broker
	// ReloadRefused describes the last configuration if it was refused, for a status line; empty: it is in force.
	ReloadRefused string
	// InForce is the configuration, with the origin of every value. It contains passwords; InForce.YAML hides them.
	InForce *config.InForce
	// Reloaded is when a configuration was last put in force or refused; zero: never since the start.
	Reloaded time.Time
	// ReloadFaults has one text for each fault of that configuration; empty: it is in force.
	ReloadFaults []string
	// Networks are those in use. NetworksRefused says why they do not use the configured accelerator.
	Networks        []models.Manifest
	NetworksRefused []string
}

// CameraState is the state of one camera.
type CameraState struct {
	Name   string
	Worker uint64        // number of the camera's worker; a reload that changes the source starts another
	State  string        // event.Running, event.Reconnecting or event.Stopped
	Error  string        // why it is not running, if that is known
	Active bool          // it has a pipeline, which takes steps
	Source capture.Stats // zero if the camera could not be opened
	// Pipeline holds the counts since the worker started.
	Pipeline pipeline.Stats
	// Occupied, FacesLastHour, LastFace and Settings are as in event.State.
	Occupied      bool
	FacesLastHour uint64
	LastFace      event.LastFace
	Settings      event.Settings
	// Health is that of the picture, the last one while the camera is not running; zero: it is not checked, or no frame
	// has come yet.
	Health event.Health
	// Feedback is what was learned from recognisers; nil: feedback is not enabled.
	Feedback *feedback.Snapshot
}

// Camera returns the settings of a camera. A threshold that is auto has its present value.
func (s *State) Camera(name string) (config.Camera, error) {
	camera, err := s.InForce.Camera(name)
	i := slices.IndexFunc(s.Cameras, func(c CameraState) bool { return c.Name == camera.Name })
	if i >= 0 && camera.Quality.Threshold == quality.Auto {
		camera.Quality.Threshold = quality.Threshold(s.Cameras[i].Settings.Threshold)
	}
	return camera, err
}

// snapshot returns the present state.
func (d *Daemon) snapshot(now time.Time) *State {
	inForce := d.cfg
	state := &State{
		Time: now, Uplink: d.uplink.stats(), UplinkStuck: d.uplink.stuck(),
		ReloadRefused: d.reload.refused, Reloaded: d.reload.ended, ReloadFaults: d.reload.faults,
		InForce: &inForce, Networks: d.networks.Manifests(), NetworksRefused: d.pool.Refused(),
	}
	state.FacesLastHour = d.sent.add(now, state.Uplink.Delivered-d.delivered)
	d.delivered = state.Uplink.Delivered
	for _, w := range d.supervisor.workers {
		camera := w.state()
		d.activity.complete(&camera, now)
		if d.options.Health != nil {
			camera.Health = d.options.Health.Health(camera.Name)
		}
		if camera.Feedback = d.reports.snapshot(camera.Name, camera.Settings.Threshold); camera.Feedback != nil {
			camera.Settings.Auto = camera.Feedback.Auto
		}
		state.Cameras = append(state.Cameras, camera)
	}
	return state
}

// stateInterval is how often a camera's state is published if it does not change, and the time over which frame and
// face rates are measured.
const stateInterval = 10 * time.Second

// stateReporter selects the camera states that the broker does not have yet.
type stateReporter struct{ last map[uint64]*reportedState } // by worker

// reportedState is the last report of a camera, and the counts at that time.
type reportedState struct {
	state        event.State
	at           time.Time
	frames, sent uint64
}

// reset makes all states new, because another publisher starts without any.
func (r *stateReporter) reset() { r.last = nil }

// changes returns the states, by camera name, that are to be published: those that changed, and those that were last
// published stateInterval ago.
func (r *stateReporter) changes(s *State) iter.Seq2[string, event.State] {
	return func(yield func(string, event.State) bool) {
		kept := map[uint64]*reportedState{}
		for _, camera := range s.Cameras {
			last := r.last[camera.Worker]
			if last == nil {
				last = &reportedState{}
			}
			kept[camera.Worker] = last
			if last.update(camera, s.Time) && !yield(camera.Name, last.state) {
				return
			}
		}
		r.last = kept
	}
}

// update reports whether the state is to be published, and sets it if so.
func (last *reportedState) update(camera CameraState, now time.Time) bool {
	reason, detail := camera.explain()
	same := camera.State == last.state.State && reason == last.state.Reason && !last.acts(camera) &&
		camera.Health.State == last.state.Health.State && camera.Health.Reason == last.state.Health.Reason
	if same && now.Sub(last.at) < stateInterval {
		return false
	}
	last.state.Reason, last.state.Detail, last.state.Health = reason, detail, camera.Health
	last.state.Occupied, last.state.FacesLastHour = camera.Occupied, camera.FacesLastHour
	last.state.LastFace, last.state.Settings = camera.LastFace, camera.Settings
	if camera.State != last.state.State {
		last.state.State, last.state.Since = camera.State, now
	}
	frames, sent := camera.Source.Frames, camera.Pipeline.Sent
	if seconds := now.Sub(last.at).Seconds(); !last.at.IsZero() && seconds > 0 {
		last.state.FPS = float64(frames-last.frames) / seconds
		last.state.FacesPerSecond = float64(sent-last.sent) / seconds
	}
	last.at, last.frames, last.sent = now, frames, sent
	return true
}

// acts reports whether something has happened before the camera, or to its settings, since the last report.
func (last *reportedState) acts(camera CameraState) bool {
	return camera.Occupied != last.state.Occupied || camera.LastFace != last.state.LastFace ||
		camera.Settings != last.state.Settings
}

// explain returns why the camera is not running: a fixed reason for programs, and a text. Unknown ones are empty.
func (c *CameraState) explain() (reason, detail string) {
	detail = c.Error
	if c.State == event.Reconnecting && detail != "" && !c.Source.NextTry.IsZero() {
		detail += "; the next try is at " + c.Source.NextTry.UTC().Format(time.RFC3339)
	}
	if c.State != event.Running {
		reason = string(c.Source.Reason)
	}
	return reason, clipped(detail)
}

// clipped cuts a text to the length that a published state may have.
func clipped(text string) string {
	const most = 500
	if r := []rune(text); len(r) > most {
		return string(r[:most-1]) + "…"
	}
	return text
}

// lastHour counts events of the last sixty minutes.
type lastHour struct {
	minutes [60]uint64
	minute  int64 // of the last count, since 1970
}

// add counts n more events and returns the sum.
func (h *lastHour) add(now time.Time, n uint64) uint64 {
	minute := now.Unix() / 60
	for h.minute = max(h.minute, minute-60); h.minute < minute; {
		h.minute++
		h.minutes[h.minute%60] = 0
	}
	h.minutes[h.minute%60] += n
	var sum uint64
	for _, m := range h.minutes {
		sum += m
	}
	return sum
}
