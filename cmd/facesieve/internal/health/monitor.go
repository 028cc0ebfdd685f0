package health

import (
	"slices"
	"time"

	"facesieve/publish/event"
)

// Limits of the checks. The figures that they rest on are in the package comment.
const (
	darkLevel     = 16.0 // mean grey level of a dark picture
	blackLevel    = 5.0  // of one that is dark even if nothing is known about the hour
	leastDetail   = 5    // cells with visible detail of a picture that is not covered
	lostShare     = 0.7  // share of the cells with detail that lose it when the lens is covered
	impairedShare = 0.25 // share of the cells that are blurred or dull on a dirty lens
	impairedBack  = 0.15 // share below which it is clean again
	shiftedShare  = 0.5  // share after a shift of slightShift or more
	slightShift   = 0.005
	manyChanges   = 3 // changes of the scene within changesTime: the camera shows several scenes
	changesTime   = 3 * time.Hour
	changesApart  = time.Minute      // time from which on two changes count as two
	sampleTime    = time.Second      // between two pictures that are measured
	longestGap    = 30 * time.Second // between two pictures of a window
	positionTime  = 24 * time.Hour   // after which a new position is the usual one
	dirtTime      = 7 * hours * time.Hour
)

// monitor checks the picture of one camera. Its time is that of the frames. It is not safe for concurrent use.
type monitor struct {
	learned
	alarms   []*alarm
	pictures []picture // of the window that is not complete yet
	sharp    [][cellCount]float32
	before   picture
	former   []uint8     // background of the last window with detail, reduced
	changes  []time.Time // of the scene
	dirty    bool        // the last window was
	learning bool
	health   event.Health
}

func newMonitor() *monitor { return &monitor{alarms: newAlarms(), learning: true} }

// due reports whether a frame of this time is to be measured.
func (m *monitor) due(at time.Time) bool {
	passed := at.Sub(m.before.at)
	return passed >= sampleTime || passed < 0
}

// add adds a picture. A jump of the clock or a pause of the camera begins another window.
func (m *monitor) add(p picture) error {
	if m.health.State == "" {
		m.report(p.at)
	}
	passed := p.at.Sub(m.before.at)
	if passed < 0 || passed > longestGap || p.wide != m.before.wide {
		m.pictures, m.sharp = m.pictures[:0], m.sharp[:0]
		m.before = p
		return nil
	}
	m.sharp = append(m.sharp, p.sharpness(m.before))
	m.before = p
	p.rows = nil // to keep little memory
	m.pictures = append(m.pictures, p)
	if len(m.pictures) < windowSize {
		return nil
	}
	w := newWindow(m.pictures, m.sharp)
	w.length += p.at.Sub(m.pictures[0].at) / (windowSize - 1) // also the time before the first picture
	m.pictures, m.sharp = m.pictures[:0], m.sharp[:0]
	return m.check(&w)
}

// visit adds the score of a visit's face.
func (m *monitor) visit(at time.Time, score float64) { m.scores.add(at, score) }

// check checks a window, and learns it if nothing is found.
func (m *monitor) check(w *window) error {
	if err := m.noticeChange(w); err != nil {
		return err
	}
	found, err := m.find(w)
	if err != nil {
		return err
	}
	pending := w.dark
	for _, a := range m.alarms {
		a.update(found[a.reason], w.length)
		pending = pending || a.reason != LowScores && a.pending()
	}
	m.learnDarkness(w)
	if !pending {
		m.mode(w.colour).learn(w)
	}
	m.takeAsUsual()
	m.report(w.at)
	return nil
}

// find returns what the checks find, by reason. A camera that shows several scenes is compared with nothing.
func (m *monitor) find(w *window) (map[string]finding, error) {
	several := m.several(w.at)
	mode := m.mode(w.colour)
	references := mode.references(w.at)
	m.learning = len(references) == 0 && !several
	found := map[string]finding{Covered: m.covered(w, several), Dark: m.dark(w), LowScores: m.scores.check()}
	if several {
		for _, a := range m.alarms {
			if a.reason == Moved || a.reason == Dirty {
				a.reset()
			}
		}
		return found, nil
	}
	if w.dark || found[Covered].present {
		return found, nil
	}
	d, err := m.displaced(w, mode)
	if d.moved() || d.elsewhere() {
		found[Moved] = movedText(d)
	}
	found[Dirty] = m.impaired(closest(references, w), d.shift >= slightShift)
	return found, err
}

