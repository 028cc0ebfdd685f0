package main

import (
	"context"
	"errors"
	"fmt"
	"image"
	"io"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"
	"gocv.io/x/gocv"

	"facesieve/capture"
	"facesieve/detect"
	"facesieve/quality"
)

// tickPeriod is how long a live pipeline waits for a frame before it looks at the clock: faces that were held long
// enough are sent, and tracks end, also when the camera is gone.
const tickPeriod = 500 * time.Millisecond

// sink takes what a pipeline decides. Its methods must not block on a network.
type sink interface {
	// face forwards a face that was selected.
	face(c *candidate) error
	// rejected reports that a track ended without one, and its best face.
	rejected(c *candidate, reason quality.Reason) error
}

// candidate is a face that was seen and may be sent: all that an event needs, and none of it shared.
type candidate struct {
	Track      uint64
	Time       time.Time
	Width      int // of the frame, pixels
	Height     int
	Judgement  judgement
	Pixels     []byte    // the aligned face, 112x112 BGR; nil if it was ruled out before it was cut
	Seen       *seenFace // its place in the gallery, or nil
	PolicyName string
}

// pipeline takes one camera's frames to decisions. Build it with newPipeline, run it once, and Close it.
type pipeline struct {
	camera   Camera
	engine   *engine
	motion   *detect.Motion
	cuts     *detect.Cuts
	tracker  *detect.Tracker
	selector *quality.Selector[*candidate]
	sink     sink
	gallery  *gallery
	log      zerolog.Logger

	after  func()    // called after each frame, for a progress bar
	due    time.Time // of the next frame that max_fps lets through
	busy   bool      // a track is alive, so the motion gate does not matter
	tuned  atomic.Pointer[tuning]
	counts *pipelineCounts
	// decided holds decisions that were not yet passed to the sink; after a panic of the sink, the next decide
	// passes the rest.
	decided []quality.Decision[*candidate]
}

// pipelineCounts are read by other goroutines while the pipeline runs. Rounds counts its steps, those without a frame too.
type pipelineCounts struct {
	rounds, frames, looked, tracks, sent atomic.Uint64
}

// tuning is what a pipeline can take on between two frames: everything but its source and the faces that it follows.
type tuning struct {
	camera Camera
	engine *engine
	sink   sink
}

// newPipeline joins the stages for one camera. The engine is owned by the pipeline from here on.
func newPipeline(camera Camera, e *engine, out sink, seen *gallery, log zerolog.Logger) (*pipeline, error) {
	selector, err := quality.NewSelector[*candidate](camera.Quality)
	if err != nil {
		return nil, err
	}
	return &pipeline{
		camera: camera, engine: e, selector: selector, sink: out, gallery: seen,
		after:   func() {},
		counts:  &pipelineCounts{},
		motion:  detect.NewMotion(camera.Detect),
		cuts:    detect.NewCuts(),
		tracker: detect.NewTracker(e.detector.Config()),
		log:     log.With().Str("component", "pipeline").Logger(),
	}, nil
}

// Close frees the scratch memory, and gives back the networks.
func (p *pipeline) Close() error {
	err := p.engine.Close()
	if t := p.tuned.Swap(nil); t != nil {
		err = errors.Join(err, t.engine.Close())
	}
	return err
}

// tune lets the pipeline take on t before its next step; any goroutine may call it. The engine of t is the pipeline's from
// here on.
func (p *pipeline) tune(t *tuning) error {
	if before := p.tuned.Swap(t); before != nil {
		return before.engine.Close()
	}
	return nil
}

// retune takes on what tune left. The tracks stay, so that nobody who is in sight is sent twice.
func (p *pipeline) retune() error {
	t := p.tuned.Swap(nil)
	if t == nil {
		return nil
	}
	err := errors.Join(p.selector.Configure(t.camera.Quality), p.engine.Close())
	p.tracker.Configure(t.engine.detector.Config())
	p.motion.Configure(t.camera.Detect)
	p.camera, p.engine, p.sink, p.due = t.camera, t.engine, t.sink, time.Time{}
	p.log.Info().Msg("the camera's new settings are in force")
	return err
}

