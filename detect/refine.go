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

// RefinerSide is the width and height, pixels, of the input that a Refiner runs its network at.
const RefinerSide = 96

// The rule of the second look; side and length were chosen on held-out pictures (models/landmarks.md). The square around a face is
// so many times as long as the square root of its box's area, so that this is 60 pixels of the network's input. What has the score
// there that the network's manifest asks for, and overlaps the first look's box so far, is the same face.
const (
	squareLength   = 1.6
	refinedOverlap = 0.4
)

// The square is at least so many pixels of the frame long, and at most so many longer sides of it.
const (
	leastSquare = 8
	mostSquare  = 2
)

// Refiner looks at a face a second time, marks it better, and may be surer of it: the first look sees the frame scaled down, where a
// small face has few pixels, the second the full frame around the face, at RefinerSide x RefinerSide, with a network of task landmarks
// that sees nothing else. It owns its scratch pictures and borrows the network.
type Refiner struct {
	reading
	cfg      Config
	square   gocv.Mat // what the network sees
	bordered gocv.Mat // the square of a face at the edge, in pixels of the frame and black beyond it

	shrinker shrinker
}

// NewRefiner makes a refiner of the faces that a Detector finds with cfg. It runs the network in, of task landmarks, which must
// outlive it. Others may use it, but nobody while Refine runs; another size of the input in between costs milliseconds.
func NewRefiner(cfg Config, in Network) (*Refiner, error) {
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("detect: %w", err)
	}
	head, err := headOf(in, models.TaskLandmarks)
	if err != nil {
		return nil, fmt.Errorf("detect: refine: %w", err)
	}
	return &Refiner{cfg: cfg, reading: newReading(in, head.Score), square: gocv.NewMat(), bordered: gocv.NewMat()}, nil
}

// Refine returns face, found in frame (BGR, 8 bit; borrowed), with the landmarks of a second look, and with the mean of both scores where
// that is the higher one. The box stays, and so does all when that look does not find the face. Where faces count, and how large they
// must be, was the first look's affair.
func (r *Refiner) Refine(frame gocv.Mat, face Face) (Face, error) {
	if err := checkFrame(frame); err != nil {
		return face, fmt.Errorf("detect: refine: %w", err)
	}
	face.Refined = true
	if err := r.network.Resize(RefinerSide, RefinerSide); err != nil {
		return face, fmt.Errorf("detect: refine: %w", err)
	}
	around, ok := squareAround(face, image.Pt(frame.Cols(), frame.Rows()))
	if !ok {
		return face, nil
	}
	if err := r.cut(frame, around); err != nil {
		return face, fmt.Errorf("detect: refine: %w", err)
	}
	candidates, err := r.run(r.square)
	if err != nil {
		return face, fmt.Errorf("detect: refine: %w", err)
	}
	scale := float32(around.Dx()) / RefinerSide
	for i := range candidates {
		candidates[i].scale(scale, scale)
		candidates[i].shift(float32(around.Min.X), float32(around.Min.Y))
	}
	candidates = slices.DeleteFunc(candidates, func(c Face) bool { return !c.plausible() })
	if second, same := sameAs(face, suppress(candidates, r.cfg.NMSIoU)); same {
		face.Landmarks = second.Landmarks
		face.Score = max(face.Score, (face.Score+second.Score)/2)
	}
	return face, nil
}

// squareAround returns the square of the frame that shows a face, which may reach beyond the frame; false if it is no square of
// a sensible size, or all of it is outside.
func squareAround(face Face, frame image.Point) (image.Rectangle, bool) {
	length := math.Round(squareLength * face.size())
	if !(length <= float64(mostSquare*max(frame.X, frame.Y))) { // nor is NaN
		return image.Rectangle{}, false
	}
	length = max(length, leastSquare)
	x := math.Round(float64(face.Box[0]+face.Box[2]/2) - length/2)
	y := math.Round(float64(face.Box[1]+face.Box[3]/2) - length/2)
	if !(x > -length && y > -length && x < float64(frame.X) && y < float64(frame.Y)) {
		return image.Rectangle{}, false
	}
	corner := image.Pt(int(x), int(y))
	return image.Rectangle{Min: corner, Max: corner.Add(image.Pt(int(length), int(length)))}, true
}

// cut scales a square of the frame into the network's picture.
func (r *Refiner) cut(frame gocv.Mat, around image.Rectangle) error {
	visible := around.Intersect(image.Rect(0, 0, frame.Cols(), frame.Rows()))
	part := frame.Region(visible)
	defer part.Close()
	source := part
	if visible != around {
		err := gocv.CopyMakeBorder(part, &r.bordered, visible.Min.Y-around.Min.Y, around.Max.Y-visible.Max.Y,
			visible.Min.X-around.Min.X, around.Max.X-visible.Max.X, gocv.BorderConstant, color.RGBA{})
		if err != nil {
			return fmt.Errorf("extend the frame: %w", err)
		}
		source = r.bordered
	}
	return r.shrinker.scale(source, &r.square, image.Pt(RefinerSide, RefinerSide))
}

// sameAs returns the one of the faces that overlaps face most, and whether that is enough to be the same one.
func sameAs(face Face, faces []Face) (best Face, same bool) {
	most := 0.0
	for _, other := range faces {
		if union, _ := overlap(face.Box, other.Box); union > most {
			best, most = other, union
		}
	}
	return best, most >= refinedOverlap
}

// size is the square root of the box's area.
func (f *Face) size() float64 { return math.Sqrt(float64(f.Box[2]) * float64(f.Box[3])) }

func (f *Face) shift(x, y float32) {
	f.Box[0] += x
	f.Box[1] += y
	for i := range f.Landmarks {
		f.Landmarks[i][0] += x
		f.Landmarks[i][1] += y
	}
}

// Close frees the scratch pictures; the interpreter stays with its owner. The refiner must not be used any more.
func (r *Refiner) Close() error {
	return errors.Join(r.square.Close(), r.bordered.Close(), r.shrinker.close())
}
