package web

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"time"

	"facesieve/cmd/facesieve/internal/daemon"
	"facesieve/cmd/facesieve/internal/feedback"
	"facesieve/publish/event"
	"facesieve/quality"
)

// api answers the requests of the page with JSON.
type api struct {
	Options
	Control bool // web.control
}

// visitSummary is a line of the list of visits.
type visitSummary struct {
	Number  uint64       `json:"number"` // since the start of the daemon
	ID      string       `json:"id"`     // in the events
	Camera  string       `json:"camera"`
	First   time.Time    `json:"first"`
	Last    time.Time    `json:"last"`
	Frames  int          `json:"frames"` // with the person's face; those of the last decision or face
	Faces   int          `json:"faces"`  // of them, those that were scored
	Tracks  int          `json:"tracks"`
	Face    uint64       `json:"face"`  // number of the best face's picture; 0: none
	Score   float64      `json:"score"` // of the best face, -1: none was scored
	State   string       `json:"state"` // open, sent or rejected
	Sent    int          `json:"sent"`  // events
	Reason  string       `json:"reason"`
	Reasons []event.Miss `json:"reasons"`
	Text    string       `json:"text"` // the reasons, for people
}

// The values of visitSummary.State.
const (
	stateOpen     = "open" // nothing was decided yet
	stateSent     = "sent"
	stateRejected = "rejected"
)

// visitDetail is everything that is kept of a visit.
type visitDetail struct {
	visitSummary
	SentAt     *time.Time         `json:"sent_at"` // of the last event; null: none
	Policy     string             `json:"policy"`
	Labels     map[string]float64 `json:"labels"`
	Components event.Components   `json:"components"`
	Points     []visitPoint       `json:"points"`
	Pictures   []visitPicture     `json:"pictures"`
}

// visitPoint is a face of the score curve.
type visitPoint struct {
	Time   time.Time `json:"time"`
	Score  float64   `json:"score"` // -1: not assessed
	Reason string    `json:"reason"`
	Text   string    `json:"text"`
}

// visitPicture is a face with a picture.
type visitPicture struct {
	visitPoint
	Face   uint64 `json:"face"` // number of the picture
	Sent   bool   `json:"sent"`
	Detail string `json:"detail"` // score and measures, for people
}

func (a api) state(w http.ResponseWriter, _ *http.Request) {
	state := a.State()
	view := stateView(state, a.Versions, a.Recorder.droppedFaces())
	view.Control, view.Overridden = a.control(), overridden(state.InForce.Overrides)
	writeJSON(w, view)
}

// configuration returns the configuration in force as YAML, with the origin of every value and without passwords.
func (a api) configuration(w http.ResponseWriter, _ *http.Request) {
	text, err := a.State().InForce.YAML()
	if err != nil {
		http.Error(w, "The configuration cannot be shown.", http.StatusInternalServerError)
		return
	}
	writeJSON(w, map[string]string{"yaml": string(text)})
}

// visits returns the list of visits, or 204 if the browser has it already.
func (a api) visits(w http.ResponseWriter, r *http.Request) {
	revision, visits := a.Recorder.summaries()
	if r.URL.Query().Get("revision") == strconv.FormatUint(revision, 10) {
		w.WriteHeader(http.StatusNoContent)
		return
	}
	writeJSON(w, map[string]any{"revision": revision, "visits": visits})
}

// calibration returns the visits of a camera for the Calibrate view, or 204 if the browser has them already.
func (a api) calibration(w http.ResponseWriter, r *http.Request) {
	state := a.State()
	camera, err := state.Camera(r.URL.Query().Get("camera"))
	if err != nil || camera.Name != r.URL.Query().Get("camera") {
		http.Error(w, "There is no such camera.", http.StatusNotFound)
		return
	}
	learned := feedbackOf(state, camera.Name)
	revision := fmt.Sprintf("%d %v %d", a.Recorder.decisions(), calibrationSettings(camera), learned.Revision())
	if r.URL.Query().Get("revision") == revision {
		w.WriteHeader(http.StatusNoContent)
		return
	}
	data := a.Recorder.Calibration(camera, state.Networks)
	data.Feedback = learned
	writeJSON(w, map[string]any{"revision": revision, "data": data})
}

