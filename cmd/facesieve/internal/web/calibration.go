package web

import (
	"image"
	"time"

	"facesieve/cmd/facesieve/internal/config"
	"facesieve/cmd/facesieve/internal/feedback"
	"facesieve/models"
	"facesieve/quality"
)

// Calibration is what the Calibrate view needs to compute, without another request, what a threshold and gates do: the
// kept visits of one camera with the measures of their faces. Its JSON is compact, because a long visit has many faces.
type Calibration struct {
	Camera   string              `json:"camera"`
	Watched  float64             `json:"watched_s"` // how long the camera delivered frames while these visits were kept
	Settings CalibrationSettings `json:"settings"`  // in force
	Gates    []CalibrationGate   `json:"gates"`
	Curve    *models.FNMR        `json:"curve"` // of the quality network; null: its manifest has none
	// Feedback is what was learned from recognisers; nil: feedback is not enabled.
	Feedback *feedback.Snapshot `json:"feedback,omitempty"`
	Visits   []CalibrationVisit `json:"visits"`
}

// CalibrationSettings are the settings of a camera that decide about a face.
type CalibrationSettings struct {
	Policy    string    `json:"policy"`
	Threshold float64   `json:"threshold"`
	Gates     []float64 `json:"gates"` // the limits, in the order of Calibration.Gates
	// MaxWait, s, is how long policy best holds a face; 0: until the visit ends. Static, s, is how long a face may stand
	// still; 0: for ever.
	MaxWait float64 `json:"max_wait_s"`
	Static  float64 `json:"static_s"`
}

// CalibrationGate describes a limit of quality.Gates.
type CalibrationGate struct {
	Key    string  `json:"key"`    // in section quality
	Reason string  `json:"reason"` // of a face that misses it
	Low    float64 `json:"low"`    // the range of the limit
	High   float64 `json:"high"`
	AtMost bool    `json:"at_most"` // a face misses it by a measure above the limit; otherwise by one below
}

// CalibrationVisit is a visit with its faces.
type CalibrationVisit struct {
	Number uint64            `json:"number"`
	First  time.Time         `json:"first"`
	State  string            `json:"state"` // open, sent or rejected
	Reason string            `json:"reason"`
	Face   uint64            `json:"face"` // number of the best face's picture; 0: none
	Faces  []CalibrationFace `json:"faces"`
}

// CalibrationFace is one face: milliseconds since First, score, flags, number of its picture (0: none), then the
// measure of each gate, or null. Score and measures are in thousandths; a face that was not scored has score -1. A
// measure is rounded so that the comparison with a limit of at most three decimals has the same result as with the
// measure itself.
type CalibrationFace []any

// Flags of a CalibrationFace.
const (
	flagNight   = 1 // the picture has no colours
	flagUnlike  = 2 // the landmarks cannot be a face's: no setting lets it pass
	flagSkipped = 4 // it was not scored, because its visit was sent, or had a face that is better by its measures
)

// Calibration returns the visits of a camera with its settings. Networks are those in use.
func (r *Recorder) Calibration(camera config.Camera, networks []models.Manifest) Calibration {
	result := Calibration{
		Camera: camera.Name, Settings: calibrationSettings(camera), Gates: calibrationGates(camera.Quality.Gates),
		Visits: []CalibrationVisit{},
	}
	for _, network := range networks {
		if network.Task == models.TaskQuality && network.Quality != nil {
			result.Curve = network.Quality.FNMR
		}
	}
	r.mutex.Lock()
	defer r.mutex.Unlock()
	watched := r.timeOf(camera.Name)
	since := watched.total
	for _, v := range r.ordered() {
		if v.camera == camera.Name {
			since = min(since, v.watched)
			result.Visits = append(result.Visits, v.calibration())
		}
	}
	if !watched.dropped {
		since = 0
	}
	result.Watched = (watched.total - since).Seconds()
	return result
}

func calibrationSettings(camera config.Camera) CalibrationSettings {
	q := camera.Quality
	settings := CalibrationSettings{
		Policy: q.Policy, Threshold: q.LeastScore(), MaxWait: q.MaxWait.Seconds(), Static: q.Visit.Static.Seconds(),
	}
	for _, gate := range limits(q.Gates) {
		settings.Gates = append(settings.Gates, gate.Limit)
	}
	return settings
}

func calibrationGates(gates quality.Gates) (all []CalibrationGate) {
	for _, gate := range limits(gates) {
		all = append(all, CalibrationGate{
			Key: gate.Key, Reason: string(gate.Reason), Low: gate.Low, High: gate.High, AtMost: atMost(gate.Key),
		})
	}
	return all
}

// calibration returns the visit. The caller holds the recorder's mutex.
func (v *visit) calibration() CalibrationVisit {
	summary := v.summary()
	result := CalibrationVisit{
		Number: v.number, First: summary.First, State: summary.State, Reason: summary.Reason, Face: summary.Face,
		Faces: make([]CalibrationFace, 0, len(v.points)),
	}
	pictures := map[time.Time]uint64{}
	for _, p := range v.allPictures() {
		if p.jpeg != nil {
			pictures[p.time] = p.number
		}
	}
	for _, p := range v.points {
		result.Faces = append(result.Faces, p.calibration(result.First, pictures[p.time]))
	}
	return result
}

func (p point) calibration(first time.Time, picture uint64) CalibrationFace {
	score, flags := -1, 0
	if p.score != quality.NotAssessed {
		score = int(floor(finite(p.score, 0)))
	}
	if p.colour == night {
		flags |= flagNight
	}
	if p.unlike {
		flags |= flagUnlike
	}
	if p.skipped {
		flags |= flagSkipped
	}
	face := CalibrationFace{p.time.Sub(first).Milliseconds(), score, flags, picture}
	for _, m := range p.measures {
		if m == notMeasured {
			face = append(face, nil)
		} else {
			face = append(face, m)
		}
	}
	return face
}

// limits returns the gates without a face.
func limits(gates quality.Gates) []quality.GateMeasure {
	return gates.Measures(image.Point{}, [4]float32{}, quality.Assessment{})
}
