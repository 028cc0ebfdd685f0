package detect

import (
	"image"
	"math"
)

const (
	// windowMargin is the margin around what is to be searched, pixels of the network's input: the network needs the
	// surroundings of a face.
	windowMargin = 32
	// windowShare is the share of the whole input up to which a window pays: changing the size of the input costs about as
	// much as a search of a third of it.
	windowShare = 0.5
)

// window is the part of a frame that the network processes.
type window struct {
	part   image.Rectangle // pixels of the frame
	scaled image.Point     // size to which the part is scaled
	padded image.Point     // size of the network's input
}

// wholeWindow returns the window of a whole frame.
func wholeWindow(frame image.Point, input, multiple int) window {
	scaled, padded := inputSize(frame, input, multiple)
	return window{image.Rectangle{Max: frame}, scaled, padded}
}

// windowAround returns the window that contains a part of a frame with its margin, at the scale of the whole frame. It
// returns false if the part is empty, or the window not much smaller than the frame.
func windowAround(part image.Rectangle, frame image.Point, input, multiple int) (window, bool) {
	whole := wholeWindow(frame, input, multiple)
	part = part.Intersect(whole.part)
	if part.Empty() || multiple == 0 {
		return window{}, false
	}
	x0, x1 := widen(part.Min.X, part.Max.X, frame.X, whole.scaled.X, multiple)
	y0, y1 := widen(part.Min.Y, part.Max.Y, frame.Y, whole.scaled.Y, multiple)
	scaled, padded := inputSize(image.Pt(x1-x0, y1-y0), input, multiple)
	return window{image.Rect(
		x0*frame.X/whole.scaled.X, y0*frame.Y/whole.scaled.Y, x1*frame.X/whole.scaled.X, y1*frame.Y/whole.scaled.Y,
	), scaled, padded}, float64(padded.X*padded.Y) <= windowShare*float64(whole.padded.X*whole.padded.Y)
}

// widen scales the interval from low to high of a side of the frame to a side of the scaled frame, and returns it with
// its margin and a length that is a multiple of step, or as long as the side.
func widen(low, high, side, scaled, step int) (from, to int) {
	scale := float64(scaled) / float64(side)
	first := int(math.Floor(float64(low)*scale)) - windowMargin
	last := int(math.Ceil(float64(high)*scale)) + windowMargin
	first, last = max(0, first), min(scaled, last)
	length := (last - first + step - 1) / step * step
	if length >= scaled {
		return 0, scaled
	}
	from = min(max(0, first-(length-(last-first))/2), scaled-length)
	return from, from + length
}

// divide divides the faces of a frame, whose size is in pixels, into those within the window, and those that reach its
// border within the frame.
func (w window) divide(faces []Face, frame image.Point) (whole, cut []Face) {
	const border = 2 // pixels
	low := image.Pt(w.part.Min.X+border, w.part.Min.Y+border)
	high := w.part.Max.Sub(image.Pt(border, border))
	for _, f := range faces {
		x, y := f.Box[0], f.Box[1]
		if w.part.Min.X > 0 && x < float32(low.X) || w.part.Max.X < frame.X && x+f.Box[2] > float32(high.X) ||
			w.part.Min.Y > 0 && y < float32(low.Y) || w.part.Max.Y < frame.Y && y+f.Box[3] > float32(high.Y) {
			cut = append(cut, f)
		} else {
			whole = append(whole, f)
		}
	}
	return whole, cut
}
