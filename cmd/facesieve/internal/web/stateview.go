package web

import (
	"time"

	"facesieve/cmd/facesieve/internal/config"
	"facesieve/cmd/facesieve/internal/daemon"
	"facesieve/publish/event"
)

// stateJSON is the state of the daemon as the page shows it. It holds no secret.
type stateJSON struct {
	Time     time.Time     `json:"time"`
	Device   string        `json:"device"`
	Versions versionsJSON  `json:"versions"`
	Cameras  []cameraJSON  `json:"cameras"`
	Networks []networkJSON `json:"networks"`
	Delegate string        `json:"delegate"` // the runtime as configured
	Refused  []string      `json:"refused"`  // why networks do not use it
	Broker   brokerJSON    `json:"broker"`
	Outbox   outboxJSON    `json:"outbox"`
	Reload   reloadJSON    `json:"reload"`
	Control  controlJSON   `json:"control"`
	// Overridden has the keys of the overrides that are applied, by camera.
	Overridden map[string][]string `json:"overridden"`
	// Unpictured counts faces that have no picture, because too many waited to be encoded.
	Unpictured uint64 `json:"unpictured"`
}

type versionsJSON struct {
	Program string `json:"program"`
	OpenCV  string `json:"opencv"`
	TFLite  string `json:"tflite"`
}

type cameraJSON struct {
	Name       string      `json:"name"`
	State      string      `json:"state"`
	Error      string      `json:"error"`
	NextTry    *time.Time  `json:"next_try"` // null: it is not tried again, or it runs
	Width      int         `json:"width"`
	Height     int         `json:"height"`
	FPS        float64     `json:"fps"`
	Captured   uint64      `json:"captured"` // frames
	Dropped    uint64      `json:"dropped"`  // of them, replaced by a newer one
	Reconnects uint64      `json:"reconnects"`
	Analysed   uint64      `json:"analysed"`
	Judged     uint64      `json:"judged"` // faces
	Sent       uint64      `json:"sent"`
	Stages     []stageJSON `json:"stages"`
	Limits     limitsJSON  `json:"limits"`
	Health     *healthJSON `json:"health"` // null: the picture is not checked, or no frame has come yet
}

// healthJSON is the health of a camera's picture.
type healthJSON struct {
	State  string    `json:"state"`
	Since  time.Time `json:"since"`
	Detail string    `json:"detail"` // why it is degraded, and what to do
}

type stageJSON struct {
	Name  string  `json:"name"`
	Calls int     `json:"calls"`
	Mean  float64 `json:"mean_ms"`
}

// limitsJSON are the settings of a camera that decide about a face.
type limitsJSON struct {
	Policy         string         `json:"policy"`
	Threshold      float64        `json:"threshold"`
	MinFace        float64        `json:"min_face"`         // longer side, pixels of the frame
	MinEyeDistance float64        `json:"min_eye_distance"` // pixels of the frame
	ROI            [][2]float64   `json:"roi"`              // corners, shares of width and height
	Masks          [][][2]float64 `json:"masks"`
}

type networkJSON struct {
	Task    string `json:"task"`
	Name    string `json:"name"`
	Version string `json:"version"`
	SHA256  string `json:"sha256"`
	License string `json:"license"`
}

type brokerJSON struct {
	Connected bool      `json:"connected"`
	Since     time.Time `json:"since"`
	Error     string    `json:"error"`
	Denied    string    `json:"denied"`
	Stuck     bool      `json:"stuck"`
	LastHour  uint64    `json:"faces_last_hour"`
}

type outboxJSON struct {
	Store     string `json:"store"`
	Queued    int    `json:"queued"`
	Held      int    `json:"held"` // in memory only
	Bytes     int64  `json:"bytes"`
	MaxEvents int    `json:"max_events"`
	MaxMiB    int    `json:"max_mib"`
	Delivered uint64 `json:"delivered"`
	Dropped   uint64 `json:"dropped"` // had been accepted
	Refused   uint64 `json:"refused"` // never were
}

type reloadJSON struct {
	At     *time.Time `json:"at"` // null: never since the start
	Faults []string   `json:"faults"`
}

func stateView(s *daemon.State, v Versions, unpictured uint64) stateJSON {
	view := stateJSON{
		Time: s.Time, Device: s.InForce.Device, Versions: versionsJSON(v), Delegate: s.InForce.Runtime.String(),
		Cameras: []cameraJSON{}, Networks: []networkJSON{}, Refused: list(s.NetworksRefused),
		Broker: brokerView(s), Outbox: outboxView(s),
		Reload: reloadJSON{At: timeOrNull(s.Reloaded), Faults: list(s.ReloadFaults)}, Unpictured: unpictured,
	}
	for _, camera := range s.Cameras {
		one := cameraView(camera)
		if settings, err := s.Camera(camera.Name); err == nil {
			one.Limits = limitsView(settings)
		}
		view.Cameras = append(view.Cameras, one)
	}
	for _, m := range s.Networks {
		view.Networks = append(view.Networks, networkJSON{m.Task, m.Name, m.Version, m.SHA256, m.License})
	}
	return view
}

func cameraView(c daemon.CameraState) cameraJSON {
	view := cameraJSON{
		Name: c.Name, State: c.State, Error: c.Error, NextTry: timeOrNull(c.Source.NextTry),
		Width: c.Source.Width, Height: c.Source.Height, FPS: c.Source.FPS,
		Captured: c.Source.Frames, Dropped: c.Source.Dropped, Reconnects: c.Source.Reconnects,
		Analysed: c.Pipeline.Analysed, Judged: c.Pipeline.Judged, Sent: c.Pipeline.Sent, Stages: []stageJSON{},
	}
	if h := c.Health; h != (event.Health{}) {
		view.Health = &healthJSON{h.State, h.Since, h.Detail}
	}
	for _, stage := range c.Pipeline.Stages {
		mean := float64(stage.Total) / float64(max(1, stage.Calls)) / float64(time.Millisecond)
		view.Stages = append(view.Stages, stageJSON{stage.Name, stage.Calls, mean})
	}
	return view
}

func limitsView(c config.Camera) limitsJSON {
	limits := limitsJSON{
		Policy: c.Quality.Policy, Threshold: c.Quality.LeastScore(), MinFace: c.Detect.MinFace,
		MinEyeDistance: c.Quality.Gates.MinEyeDistance, ROI: c.Detect.ROI, Masks: [][][2]float64{},
	}
	for _, mask := range c.Detect.Masks {
		limits.Masks = append(limits.Masks, mask)
	}
	return limits
}

func brokerView(s *daemon.State) brokerJSON {
	return brokerJSON{
		Connected: s.Uplink.Connected, Since: s.Uplink.Since, Error: s.Uplink.LastError, Denied: s.Uplink.Denied,
		Stuck: s.UplinkStuck, LastHour: s.FacesLastHour,
	}
}

func outboxView(state *daemon.State) outboxJSON {
	s, cfg := state.Uplink, state.InForce.Outbox
	return outboxJSON{
		Store: cfg.Store, Queued: s.Queued, Held: s.Held, Bytes: s.Bytes, MaxEvents: cfg.MaxEvents, MaxMiB: cfg.MaxMiB,
		Delivered: s.Delivered, Dropped: s.Dropped.Total(), Refused: s.Refused.Total(),
	}
}

func timeOrNull(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

// list returns an empty list instead of nil, which JSON writes as null.
func list(all []string) []string { return append([]string{}, all...) }
