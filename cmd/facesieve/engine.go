package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"image"
	"slices"
	"time"

	"github.com/rs/zerolog"
	"gocv.io/x/gocv"

	"facesieve/detect"
	"facesieve/models"
	"facesieve/publish"
	"facesieve/quality"
)

// engine finds faces in a frame and judges them: what stands around the networks, which it borrows for each frame. It
// is for one goroutine.
type engine struct {
	shared   *interpreters
	lent     *trio
	finder   *place
	refining *place
	judging  *place
	detector *detect.Detector
	refiner  *detect.Refiner // nil: every face is looked at once
	aligner  *quality.Aligner
	assessor *quality.Assessor
	scorer   *quality.Scorer
	gates    quality.Gates
	coarse   quality.Gates // before the second look
	aligned  gocv.Mat      // scratch: the aligned face, 112x112 BGR
	times    *stageTimes
	closers  []func() error
}

// judgement is what the engine knows of one face.
type judgement struct {
	Face       detect.Face // with the landmarks that it was judged by, those of the second look where there was one
	Transform  quality.Transform
	Assessment quality.Assessment
	Score      quality.Score
	Labels     publish.Labels // what the score is made of; nil if there is none
	Scored     bool           // false: ruled out before the network ran, the score means nothing
	Reason     quality.Reason // the gate that rules the face out, or empty
}

// newEngine joins the stages around shared networks. Call Close after use.
func newEngine(shared *interpreters, d detect.Config, q quality.Config) (*engine, error) {
	if err := shared.join(); err != nil {
		return nil, err
	}
	e := &engine{
		shared:   shared,
		finder:   &place{manifest: &shared.nets.detector.Manifest},
		refining: &place{manifest: &shared.nets.landmarks.Manifest},
		judging:  &place{manifest: &shared.nets.quality.Manifest},
		aligner:  quality.NewAligner(), assessor: quality.NewAssessor(), gates: q.Gates, coarse: q.Gates.Coarse(),
		aligned: gocv.NewMat(), times: &stageTimes{},
	}
	e.closers = append(e.closers, shared.leave, e.aligned.Close, e.aligner.Close)
	var err error
	if e.detector, err = detect.NewDetector(d, e.finder); err != nil {
		return nil, errors.Join(fmt.Errorf("set up detector: %w", err), e.Close())
	}
	e.closers = append(e.closers, e.detector.Close)
	if d.SecondLook {
		if e.refiner, err = detect.NewRefiner(d, e.refining); err != nil {
			return nil, errors.Join(fmt.Errorf("set up second look: %w", err), e.Close())
		}
		e.closers = append(e.closers, e.refiner.Close)
	}
	if e.scorer, err = quality.NewScorer(e.judging); err != nil {
		return nil, errors.Join(fmt.Errorf("set up scorer: %w", err), e.Close())
	}
	return e, nil
}

// newLoneEngine starts networks for one engine alone, which ends them with its Close.
func newLoneEngine(nets networks, rt models.Runtime, d detect.Config, q quality.Config, log zerolog.Logger) (*engine, error) {
	shared, err := newInterpreters(nets, rt, 1, log)
	if err != nil {
		return nil, err
	}
	e, err := newEngine(shared, d, q)
	return e, errors.Join(err, shared.retire())
}

// borrow waits for networks, to look at a frame of that size. Detector and scorer work only between borrow and giveBack.
func (e *engine) borrow(frame image.Point) error { return e.borrowUntil(context.Background(), frame) }

// borrowUntil is like borrow, but returns the error of ctx if that ends before an interpreter set is free.
func (e *engine) borrowUntil(ctx context.Context, frame image.Point) error {
	size := e.detector.InputSize(frame)
	if e.lent = e.shared.lend(ctx, size); e.lent == nil {
		return ctx.Err()
	}
	if err := e.shared.fit(e.lent, size); err != nil {
		e.giveBack()
		return err
	}
	e.finder.Interpreter, e.refining.Interpreter, e.judging.Interpreter = e.lent.detector, e.lent.refiner, e.lent.quality
	return nil
}

// giveBack lets others have the networks.
func (e *engine) giveBack() {
	if e.lent == nil {
		return
	}
	e.shared.giveBack(e.lent)
	e.lent, e.finder.Interpreter, e.refining.Interpreter, e.judging.Interpreter = nil, nil, nil, nil
}

