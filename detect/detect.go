// Package detect finds the faces in a frame and tracks them from frame to frame. It has a motion gate that selects the
// frames to process, a detector of hard cuts, which end all tracks, a detector of faces with five landmarks, a tracker
// that gives each face a number, and a refiner that runs a network on an enlarged face for more accurate landmarks and
// possibly a higher score.
//
// None of the types is for more than one goroutine at a time. Everything is deterministic: the same frames with the same
// times give the same faces and tracks.
package detect

import (
	"errors"
	"fmt"
	"image"

	"gocv.io/x/gocv"

	"facesieve/models"
)

// Face is one face in a frame, in pixels of the full frame. Boxes and landmarks may reach beyond the frame.
type Face struct {
	// Box is x, y, width, height.
	Box [4]float32
	// Landmarks are x, y of the right eye, left eye, nose, right and left corner of the mouth; right is the person's own
	// and so at the left of the picture.
	Landmarks [5][2]float32
	// Score is how sure the detector is, 0..1; see Refiner.Refine for what a second look makes of it.
	Score float32
	// Refined says that a Refiner has looked at the face.
	Refined bool
}

// Network runs a network; *models.Interpreter does.
type Network interface {
	Manifest() *models.Manifest
	Resize(width, height int) error
	SetPixels(bgr []byte) error
	Invoke() error
	Output(k int) models.Tensor
}

// Detector finds faces with a network of task detector. It owns its scratch pictures and borrows the network.
type Detector struct {
	cfg Config
	reading

	frame  image.Point // size of the frames that the scratch pictures are for
	scaled image.Point // size that a frame is scaled to
	padded gocv.Mat    // scaled frame, black at the right and the bottom up to a multiple of the network's
	view   gocv.Mat    // the part of padded that shows the frame

	shrinker shrinker
}

// NewDetector makes a detector that runs the network in, of task detector, which must outlive it. Others may use it, at another size too,
// but nobody while Detect runs.
func NewDetector(cfg Config, in Network) (*Detector, error) {
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("detect: %w", err)
	}
	head, err := headOf(in, models.TaskDetector)
	if err != nil {
		return nil, fmt.Errorf("detect: %w", err)
	}
	cfg = cfg.For(head)
	return &Detector{cfg: cfg, reading: newReading(in, cfg.LowScore), padded: gocv.NewMat(), view: gocv.NewMat()}, nil
}

// Config returns what is in force: the configuration, and from the network's manifest what it leaves to that.
func (d *Detector) Config() Config { return d.cfg }

// Detect returns the faces of a frame (BGR, 8 bit), from the highest score to the lowest one not below Config.LowScore. The
// frame is borrowed, the faces are the caller's.
func (d *Detector) Detect(frame gocv.Mat) ([]Face, error) {
	if err := checkFrame(frame); err != nil {
		return nil, fmt.Errorf("detect: %w", err)
	}
	if err := d.fit(image.Pt(frame.Cols(), frame.Rows())); err != nil {
		return nil, err
	}
	if err := d.shrinker.scale(frame, &d.view, d.scaled); err != nil {
		return nil, fmt.Errorf("detect: %w", err)
	}
	faces, err := d.run(d.padded)
	if err != nil {
		return nil, fmt.Errorf("detect: %w", err)
	}
	return suppress(d.wanted(faces), d.cfg.NMSIoU), nil
}

// fit prepares the scratch pictures and the network for frames of that size.
func (d *Detector) fit(frame image.Point) error {
	scaled, padded := geometry(frame, d.cfg.Input, d.network.Manifest().Input.Multiple)
	if err := d.network.Resize(padded.X, padded.Y); err != nil {
		return fmt.Errorf("detect: frame of %dx%d: %w", frame.X, frame.Y, err)
	}
	if frame == d.frame {
		return nil
	}
	d.frame = image.Point{} // so that the next frame tries again when this one fails
	if err := d.Close(); err != nil {
		return fmt.Errorf("detect: %w", err)
	}
	d.padded = gocv.NewMatWithSizeFromScalar(gocv.Scalar{}, padded.Y, padded.X, gocv.MatTypeCV8UC3)
	d.view = d.padded.Region(image.Rectangle{Max: scaled})
	d.frame, d.scaled = frame, scaled
	return nil
}

// geometry returns the size that a frame is scaled to, its longer side at most input, and the multiple that holds it. With
// multiple 0 nothing is padded.
func geometry(frame image.Point, input, multiple int) (scaled, padded image.Point) {
	scaled = frame
	if longer := max(frame.X, frame.Y); longer > input {
		scaled = image.Pt(max(1, (frame.X*input+longer/2)/longer), max(1, (frame.Y*input+longer/2)/longer))
	}
	if multiple == 0 {
		return scaled, scaled
	}
	up := func(v int) int { return (v + multiple - 1) / multiple * multiple }
	return scaled, image.Pt(up(scaled.X), up(scaled.Y))
}

// wanted scales the candidates to the frame and keeps those that are large enough, where faces count, and have landmarks
// that can be a face's. It works in place.
func (d *Detector) wanted(faces []Face) []Face {
	fx, fy := float32(d.frame.X)/float32(d.scaled.X), float32(d.frame.Y)/float32(d.scaled.Y)
	kept := faces[:0]
	for _, face := range faces {
		face.scale(fx, fy)
		x := float64(face.Box[0]+face.Box[2]/2) / float64(d.frame.X)
		y := float64(face.Box[1]+face.Box[3]/2) / float64(d.frame.Y)
		large := float64(max(face.Box[2], face.Box[3])) >= d.cfg.MinFace
		inside := x >= 0 && x < 1 && y >= 0 && y < 1
		if large && inside && d.cfg.counts(x, y) && face.plausible() {
			kept = append(kept, face)
		}
	}
	return kept
}

func (f *Face) scale(fx, fy float32) {
	f.Box = [4]float32{f.Box[0] * fx, f.Box[1] * fy, f.Box[2] * fx, f.Box[3] * fy}
	for i := range f.Landmarks {
		f.Landmarks[i][0] *= fx
		f.Landmarks[i][1] *= fy
	}
}

// plausible tells whether all landmarks are in the box, grown by a quarter on each side. NaN is not.
func (f *Face) plausible() bool {
	x, y, w, h := f.Box[0], f.Box[1], f.Box[2], f.Box[3]
	for _, p := range f.Landmarks {
		if !(p[0] >= x-w/4 && p[0] <= x+w*5/4 && p[1] >= y-h/4 && p[1] <= y+h*5/4) {
			return false
		}
	}
	return true
}

// InputSize returns the size that frames of that size are given to the network in, pixels.
func (d *Detector) InputSize(frame image.Point) image.Point {
	_, padded := geometry(frame, d.cfg.Input, d.network.Manifest().Input.Multiple)
	return padded
}

// Close frees the scratch pictures; the interpreter stays with its owner. The detector must not be used any more.
func (d *Detector) Close() error {
	d.frame = image.Point{}
	return errors.Join(d.view.Close(), d.padded.Close(), d.shrinker.close())
}
