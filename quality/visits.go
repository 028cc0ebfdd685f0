package quality

import (
	"maps"
	"slices"
	"time"
)

// splitFaces is the number of faces, all of one other person, after which a track is split. One is not enough: a single
// comparison of faces with low scores is wrong too often.
const splitFaces = 3

// maxPending bounds the faces of a track that wait for the decision whether the track shows another person.
const maxPending = 12

// Visits groups the tracks of one camera into visits by the embeddings of their faces, and selects the faces of each
// visit that are sent. A track whose face becomes that of another person is split there; a track of a person who was
// here recently continues that person's visit. Without embeddings, each track is a visit. T is the payload of a face.
//
// It reads no clock: the same calls give the same decisions. Memory is bounded by the number of tracks.
type Visits[T any] struct {
	config   Config
	matcher  *Matcher // nil: the network has no embedding
	recent   *Recent
	newID    func(first time.Time) string
	selector *selector[T]
	tracks   map[uint64]*trackState[T]
	visits   map[uint64]*visitState
	last     uint64 // number of the last visit
	changes  Changes[T]
}

// visitState is a visit that goes on.
type visitState struct {
	Visit
	number uint64
	person template
	tracks int  // those that have not ended
	joined bool // it continues an earlier visit
}

// trackState is a track that has not ended.
type trackState[T any] struct {
	visit   *visitState
	first   time.Time // of its first face in this visit
	visible bool      // it has a face in the present frame
	pending []pendingFace[T]
	suspect template // of the pending faces
}

// pendingFace is a face that waits until it is clear whose it is.
type pendingFace[T any] struct {
	OfferedFace
	payload T
}

// OfferedFace is a face that may be sent.
type OfferedFace struct {
	Track     uint64
	Time      time.Time // of the frame
	Score     float64   // 0..100, or NotAssessed
	Size      float64   // of the face, in any unit; among equal scores the largest face is reported
	Reason    Reason    // of Gates, if they reject the face
	Embedding Embedding // zero: not known
}

// Changes are the results of a call of Visits, in the order in which they were made.
type Changes[T any] struct {
	Decisions []Decision[T]
	Moves     []Move
}

// Move reports that the faces of a track, from the frame at Since on, belong to another visit than reported before:
// the track was split, or its visit continues an earlier one.
type Move struct {
	Track uint64
	Since time.Time
	Visit string // ID
}

// NewVisits returns the visits of a camera. The matcher is that of the network; nil: each track is a visit. NewID
// returns a new ID for a visit that begins at this time. The error is that of Config.Validate.
func NewVisits[T any](cfg Config, m *Matcher, r *Recent, newID func(first time.Time) string) (*Visits[T], error) {
	s, err := newSelector[T](cfg)
	if err != nil {
		return nil, err
	}
	return &Visits[T]{
		config: cfg, matcher: m, recent: r, newID: newID, selector: s,
		tracks: map[uint64]*trackState[T]{}, visits: map[uint64]*visitState{},
	}, nil
}

// Configure replaces the configuration. Visits go on, so that nobody is sent twice. The matcher must be the same one
// unless the network has changed.
func (v *Visits[T]) Configure(cfg Config, m *Matcher, r *Recent) error {
	if err := v.selector.configure(cfg); err != nil {
		return err
	}
	if m != v.matcher { // the embeddings of two networks cannot be compared
		for _, visit := range v.visits {
			visit.person = template{}
		}
		for _, t := range v.tracks {
			t.pending, t.suspect = nil, template{}
		}
	}
	v.config, v.matcher, v.recent = cfg, m, r
	return nil
}

// Visible reports the tracks with a face in the frame of this time, before their faces are offered.
func (v *Visits[T]) Visible(at time.Time, tracks []uint64) Changes[T] {
	for _, t := range v.tracks {
		t.visible = false
	}
	owners := map[*visitState]bool{}
	for _, number := range tracks {
		t := v.track(number, at)
		t.visible = true
		if owners[t.visit] { // nobody is in two places: the track was joined by mistake
			v.separate(number, t, at)
		}
		owners[t.visit] = true
	}
	return v.flushChanges(at)
}

