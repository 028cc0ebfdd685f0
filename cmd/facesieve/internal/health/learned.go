package health

import (
	"time"
)

const (
	recentMemory = 30 * time.Minute
	hourMemory   = 7 * time.Hour    // of an hour of the day: a week
	learningTime = 10 * time.Minute // before a new camera is compared with what is usual
	hourTime     = 30 * time.Minute // before an hour of the day is
	aDay         = 20 * time.Hour   // an hour of the day was learned on an earlier day
	usuallyDark  = 0.5              // share of an hour's pictures
)

// learned is what is usual for a camera, by day (in colour) and by night (infrared, without colour).
type learned struct {
	day, night mode
	dark       [hours]darkness
	scores     scores
}

// mode is what is usual by day or by night.
type mode struct {
	recent   reference
	hours    [hours]reference
	position position
}

// position is where the camera points.
type position struct {
	weight float64                       // seconds learned, at most the memory
	grey   [mapWidth * mapHeight]float32 // mean of the backgrounds
}

// darkness is how often the picture is dark at an hour of the day.
type darkness struct {
	first  time.Time
	weight float64 // seconds, at most the memory
	share  float64
}

func (l *learned) mode(colour bool) *mode {
	if colour {
		return &l.day
	}
	return &l.night
}

// references returns what a window is compared with: the same hour of the last days, an hour earlier and later, or, on
// the first day, the last half hour. It is empty while the camera is new.
func (m *mode) references(at time.Time) (all []*reference) {
	for _, hour := range around(at) {
		if r := &m.hours[hour]; r.weight >= hourTime.Seconds() && at.Sub(r.first) >= aDay {
			all = append(all, r)
		}
	}
	if len(all) == 0 && m.recent.weight >= learningTime.Seconds() {
		all = append(all, &m.recent)
	}
	return all
}

// learn adds a window in which nothing was found.
func (m *mode) learn(w *window) {
	m.recent.learn(w, recentMemory)
	m.hours[w.at.Local().Hour()].learn(w, hourMemory)
	seconds := w.length.Seconds()
	m.position.weight = min(m.position.weight+seconds, recentMemory.Seconds())
	share := float32(seconds / m.position.weight)
	for i, v := range half(w.background) {
		m.position.grey[i] += share * (float32(v) - m.position.grey[i])
	}
}

// known reports whether the position was learned.
func (p *position) known() bool { return p.weight >= learningTime.Seconds() }

// picture returns the background that was learned.
func (p *position) picture() []uint8 {
	grey := make([]uint8, len(p.grey))
	for i, v := range p.grey {
		grey[i] = uint8(v + 0.5)
	}
	return grey
}

// learnDarkness adds a window. Darkness is learned even while it is reported.
func (l *learned) learnDarkness(w *window) {
	d := &l.dark[w.at.Local().Hour()]
	if d.weight == 0 {
		d.first = w.at
	}
	seconds := w.length.Seconds()
	d.weight = min(d.weight+seconds, hourMemory.Seconds())
	share := 0.0
	if w.dark {
		share = 1
	}
	d.share += seconds / d.weight * (share - d.share)
}

// usuallyDark reports whether the picture is usually dark at this hour, or an hour earlier or later; known is false if
// that is not known yet.
func (l *learned) usuallyDark(at time.Time) (usual, known bool) {
	for _, hour := range around(at) {
		d := l.dark[hour]
		if d.weight >= hourTime.Seconds() && at.Sub(d.first) >= aDay {
			known = true
			usual = usual || d.share >= usuallyDark
		}
	}
	return usual, known
}
