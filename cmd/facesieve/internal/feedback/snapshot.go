package feedback

import (
	"maps"

	"facesieve/publish/event"
)

// Snapshot is what was learned about one camera. It shares nothing with the learner.
type Snapshot struct {
	// Recogniser is the one with the most reports; empty: none has reported.
	Recogniser string `json:"recogniser"`
	// Reports is the weight of its reports; those of two weeks ago count half. Hours is over how many hours they are
	// spread.
	Reports float64 `json:"reports"`
	Hours   float64 `json:"hours"`
	// Curve is the probability of a match by score, Network what the manifest of the network states.
	Curve   []Point   `json:"curve"`
	Network []float64 `json:"network"`
	// Share is the share of the faces from the threshold in force on that are matched; nil: no face is known.
	Share *Share `json:"share,omitempty"`
	// Auto is true if the threshold is moved; then Target is the wanted share, and Threshold the one in force.
	Auto      bool    `json:"auto"`
	Target    float64 `json:"target,omitempty"`
	Threshold float64 `json:"threshold"`
	// Waiting is why the threshold does not move; empty: it may move, or is not auto.
	Waiting string `json:"waiting,omitempty"`
	// Fates counts the reports by what became of them, since the start.
	Fates map[string]uint64 `json:"fates"`

	revision uint64
}

// Revision is a number that differs if a snapshot shows something else. It is 0 for nil.
func (s *Snapshot) Revision() uint64 {
	if s == nil {
		return 0
	}
	return s.revision
}

// Snapshot returns what was learned about a camera. Threshold is the one in force, which counts unless it is auto.
func (l *Learner) Snapshot(name string, threshold float64) Snapshot {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	c := l.cameras[name]
	if c == nil {
		c = newCamera()
	}
	s := Snapshot{revision: l.revision, Threshold: threshold, Network: append([]float64{}, l.priors[:]...), Fates: map[string]uint64{}}
	maps.Copy(s.Fates, l.fates[name])
	counted := &counts{}
	if leading, found, ok := c.leading(); ok {
		s.Recogniser, counted = leading, found
	}
	s.Reports, s.Hours = counted.reports(), counted.spread()
	learned := newCurve(l.priors, counted.matches, counted.others)
	s.Curve = learned.points()
	if c.target != nil {
		s.Auto, s.Target, s.Threshold = true, c.target.share, c.threshold
	}
	share, known := learned.share(c.faces, s.Threshold)
	if known {
		s.Share = &share
	}
	if s.Auto {
		_, ready := c.target.goal(c.threshold, learned, c.faces)
		s.Waiting = waiting(s, ready)
	}
	return s
}

// waiting returns why a threshold does not move.
func waiting(s Snapshot, ready bool) string {
	switch {
	case s.Recogniser == "":
		return "no recogniser has reported yet; each publishes " + event.OutcomeMatch + ", " + event.OutcomeNoMatch + " or " +
			event.OutcomeUnusable + " to the topic feedback of the camera"
	case s.Hours < leastTime:
		return "the reports are from too few hours"
	case s.Share == nil:
		return "no face has reached the threshold"
	case !ready:
		return "there are too few reports: the interval of the share is wider than 5 points from every threshold on"
	}
	return ""
}
