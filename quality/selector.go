package quality

import (
	"fmt"
	"maps"
	"slices"
	"time"
)

// Decision is the result of a selection: a face is sent, or the track of the face is reported as rejected.
type Decision[T any] struct {
	Track  uint64
	Send   bool
	Reason Reason    // why the track is rejected; empty if Send
	Time   time.Time // of the frame
	Score  float64
	Face   T // owned by the receiver from here on
}

// Counts are numbers of faces: Offered = Sent + the sum of Rejected + those held at the moment.
type Counts struct {
	Offered, Sent uint64
	Rejected      map[Reason]uint64
}

// Selector selects the faces of each track that are sent, by the policy of its Config. T is the payload of a face, its
// pixels for example. Selector reads no clock: the time is that of Offer and Tick, and the same calls give the same
// decisions.
//
// A track that ends without any face sent gives one rejecting Decision, for its face of the highest score (the first of
// equals), so that rejections count visitors and not frames. Counts counts every face.
//
// Memory is bounded: at most one face a track is held, and the caller ends its tracks. A Selector is for one goroutine
// at a time.
type Selector[T any] struct {
	config Config
	tracks map[uint64]*trackState[T]
	counts Counts
}

// trackState is what the selector stores for one track.
type trackState[T any] struct {
	held     *face[T]  // the best face that may be sent; without one, the best that may not; nil: none
	sent     bool      // a face was sent
	last     float64   // score of the face sent last
	deadline time.Time // when held is sent; zero: at the end of the track
}

// face is a face that is offered or held.
type face[T any] struct {
	time    time.Time
	score   float64
	reason  Reason
	payload T
}

// NewSelector returns a Selector for cfg. The error is that of Config.Validate.
func NewSelector[T any](cfg Config) (*Selector[T], error) {
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("select: %w", err)
	}
	return &Selector[T]{config: cfg, tracks: map[uint64]*trackState[T]{}, counts: Counts{Rejected: map[Reason]uint64{}}}, nil
}

// Configure replaces the configuration. The state of every track stays, so that nobody is sent twice; held faces keep
// their reason and their deadline.
func (s *Selector[T]) Configure(cfg Config) error {
	if err := cfg.Validate(); err != nil {
		return fmt.Errorf("select: %w", err)
	}
	s.config = cfg
	return nil
}

// Offer offers a face of a track: the time of its frame, its score, and the reason of Gates, if they reject it. keep is
// called at most once, and only if the face is held or sent: it copies what has to outlive the call.
//
// The first result is why this face is not sent; it is empty if the face is sent or held to be sent. The second is what
// the caller has to do now, for this face and for the one held before it.
func (s *Selector[T]) Offer(
	track uint64, at time.Time, score float64, reason Reason, keep func() T,
) (Reason, []Decision[T]) {
	s.counts.Offered++
	v := s.tracks[track]
	if v == nil {
		v = &trackState[T]{}
		s.tracks[track] = v
	}
	decisions := s.sendDue(nil, track, v, at)
	if reason == "" && !(score >= s.config.Threshold) { // true for NaN
		reason = ReasonLowQuality
	}
	offered := face[T]{time: at, score: score, reason: reason}
	if reason != "" {
		s.counts.Rejected[reason]++
		s.holdRejected(v, offered, keep)
		return reason, decisions
	}
	if s.duplicate(v, score) {
		s.counts.Rejected[ReasonDuplicate]++
		return ReasonDuplicate, decisions
	}
	s.hold(v, offered, keep)
	switch s.config.Policy {
	case PolicyQuick, PolicyAll:
		decisions = s.send(decisions, track, v)
	case PolicyBest:
		s.schedule(v, at, s.config.MaxWait)
	case PolicyInterval:
		s.schedule(v, at, s.config.Interval)
	}
	return "", decisions
}

// End ends a track: the face held to be sent is sent, or the track is rejected if no face of it was sent. An unknown
// track gives no decision.
func (s *Selector[T]) End(track uint64) []Decision[T] {
	return s.end(nil, track)
}

