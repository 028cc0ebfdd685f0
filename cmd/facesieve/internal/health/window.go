package health

import (
	"math"
	"slices"
	"time"
)

// windowSize is the number of pictures of a window. Persons who pass are in fewer than half of them.
const windowSize = 10

// window is what is measured of windowSize pictures: a picture of the still background, and its cells.
type window struct {
	at         time.Time // of the last picture
	length     time.Duration
	background []uint8 // thumbWidth x thumbHeight: the median of the pictures
	brightness float64 // mean grey level of the background
	dark       bool    // most of the pictures are
	colour     bool    // most of the pictures are in colour
	cells      [cellCount]cell
}

// cell is a part of a background.
type cell struct {
	deviation float32 // of its grey levels
	contrast  float32 // this deviation relative to the brightness
	sharpness float32 // as picture.sharpness returns it
}

// newWindow measures pictures in the order of their time. The sharpness of each is in sharp.
func newWindow(pictures []picture, sharp [][cellCount]float32) window {
	w := window{at: pictures[len(pictures)-1].at, length: pictures[len(pictures)-1].at.Sub(pictures[0].at)}
	w.background = median(pictures)
	w.brightness = mean(w.background)
	dark, colour := 0, 0
	for _, p := range pictures {
		if mean(p.thumb) < darkLevel {
			dark++
		}
		if p.colour {
			colour++
		}
	}
	w.dark, w.colour = 2*dark > len(pictures), 2*colour > len(pictures)
	for i := range w.cells {
		average, deviation := w.moments(i)
		w.cells[i] = cell{
			deviation: float32(deviation), contrast: float32(deviation / (average + darkLevel)),
			sharpness: middle(sharp, i),
		}
	}
	return w
}

// detail returns the number of cells with visible detail.
func (w *window) detail() (count int) {
	for _, c := range w.cells {
		if c.deviation >= minDeviation {
			count++
		}
	}
	return count
}

// median returns the median of each pixel.
func median(pictures []picture) []uint8 {
	result := make([]uint8, thumbWidth*thumbHeight)
	values := make([]uint8, len(pictures))
	for i := range result {
		for k, p := range pictures {
			values[k] = p.thumb[i]
		}
		slices.Sort(values)
		result[i] = values[len(values)/2]
	}
	return result
}

func mean(grey []uint8) float64 {
	sum := 0
	for _, v := range grey {
		sum += int(v)
	}
	return float64(sum) / float64(max(1, len(grey)))
}

// moments returns mean and standard deviation of the grey levels of a cell.
func (w *window) moments(cell int) (mean, deviation float64) {
	sum, squares := 0, 0
	for y := range cellHeight {
		start := (cell/cellsWide*cellHeight+y)*thumbWidth + cell%cellsWide*cellWidth
		for _, v := range w.background[start : start+cellWidth] {
			sum += int(v)
			squares += square(int(v))
		}
	}
	const count = cellWidth * cellHeight
	mean = float64(sum) / count
	return mean, math.Sqrt(max(0, float64(squares)/count-mean*mean))
}

// middle returns the median of the known values of a cell, or unknownCell if fewer than a third are known.
func middle(sharp [][cellCount]float32, cell int) float32 {
	var known []float32
	for _, values := range sharp {
		if values[cell] != unknownCell {
			known = append(known, values[cell])
		}
	}
	if 3*len(known) < len(sharp) {
		return unknownCell
	}
	slices.Sort(known)
	return known[len(known)/2]
}
