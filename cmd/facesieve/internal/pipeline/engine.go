package pipeline

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

	"facesieve/cmd/facesieve/internal/config"
	"facesieve/detect"
	"facesieve/quality"
)

// Engine finds the faces of a frame and judges them. It holds everything but the networks, which it acquires from a
// pool for each frame. It is not safe for concurrent use.
type Engine struct {
	pool            *Pool
	held            *interpreterSet // nil between Release and Acquire
	detectorNetwork *pooledNetwork
	refinerNetwork  *pooledNetwork
	qualityNetwork  *pooledNetwork
	detector        *detect.Detector
	refiner         *detect.Refiner // nil: faces are not refined
	aligner         *quality.Aligner
	assessor        *quality.Assessor
	scorer          *quality.Scorer
	gates           quality.Gates
	coarse          quality.Gates // those that refinement cannot change
	crops           []gocv.Mat    // scratch: the aligned faces of a frame, 112x112 BGR
	used            int           // number of crops that are in use
	times           stageClock
	closers         []func() error
}

// Judgement is the result of judging one face.
type Judgement struct {
	Face       detect.Face // with the landmarks that it was judged by: the refined ones if it is refined
	Transform  quality.Transform
	Assessment quality.Assessment
	Score      quality.Score
	Scored     bool           // false: a gate ruled the face out before the network ran, and Score is not set
	Reason     quality.Reason // the gate that rules the face out, or empty
	// Misses are the limits that ruled the face out, first the one of Reason; nil: none did, or the landmarks cannot be a
	// face's. What was measured after the decision is not among them.
	Misses []quality.Miss

	measures measures // before the score
}

// applyGates rules the face out if it misses limits.
func (j *Judgement) applyGates(misses []quality.Miss) {
	if len(misses) > 0 {
		j.Reason, j.Misses = misses[0].Reason, misses
	}
}

// JudgedFace is a judgement with what the engine needs to compare and to send the face.
type JudgedFace struct {
	Judgement
	// Embedding is that of a face that no gate rules out, with or without scoreAll.
	Embedding quality.Embedding
	// Aligned is the aligned face, 112x112 BGR, if it is scored. The engine owns it, and reuses it after Release.
	Aligned gocv.Mat
}

// NewEngine returns an engine that uses the networks of a pool. Call Close after use.
func NewEngine(pool *Pool, d detect.Config, q quality.Config) (*Engine, error) {
	if err := pool.retain(); err != nil {
		return nil, err
	}
	e := &Engine{
		pool:            pool,
		detectorNetwork: &pooledNetwork{model: pool.networks.detector},
		refinerNetwork:  &pooledNetwork{model: pool.networks.landmarks},
		qualityNetwork:  &pooledNetwork{model: pool.networks.quality},
		aligner:         quality.NewAligner(), assessor: quality.NewAssessor(), gates: q.Gates, coarse: q.Gates.Coarse(),
		times: stageClock{totals: &stageTimes{}},
	}
	e.closers = append(e.closers, pool.leave, e.closeCrops, e.aligner.Close)
	var err error
	if e.detector, err = detect.NewDetector(d, e.detectorNetwork); err != nil {
		return nil, errors.Join(fmt.Errorf("set up detector: %w", err), e.Close())
	}
	e.closers = append(e.closers, e.detector.Close)
	if d.Refine {
		if pool.networks.landmarks == nil {
			return nil, errors.Join(errNoRefiner, e.Close())
		}
		if e.refiner, err = detect.NewRefiner(d, e.refinerNetwork); err != nil {
			return nil, errors.Join(fmt.Errorf("set up refinement: %w", err), e.Close())
		}
		e.closers = append(e.closers, e.refiner.Close)
	}
	if e.scorer, err = quality.NewScorer(e.qualityNetwork); err != nil {
		return nil, errors.Join(fmt.Errorf("set up scorer: %w", err), e.Close())
	}
	return e, nil
}

