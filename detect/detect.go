// Package detect finds the faces in a frame and tracks them from frame to frame. It has a motion gate that selects the
// frames to process, a detector of hard cuts, which end all tracks, a detector of faces with five landmarks, a tracker
// that gives each face a number, and a refiner that runs a network on an enlarged face for more accurate landmarks and
// possibly a higher score.
//
// Each value is for one goroutine at a time. Everything is deterministic: the same frames with the same times give the
// same faces and tracks.
package detect

import (
	"errors"
	"fmt"
	"image"

	"gocv.io/x/gocv"

	"facesieve/models"
)

// Face is one face in a frame, in pixels of the full frame. Boxes and landmarks may reach outside the frame.
type Face struct {
	// Box is x, y, width, height.
	Box [4]float32
	// Landmarks are x, y of the right eye, left eye, nose, right and left corner of the mouth. Right is the right side
	// of the person, which is usually left in the image.
	Landmarks [5][2]float32
	// Score is the confidence of the detector, 0..1. Refiner.Refine may raise it.
	Score float32
	// Refined is true once a Refiner has processed the face, even if its network did not find it.
	Refined bool
}

// Detector finds faces with a network of task detector. It owns its scratch images, but not the network.
type Detector struct {
	headDecoder
	cfg    Config
	frame  image.Point // size of the frames that the scratch images are for
	scaled image.Point // size to which a frame is scaled
	padded gocv.Mat    // scaled frame, black at the right and the bottom up to a multiple of the network's
	view   gocv.Mat    // the part of padded that contains the frame
	scaler scaler
}

// NewDetector returns a detector that runs a network of task detector, which must outlive it. Others may use the
// network, also at another input size, but not during Detect.
func NewDetector(cfg Config, network Network) (*Detector, error) {
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("detect: %w", err)
	}
	if head := network.Manifest().Detector; head != nil {
		cfg = cfg.withScores(head)
	}
	decoder, err := newHeadDecoder(network, models.TaskDetector, cfg.LowScore)
	if err != nil {
		return nil, fmt.Errorf("detect: %w", err)
	}
	return &Detector{headDecoder: decoder, cfg: cfg, padded: gocv.NewMat(), view: gocv.NewMat()}, nil
}

// Config returns the configuration in use, with the scores that it leaves to the manifest of the network.
func (d *Detector) Config() Config { return d.cfg }

// Detect returns the faces of a frame (BGR, 8 bit; not kept), from the highest score to the lowest one not below
// Config.LowScore. The caller owns the result.
func (d *Detector) Detect(frame gocv.Mat) ([]Face, error) {
	if err := checkFrame(frame); err != nil {
		return nil, fmt.Errorf("detect: %w", err)
	}
	if err := d.setFrameSize(image.Pt(frame.Cols(), frame.Rows())); err != nil {
		return nil, err
	}
	if err := d.scaler.scale(frame, &d.view, d.scaled); err != nil {
		return nil, fmt.Errorf("detect: %w", err)
	}
	faces, err := d.run(d.padded)
	if err != nil {
		return nil, fmt.Errorf("detect: %w", err)
	}
	return suppress(d.wanted(faces), d.cfg.NMSIoU), nil
}

// checkFrame returns an error if a frame is empty or not BGR of 8 bit.
func checkFrame(frame gocv.Mat) error {
	if frame.Empty() || frame.Type() != gocv.MatTypeCV8UC3 {
		return fmt.Errorf("frame of %dx%d and type %v, wanted BGR of 8 bit", frame.Cols(), frame.Rows(), frame.Type())
	}
	return nil
}

// setFrameSize prepares the scratch images and the network for frames of this size.
func (d *Detector) setFrameSize(frame image.Point) error {
	scaled, padded := inputSize(frame, d.cfg.Input, d.network.Manifest().Input.Multiple)
	if err := d.network.Resize(padded.X, padded.Y); err != nil {
		return fmt.Errorf("detect: frame of %dx%d: %w", frame.X, frame.Y, err)
	}
	if frame == d.frame {
		return nil
	}
	if err := d.Close(); err != nil { // resets d.frame, so that the next frame retries if this one fails
		return fmt.Errorf("detect: %w", err)
	}
	d.padded = gocv.NewMatWithSizeFromScalar(gocv.Scalar{}, padded.Y, padded.X, gocv.MatTypeCV8UC3)
	d.view = d.padded.Region(image.Rectangle{Max: scaled})
	d.frame, d.scaled = frame, scaled
	return nil
}

// wanted scales faces to the frame and returns those that Config.Accepts. It works in place.
func (d *Detector) wanted(faces []Face) []Face {
	fx, fy := float32(d.frame.X)/float32(d.scaled.X), float32(d.frame.Y)/float32(d.scaled.Y)
	kept := faces[:0]
	for _, face := range faces {
		face.scale(fx, fy)
		if d.cfg.Accepts(face, d.frame.X, d.frame.Y) {
			kept = append(kept, face)
		}
	}
	return kept
}

// Accepts reports whether a face of a frame, whose size is in pixels, is large enough, in the region of interest, not
// masked, and has plausible landmarks.
func (c Config) Accepts(face Face, width, height int) bool {
	x := float64(face.Box[0]+face.Box[2]/2) / float64(width)
	y := float64(face.Box[1]+face.Box[3]/2) / float64(height)
	large := float64(max(face.Box[2], face.Box[3])) >= c.MinFace
	inside := x >= 0 && x < 1 && y >= 0 && y < 1
	return large && inside && c.included(x, y) && face.plausible()
}

func (f *Face) scale(fx, fy float32) {
	f.Box = [4]float32{f.Box[0] * fx, f.Box[1] * fy, f.Box[2] * fx, f.Box[3] * fy}
	for i := range f.Landmarks {
		f.Landmarks[i][0] *= fx
		f.Landmarks[i][1] *= fy
	}
}

func (f *Face) shift(x, y float32) {
	f.Box[0] += x
	f.Box[1] += y
	for i := range f.Landmarks {
		f.Landmarks[i][0] += x
		f.Landmarks[i][1] += y
	}
}

// plausible reports whether all landmarks are in the box, enlarged by a quarter on each side. NaN is not.
func (f *Face) plausible() bool {
	x, y, w, h := f.Box[0], f.Box[1], f.Box[2], f.Box[3]
	for _, p := range f.Landmarks {
		if !(p[0] >= x-w/4 && p[0] <= x+w*5/4 && p[1] >= y-h/4 && p[1] <= y+h*5/4) {
			return false
		}
	}
	return true
}

// InputSize returns the size of the network's input for frames of this size, pixels.
func (d *Detector) InputSize(frame image.Point) image.Point {
	_, padded := inputSize(frame, d.cfg.Input, d.network.Manifest().Input.Multiple)
	return padded
}

// Close frees the scratch images. The detector must not be used afterwards.
func (d *Detector) Close() error {
	d.frame = image.Point{}
	return errors.Join(d.view.Close(), d.padded.Close(), d.scaler.close())
}