// Affinity returns how much a face looks like the person of a track: 1 the same, -1 another one, 0 not known.
func (v *Visits[T]) Affinity(track uint64, e Embedding, score float64) float64 {
	t := v.tracks[track]
	if t == nil || v.matcher == nil {
		return 0
	}
	return t.visit.person.affinity(v.matcher, e, score)
}

// Held returns the face of a track's visit that is held to be sent, and whether nothing of the visit can be sent any more,
// however good. It returns false twice while it is open whose face the track shows.
func (v *Visits[T]) Held(track uint64) (face T, held, over bool) {
	t := v.tracks[track]
	if t == nil || len(t.pending) > 0 {
		return face, false, false
	}
	return v.selector.state(t.visit.number)
}

// Offer offers the face of a track in a frame. keep is called at most once, and copies what has to outlive the call. The
// first two results are the visit of the face as far as it is known, and why this face is not sent; the reason is empty
// if the face is sent or held.
func (v *Visits[T]) Offer(f OfferedFace, keep func() T) (Visit, Reason, Changes[T]) {
	t := v.track(f.Track, f.Time)
	var reason Reason
	if v.belongsToOther(t, f) {
		reason = v.selector.reason(f.Score, f.Reason)
		v.hold(t, pendingFace[T]{f, keep()})
	} else {
		v.release(t) // the pending faces were outliers
		reason = v.add(t, f, keep)
	}
	return t.visit.Visit, reason, v.flushChanges(f.Time)
}

// belongsToOther reports whether a face is, or may be, that of another person than the visit of its track. A face that
// cannot be compared has the result of the face before it.
func (v *Visits[T]) belongsToOther(t *trackState[T], f OfferedFace) bool {
	if v.matcher == nil || f.Embedding.IsZero() || f.Score < weakScore {
		return len(t.pending) > 0
	}
	person, score := &t.visit.person, max(f.Score, v.matcher.MinScore())
	verdict := person.verdict(v.matcher, f.Embedding, score)
	if verdict == Different && person.faces >= foundingFaces {
		return true
	}
	return verdict == Unknown && t.suspect.faces > 0 &&
		t.suspect.similarity(f.Embedding) > person.similarity(f.Embedding)
}

// comparable reports whether a face alone can be compared.
func (v *Visits[T]) comparable(f OfferedFace) bool {
	return v.matcher != nil && !f.Embedding.IsZero() && f.Score >= v.matcher.MinScore()
}

// hold adds a face to the pending ones of a track, and splits the track when there are enough of one other person.
func (v *Visits[T]) hold(t *trackState[T], f pendingFace[T]) {
	if v.comparable(f.OfferedFace) {
		if t.suspect.faces > 0 && t.suspect.verdict(v.matcher, f.Embedding, f.Score) == Different { // a third person
			v.release(t)
		}
		t.suspect.add(f.Embedding, f.Score, f.Time)
	}
	if len(t.pending) == maxPending {
		v.release(t)
	}
	t.pending = append(t.pending, f)
	if t.suspect.faces >= splitFaces {
		v.split(f.Track, t)
	}
}

// release returns the pending faces of a track to its visit. Those of another person are dropped.
func (v *Visits[T]) release(t *trackState[T]) {
	pending := t.pending
	t.pending, t.suspect = nil, template{}
	for _, f := range pending {
		if !v.comparable(f.OfferedFace) {
			v.add(t, f.OfferedFace, func() T { return f.payload })
		}
	}
}

// add adds a face to the visit of its track. It returns why the face is not sent.
func (v *Visits[T]) add(t *trackState[T], f OfferedFace, keep func() T) Reason {
	visit := t.visit
	visit.LastSeen = f.Time
	visit.Frames++
	if f.Score != NotAssessed {
		visit.Faces++
	}
	if v.matcher != nil {
		visit.person.learn(v.matcher, f.Embedding, f.Score, f.Time)
		v.join(t)
	}
	reason, decisions := v.selector.offer(t.visit.number, f, keep)
	v.changes.Decisions = append(v.changes.Decisions, decisions...)
	return reason
}

