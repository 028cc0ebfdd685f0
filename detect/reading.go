package detect

import (
	"errors"
	"fmt"

	"gocv.io/x/gocv"

	"facesieve/models"
)

// reading is a network of task detector or landmarks, borrowed, with what turns its outputs into faces.
type reading struct {
	network    Network
	levels     []level
	candidates []Face // of the last run
}

// newReading reads faces of at least that score, 0..1, from a network that headOf takes.
func newReading(in Network, score float64) reading {
	m, r := in.Manifest(), reading{network: in}
	for i := range m.Detector.Strides {
		r.levels = append(r.levels, newLevel(m, i, score))
	}
	return r
}

// headOf returns what the manifest says of the outputs; a network for another task than this one is an error.
func headOf(in Network, task string) (*models.DetectorHead, error) {
	m := in.Manifest()
	if m.Task != task || m.Detector == nil {
		return nil, fmt.Errorf("network %q has the task %q; give one with the task %q and its maps", m.Name, m.Task, task)
	}
	return m.Detector, nil
}

// run shows a picture of the input's size to the network, and returns everything that it takes for a face, in pixels of that
// picture and before suppression. It is valid until the next run.
func (r *reading) run(picture gocv.Mat) ([]Face, error) {
	pixels, err := picture.DataPtrUint8()
	if err != nil {
		return nil, fmt.Errorf("scaled picture: %w", err)
	}
	if err := errors.Join(r.network.SetPixels(pixels), r.network.Invoke()); err != nil {
		return nil, err
	}
	r.candidates = r.candidates[:0]
	for i := range r.levels {
		r.candidates = r.levels[i].decode(r.network, r.candidates)
	}
	return r.candidates, nil
}

// checkFrame says why a picture is none that faces are looked for in.
func checkFrame(frame gocv.Mat) error {
	if frame.Empty() || frame.Type() != gocv.MatTypeCV8UC3 {
		return fmt.Errorf("frame of %dx%d and type %v, wanted BGR of 8 bit", frame.Cols(), frame.Rows(), frame.Type())
	}
	return nil
}