// Tick sends the held faces whose deadline is not after now. Call it with every frame, and regularly without frames.
func (s *Selector[T]) Tick(now time.Time) []Decision[T] {
	var tracks []uint64
	for track, v := range s.tracks {
		if v.isDue(now) {
			tracks = append(tracks, track)
		}
	}
	slices.Sort(tracks)
	var decisions []Decision[T]
	for _, track := range tracks {
		decisions = s.sendDue(decisions, track, s.tracks[track], now)
	}
	return decisions
}

// Flush ends all tracks, in the order of their numbers.
func (s *Selector[T]) Flush() []Decision[T] {
	var decisions []Decision[T]
	for _, track := range slices.Sorted(maps.Keys(s.tracks)) {
		decisions = s.end(decisions, track)
	}
	return decisions
}

// Counts returns the numbers of faces so far.
func (s *Selector[T]) Counts() Counts {
	counts := s.counts
	counts.Rejected = maps.Clone(s.counts.Rejected)
	return counts
}

// duplicate reports whether a face that may be sent is not enough better than the face that its track sent or holds.
func (s *Selector[T]) duplicate(v *trackState[T], score float64) bool {
	switch s.config.Policy {
	case PolicyBest:
		return v.sent || v.holdsBetter(score)
	case PolicyQuick:
		return v.sent && score < v.last+s.config.QuickGain
	case PolicyInterval:
		return v.holdsBetter(score)
	default:
		return false
	}
}

func (v *trackState[T]) holdsBetter(score float64) bool {
	return v.held != nil && v.held.reason == "" && v.held.score >= score
}

// holdRejected holds a face that may not be sent, for the rejection of its track.
func (s *Selector[T]) holdRejected(v *trackState[T], offered face[T], keep func() T) {
	if v.sent || v.held != nil && (v.held.reason == "" || v.held.score >= offered.score) {
		return
	}
	s.hold(v, offered, keep)
}

// hold replaces the held face. The one before is counted as a duplicate if it could have been sent.
func (s *Selector[T]) hold(v *trackState[T], offered face[T], keep func() T) {
	if v.held != nil && v.held.reason == "" {
		s.counts.Rejected[ReasonDuplicate]++
	}
	offered.payload = keep()
	v.held = &offered
}

// schedule sets the deadline of the held face, unless one is set or wait is 0.
func (s *Selector[T]) schedule(v *trackState[T], at time.Time, wait time.Duration) {
	if v.deadline.IsZero() && wait > 0 {
		v.deadline = at.Add(wait)
	}
}

// isDue reports whether the deadline of the held face is not after now.
func (v *trackState[T]) isDue(now time.Time) bool {
	return !v.deadline.IsZero() && !now.Before(v.deadline)
}

// sendDue sends the held face of a track if it is due.
func (s *Selector[T]) sendDue(decisions []Decision[T], track uint64, v *trackState[T], now time.Time) []Decision[T] {
	if !v.isDue(now) {
		return decisions
	}
	return s.send(decisions, track, v)
}

// send appends the decision to send the held face, which is not held any more then.
func (s *Selector[T]) send(decisions []Decision[T], track uint64, v *trackState[T]) []Decision[T] {
	f := v.held
	v.held, v.sent, v.last, v.deadline = nil, true, f.score, time.Time{}
	s.counts.Sent++
	return append(decisions, Decision[T]{Track: track, Send: true, Time: f.time, Score: f.score, Face: f.payload})
}

// end appends the decision that ends a track, if there is one.
func (s *Selector[T]) end(decisions []Decision[T], track uint64) []Decision[T] {
	v := s.tracks[track]
	delete(s.tracks, track)
	switch {
	case v == nil || v.held == nil:
		return decisions
	case v.held.reason == "":
		return s.send(decisions, track, v)
	}
	f := v.held
	return append(decisions, Decision[T]{Track: track, Reason: f.reason, Time: f.time, Score: f.score, Face: f.payload})
}
