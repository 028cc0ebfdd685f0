package detect

import (
	"errors"
	"fmt"
	"image"

	"gocv.io/x/gocv"
)

// inputSize returns the size to which a frame is scaled, its longer side at most input pixels, and the size with the
// padding to a multiple of pixels. With multiple 0 there is no padding.
func inputSize(frame image.Point, input, multiple int) (scaled, padded image.Point) {
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

// scaler scales images. It owns its scratch images.
type scaler struct {
	halves []gocv.Mat // the last image at 1/2, 1/4... of its size, and unused ones
}

// scale scales from to a size and writes the result to to. It halves the image repeatedly, which OpenCV does fast and
// exactly, and scales the rest bilinearly. The result is within one grey level of area interpolation and takes a third
// to a ninth of its time. Bilinear interpolation alone would skip pixels.
func (s *scaler) scale(from gocv.Mat, to *gocv.Mat, size image.Point) error {
	for i := 0; from.Cols()/2 >= size.X && from.Rows()/2 >= size.Y; i++ {
		if i == len(s.halves) {
			s.halves = append(s.halves, gocv.NewMat())
		}
		half := image.Pt(from.Cols()/2, from.Rows()/2)
		if err := gocv.Resize(from, &s.halves[i], half, 0, 0, gocv.InterpolationLinear); err != nil {
			return fmt.Errorf("halve the image: %w", err)
		}
		from = s.halves[i]
	}
	if size == image.Pt(from.Cols(), from.Rows()) {
		return from.CopyTo(to)
	}
	if err := gocv.Resize(from, to, size, 0, 0, gocv.InterpolationLinear); err != nil {
		return fmt.Errorf("scale the image: %w", err)
	}
	return nil
}

func (s *scaler) close() error {
	var err error
	for i := range s.halves {
		err = errors.Join(err, s.halves[i].Close())
	}
	s.halves = nil
	return err
}