// OpenEngine starts the networks for one engine alone, with the detector and gates of camera. Close frees them.
func OpenEngine(networks Networks, cfg config.Config, camera config.Camera, log zerolog.Logger) (*Engine, error) {
	pool, err := NewPool(networks, cfg.Runtime, 1, log)
	if err != nil {
		return nil, err
	}
	e, err := NewEngine(pool, camera.Detect, camera.Quality)
	return e, errors.Join(err, pool.Retire())
}

// Acquire waits for an interpreter set for a frame of this size in pixels. Find, Judge and ScoreAligned need one. It
// returns the error of ctx if that ends before a set is free. Call Release after use.
func (e *Engine) Acquire(ctx context.Context, frame image.Point) error {
	size := e.detector.InputSize(frame)
	held := e.pool.acquire(ctx, size)
	if held == nil {
		return ctx.Err()
	}
	e.hold(held)
	if err := e.pool.fitDetector(held, size); err != nil {
		e.Release()
		return err
	}
	e.hold(held) // fitDetector may have replaced the detector
	e.used = 0
	return nil
}

// Release returns the interpreter set to the pool.
func (e *Engine) Release() {
	if e.held != nil {
		e.pool.release(e.held)
		e.hold(nil)
	}
}

// hold makes the networks of the engine those of a set, or none.
func (e *Engine) hold(set *interpreterSet) {
	e.held = set
	if set == nil {
		set = &interpreterSet{}
	}
	e.detectorNetwork.Interpreter, e.refinerNetwork.Interpreter = set.detector, set.refiner
	e.qualityNetwork.Interpreter = set.quality
}

// MinScore returns the detector's score, 0..1, from which a face can begin a track. A face with a lower score can only
// continue one.
func (e *Engine) MinScore() float64 { return e.detector.Config().Score }

// Find returns the faces of a frame, 8-bit BGR, the highest score first. It refines faces whose score is too low to
// begin a track: they are usually small in the detector's input, and refinement uses the pixels of the full frame. Faces
// that ignore accepts are left out; ignore may be nil.
func (e *Engine) Find(frame gocv.Mat, ignore func(detect.Face) bool) ([]detect.Face, error) {
	return e.FindIn(frame, image.Rectangle{}, nil, ignore)
}

// FindIn is Find that searches only a part of the frame, pixels, and what is close to it; an empty part stands for the
// whole frame. A face at one of the known boxes, pixels of the frame, may be left out if it reaches out of what is
// searched.
func (e *Engine) FindIn(
	frame gocv.Mat, part image.Rectangle, known [][4]float32, ignore func(detect.Face) bool,
) ([]detect.Face, error) {
	now := time.Now()
	faces, err := e.detect(frame, part, known)
	if err != nil {
		return nil, fmt.Errorf("detect: %w", err)
	}
	e.times.add(stageDetect, now)
	if ignore != nil {
		faces = slices.DeleteFunc(faces, ignore)
	}
	cfg, size := e.detector.Config(), image.Pt(frame.Cols(), frame.Rows())
	for i, face := range faces {
		excluded := func() bool {
			_, reason := e.coarseCheck(size, face)
			return reason != ""
		}
		if !cfg.NeedsRefinement(face, detect.Association, excluded) {
			continue
		}
		if faces[i], err = e.refine(frame, face); err != nil {
			return nil, err
		}
	}
	slices.SortStableFunc(faces, func(a, b detect.Face) int { return cmp.Compare(b.Score, a.Score) })
	return faces, nil
}

// detect returns the faces in a part of a frame, or in the whole frame.
func (e *Engine) detect(frame gocv.Mat, part image.Rectangle, known [][4]float32) ([]detect.Face, error) {
	if part.Empty() || e.held.detector.External() { // verified at the size of the whole frame
		return e.detector.Detect(frame)
	}
	faces, ok, err := e.detector.DetectIn(frame, part, known)
	if err != nil || ok {
		return faces, err
	}
	return e.detector.Detect(frame)
}

