// Package pipeline turns the frames of one camera into decisions: it detects, refines, tracks, aligns and scores faces
// with networks that all cameras share, selects the best face of each track, and passes it to a sink. Observers receive
// each step.
package pipeline

import (
	"context"
	"errors"
	"fmt"
	"image"
	"io"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	"github.com/rs/zerolog"
	"gocv.io/x/gocv"

	"facesieve/capture"
	"facesieve/cmd/facesieve/internal/config"
	"facesieve/detect"
	"facesieve/quality"
)

// tickPeriod is how long a live pipeline waits for a frame before it checks the clock. Faces that were held long enough
// are sent, and tracks end, also while the camera delivers nothing.
const tickPeriod = 500 * time.Millisecond

// Sink receives the decisions of a pipeline. Its methods must not wait for a network.
type Sink interface {
	// Face forwards a face that was selected.
	Face(c *Candidate) error
	// Rejected reports that a visit ended without a face to send. c is its best face.
	Rejected(c *Candidate, reason quality.Reason) error
}

// Candidate is a judged face that may be sent: everything that an event needs. Nothing else refers to its memory.
type Candidate struct {
	Camera     string
	Visit      quality.Visit
	Track      uint64
	Time       time.Time
	Width      int // of the frame, pixels
	Height     int
	Judgement  Judgement
	Pixels     []byte // the aligned face, 112x112 BGR; nil if the face is not scored or was not kept
	PolicyName string
	// Threshold is that of the score when the face was judged, 0..100.
	Threshold float64
	// Still is how long the face did not move, and StillLimit the time after which it is static; 0: it moved.
	Still, StillLimit time.Duration
	// DecidedAt is when the decision about the face was made, on the clock of the frames.
	DecidedAt time.Time
}

// Options are the parts of a pipeline besides its camera and its engine.
type Options struct {
	Sink      Sink
	Observers []Observer
	// ScoreAll also scores faces that a gate rules out, for observers that show them. It costs a run of the quality
	// network for each of them, and changes no decision.
	ScoreAll bool
	// Recent holds the camera's visits that ended a short time ago; nil: a new one.
	Recent *quality.Recent
	// NewVisitID returns a new UUIDv7 for a visit that begins at this time; nil: a random one.
	NewVisitID func(first time.Time) string
	// Counters are those of the camera's former pipelines; nil: new ones.
	Counters *Counters
}

// Pipeline turns one camera's frames into decisions. Create it with New, call Run once, and Close it.
type Pipeline struct {
	camera    config.Camera
	engine    *Engine
	motion    *detect.Motion
	cuts      *detect.Cuts
	search    *detect.Search
	tracker   *detect.Tracker
	visits    *quality.Visits[*Candidate]
	recent    *quality.Recent // of this camera
	static    *detect.Static
	sink      Sink
	observers observers
	scoreAll  bool
	scored    map[uint64]scoredFace // the last of each track
	log       zerolog.Logger
	counters  *Counters

	last    time.Time // of the last frame, or of the clock while there is none
	busy    bool      // a track is alive, so the motion gate is not used
	pending atomic.Pointer[Settings]
	// decided holds decisions that the sink did not receive yet. After a panic of the sink, the next decide continues
	// with them.
	decided []Decision
}

// Settings are what a pipeline can change between two frames: everything but its source and its tracks.
type Settings struct {
	Camera config.Camera
	Engine *Engine
	Sink   Sink
}

// New returns a pipeline for one camera. It takes ownership of the engine if it returns no error.
func New(camera config.Camera, e *Engine, o Options, log zerolog.Logger) (*Pipeline, error) {
	if o.Recent == nil {
		o.Recent = quality.NewRecent()
	}
	if o.NewVisitID == nil {
		o.NewVisitID = func(time.Time) string { return uuid.Must(uuid.NewV7()).String() }
	}
	visits, err := quality.NewVisits[*Candidate](camera.Quality, e.pool.matcher, e.pool.recentOf(camera, o.Recent), o.NewVisitID)
	if err != nil {
		return nil, err
	}
	p := &Pipeline{
		camera: camera, engine: e, visits: visits, recent: o.Recent, static: detect.NewStatic(camera.Quality.Visit.Static), sink: o.Sink, observers: o.Observers, scoreAll: o.ScoreAll,
		counters: o.Counters, scored: map[uint64]scoredFace{},
		motion:  detect.NewMotion(camera.Detect),
		cuts:    detect.NewCuts(),
		search:  detect.NewSearch(e.detector.Config()),
		tracker: detect.NewTracker(e.detector.Config()),
		log:     log.With().Str("component", "pipeline").Logger(),
	}
	if p.counters == nil {
		p.counters = &Counters{}
	}
	e.times = p.clock()
	return p, nil
}

