package quality

import (
	"fmt"
	"maps"
	"slices"
	"time"
)

// Decision says what becomes of a face: it is sent, or its track is reported as rejected.
type Decision[T any] struct {
	Track  uint64
	Send   bool
	Reason Reason    // why the track is rejected; empty if Send
	Time   time.Time // of the frame
	Score  float64
	Face   T // now the receiver's to release
}

// Counts say what became of the faces offered. Offered = Sent + all Rejected + faces held at the moment.
type Counts struct {
	Offered, Sent uint64
	Rejected      map[Reason]uint64
}

// Selector chooses which faces of each track are sent, by the policy of its Config. T is what a face carries, its pixels
// for example. It is pure logic: time is what Offer and Tick say, and the same calls give the same decisions.
//
// A track that ends without any face sent gives one rejecting Decision, for its best face by score (the first of equals),
// so that a stream of rejections says something about visitors and not about frames. Counts has every face.
//
// Memory is bounded: at most one face a track is held; the caller ends its tracks. It is for one goroutine at a time.
type Selector[T any] struct {
	config  Config
	release func(T)
	tracks  map[uint64]*visit[T]
	counts  Counts
}

// visit is what is known of one track.
type visit[T any] struct {
	held     *face[T] // the best face that may be sent, or else the best that may not; nil: none
	sent     bool
	last     float64   // score of the face sent last
	deadline time.Time // when held is sent; zero: with the track's end
}

// face is one face held.
type face[T any] struct {
	time    time.Time
	score   float64
	reason  Reason
	payload T
}

// NewSelector returns a Selector for cfg. release is called for every face that was held and gave way to a better one; it
// may be nil.
func NewSelector[T any](cfg Config, release func(T)) (*Selector[T], error) {
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("select: %w", err)
	}
	if release == nil {
		release = func(T) {}
	}
	counts := Counts{Rejected: map[Reason]uint64{}}
	return &Selector[T]{config: cfg, release: release, tracks: map[uint64]*visit[T]{}, counts: counts}, nil
}

// Configure replaces the configuration. Tracks, the faces held for them and what was sent of them stay, so that nobody is
// sent twice; the faces held keep their judgement and their deadline.
func (s *Selector[T]) Configure(cfg Config) error {
	if err := cfg.Validate(); err != nil {
		return fmt.Errorf("select: %w", err)
	}
	s.config = cfg
	return nil
}

// Offer offers a face of a track: the time of its frame, its score, and the reason that Gates found against it, if any.
// keep is called at most once and only if the face is held or sent: it copies what has to outlive the call.
//
// The first result says why this face is not sent, as far as is known now; it is empty if it is sent or held to be sent.
// The second is what is to be done now, this face and the one held before it included.
func (s *Selector[T]) Offer(
	track uint64, at time.Time, score float64, reason Reason, keep func() T,
) (Reason, []Decision[T]) {
	s.counts.Offered++
	v := s.tracks[track]
	if v == nil {
		v = &visit[T]{}
		s.tracks[track] = v
	}
	decisions := s.due(nil, track, v, at)
	if reason == "" && !(score >= s.config.Threshold) { // written so that NaN is low
		reason = ReasonLowQuality
	}
	offered := face[T]{time: at, score: score, reason: reason}
	if reason != "" {
		s.counts.Rejected[reason]++
		s.remember(v, offered, keep)
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

// End ends a track: the face held for it is sent, or it is rejected if it never sent one. An unknown track gives nothing.
func (s *Selector[T]) End(track uint64) []Decision[T] {
	return s.end(nil, track)
}

// Tick sends what has waited long enough at the time now. Call it with every frame, and while there are none.
func (s *Selector[T]) Tick(now time.Time) []Decision[T] {
	var tracks []uint64
	for track, v := range s.tracks {
		if v.ripe(now) {
			tracks = append(tracks, track)
		}
	}
	slices.Sort(tracks)
	var decisions []Decision[T]
	for _, track := range tracks {
		decisions = s.due(decisions, track, s.tracks[track], now)
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

// Counts returns what became of all faces offered so far.
func (s *Selector[T]) Counts() Counts {
	counts := s.counts
	counts.Rejected = maps.Clone(s.counts.Rejected)
	return counts
}

// duplicate tells whether a face that may be sent brings too little over what its track sent or holds.
func (s *Selector[T]) duplicate(v *visit[T], score float64) bool {
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

func (v *visit[T]) holdsBetter(score float64) bool {
	return v.held != nil && v.held.reason == "" && v.held.score >= score
}

// remember holds a face that may not be sent, for the rejection of its track.
func (s *Selector[T]) remember(v *visit[T], offered face[T], keep func() T) {
	if v.sent || v.held != nil && (v.held.reason == "" || v.held.score >= offered.score) {
		return
	}
	s.hold(v, offered, keep)
}

// hold replaces the face held. The one before is released, and counted if it could have been sent.
func (s *Selector[T]) hold(v *visit[T], offered face[T], keep func() T) {
	if v.held != nil {
		if v.held.reason == "" {
			s.counts.Rejected[ReasonDuplicate]++
		}
		s.release(v.held.payload)
	}
	offered.payload = keep()
	v.held = &offered
}

// schedule sets the deadline of the face held, unless one is set or wait is 0.
func (s *Selector[T]) schedule(v *visit[T], at time.Time, wait time.Duration) {
	if v.deadline.IsZero() && wait > 0 {
		v.deadline = at.Add(wait)
	}
}

// ripe tells whether the face held is to be sent at the time now.
func (v *visit[T]) ripe(now time.Time) bool {
	return !v.deadline.IsZero() && !now.Before(v.deadline)
}

// due appends the face held of a track whose deadline has come.
func (s *Selector[T]) due(decisions []Decision[T], track uint64, v *visit[T], now time.Time) []Decision[T] {
	if !v.ripe(now) {
		return decisions
	}
	return s.send(decisions, track, v)
}

// send appends the face held, and leaves the track without one.
func (s *Selector[T]) send(decisions []Decision[T], track uint64, v *visit[T]) []Decision[T] {
	f := v.held
	v.held, v.sent, v.last, v.deadline = nil, true, f.score, time.Time{}
	s.counts.Sent++
	return append(decisions, Decision[T]{Track: track, Send: true, Time: f.time, Score: f.score, Face: f.payload})
}

// end appends what the end of a track brings.
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