// Follow returns the faces of a frame, 8-bit BGR, at the boxes where they are expected, pixels of the frame, the highest
// score first; and the boxes at which there is no face, or the same one as at another box.
func (e *Engine) Follow(frame gocv.Mat, expected [][4]float32) (faces []detect.Face, lost [][4]float32, err error) {
	cfg := e.detector.Config()
	at := map[detect.Face][4]float32{}
	for _, box := range expected {
		now := time.Now()
		face, found, err := e.refiner.Follow(frame, box)
		if err != nil {
			return nil, nil, err
		}
		e.times.add(stageFollow, now)
		if _, twice := at[face]; twice || !found || float64(face.Score) < cfg.LowScore ||
			!cfg.Accepts(face, frame.Cols(), frame.Rows()) {
			lost = append(lost, box)
			continue
		}
		faces, at[face] = append(faces, face), box
	}
	kept := detect.Distinct(faces, cfg.NMSIoU)
	for _, face := range faces {
		if !slices.Contains(kept, face) {
			lost = append(lost, at[face])
		}
	}
	return kept, lost, nil
}

// distinct returns the faces of both lists, each face once, the highest score first.
func (e *Engine) distinct(a, b []detect.Face) []detect.Face {
	return detect.Distinct(slices.Concat(a, b), e.detector.Config().NMSIoU)
}

// coarseCheck measures the geometry of the detector's landmarks, and applies the gates that refinement cannot change.
// It returns the gate that rules the face out, or nothing.
func (e *Engine) coarseCheck(frame image.Point, face detect.Face) (quality.Assessment, quality.Reason) {
	now := time.Now()
	defer e.times.add(stageMeasure, now)
	//nolint:errcheck // for landmarks that cannot be a face's it is empty; refinement may find better ones
	assessment, _ := e.assessor.Geometry(face.Landmarks)
	return assessment, e.coarse.Check(frame, face.Box, assessment)
}

// refine replaces the landmarks and the score of a face by those of the landmarks network.
func (e *Engine) refine(frame gocv.Mat, face detect.Face) (detect.Face, error) {
	now := time.Now()
	face, err := e.refiner.Refine(frame, face)
	if err != nil {
		return face, fmt.Errorf("refine: %w", err)
	}
	e.times.add(stageRefine, now)
	return face, nil
}

// Judge measures and scores a face that was found in frame. If a gate rules the face out, it stops there, unless
// scoreAll is true. The decision does not depend on scoreAll.
func (e *Engine) Judge(frame gocv.Mat, face detect.Face, scoreAll bool) (JudgedFace, error) {
	return e.judge(frame, face, scoreAll, nil)
}

// judge is Judge that also rules a face out, with ReasonDuplicate, if a face with these measures is not worth a score.
// Worth may be nil.
func (e *Engine) judge(frame gocv.Mat, face detect.Face, scoreAll bool, worth func(measures) bool) (JudgedFace, error) {
	j, proceed, err := e.measureGeometry(frame, face, scoreAll)
	if err != nil || !proceed {
		return JudgedFace{Judgement: j}, err
	}
	now := time.Now()
	aligned := e.crop()
	if j.Transform, err = e.aligner.Align(frame, j.Face.Landmarks, aligned); err != nil {
		return JudgedFace{Judgement: j}, fmt.Errorf("align face: %w", err)
	}
	now = e.times.add(stageAlign, now)
	if err = e.assessor.Pixels(*aligned, &j.Assessment); err != nil {
		return JudgedFace{Judgement: j}, fmt.Errorf("measure face: %w", err)
	}
	if j.Reason == "" {
		j.applyGates(e.gates.Misses(image.Pt(frame.Cols(), frame.Rows()), face.Box, j.Assessment))
	}
	e.times.add(stageMeasure, now)
	j.measures = measuresOf(j.Assessment)
	if worth != nil && j.Reason == "" && !worth(j.measures) {
		j.Reason = quality.ReasonDuplicate
	}
	if j.Reason != "" && !scoreAll {
		return JudgedFace{Judgement: j}, nil
	}
	return e.score(frame, face, j, *aligned)
}

