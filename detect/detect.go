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
	"slices"

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
	scaled image.Point // size of view
	size   image.Point // size of padded
	padded gocv.Mat    // scaled window, black at the right and the bottom up to a multiple of the network's
	view   gocv.Mat    // the part of padded that contains the window
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
	return d.search(frame, wholeWindow(image.Pt(frame.Cols(), frame.Rows()), d.cfg.Input, d.multiple()))
}

// DetectIn is Detect that searches only a part of the frame, pixels, and what is close to it, at the scale of the whole
// frame. A face that reaches out of what is searched is left out if it is at one of the known boxes, pixels of the frame.
// With any other one, or if the part is empty or not much smaller than the frame, ok is false: Detect is to be called.
// The size of the network's input changes with the part.
func (d *Detector) DetectIn(
	frame gocv.Mat, part image.Rectangle, known [][4]float32,
) (faces []Face, ok bool, err error) {
	if err := checkFrame(frame); err != nil {
		return nil, false, fmt.Errorf("detect: %w", err)
	}
	size := image.Pt(frame.Cols(), frame.Rows())
	win, ok := windowAround(part, size, d.cfg.Input, d.multiple())
	if !ok {
		return nil, false, nil
	}
	if faces, err = d.search(frame, win); err != nil {
		return nil, false, err
	}
	faces, cut := win.divide(faces, size)
	return faces, !slices.ContainsFunc(cut, func(f Face) bool { return !f.at(known) }), nil
}

// multiple returns the number of pixels of which each side of the network's input is a multiple.
func (d *Detector) multiple() int { return d.network.Manifest().Input.Multiple }

// search returns the faces in a window of a frame.
func (d *Detector) search(frame gocv.Mat, win window) ([]Face, error) {
	if err := d.setWindow(win); err != nil {
		return nil, fmt.Errorf("detect: frame of %dx%d: %w", frame.Cols(), frame.Rows(), err)
	}
	part := frame.Region(win.part)
	defer part.Close()
	if err := d.scaler.scale(part, &d.view, win.scaled); err != nil {
		return nil, fmt.Errorf("detect: %w", err)
	}
	faces, err := d.run(d.padded)
	if err != nil {
		return nil, fmt.Errorf("detect: %w", err)
	}
	return suppress(d.wanted(faces, win, image.Pt(frame.Cols(), frame.Rows())), d.cfg.NMSIoU), nil
}

// checkFrame returns an error if a frame is empty or not BGR of 8 bit.
func checkFrame(frame gocv.Mat) error {
	if frame.Empty() || frame.Type() != gocv.MatTypeCV8UC3 {
		return fmt.Errorf("frame of %dx%d and type %v, wanted BGR of 8 bit", frame.Cols(), frame.Rows(), frame.Type())
	}
	return nil
}

// setWindow prepares the scratch images and the network for windows of this size.
func (d *Detector) setWindow(win window) error {
	if err := d.network.Resize(win.padded.X, win.padded.Y); err != nil {
		return err
	}
	if win.scaled == d.scaled && win.padded == d.size {
		return nil
	}
	if err := d.Close(); err != nil { // resets d.scaled, so that the next frame retries if this one fails
		return err
	}
	d.padded = gocv.NewMatWithSizeFromScalar(gocv.Scalar{}, win.padded.Y, win.padded.X, gocv.MatTypeCV8UC3)
	d.view = d.padded.Region(image.Rectangle{Max: win.scaled})
	d.scaled, d.size = win.scaled, win.padded
	return nil
}

// wanted moves the faces of a window to their places in the frame, whose size is in pixels, and returns those that
// Config.Accepts. It works in place.
func (d *Detector) wanted(faces []Face, win window, frame image.Point) []Face {
	fx, fy := float32(win.part.Dx())/float32(win.scaled.X), float32(win.part.Dy())/float32(win.scaled.Y)
	kept := faces[:0]
	for _, face := range faces {
		face.scale(fx, fy)
		face.shift(float32(win.part.Min.X), float32(win.part.Min.Y))
		if d.cfg.Accepts(face, frame.X, frame.Y) {
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
	_, padded := inputSize(frame, d.cfg.Input, d.multiple())
	return padded
}

// Close frees the scratch images. The detector must not be used afterwards.
func (d *Detector) Close() error {
	d.scaled, d.size = image.Point{}, image.Point{}
	return errors.Join(d.view.Close(), d.padded.Close(), d.scaler.close())
}