// run takes frames from source until it ends, or ctx does, and then flushes the open tracks. Both are no error.
func (p *pipeline) run(ctx context.Context, source *capture.Source) error {
	frame := capture.Frame{Mat: gocv.NewMat()}
	defer func() { frame.Mat.Close() }() // whichever Mat it holds then
	for {
		p.counts.rounds.Add(1)
		if err := p.retune(); err != nil {
			return errors.Join(err, p.flush())
		}
		err := p.next(ctx, source, &frame)
		switch {
		case err == nil:
			err = p.look(ctx, &frame)
			p.after()
		case ctx.Err() != nil || errors.Is(err, io.EOF):
			return p.flush()
		case errors.Is(err, context.DeadlineExceeded):
			err = p.idle(source)
		}
		if err != nil {
			return errors.Join(err, p.flush())
		}
	}
}

func (p *pipeline) next(ctx context.Context, source *capture.Source, frame *capture.Frame) error {
	ctx, cancel := context.WithTimeout(ctx, tickPeriod)
	defer cancel()
	return source.Next(ctx, frame)
}

// idle lets time pass while a live source gives no frames. A recording's time is that of its frames alone.
func (p *pipeline) idle(source *capture.Source) error {
	if !source.Live() {
		return nil
	}
	now := time.Now()
	_, ended := p.tracker.Update(now, nil)
	p.busy = p.tracker.Busy()
	return p.decide(p.endTracks(ended, p.selector.Tick(now)))
}

// look takes one frame through detection, tracking and scoring.
func (p *pipeline) look(ctx context.Context, frame *capture.Frame) error {
	p.counts.frames.Add(1)
	if !p.admit(frame.Time) {
		return nil
	}
	now := time.Now()
	moved := p.motion.Moved(frame.Time, frame.Mat)
	p.engine.times.add(stageMotion, now)
	if !moved && !p.busy {
		return p.decide(p.selector.Tick(frame.Time))
	}
	p.counts.looked.Add(1)
	if err := p.cut(frame); err != nil {
		return err
	}
	decisions, err := p.examine(ctx, frame)
	return errors.Join(err, p.decide(decisions))
}

// cut ends all tracks when the frame shows another scene than the frame before, because a face at the same place is
// then that of another person. Frames without motion are not checked.
func (p *pipeline) cut(frame *capture.Frame) error {
	now := time.Now()
	cut := p.cuts.Cut(frame.Mat)
	p.engine.times.add(stageCut, now)
	if !cut {
		return nil
	}
	p.log.Debug().Time("frame", frame.Time).Msg("hard cut, all tracks end")
	p.motion.Restart(frame.Time, frame.Mat)
	p.busy = false
	return p.decide(p.endTracks(p.tracker.Flush(), nil))
}

// examine detects, tracks and scores the faces of a frame, with an interpreter set that it holds for this frame. If ctx
// ends before a set is free, it skips the frame, so that a stop waits only for frames that have a set already.
func (p *pipeline) examine(ctx context.Context, frame *capture.Frame) ([]quality.Decision[*candidate], error) {
	if err := p.engine.borrowUntil(ctx, image.Pt(frame.Mat.Cols(), frame.Mat.Rows())); err != nil {
		if ctx.Err() != nil {
			return nil, nil
		}
		return nil, err
	}
	defer p.engine.giveBack()
	faces, err := p.engine.find(frame.Mat)
	if err != nil {
		return nil, err
	}
	now := time.Now()
	active, ended := p.tracker.Update(frame.Time, faces)
	p.busy = p.tracker.Busy()
	p.engine.times.add(stageTrack, now)
	decisions := p.selector.Tick(frame.Time)
	for _, track := range active {
		more, err := p.offer(frame, track)
		if err != nil {
			return p.endTracks(ended, decisions), err
		}
		decisions = append(decisions, more...)
	}
	return p.endTracks(ended, decisions), nil
}