// find returns the faces of a frame, best first, after a second look at those that are not sure enough to begin a track: what they
// lack are pixels, as a rule, which the frame has.
func (e *engine) find(frame gocv.Mat) ([]detect.Face, error) {
	now := time.Now()
	faces, err := e.detector.Detect(frame)
	if err != nil {
		return nil, fmt.Errorf("detect: %w", err)
	}
	e.times.add(stageDetect, now)
	if e.refiner == nil {
		return faces, nil
	}
	sure, size := float32(e.detector.Config().Score), image.Pt(frame.Cols(), frame.Rows())
	for i, face := range faces {
		if face.Score >= sure {
			continue
		}
		if _, reason := e.glance(size, face); reason != "" {
			continue
		}
		if faces[i], err = e.again(frame, face); err != nil {
			return nil, err
		}
	}
	slices.SortStableFunc(faces, func(a, b detect.Face) int { return cmp.Compare(b.Score, a.Score) })
	return faces, nil
}

// glance says what the first look's landmarks tell, and which gate rules the face out whatever better ones would be.
func (e *engine) glance(frame image.Point, face detect.Face) (quality.Assessment, quality.Reason) {
	now := time.Now()
	defer e.times.add(stageMeasure, now)
	//nolint:errcheck // five points that are no face tell nothing, and the second look may find better ones
	assessment, _ := e.assessor.Geometry(face.Landmarks)
	return assessment, e.coarse.Check(frame, face.Box, assessment)
}

// again takes a second look at a face.
func (e *engine) again(frame gocv.Mat, face detect.Face) (detect.Face, error) {
	now := time.Now()
	face, err := e.refiner.Refine(frame, face)
	if err != nil {
		return face, fmt.Errorf("second look: %w", err)
	}
	e.times.add(stageRefine, now)
	return face, nil
}

// judge measures and scores a face that was found in frame, and leaves it aligned in e.aligned. With all set a face is
// scored even when a gate rules it out; otherwise it is dropped as soon as one does.
func (e *engine) judge(frame gocv.Mat, face detect.Face, all bool) (judgement, error) {
	j, going, err := e.locate(frame, face, all)
	if err != nil || !going {
		return j, err
	}
	now := time.Now()
	if j.Transform, err = e.aligner.Align(frame, j.Face.Landmarks, &e.aligned); err != nil {
		return j, fmt.Errorf("align face: %w", err)
	}
	now = e.times.add(stageAlign, now)
	if err = e.assessor.Pixels(e.aligned, &j.Assessment); err != nil {
		return j, fmt.Errorf("measure face: %w", err)
	}
	if j.Reason == "" {
		j.Reason = e.gates.Check(image.Pt(frame.Cols(), frame.Rows()), face.Box, j.Assessment)
	}
	now = e.times.add(stageMeasure, now)
	if j.Reason != "" && !all {
		return j, nil
	}
	if j.Score, err = e.scorer.Score(e.aligned); err != nil {
		return j, fmt.Errorf("score face: %w", err)
	}
	j.Scored, j.Labels = true, j.Score.Labels
	e.times.add(stageScore, now)
	return j, nil
}

// locate measures what the landmarks of a face tell, after a second look at them, and says whether the judgement is to go on.
// What rules the face out before is no work for a second look, and stands whatever that finds.
func (e *engine) locate(frame gocv.Mat, face detect.Face, all bool) (j judgement, going bool, err error) {
	size := image.Pt(frame.Cols(), frame.Rows())
	j.Face = face
	if e.refiner != nil && !face.Refined {
		j.Assessment, j.Reason = e.glance(size, face)
		if j.Reason != "" && !all {
			return j, false, nil
		}
		if j.Face, err = e.again(frame, face); err != nil {
			return j, false, err
		}
	}
	now := time.Now()
	if j.Assessment, err = e.assessor.Geometry(j.Face.Landmarks); err != nil { // five points that are no face
		j.Reason = quality.ReasonPose
		return j, false, nil //nolint:nilerr // that is the judgement
	}
	if j.Reason == "" {
		j.Reason = e.gates.Check(size, face.Box, j.Assessment)
	}
	e.times.add(stageMeasure, now)
	return j, j.Reason == "" || all, nil
}

// Close gives back the networks and frees every scratch Mat, last made first.
func (e *engine) Close() error {
	e.giveBack()
	var all error
	for i := len(e.closers) - 1; i >= 0; i-- {
		all = errors.Join(all, e.closers[i]())
	}
	e.closers = nil
	return all
}
