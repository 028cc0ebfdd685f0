package main

import (
	"errors"
	"fmt"
	"image"
	"time"

	"github.com/rs/zerolog"
	"gocv.io/x/gocv"

	"facesieve/detect"
	"facesieve/models"
	"facesieve/publish"
	"facesieve/quality"
)

// engine finds faces in a frame and judges them: what stands around the two networks, which it borrows for each frame. It
// is for one goroutine.
type engine struct {
	shared   *interpreters
	lent     *pair
	finder   *place
	judging  *place
	detector *detect.Detector
	aligner  *quality.Aligner
	assessor *quality.Assessor
	scorer   *quality.Scorer
	gates    quality.Gates
	aligned  gocv.Mat // scratch: the aligned face, 112x112 BGR
	times    *stageTimes
	closers  []func() error
}

// judgement is what the engine knows of one face.
type judgement struct {
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
		shared:  shared,
		finder:  &place{manifest: &shared.nets.detector.Manifest},
		judging: &place{manifest: &shared.nets.quality.Manifest},
		aligner: quality.NewAligner(), assessor: quality.NewAssessor(), gates: q.Gates,
		aligned: gocv.NewMat(), times: &stageTimes{},
	}
	e.closers = append(e.closers, shared.leave, e.aligned.Close, e.aligner.Close)
	var err error
	if e.detector, err = detect.NewDetector(d, e.finder); err != nil {
		return nil, errors.Join(fmt.Errorf("set up detector: %w", err), e.Close())
	}
	e.closers = append(e.closers, e.detector.Close)
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
func (e *engine) borrow(frame image.Point) {
	e.lent = e.shared.lend(e.detector.InputSize(frame))
	e.finder.Interpreter, e.judging.Interpreter = e.lent.detector, e.lent.quality
}

// giveBack lets others have the networks.
func (e *engine) giveBack() {
	if e.lent == nil {
		return
	}
	e.shared.giveBack(e.lent)
	e.lent, e.finder.Interpreter, e.judging.Interpreter = nil, nil, nil
}

// judge measures and scores a face that was found in frame, and leaves it aligned in e.aligned. With all set a face is
// scored even when a gate rules it out; otherwise it is dropped as soon as one does.
func (e *engine) judge(frame gocv.Mat, face detect.Face, all bool) (judgement, error) {
	size := image.Pt(frame.Cols(), frame.Rows())
	now := time.Now()
	geometry, err := e.assessor.Geometry(face.Landmarks)
	if err != nil { // five points that are no face
		return judgement{Assessment: geometry, Reason: quality.ReasonPose}, nil //nolint:nilerr // that is the judgement
	}
	j := judgement{Assessment: geometry}
	j.Reason = e.gates.Check(size, face.Box, j.Assessment)
	now = e.times.add(stageMeasure, now)
	if j.Reason != "" && !all {
		return j, nil
	}
	if j.Transform, err = e.aligner.Align(frame, face.Landmarks, &e.aligned); err != nil {
		return j, fmt.Errorf("align face: %w", err)
	}
	now = e.times.add(stageAlign, now)
	if err = e.assessor.Pixels(e.aligned, &j.Assessment); err != nil {
		return j, fmt.Errorf("measure face: %w", err)
	}
	if j.Reason == "" {
		j.Reason = e.gates.Check(size, face.Box, j.Assessment)
	}
	now = e.times.add(stageMeasure, now)
	if j.Reason != "" && !all {
		return j, nil
	}
	if j.Score, err = e.scorer.Score(e.aligned); err != nil {
		return j, fmt.Errorf("score face: %w", err)
	}
	j.Scored, j.Labels = true, e.scorer.Named(j.Score)
	e.times.add(stageScore, now)
	return j, nil
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
