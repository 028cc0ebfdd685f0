package detect

import (
	"errors"
	"fmt"
	"image"
	"image/color"
	"math"
	"slices"

	"gocv.io/x/gocv"

	"facesieve/models"
)

// maxCrop bounds the side of the square around a face, in longer sides of the frame.
const maxCrop = 2

// Step is the step of the pipeline that follows for a detected face.
type Step int

// Steps before which a face may be refined.
const (
	Association Step = iota // of the face with a track
	Scoring                 // of the face's quality
)

// NeedsRefinement decides whether a face is refined before the next step. Before association, only a face whose score
// is too low to begin a track is refined, because refinement may raise the score. Before scoring, every face is, for
// more accurate landmarks. A face is refined once. excluded reports whether the caller drops the face whatever the
// result; it is called only if the decision depends on it. c must contain the scores in use, as from Detector.Config.
func (c Config) NeedsRefinement(face Face, next Step, excluded func() bool) bool {
	if !c.Refine || face.Refined || next == Association && c.beginsTrack(face) {
		return false
	}
	return !excluded()
}

// beginsTrack reports whether the score of a face is high enough to begin a track.
func (c Config) beginsTrack(face Face) bool { return float64(face.Score) >= c.Score }

// Refiner finds the landmarks of a detected face more accurately, and may raise its score. The detector runs on a frame
// that is scaled down, where a small face has few pixels. The refiner cuts a square around the face out of the full
// frame and runs a network of task landmarks on it, which is trained on such squares; the manifest of the network
// defines them. It owns its scratch images, but not the network.
type Refiner struct {
	headDecoder
	rule     models.Refinement
	nmsIoU   float64
	input    gocv.Mat // of the network
	bordered gocv.Mat // the square of a face at the border, pixels of the frame, black outside the frame
	scaler   scaler
}

// NewRefiner returns a refiner of the faces that a Detector finds with cfg. The network has task landmarks and must
// outlive the refiner. Others may use the network, but not during Refine; another input size in between takes
// milliseconds.
func NewRefiner(cfg Config, network Network) (*Refiner, error) {
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("detect: %w", err)
	}
	m := network.Manifest()
	if m.Refinement == nil || m.Detector == nil {
		return nil, fmt.Errorf("detect: refine: network %q has no refinement in its manifest; give one with the task %q "+
			"and its maps", m.Name, models.TaskLandmarks)
	}
	decoder, err := newHeadDecoder(network, models.TaskLandmarks, m.Detector.Score)
	if err != nil {
		return nil, fmt.Errorf("detect: refine: %w", err)
	}
	return &Refiner{
		headDecoder: decoder, rule: *m.Refinement, nmsIoU: cfg.NMSIoU,
		input: gocv.NewMat(), bordered: gocv.NewMat(),
	}, nil
}

// Refine returns a face of a frame (BGR, 8 bit; not kept) with the landmarks that the network finds in the square
// around it. Its score becomes the mean of both scores if that is higher. The box stays. If the network does not find
// the face, only Refined changes. The limits of size and position in the configuration are not applied again.
func (r *Refiner) Refine(frame gocv.Mat, face Face) (Face, error) {
	found, ok, err := r.find(frame, face)
	if err != nil {
		return face, fmt.Errorf("detect: refine: %w", err)
	}
	face.Refined = true
	if ok {
		face.Landmarks = found.Landmarks
		face.Score = max(face.Score, (face.Score+found.Score)/2)
	}
	return face, nil
}

// Follow returns the face that the network finds in the square around a box, where a face is expected in the frame
// (BGR, 8 bit; not kept). It returns false if there is none. Score, box and landmarks are those of the network.
func (r *Refiner) Follow(frame gocv.Mat, box [4]float32) (Face, bool, error) {
	found, ok, err := r.find(frame, Face{Box: box})
	if err != nil {
		return Face{}, false, fmt.Errorf("detect: follow: %w", err)
	}
	found.Refined = true
	return found, ok, nil
}

// find returns the face that the network finds in the square around a face. It returns false if there is none.
func (r *Refiner) find(frame gocv.Mat, face Face) (found Face, ok bool, err error) {
	if err := checkFrame(frame); err != nil {
		return Face{}, false, err
	}
	if err := r.network.Resize(r.rule.Side, r.rule.Side); err != nil {
		return Face{}, false, err
	}
	square, ok := squareAround(face, image.Pt(frame.Cols(), frame.Rows()), r.rule)
	if !ok {
		return Face{}, false, nil
	}
	if err := r.crop(frame, square); err != nil {
		return Face{}, false, err
	}
	candidates, err := r.run(r.input)
	if err != nil {
		return Face{}, false, err
	}
	scale := float32(square.Dx()) / float32(r.rule.Side)
	for i := range candidates {
		candidates[i].scale(scale, scale)
		candidates[i].shift(float32(square.Min.X), float32(square.Min.Y))
	}
	candidates = slices.DeleteFunc(candidates, func(c Face) bool { return !c.plausible() })
	found, iou := mostOverlapping(face, suppress(candidates, r.nmsIoU))
	return found, iou >= r.rule.MinIoU, nil
}

// squareAround returns the square around a face, pixels of the frame. It may reach outside the frame. It returns false
// if the square is too large, or completely outside.
func squareAround(face Face, frame image.Point, rule models.Refinement) (image.Rectangle, bool) {
	size := math.Sqrt(float64(face.Box[2]) * float64(face.Box[3]))
	side := math.Round(rule.CropScale * size)
	if !(side <= float64(maxCrop*max(frame.X, frame.Y))) { // also for NaN
		return image.Rectangle{}, false
	}
	side = max(side, float64(rule.MinCrop))
	x := math.Round(float64(face.Box[0]+face.Box[2]/2) - side/2)
	y := math.Round(float64(face.Box[1]+face.Box[3]/2) - side/2)
	if !(x > -side && y > -side && x < float64(frame.X) && y < float64(frame.Y)) {
		return image.Rectangle{}, false
	}
	corner := image.Pt(int(x), int(y))
	return image.Rectangle{Min: corner, Max: corner.Add(image.Pt(int(side), int(side)))}, true
}

// crop scales a square of the frame to the input of the network.
func (r *Refiner) crop(frame gocv.Mat, square image.Rectangle) error {
	visible := square.Intersect(image.Rect(0, 0, frame.Cols(), frame.Rows()))
	part := frame.Region(visible)
	defer part.Close()
	from := part
	if visible != square {
		err := gocv.CopyMakeBorder(part, &r.bordered, visible.Min.Y-square.Min.Y, square.Max.Y-visible.Max.Y,
			visible.Min.X-square.Min.X, square.Max.X-visible.Max.X, gocv.BorderConstant, color.RGBA{})
		if err != nil {
			return fmt.Errorf("extend the frame: %w", err)
		}
		from = r.bordered
	}
	return r.scaler.scale(from, &r.input, image.Pt(r.rule.Side, r.rule.Side))
}

// mostOverlapping returns the face whose box overlaps that of face most, and the overlap (intersection over union).
func mostOverlapping(face Face, faces []Face) (best Face, iou float64) {
	for _, other := range faces {
		if union, _ := overlap(face.Box, other.Box); union > iou {
			best, iou = other, union
		}
	}
	return best, iou
}

// Close frees the scratch images. The refiner must not be used afterwards.
func (r *Refiner) Close() error {
	return errors.Join(r.input.Close(), r.bordered.Close(), r.scaler.close())
}