// End ends a track. Its visit ends with its last track.
func (v *Visits[T]) End(track uint64, at time.Time) Changes[T] {
	if t := v.tracks[track]; t != nil {
		if t.suspect.faces >= splitFaces-1 {
			v.split(track, t)
		}
		v.release(t)
		v.leave(track, t)
	}
	return v.flushChanges(at)
}

// EndStatic ends a track whose face did not move. Its visit is reported with ReasonStatic, once more if a face of it was
// sent. keep returns the face to report.
func (v *Visits[T]) EndStatic(track uint64, at time.Time, score float64, keep func() T) Changes[T] {
	t := v.tracks[track]
	if t == nil {
		return Changes[T]{}
	}
	delete(v.tracks, track)
	if t.visit.tracks--; t.visit.tracks > 0 {
		return Changes[T]{}
	}
	v.changes.Decisions = append(v.changes.Decisions, Decision[T]{
		number: t.visit.number, Reason: ReasonStatic, Time: at, Score: score, Face: keep(),
	})
	state := v.selector.drop(t.visit.number)
	state.rejected = true
	v.remember(t.visit, state, at)
	return v.flushChanges(at)
}

// Tick sends the held faces whose deadline is not after now, and forgets the visits that ended long ago. Call it with
// every frame, and regularly without frames.
func (v *Visits[T]) Tick(now time.Time) Changes[T] {
	v.changes.Decisions = append(v.changes.Decisions, v.selector.tick(now)...)
	v.recent.expire(now)
	return v.flushChanges(now)
}

// Flush ends all tracks, in the order of their numbers.
func (v *Visits[T]) Flush(at time.Time) Changes[T] {
	var all Changes[T]
	for _, track := range slices.Sorted(maps.Keys(v.tracks)) {
		changes := v.End(track, at)
		all.Decisions = append(all.Decisions, changes.Decisions...)
		all.Moves = append(all.Moves, changes.Moves...)
	}
	return all
}

// track returns the state of a track. A new track begins a visit.
func (v *Visits[T]) track(number uint64, at time.Time) *trackState[T] {
	t := v.tracks[number]
	if t == nil {
		t = &trackState[T]{visit: v.begin(at), first: at, visible: true}
		v.tracks[number] = t
	}
	return t
}

// begin begins a visit with one track.
func (v *Visits[T]) begin(at time.Time) *visitState {
	v.last++
	visit := &visitState{number: v.last, tracks: 1, Visit: Visit{ID: v.newID(at), FirstSeen: at, LastSeen: at, Tracks: 1}}
	v.visits[visit.number] = visit
	return visit
}

// split ends a track's part in its visit at the first pending face. A new visit begins with the pending faces.
func (v *Visits[T]) split(track uint64, t *trackState[T]) {
	pending := t.pending
	v.separate(track, t, pending[0].Time)
	for _, f := range pending {
		v.add(t, f.OfferedFace, func() T { return f.payload })
	}
}

// separate begins a new visit for the faces of a track from this time on.
func (v *Visits[T]) separate(track uint64, t *trackState[T], since time.Time) {
	t.pending, t.suspect = nil, template{}
	v.leaveVisit(t.visit)
	t.visit, t.first = v.begin(since), since
	v.changes.Moves = append(v.changes.Moves, Move{Track: track, Since: since, Visit: t.visit.ID})
}

// leave removes a track that has ended.
func (v *Visits[T]) leave(track uint64, t *trackState[T]) {
	v.join(t)
	delete(v.tracks, track)
	v.leaveVisit(t.visit)
}

// leaveVisit removes a track from its visit, which ends with the last one.
func (v *Visits[T]) leaveVisit(visit *visitState) {
	if visit.tracks--; visit.tracks > 0 {
		return
	}
	decisions, state := v.selector.end(visit.number)
	v.changes.Decisions = append(v.changes.Decisions, decisions...)
	v.remember(visit, state, visit.LastSeen)
}

