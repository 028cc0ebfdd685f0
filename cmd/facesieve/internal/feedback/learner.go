package feedback

import (
	"errors"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"facesieve/models"
	"facesieve/publish/event"
	"facesieve/quality"
)

// Fates of a report: keys of Snapshot.Fates.
const (
	Accepted = "accepted"
	Invalid  = "invalid"  // not what the schema describes, or it contradicts itself
	Retained = "retained" // it would come again at each connection
	Unknown  = "unknown"  // the id is not that of an event of this camera
	Late     = "late"     // the event is older than a day
	Repeated = "repeated" // the recogniser has reported about this event before
	Excess   = "excess"   // more reports of one hour than count
)

// Fates returns all fates.
func Fates() []string { return []string{Accepted, Invalid, Retained, Unknown, Late, Repeated, Excess} }

// Settings configure the threshold of one camera.
type Settings struct {
	// Auto is true if the threshold is moved. Share is the wanted share of the sent faces that are matched, 0..1.
	Auto  bool
	Share float64
	// Min and Max bound the threshold, and Start is its first value.
	Min, Max, Start float64
}

// SettingsOf returns the settings of a camera's configuration.
func SettingsOf(q quality.Config) Settings {
	return Settings{
		Auto: q.Threshold == quality.Auto, Share: q.Target, Min: q.Auto[0], Max: q.Auto[1], Start: q.LeastScore(),
	}
}

// Move is a move of a threshold.
type Move struct {
	Camera   string
	From, To float64
	// Share is that of the faces from the former threshold on.
	Share      Share
	Recogniser string
	Reports    float64
}

// Learner learns from reports. It is safe for concurrent use.
type Learner struct {
	log    zerolog.Logger
	faulty zerolog.Logger // one line a minute
	files  files

	mutex   sync.Mutex
	network string // name, version and hash of the quality network
	priors  histogram
	cameras map[string]*camera
	fates   map[string]map[string]uint64 // by camera and fate
	hour    time.Time                    // when the present hour began
	saved   time.Time
	changed bool // since saved

	revision uint64 // rises with each change
}

// Open returns a learner with what the files in a state directory hold. Files of another network, or that cannot be
// read, are not used; the latter are kept and logged. An empty directory name stands for none: nothing is saved.
func Open(directory string, log zerolog.Logger, now time.Time) *Learner {
	log = log.With().Str("component", "feedback").Logger()
	l := &Learner{
		log: log, faulty: log.Sample(&zerolog.BurstSampler{Burst: 1, Period: time.Minute}), files: filesIn(directory),
		cameras: map[string]*camera{}, fates: map[string]map[string]uint64{}, hour: now, saved: now,
	}
	l.load(now)
	return l
}

// Configure sets the quality network and the cameras. What was learned with another network is forgotten.
func (l *Learner) Configure(network models.Manifest, cameras map[string]Settings) {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	l.priors = prior(network)
	l.revision++
	if id := network.Name + " " + network.Version + " " + network.SHA256; id != l.network {
		for name, c := range l.cameras {
			fresh := newCamera()
			fresh.ledger, fresh.threshold, fresh.moved = c.ledger, c.threshold, c.moved
			l.cameras[name] = fresh
		}
		if l.network != "" {
			l.log.Info().Str("network", network.Name+" "+network.Version).
				Msg("the quality network is another one: the learned curves begin anew")
		}
		l.network = id
	}
	for name := range l.cameras {
		if _, ok := cameras[name]; !ok {
			delete(l.cameras, name)
		}
	}
	for name, s := range cameras {
		l.of(name).configure(s)
	}
}

func (c *camera) configure(s Settings) {
	if !s.Auto {
		c.target = nil
		return
	}
	c.target = &target{share: s.Share, min: s.Min, max: s.Max}
	if c.moved.IsZero() {
		c.threshold = s.Start
	}
	c.threshold = c.target.clamp(c.threshold)
}

// change records that something to be saved and shown has changed. The caller holds the mutex.
func (l *Learner) change() {
	l.changed = true
	l.revision++
}

// of returns a camera. The caller holds the mutex.
func (l *Learner) of(name string) *camera {
	if l.cameras[name] == nil {
		l.cameras[name] = newCamera()
	}
	return l.cameras[name]
}