// Close frees the scratch memory and releases the networks.
func (p *Pipeline) Close() error {
	err := p.engine.Close()
	if s := p.pending.Swap(nil); s != nil {
		err = errors.Join(err, s.Engine.Close())
	}
	return err
}

// clock returns the clock of the engine's stages.
func (p *Pipeline) clock() stageClock {
	return stageClock{totals: &p.counters.stages, camera: p.camera.Name, observers: p.observers}
}

// Stats returns what the pipelines of this camera did so far. It is safe for concurrent use.
func (p *Pipeline) Stats() Stats { return p.counters.Stats() }

// Reconfigure applies settings before the pipeline's next step. It is safe for concurrent use, and takes ownership of
// the engine of s.
func (p *Pipeline) Reconfigure(s *Settings) error {
	if before := p.pending.Swap(s); before != nil {
		return before.Engine.Close()
	}
	return nil
}

// applyPending applies the settings of the last call of Reconfigure. The tracks stay, so that a person in view is
// not sent once more.
func (p *Pipeline) applyPending() error {
	s := p.pending.Swap(nil)
	if s == nil {
		return nil
	}
	pool := s.Engine.pool
	err := p.visits.Configure(s.Camera.Quality, pool.matcher, pool.recentOf(s.Camera, p.recent))
	err = errors.Join(err, p.engine.Close())
	p.tracker.Configure(s.Engine.detector.Config())
	p.search.Configure(s.Engine.detector.Config())
	p.motion.Configure(s.Camera.Detect)
	p.static.Configure(s.Camera.Quality.Visit.Static)
	p.camera, p.engine, p.sink = s.Camera, s.Engine, s.Sink
	p.engine.times = p.clock()
	p.log.Info().Msg("the camera's new settings are in force")
	return err
}

// OpenSource opens the source of a camera, which returns at most max_fps frames a second.
func OpenSource(camera config.Camera, log zerolog.Logger) (*capture.Source, error) {
	cfg := camera.Capture
	cfg.MaxFPS = camera.MaxFPS
	return capture.Open(cfg, log)
}

// idleAfter is the time without motion after which the source is idle.
const idleAfter = 10 * time.Second

// idle reports whether nothing has moved for a while, and nobody is in sight.
func (p *Pipeline) idle() bool { return !p.busy && p.motion.Still() >= idleAfter }

// Run takes frames from source until it ends or ctx does, and then ends all tracks. Neither end is an error. The source
// must be from OpenSource.
func (p *Pipeline) Run(ctx context.Context, source *capture.Source) error {
	frame := capture.Frame{Mat: gocv.NewMat()}
	defer func() { frame.Mat.Close() }() // Next may have replaced the Mat
	for {
		p.counters.steps.Add(1)
		if err := p.applyPending(); err != nil {
			return errors.Join(err, p.Flush())
		}
		source.SetMaxFPS(p.camera.MaxFPS)
		source.SetIdle(p.idle())
		err := p.next(ctx, source, &frame)
		switch {
		case err == nil:
			err = p.processFrame(ctx, &frame)
		case ctx.Err() != nil || errors.Is(err, io.EOF):
			return p.Flush()
		case errors.Is(err, context.DeadlineExceeded):
			err = p.processIdle(source)
		}
		if err != nil {
			return errors.Join(err, p.Flush())
		}
	}
}

func (p *Pipeline) next(ctx context.Context, source *capture.Source, frame *capture.Frame) error {
	ctx, cancel := context.WithTimeout(ctx, tickPeriod)
	defer cancel()
	return source.Next(ctx, frame)
}

// processIdle advances the time while a live source delivers no frames. The time of a recording is that of its frames.
func (p *Pipeline) processIdle(source *capture.Source) error {
	if !source.Live() {
		return nil
	}
	now := time.Now()
	p.last = now
	_, ended := p.tracker.Update(now, nil, nil)
	p.busy = p.tracker.Busy()
	return p.decide(p.endTracks(now, ended, p.take(p.visits.Tick(now))))
}

