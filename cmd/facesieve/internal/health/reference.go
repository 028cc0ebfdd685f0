package health

import (
	"math"
	"time"
)

// Limits of the comparison with what is usual.
const (
	minDeviation = 2.5  // grey levels of a cell with visible detail
	usualDetail  = 0.04 // least usual contrast of a cell that is compared
	lostContrast = 0.3  // share of the usual contrast below which a cell is lost
	dullContrast = 0.4  // below which it is impaired
	blurredShare = 0.5  // share of the usual sharpness below which it is impaired
	leastValue   = 1e-3 // of a contrast or a sharpness
	usualSharp   = 0.04 // least usual sharpness of a cell whose sharpness is compared
	minCompared  = 8    // cells, and
	minKnown     = 0.25 // share of the cells with detail, that must be known
)

// reference is what is usual for a camera: logarithmic means over the time that was learned.
type reference struct {
	first     time.Time // when learning began
	weight    float64   // seconds learned, at most the memory
	contrast  [cellCount]float32
	sharpness [cellCount]float32
	known     [cellCount]float32 // seconds in which the sharpness was measured, at most the memory
}

// learn adds a window. Memory is the time after which it counts only e^-1, in the time that is learned.
func (r *reference) learn(w *window, memory time.Duration) {
	if r.weight == 0 {
		r.first = w.at
	}
	seconds := w.length.Seconds()
	r.weight = min(r.weight+seconds, memory.Seconds())
	share := float32(seconds / r.weight)
	for i, c := range w.cells {
		r.contrast[i] += share * (logarithm(c.contrast) - r.contrast[i])
		if c.sharpness == unknownCell {
			continue
		}
		r.known[i] = min(r.known[i]+float32(seconds), float32(memory.Seconds()))
		r.sharpness[i] += float32(seconds) / r.known[i] * (logarithm(c.sharpness) - r.sharpness[i])
	}
}

func logarithm(v float32) float32 { return float32(math.Log(max(leastValue, float64(v)))) }

// comparison is a window compared with what is usual.
type comparison struct {
	detailed int     // cells that usually have detail
	lost     float64 // share of them without it
	known    bool    // enough cells can be judged for impaired
	impaired float64 // share of these that are blurred or dull
}

// compare compares a window with the reference.
func (r *reference) compare(w *window) comparison {
	var c comparison
	var lost, impaired int
	known := 0
	for i, cell := range w.cells {
		if r.contrast[i] < logarithm(usualDetail) {
			continue
		}
		c.detailed++
		contrast := ratio(cell.contrast, r.contrast[i])
		if contrast < lostContrast {
			lost++
		}
		sharp, ok := r.compareSharpness(i, cell, contrast)
		if !ok {
			continue
		}
		known++
		if sharp < blurredShare || contrast < dullContrast {
			impaired++
		}
	}
	c.lost = float64(lost) / float64(max(1, c.detailed))
	c.known = known >= minCompared && float64(known) >= minKnown*float64(c.detailed)
	if c.known {
		c.impaired = float64(impaired) / float64(known)
	}
	return c
}

// compareSharpness returns the sharpness of a cell relative to the usual one, and false if one of them is not known. A
// dull cell has lost its sharpness if that cannot be measured any more.
func (r *reference) compareSharpness(i int, c cell, contrast float64) (sharp float64, ok bool) {
	switch {
	case r.known[i] < float32(r.weight/4), r.sharpness[i] < logarithm(usualSharp):
		return 0, false
	case c.sharpness != unknownCell:
		return ratio(c.sharpness, r.sharpness[i]), true
	}
	return 0, contrast < dullContrast
}

func ratio(v, usual float32) float64 { return math.Exp(float64(logarithm(v) - usual)) }