// admit says whether the frame of this time is one of the max_fps a second that are looked at.
func (p *pipeline) admit(at time.Time) bool {
	if p.camera.MaxFPS <= 0 {
		return true
	}
	if at.Before(p.due) {
		return false
	}
	period := time.Duration(float64(time.Second) / p.camera.MaxFPS)
	p.due = p.due.Add(period)
	if p.due.Before(at) { // the source is slower, or was away
		p.due = at.Add(period)
	}
	return true
}

// offer judges the face of a track and offers it to the selector.
func (p *pipeline) offer(frame *capture.Frame, track detect.Track) ([]quality.Decision[*candidate], error) {
	j, err := p.engine.judge(frame.Mat, track.Face, p.gallery != nil)
	if err != nil {
		return nil, err
	}
	c := &candidate{
		Track: track.ID, Time: frame.Time, Width: frame.Mat.Cols(), Height: frame.Mat.Rows(),
		Judgement: j, PolicyName: p.camera.Quality.Policy,
	}
	start := time.Now()
	keep := func() *candidate {
		if j.Scored {
			c.Pixels = p.engine.aligned.ToBytes()
		}
		return c
	}
	score := j.Score.Value
	if !j.Scored {
		score = quality.NotAssessed
	}
	// The gallery's face exists before the selector decides: quick and all send at once.
	seen, err := p.see(c)
	if err != nil {
		return nil, err
	}
	reason, decisions := p.selector.Offer(track.ID, frame.Time, score, j.Reason, keep)
	if seen != nil {
		seen.Reason = string(reason)
	}
	p.engine.times.add(stageSelect, start)
	return decisions, nil
}

// see puts a face into the gallery, if there is one.
func (p *pipeline) see(c *candidate) (*seenFace, error) {
	if p.gallery == nil || !c.Judgement.Scored {
		return nil, nil //nolint:nilnil // no gallery, no face in it
	}
	picture, err := encodeImage(ImageConfig{Encoding: "jpeg", Quality: 85}, p.engine.aligned)
	if err != nil {
		return nil, err
	}
	c.Seen = &seenFace{
		Camera: p.camera.Name, Track: c.Track, Time: c.Time, Score: c.Judgement.Score.Value,
		Detail: describe(c), JPEG: picture,
	}
	p.gallery.add(c.Seen)
	return c.Seen, nil
}

// endTracks appends what the selector says to the end of tracks.
func (p *pipeline) endTracks(ended []detect.Track, decisions []quality.Decision[*candidate]) []quality.Decision[*candidate] {
	for _, track := range ended {
		p.counts.tracks.Add(1)
		length := track.Last.Sub(track.Start).Round(time.Millisecond)
		p.log.Debug().Uint64("track", track.ID).Str("length", length.String()).Msg("track ended")
		decisions = append(decisions, p.selector.End(track.ID)...)
	}
	return decisions
}

// flush ends all tracks, as at the end of a recording or of the program.
func (p *pipeline) flush() error {
	decisions := p.endTracks(p.tracker.Flush(), nil)
	return p.decide(append(decisions, p.selector.Flush()...))
}

// decide passes each decision to the sink once. A decision that fails or panics does not stop the others.
func (p *pipeline) decide(decisions []quality.Decision[*candidate]) error {
	p.decided = append(p.decided, decisions...)
	var all error
	for len(p.decided) > 0 {
		d := p.decided[0]
		p.decided = p.decided[1:]
		all = errors.Join(all, p.handOver(d))
	}
	p.decided = nil
	return all
}

func (p *pipeline) handOver(d quality.Decision[*candidate]) error {
	if !d.Send {
		if err := p.sink.rejected(d.Face, d.Reason); err != nil {
			return fmt.Errorf("report a rejected face: %w", err)
		}
		return nil
	}
	p.counts.sent.Add(1)
	if d.Face.Seen != nil {
		p.gallery.markSent(d.Face.Seen)
	}
	if err := p.sink.face(d.Face); err != nil {
		return fmt.Errorf("forward a face: %w", err)
	}
	return nil
}