// processFrame takes one frame through all stages and reports it to the observers.
func (p *Pipeline) processFrame(ctx context.Context, frame *capture.Frame) error {
	p.counters.frames.Add(1)
	p.last = frame.Time
	report := FrameReport{Camera: p.camera.Name, Time: frame.Time, Image: frame.Mat}
	defer func() { p.observers.frame(report) }()
	now := time.Now()
	moved := p.motion.Selects(frame.Time, frame.Mat)
	p.search.Add(p.motion.Moved())
	p.engine.times.add(stageMotion, now)
	if !moved && !p.busy {
		report.Skipped = SkippedByMotion
		return p.decide(p.take(p.visits.Tick(frame.Time)))
	}
	p.counters.analysed.Add(1)
	report.Analysed = true
	if err := p.endTracksAtCut(frame); err != nil {
		return err
	}
	tracks, decisions, err := p.analyse(ctx, frame)
	report.Tracks = tracks
	return errors.Join(err, p.decide(decisions))
}

// endTracksAtCut ends all tracks when the frame shows another scene than the frame before, because a face at the same
// place is then that of another person. Frames without motion are not checked.
func (p *Pipeline) endTracksAtCut(frame *capture.Frame) error {
	now := time.Now()
	cut := p.cuts.Cut(frame.Mat)
	p.engine.times.add(stageCut, now)
	if !cut {
		return nil
	}
	p.log.Debug().Time("frame", frame.Time).Msg("hard cut, all tracks end")
	p.motion.Restart(frame.Time, frame.Mat)
	p.search.Restart()
	p.busy = false
	return p.decide(p.endTracks(frame.Time, p.tracker.Flush(), nil))
}

// analyse detects, tracks and scores the faces of a frame, with an interpreter set that it holds for this frame. It
// returns the tracks that have a face in this frame. If ctx ends before a set is free, it skips the frame, so that a
// stop waits only for frames that have a set already.
func (p *Pipeline) analyse(ctx context.Context, frame *capture.Frame) ([]detect.Track, []Decision, error) {
	if err := p.engine.Acquire(ctx, image.Pt(frame.Mat.Cols(), frame.Mat.Rows())); err != nil {
		if ctx.Err() != nil {
			return nil, nil, nil
		}
		return nil, nil, err
	}
	defer p.engine.Release()
	found, err := p.find(frame)
	if err != nil {
		return nil, nil, err
	}
	faces := frameFaces{frame: frame, engine: p.engine, scoreAll: p.scoreAll, found: found, judged: map[int]*JudgedFace{}}
	decisions := p.take(p.visits.Tick(frame.Time))
	active, ended := p.associate(&faces)
	decisions = p.endTracks(frame.Time, ended, decisions)
	decisions = append(decisions, p.take(p.visits.Visible(frame.Time, ids(active)))...)
	candidates := map[uint64]*Candidate{}
	for _, track := range active {
		c, more, err := p.offer(&faces, track)
		if err != nil {
			return active, decisions, err
		}
		candidates[track.ID] = c
		decisions = append(decisions, more...)
	}
	return active, append(decisions, p.endStatic(frame.Time, active, candidates)...), nil
}

// find returns the faces of a frame. It searches the frame, or the part where something moved, if that is due, and
// follows the known faces elsewhere. It also searches around a face that is not where it is expected.
func (p *Pipeline) find(frame *capture.Frame) ([]detect.Face, error) {
	expected, hidden := p.tracker.Predict(frame.Time)
	p.search.Add(detect.Around(hidden))
	ignore := func(f detect.Face) bool { return p.static.Ignores(frame.Time, f) }
	part, due := p.search.Due(frame.Time, len(expected))
	if !due {
		followed, lost, err := p.engine.Follow(frame.Mat, expected)
		if err != nil || len(lost) == 0 {
			return followed, err
		}
		found, err := p.engine.FindIn(frame.Mat, detect.Around(lost), expected, ignore)
		return p.engine.distinct(followed, found), err
	}
	p.search.Done(frame.Time)
	found, err := p.engine.FindIn(frame.Mat, part, expected, ignore)
	if err != nil || part.Empty() {
		return found, err
	}
	followed, _, err := p.engine.Follow(frame.Mat, detect.Elsewhere(expected, found))
	return p.engine.distinct(found, followed), err
}

// associate assigns the faces to tracks, by their motion and their looks.
func (p *Pipeline) associate(faces *frameFaces) (active, ended []detect.Track) {
	judging := faces.took
	start := time.Now()
	active, ended = p.tracker.Update(faces.frame.Time, faces.found, func(track uint64, index int, contested bool) float64 {
		j, err := faces.judge(index, p.worth(track, faces.frame.Time, contested))
		if err != nil {
			return 0 // offer returns the error
		}
		return p.visits.Affinity(track, j.Embedding, j.Score.Value)
	})
	p.busy = p.tracker.Busy()
	p.engine.times.add(stageTrack, start.Add(faces.took-judging))
	return active, ended
}