// remember removes a visit that has ended, and keeps it for its person's return.
func (v *Visits[T]) remember(visit *visitState, state selected, ended time.Time) {
	if keep := v.config.Visit.Rejoin; keep > 0 && visit.person.faces > 0 {
		v.recent.add(pastVisit{
			Visit: visit.Visit, selected: state, person: visit.person, matcher: v.matcher, ended: ended, keep: keep,
		})
	}
}

// join lets a visit of which nothing was sent continue the visit of the same person, if there is one: one that is hidden
// at the moment, or one that ended a short time ago.
func (v *Visits[T]) join(t *trackState[T]) {
	visit := t.visit
	if v.config.Visit.Rejoin == 0 || visit.joined || visit.person.faces == 0 || v.selector.selection(visit.number).sent {
		return
	}
	similarity := func(other *template) float64 {
		if !other.seen.Before(visit.FirstSeen) { // nobody is in two places
			return 0
		}
		return visit.person.sameness(v.matcher, other)
	}
	if hidden := v.mostSimilarHidden(visit, similarity); hidden != nil {
		v.joinHidden(visit, hidden)
	} else if past, found := v.recent.take(v.matcher, similarity); found {
		v.selector.resume(visit.number, past.selected)
		visit.Visit = continued(past.Visit, visit.Visit)
		visit.person.merge(past.person)
		visit.joined = true
		v.moveTracks(visit)
	}
}

// mostSimilarHidden returns the visit with the highest positive similarity among the others that go on and have no face
// in the present frame; nil: there is none.
func (v *Visits[T]) mostSimilarHidden(visit *visitState, similarity func(*template) float64) (hidden *visitState) {
	best := 0.0
	for _, number := range slices.Sorted(maps.Keys(v.visits)) {
		other := v.visits[number]
		if other == visit || other.tracks == 0 || v.visible(other) {
			continue
		}
		if s := similarity(&other.person); s > best {
			hidden, best = other, s
		}
	}
	return hidden
}

// joinHidden merges a visit into one whose tracks are hidden.
func (v *Visits[T]) joinHidden(visit, hidden *visitState) {
	v.selector.merge(visit.number, hidden.number)
	hidden.Visit = continued(hidden.Visit, visit.Visit)
	visit.person.merge(hidden.person)
	hidden.person = visit.person
	hidden.tracks += visit.tracks
	hidden.joined = true
	for _, t := range v.tracks {
		if t.visit == visit {
			t.visit = hidden
		}
	}
	delete(v.visits, visit.number)
	v.moveTracks(hidden)
}

// continued returns a visit that continues an earlier one.
func continued(earlier, visit Visit) Visit {
	earlier.LastSeen = visit.LastSeen
	earlier.Frames += visit.Frames
	earlier.Faces += visit.Faces
	earlier.Tracks += visit.Tracks
	return earlier
}

// moveTracks reports that the faces of the visit's tracks belong to it.
func (v *Visits[T]) moveTracks(visit *visitState) {
	for _, number := range slices.Sorted(maps.Keys(v.tracks)) {
		if t := v.tracks[number]; t.visit == visit {
			v.changes.Moves = append(v.changes.Moves, Move{Track: number, Since: t.first, Visit: visit.ID})
		}
	}
}

// visible reports whether a track of a visit has a face in the present frame.
func (v *Visits[T]) visible(visit *visitState) bool {
	for _, t := range v.tracks {
		if t.visit == visit && t.visible {
			return true
		}
	}
	return false
}

// flushChanges returns the changes since the last call. It completes the decisions, which are made at this time.
func (v *Visits[T]) flushChanges(at time.Time) Changes[T] {
	changes := v.changes
	v.changes = Changes[T]{}
	for i := range changes.Decisions {
		d := &changes.Decisions[i]
		d.Visit, d.At = v.visits[d.number].Visit, at
	}
	for number, visit := range v.visits {
		if visit.tracks == 0 {
			delete(v.visits, number)
		}
	}
	return changes
}
