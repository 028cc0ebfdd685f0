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
	"facesieve/quality"
)

// engine finds faces in a frame and judges them: the two networks and what stands around them. It is for one goroutine.
type engine struct {
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
	Scored     bool           // false: ruled out before the network ran, the score means nothing
	Reason     quality.Reason // the gate that rules the face out, or empty
}

// newEngine starts both networks, each tested against its manifest. Call Close after use.
func newEngine(nets networks, rt models.Runtime, d detect.Config, q quality.Config, log zerolog.Logger) (*engine, error) {
	e := &engine{
		aligner: quality.NewAligner(), assessor: quality.NewAssessor(), gates: q.Gates,
		aligned: gocv.NewMat(), times: &stageTimes{},
	}
	e.closers = append(e.closers, e.aligned.Close, e.aligner.Close)
	if err := e.startNetworks(nets, rt, d, log); err != nil {
		return nil, errors.Join(err, e.Close())
	}
	return e, nil
}

func (e *engine) startNetworks(nets networks, rt models.Runtime, d detect.Config, log zerolog.Logger) error {
	finder, err := e.start(nets.detector, rt, log)
	if err != nil {
		return err
	}
	if e.detector, err = detect.NewDetector(d, finder); err != nil {
		return fmt.Errorf("set up detector: %w", err)
	}
	e.closers = append(e.closers, e.detector.Close)
	judge, err := e.start(nets.quality, rt, log)
	if err != nil {
		return err
	}
	if e.scorer, err = quality.NewScorer(judge); err != nil {
		return fmt.Errorf("set up scorer: %w", err)
	}
	return nil
}

func (e *engine) start(model *models.Model, rt models.Runtime, log zerolog.Logger) (*models.Interpreter, error) {
	interpreter, err := models.Start(model, rt, log)
	if err != nil {
		return nil, fmt.Errorf("start network %s: %w", model.Manifest.Name, err)
	}
	e.closers = append(e.closers, interpreter.Close)
	return interpreter, nil
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
	j.Scored = true
	e.times.add(stageScore, now)
	return j, nil
}

// Close frees the networks and every scratch Mat, last made first.
func (e *engine) Close() error {
	var all error
	for i := len(e.closers) - 1; i >= 0; i-- {
		all = errors.Join(all, e.closers[i]())
	}
	e.closers = nil
	return all
}