// feedbackOf returns what was learned about a camera, or nil.
func feedbackOf(state *daemon.State, camera string) *feedback.Snapshot {
	for _, c := range state.Cameras {
		if c.Name == camera {
			return c.Feedback
		}
	}
	return nil
}

func (a api) visit(w http.ResponseWriter, r *http.Request) {
	number, err := strconv.ParseUint(r.PathValue("number"), 10, 64)
	if err != nil {
		http.NotFound(w, r)
		return
	}
	detail, ok := a.Recorder.detail(number)
	if !ok {
		http.Error(w, "This visit is no longer in memory.", http.StatusNotFound)
		return
	}
	writeJSON(w, detail)
}

func (a api) face(w http.ResponseWriter, r *http.Request) {
	number, err := strconv.ParseUint(r.PathValue("number"), 10, 64)
	jpeg := a.Recorder.jpeg(number)
	if err != nil || jpeg == nil {
		http.Error(w, "This face is no longer in memory.", http.StatusNotFound)
		return
	}
	w.Header().Set("Content-Type", "image/jpeg")
	_, _ = w.Write(jpeg) //nolint:errcheck // the client has gone
}

func writeJSON(w http.ResponseWriter, v any) {
	text, err := json.Marshal(v)
	if err != nil {
		http.Error(w, "The answer cannot be written: "+err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(text) //nolint:errcheck // the client has gone
}

// summaries returns the visits, the one that began last first, and the number of changes so far.
func (r *Recorder) summaries() (revision uint64, all []visitSummary) {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	all = []visitSummary{}
	for _, v := range r.ordered() {
		all = append(all, v.summary())
	}
	return r.revision, all
}

func (r *Recorder) detail(number uint64) (visitDetail, bool) {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	for _, v := range r.visits {
		if v.number == number {
			return v.detail(), true
		}
	}
	return visitDetail{}, false
}

// decisions returns the number of decisions so far.
func (r *Recorder) decisions() uint64 {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	return r.decided
}

// droppedFaces returns the number of faces that have no picture, because too many waited to be encoded.
func (r *Recorder) droppedFaces() uint64 {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	return r.dropped
}

func (v *visit) summary() visitSummary {
	s := visitSummary{
		Number: v.number, ID: v.id, Camera: v.camera, First: v.first, Last: v.last, Reasons: []event.Miss{},
		Frames: v.figures.Frames, Faces: v.figures.Faces, Tracks: v.figures.Tracks,
		Score: quality.NotAssessed, State: stateOpen, Sent: v.sent,
	}
	if f := v.figures; !f.FirstSeen.IsZero() { // some of its faces may not be recorded
		s.First = slices.MinFunc([]time.Time{v.first, f.FirstSeen}, time.Time.Compare)
		s.Last = slices.MaxFunc([]time.Time{v.last, f.LastSeen}, time.Time.Compare)
	}
	if v.best != nil {
		s.Score = v.best.score
		if v.best.jpeg != nil {
			s.Face = v.best.number
		}
	}
	switch {
	case v.sent > 0:
		s.State, s.Score = stateSent, v.sentScore
	case v.rejected != "":
		s.State, s.Reason, s.Reasons, s.Text = stateRejected, string(v.rejected), v.reasons, event.MissesText(v.reasons)
	}
	return s
}

func (v *visit) detail() visitDetail {
	d := visitDetail{
		visitSummary: v.summary(), Policy: v.policy, Labels: v.labels, Components: v.components, Points: []visitPoint{},
		Pictures: []visitPicture{},
	}
	if v.sent > 0 {
		at := v.sentAt
		d.SentAt = &at
	}
	for _, p := range v.points {
		d.Points = append(d.Points, p.view())
	}
	for _, p := range v.allPictures() {
		if p.jpeg != nil {
			d.Pictures = append(d.Pictures, visitPicture{visitPoint: p.view(), Face: p.number, Sent: p.sent, Detail: p.detail})
		}
	}
	return d
}

func (p point) view() visitPoint {
	return visitPoint{Time: p.time, Score: p.score, Reason: string(p.reason), Text: p.text}
}
