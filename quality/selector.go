package quality

import (
	"fmt"
	"math"
	"slices"
	"time"
)

// Decision is the result of a selection: a face is sent, or its visit is reported as rejected.
type Decision[T any] struct {
	Visit  Visit
	Send   bool
	Reason Reason    // why the visit is rejected; empty if Send
	Time   time.Time // of the frame of the face
	At     time.Time // when the decision was made, on the clock of the frames
	Score  float64
	Face   T // owned by the receiver from here on

	number uint64 // of the visit
}

// selector selects the faces of each visit that are sent, by the policy of its Config. T is the payload of a face, its
// pixels for example. It reads no clock: the time is that of offer and tick, and the same calls give the same decisions.
// It leaves Visit and At of a Decision to Visits.
//
// A visit that ends without any face sent gives one rejecting Decision, for its face of the highest score (among
// equals the largest), so that rejections count visitors and not frames.
//
// Memory is bounded: at most one face a visit is held, and the caller ends its visits.
type selector[T any] struct {
	config Config
	visits map[uint64]*selection[T]
}

// selection is the state of the selection of one visit.
type selection[T any] struct {
	held     *face[T]  // the best face that may be sent; without one, the best that may not; nil: none
	deadline time.Time // when held is sent; zero: at the end of the visit
	selected
}

// selected is what is stored of a visit that has ended, in case that it continues.
type selected struct {
	sent     bool    // a face was sent
	last     float64 // score of the face sent last
	rejected bool    // it ended without any face sent, and was reported
	resumed  bool    // it continues after its end, so a face must be better than the last one by QuickGain to be sent
}

// face is a face that is offered or held.
type face[T any] struct {
	time    time.Time
	score   float64
	size    float64
	reason  Reason
	payload T
}

// newSelector returns a selector for cfg. The error is that of Config.Validate.
func newSelector[T any](cfg Config) (*selector[T], error) {
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("select: %w", err)
	}
	return &selector[T]{config: cfg, visits: map[uint64]*selection[T]{}}, nil
}

// configure replaces the configuration. The state of every visit stays, so that nobody is sent twice; held faces keep
// their reason and their deadline.
func (s *selector[T]) configure(cfg Config) error {
	if err := cfg.Validate(); err != nil {
		return fmt.Errorf("select: %w", err)
	}
	s.config = cfg
	return nil
}

// offer offers a face of a visit. keep is called at most once, and only if the face is held or sent: it copies what has
// to outlive the call.
//
// The first result is why this face is not sent; it is empty if the face is sent or held to be sent. The second is what
// the caller has to do now, for this face and for the one held before it.
func (s *selector[T]) offer(visit uint64, f OfferedFace, keep func() T) (Reason, []Decision[T]) {
	v := s.selection(visit)
	decisions := s.sendDue(nil, visit, v, f.Time)
	reason := s.reason(f.Score, f.Reason)
	offered := face[T]{time: f.Time, score: f.Score, size: f.Size, reason: reason}
	if reason != "" {
		v.holdRejected(offered, keep)
		return reason, decisions
	}
	if s.duplicate(v, f.Score) {
		return ReasonDuplicate, decisions
	}
	v.hold(offered, keep)
	switch s.config.Policy {
	case PolicyQuick, PolicyAll:
		decisions = s.send(decisions, visit, v)
	case PolicyBest:
		s.schedule(v, f.Time, s.config.MaxWait)
	case PolicyInterval:
		s.schedule(v, f.Time, s.config.Interval)
	}
	return "", decisions
}

// reason returns why a face cannot be sent, whatever its visit: the reason of Gates, or a score below the threshold.
func (s *selector[T]) reason(score float64, gates Reason) Reason {
	if gates == "" && !(score >= s.config.LeastScore()) { // true for NaN
		return ReasonLowQuality
	}
	return gates
}

// state returns the face of a visit that is held to be sent, and whether nothing of the visit can be sent any more.
func (s *selector[T]) state(visit uint64) (held T, ok, over bool) {
	v := s.selection(visit)
	if v.held != nil && v.held.reason == "" {
		return v.held.payload, true, false
	}
	return held, false, s.repeats(v, math.Inf(1))
}

// selection returns the state of a visit, which begins if it is not known.
func (s *selector[T]) selection(visit uint64) *selection[T] {
	if s.visits[visit] == nil {
		s.visits[visit] = &selection[T]{}
	}
	return s.visits[visit]
}

// end ends a visit: the face held to be sent is sent, or the visit is rejected if no face of it was sent. An unknown
// visit gives no decision. The second result is for resume.
func (s *selector[T]) end(visit uint64) ([]Decision[T], selected) {
	v := s.visits[visit]
	if v == nil {
		return nil, selected{}
	}
	delete(s.visits, visit)
	switch f := v.held; {
	case f == nil:
		return nil, v.selected
	case f.reason == "":
		return s.send(nil, visit, v), v.selected
	case v.rejected:
		return nil, v.selected
	default:
		v.rejected = true
		return []Decision[T]{{number: visit, Reason: f.reason, Time: f.time, Score: f.score, Face: f.payload}}, v.selected
	}
}