func ids(tracks []detect.Track) (all []uint64) {
	for _, track := range tracks {
		all = append(all, track.ID)
	}
	return all
}

// offer judges the face of a track and offers it to the visits.
func (p *Pipeline) offer(faces *frameFaces, track detect.Track) (*Candidate, []Decision, error) {
	j, err := faces.judge(track.Index, p.worth(track.ID, faces.frame.Time, false))
	if err != nil {
		return nil, nil, err
	}
	p.counters.judged.Add(1)
	frame := faces.frame
	c := &Candidate{
		Camera: p.camera.Name, Track: track.ID, Time: frame.Time, Width: frame.Mat.Cols(), Height: frame.Mat.Rows(),
		Judgement: j.Judgement, PolicyName: p.camera.Quality.Policy, Threshold: p.camera.Quality.LeastScore(),
	}
	start := time.Now()
	keep := func() *Candidate {
		if j.Scored {
			c.Pixels = j.Aligned.ToBytes()
		}
		return c
	}
	score := float64(quality.NotAssessed)
	if j.Scored && j.Reason != quality.ReasonDuplicate { // with scoreAll, the observers alone get that score
		score = j.Score.Value
		p.scored[track.ID] = scoredFace{frame.Time, score, j.measures}
	}
	visit, reason, changes := p.visits.Offer(quality.OfferedFace{
		Track: track.ID, Time: frame.Time, Score: score, Size: float64(track.Face.Box[2]), Reason: j.Reason,
		Embedding: j.Embedding,
	}, keep)
	c.Visit = visit
	p.engine.times.add(stageSelect, start)
	p.observers.judged(c, j.Aligned, reason)
	return c, p.take(changes), nil
}

// endStatic ends the tracks whose faces did not move for long.
func (p *Pipeline) endStatic(at time.Time, active []detect.Track, candidates map[uint64]*Candidate) (all []Decision) {
	static, still := p.static.Update(at, active)
	for i, track := range static {
		p.tracker.End(track.ID)
		delete(p.scored, track.ID)
		p.busy = p.tracker.Busy()
		p.counters.tracks.Add(1)
		c := candidates[track.ID]
		c.Still, c.StillLimit = still[i], p.camera.Quality.Visit.Static
		p.log.Debug().Uint64("track", track.ID).Str("still", still[i].String()).Msg("the face does not move, its track ended")
		keep := func() *Candidate { return c }
		all = append(all, p.take(p.visits.EndStatic(track.ID, at, c.Judgement.Score.Value, keep))...)
	}
	return all
}

// endTracks appends the decisions about tracks that ended.
func (p *Pipeline) endTracks(at time.Time, ended []detect.Track, decisions []Decision) []Decision {
	for _, track := range ended {
		p.counters.tracks.Add(1)
		delete(p.scored, track.ID)
		length := track.Last.Sub(track.Start).Round(time.Millisecond)
		p.log.Debug().Uint64("track", track.ID).Str("length", length.String()).Msg("track ended")
		decisions = append(decisions, p.take(p.visits.End(track.ID, at))...)
	}
	return decisions
}

// take reports the moves among changes and returns the decisions, completed.
func (p *Pipeline) take(changes quality.Changes[*Candidate]) []Decision {
	for _, m := range changes.Moves {
		p.observers.moved(p.camera.Name, m)
	}
	for _, d := range changes.Decisions {
		d.Face.Visit, d.Face.DecidedAt = d.Visit, d.At
	}
	return changes.Decisions
}

// Flush ends all tracks and passes the decisions to the sink. Run calls it at its end; after a panic of Run
// the caller must call it.
func (p *Pipeline) Flush() error {
	decisions := p.endTracks(p.last, p.tracker.Flush(), nil)
	return p.decide(append(decisions, p.take(p.visits.Flush(p.last))...))
}

// decide passes each decision to the sink once. A decision that fails or panics does not stop the others.
func (p *Pipeline) decide(decisions []Decision) error {
	p.decided = append(p.decided, decisions...)
	var all error
	for len(p.decided) > 0 {
		d := p.decided[0]
		p.decided = p.decided[1:]
		all = errors.Join(all, p.forward(d))
	}
	p.decided = nil
	return all
}

func (p *Pipeline) forward(d Decision) error {
	p.observers.decided(d)
	if !d.Send {
		if err := p.sink.Rejected(d.Face, d.Reason); err != nil {
			return fmt.Errorf("report a rejected face: %w", err)
		}
		return nil
	}
	p.counters.sent.Add(1)
	if err := p.sink.Face(d.Face); err != nil {
		return fmt.Errorf("forward a face: %w", err)
	}
	return nil
}