// score completes the judgement of a face by its score, its embedding and the pose.
func (e *Engine) score(frame gocv.Mat, face detect.Face, j Judgement, aligned gocv.Mat) (JudgedFace, error) {
	now := time.Now()
	var err error
	if j.Score, err = e.scorer.Score(aligned); err != nil {
		return JudgedFace{Judgement: j}, fmt.Errorf("score face: %w", err)
	}
	j.Scored = true
	if e.measurePose(&j.Assessment) && j.Reason == "" {
		j.applyGates(e.gates.Misses(image.Pt(frame.Cols(), frame.Rows()), face.Box, j.Assessment))
	}
	judged := JudgedFace{Judgement: j, Aligned: aligned}
	if j.Reason == "" {
		judged.Embedding = e.scorer.Embedding()
	}
	e.times.add(stageScore, now)
	return judged, nil
}

// measurePose writes the pose of the face that was scored last into an assessment. It reports whether the network
// estimates the pose.
func (e *Engine) measurePose(assessment *quality.Assessment) bool {
	pose, ok := e.scorer.Pose()
	if ok {
		e.assessor.Pose(pose, assessment)
	}
	return ok
}

// crop returns a scratch image that is not in use.
func (e *Engine) crop() *gocv.Mat {
	if e.used == len(e.crops) {
		e.crops = append(e.crops, gocv.NewMat())
	}
	e.used++
	return &e.crops[e.used-1]
}

func (e *Engine) closeCrops() error {
	var all error
	for i := range e.crops {
		all = errors.Join(all, e.crops[i].Close())
	}
	e.crops = nil
	return all
}

// measureGeometry refines the landmarks of a face that needs it, and measures their geometry. It reports whether the
// face is to be aligned and scored. A face that the coarse check rules out is refined only with scoreAll, and keeps its
// reason.
func (e *Engine) measureGeometry(
	frame gocv.Mat, face detect.Face, scoreAll bool,
) (j Judgement, proceed bool, err error) {
	size := image.Pt(frame.Cols(), frame.Rows())
	j.Face = face
	excluded := func() bool {
		if j.Assessment, j.Reason = e.coarseCheck(size, face); j.Reason != "" {
			j.Misses = e.gates.CoarseMisses(size, face.Box, j.Assessment)
		}
		return j.Reason != "" && !scoreAll
	}
	switch {
	case e.detector.Config().NeedsRefinement(face, detect.Scoring, excluded):
		if j.Face, err = e.refine(frame, face); err != nil {
			return j, false, err
		}
	case j.Reason != "":
		return j, false, nil
	}
	now := time.Now()
	if j.Assessment, err = e.assessor.Geometry(j.Face.Landmarks); err != nil { // the landmarks cannot be a face's
		j.Reason = quality.ReasonPose
		return j, false, nil //nolint:nilerr // the reason is the result
	}
	if j.Reason == "" {
		j.applyGates(e.gates.Misses(size, face.Box, j.Assessment))
	}
	e.times.add(stageMeasure, now)
	return j, j.Reason == "" || scoreAll, nil
}

// ScoreAligned scores an aligned face, 112x112 BGR, and measures its pixels. Measures of size and pose are unassessed.
func (e *Engine) ScoreAligned(face gocv.Mat) (j Judgement, err error) {
	if j.Score, err = e.scorer.Score(face); err != nil {
		return j, fmt.Errorf("score: %w", err)
	}
	j.Scored, j.Assessment = true, e.assessor.Unassessed()
	e.measurePose(&j.Assessment)
	if err := e.assessor.Pixels(face, &j.Assessment); err != nil {
		return j, fmt.Errorf("measure: %w", err)
	}
	return j, nil
}

// Close releases the networks and frees every scratch Mat, in the reverse order of their creation.
func (e *Engine) Close() error {
	e.Release()
	var all error
	for i := len(e.closers) - 1; i >= 0; i-- {
		all = errors.Join(all, e.closers[i]())
	}
	e.closers = nil
	return all
}