// Threshold returns the threshold in force of a camera whose threshold is auto.
func (l *Learner) Threshold(camera string) (float64, bool) {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	c := l.cameras[camera]
	if c == nil || c.target == nil {
		return 0, false
	}
	return c.threshold, true
}

// Sent records the event of a face that is sent.
func (l *Learner) Sent(e event.Face, now time.Time) {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	if c := l.cameras[e.Camera]; c != nil {
		c.ledger.add(&sentEvent{ID: e.ID, At: now.UTC().Truncate(time.Second), Score: e.Quality.Score})
		c.faces[binOf(e.Quality.Score)]++
		l.change()
	}
}

// Rejected records a face that is not sent because of its score alone: a lower threshold would send it.
func (l *Learner) Rejected(camera string, score float64) {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	if c := l.cameras[camera]; c != nil {
		c.faces[binOf(score)]++
		l.change()
	}
}

// Report records what a recogniser reports. A message that is not accepted is counted and changes nothing else.
func (l *Learner) Report(m event.FeedbackMessage, now time.Time) {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	if l.cameras[m.Camera] == nil {
		l.faulty.Warn().Str("camera", event.ShownValue(m.Camera)).
			Msg("feedback for a camera that is not configured is ignored; publish it below the camera of the event")
		return
	}
	fate, err := l.report(m, now)
	if l.fates[m.Camera] == nil {
		l.fates[m.Camera] = map[string]uint64{}
	}
	l.fates[m.Camera][fate]++
	l.revision++
	if err != nil {
		l.faulty.Warn().Err(err).Str("camera", m.Camera).Str("fate", fate).
			Msg("feedback is ignored (further ones are logged once a minute)")
	}
}

// report returns what became of a message, and why if it is the sender's fault.
func (l *Learner) report(m event.FeedbackMessage, now time.Time) (fate string, err error) {
	if m.Retained {
		return Retained, errors.New("the message is retained: publish it without the retain flag, and clear the retained " +
			"one with an empty retained message")
	}
	f, err := event.DecodeFeedback(m.Payload)
	if err != nil {
		return Invalid, err
	}
	c := l.cameras[m.Camera]
	sent := c.ledger.byID[f.ID]
	switch {
	case late(f.ID, now):
		return Late, nil
	case sent == nil:
		return Unknown, nil
	}
	if before, ok := sent.Reports[f.Recogniser]; ok {
		if before != f.Outcome {
			err = errors.New("the recogniser has reported " + before + " for this event before, and now " + f.Outcome)
		}
		return Repeated, err
	}
	if len(sent.Reports) >= mostRecognisers {
		return Excess, nil
	}
	if !c.countsOf(f.Recogniser).add(sent.Score, f.Outcome == event.OutcomeMatch) {
		return Excess, nil
	}
	if sent.Reports == nil {
		sent.Reports = map[string]string{}
	}
	sent.Reports[f.Recogniser] = f.Outcome
	l.change()
	return Accepted, nil
}

// Advance ends the hours that have passed, and returns the moves of thresholds. Call it every few seconds. It saves the
// files when something has changed, at most every ten minutes and after a move.
func (l *Learner) Advance(now time.Time) (moves []Move) {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	if elapsed := now.Sub(l.hour); elapsed >= time.Hour || elapsed < 0 { // below 0: the clock was set back
		l.hour = now
		l.revision++
		for name, c := range l.cameras {
			if move, ok := l.endHour(name, c, elapsed, now); ok {
				moves = append(moves, move)
			}
		}
	}
	if len(moves) > 0 || l.changed && now.Sub(l.saved).Abs() >= saveInterval {
		l.save(now)
	}
	return moves
}

func (l *Learner) endHour(name string, c *camera, elapsed time.Duration, now time.Time) (Move, bool) {
	before := c.threshold
	if !c.endHour(elapsed, now, l.priors) {
		return Move{}, false
	}
	recogniser, counted, _ := c.leading()
	share, _ := newCurve(l.priors, counted.matches, counted.others).share(c.faces, before)
	return Move{
		Camera: name, From: before, To: c.threshold, Share: share, Recogniser: recogniser, Reports: counted.reports(),
	}, true
}

// Close saves the files.
func (l *Learner) Close(now time.Time) {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	l.save(now)
}