// closest returns the comparison with the reference that fits best.
func closest(references []*reference, w *window) (best comparison) {
	for i, r := range references {
		c := r.compare(w)
		if i == 0 || c.known && (!best.known || c.impaired < best.impaired) {
			best = c
		}
	}
	return best
}

// covered checks whether detail is left. The references of both modes count, because a covered camera loses its colour.
func (m *monitor) covered(w *window, several bool) finding {
	if w.dark {
		return finding{}
	}
	if detail := w.detail(); detail <= leastDetail {
		return coveredText(float64(detail) / cellCount)
	}
	if several {
		return finding{}
	}
	least := 0.0
	for i, r := range slices.Concat(m.day.references(w.at), m.night.references(w.at)) {
		c := r.compare(w)
		if c.detailed < minCompared {
			return finding{}
		}
		if i == 0 || c.lost < least {
			least = c.lost
		}
	}
	if least < lostShare {
		return finding{}
	}
	return coveredText(1 - least)
}

// dark checks whether the picture is dark at an hour when it usually is not.
func (m *monitor) dark(w *window) finding {
	usual, known := m.usuallyDark(w.at)
	if !w.dark || usual || !known && w.brightness >= blackLevel {
		return finding{}
	}
	return darkText(w.brightness, known)
}

// displaced compares the position with the usual one; before that is known, the two are the same.
func (m *monitor) displaced(w *window, mode *mode) (displacement, error) {
	if !mode.position.known() {
		return displacement{same: 1, shifted: 1}, nil
	}
	return compareBackgrounds(mode.position.picture(), half(w.background))
}

// impaired checks whether the picture is blurred or dull. After a slight shift other things are in the cells, so that
// more of them must be.
func (m *monitor) impaired(c comparison, shifted bool) finding {
	limit := impairedShare
	switch {
	case shifted:
		limit = shiftedShare
	case m.dirty:
		limit = impairedBack
	}
	if m.dirty = c.known && c.impaired >= limit; !m.dirty {
		return finding{}
	}
	return dirtyText(c.impaired, limit)
}

// noticeChange records a change of the scene since the last window.
func (m *monitor) noticeChange(w *window) error {
	if w.dark || w.detail() <= leastDetail {
		return nil
	}
	former, now := m.former, half(w.background)
	if m.former = now; former == nil {
		return nil
	}
	same, err := sameScene(former, now)
	if err != nil || same {
		return err
	}
	if len(m.changes) == 0 || w.at.Sub(m.changes[len(m.changes)-1]) >= changesApart {
		m.changes = append(m.changes, w.at)
	}
	return nil
}

// several reports whether the camera shows several scenes: a channel sequencer, or a tour of presets.
func (m *monitor) several(at time.Time) bool {
	m.changes = slices.DeleteFunc(m.changes, func(change time.Time) bool {
		return at.Before(change) || at.Sub(change) > changesTime
	})
	return len(m.changes) >= manyChanges
}

// takeAsUsual learns the picture anew after it was moved or impaired for long.
func (m *monitor) takeAsUsual() {
	for _, a := range m.alarms {
		if a.raised && (a.reason == Moved && a.raisedFor >= positionTime || a.reason == Dirty && a.raisedFor >= dirtTime) {
			m.relearn()
			return
		}
	}
}

// relearn discards the usual picture, and keeps what is known about darkness and faces.
func (m *monitor) relearn() {
	m.day, m.night, m.dirty = mode{}, mode{}, false
	for _, a := range m.alarms {
		if a.reason != LowScores {
			a.reset()
		}
	}
}

// report updates the state of health at this time.
func (m *monitor) report(at time.Time) {
	state := event.HealthOK
	if m.learning {
		state = event.HealthLearning
	}
	now := health(m.alarms, state)
	if now.Since = m.health.Since; now.State != m.health.State || now.Reason != m.health.Reason {
		now.Since = at
	}
	m.health = now
}