// drop ends a visit without a decision.
func (s *selector[T]) drop(visit uint64) selected {
	v := s.selection(visit)
	delete(s.visits, visit)
	return v.selected
}

// resume continues a visit that has ended as another, of which no face was sent yet.
func (s *selector[T]) resume(visit uint64, before selected) {
	v := s.selection(visit)
	v.selected = before
	v.resumed = before.sent
	s.dropDuplicate(v)
}

// merge continues visit from, of which no face was sent yet, as visit to. The better held face stays held.
func (s *selector[T]) merge(from, to uint64) {
	a, b := s.selection(from), s.selection(to)
	delete(s.visits, from)
	if a.held == nil {
		return
	}
	if b.held == nil || a.held.better(b.held) {
		b.held = a.held
	}
	if b.deadline.IsZero() || !a.deadline.IsZero() && a.deadline.Before(b.deadline) {
		b.deadline = a.deadline
	}
	s.dropDuplicate(b)
}

// better reports whether a face is the better one to hold: one that may be sent before one that may not, then the one of
// the higher score, then the larger one: faces that a gate rules out have no score.
func (f *face[T]) better(other *face[T]) bool {
	if sendable := f.reason == ""; sendable != (other.reason == "") {
		return sendable
	}
	if f.score == other.score {
		return f.size > other.size
	}
	return f.score > other.score
}

// dropDuplicate drops the held face of a visit that cannot be sent any more, or need not be reported, because a face of
// the visit was sent.
func (s *selector[T]) dropDuplicate(v *selection[T]) {
	if v.held == nil || !v.sent || v.held.reason == "" && !s.repeats(v, v.held.score) {
		return
	}
	v.held, v.deadline = nil, time.Time{}
}

// tick sends the held faces whose deadline is not after now. Call it with every frame, and regularly without frames.
func (s *selector[T]) tick(now time.Time) []Decision[T] {
	var due []uint64
	for visit, v := range s.visits {
		if v.isDue(now) {
			due = append(due, visit)
		}
	}
	slices.Sort(due)
	var decisions []Decision[T]
	for _, visit := range due {
		decisions = s.sendDue(decisions, visit, s.visits[visit], now)
	}
	return decisions
}

// duplicate reports whether a face that may be sent is not enough better than the face that its visit sent or holds.
func (s *selector[T]) duplicate(v *selection[T], score float64) bool {
	if s.repeats(v, score) {
		return true
	}
	return (s.config.Policy == PolicyBest || s.config.Policy == PolicyInterval) && v.holdsBetter(score)
}

// repeats reports whether a face that may be sent is not enough better than the face that its visit sent last.
func (s *selector[T]) repeats(v *selection[T], score float64) bool {
	switch s.config.Policy {
	case PolicyBest:
		return v.sent && (!v.resumed || score < v.last+s.config.QuickGain)
	case PolicyQuick:
		return v.sent && score < v.last+s.config.QuickGain
	default:
		return false
	}
}

func (v *selection[T]) holdsBetter(score float64) bool {
	return v.held != nil && v.held.reason == "" && v.held.score >= score
}

// holdRejected holds a face that may not be sent, for the rejection of its visit.
func (v *selection[T]) holdRejected(offered face[T], keep func() T) {
	if v.sent || v.held != nil && !offered.better(v.held) {
		return
	}
	v.hold(offered, keep)
}

// hold replaces the held face.
func (v *selection[T]) hold(offered face[T], keep func() T) {
	offered.payload = keep()
	v.held = &offered
}

// schedule sets the deadline of the held face, unless one is set or wait is 0.
func (s *selector[T]) schedule(v *selection[T], at time.Time, wait time.Duration) {
	if v.deadline.IsZero() && wait > 0 {
		v.deadline = at.Add(wait)
	}
}

// isDue reports whether the deadline of the held face is not after now.
func (v *selection[T]) isDue(now time.Time) bool {
	return !v.deadline.IsZero() && !now.Before(v.deadline)
}

// sendDue sends the held face of a visit if it is due.
func (s *selector[T]) sendDue(decisions []Decision[T], visit uint64, v *selection[T], now time.Time) []Decision[T] {
	if !v.isDue(now) {
		return decisions
	}
	return s.send(decisions, visit, v)
}

// send appends the decision to send the held face, which is not held any more then.
func (s *selector[T]) send(decisions []Decision[T], visit uint64, v *selection[T]) []Decision[T] {
	f := v.held
	v.held, v.deadline = nil, time.Time{}
	v.sent, v.last, v.resumed = true, f.score, false
	return append(decisions, Decision[T]{number: visit, Send: true, Time: f.time, Score: f.score, Face: f.payload})
}
