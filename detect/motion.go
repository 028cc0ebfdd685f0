package detect

import (
	"image"
	"slices"
	"time"

	"gocv.io/x/gocv"
)

// The motion gate compares a grid of unfiltered pixels, in blocks: the change of a single pixel is noise, that of a
// quarter of a block is not.
const (
	gridWidth  = 160  // maximum number of samples along the longer side of the frame
	blockSide  = 8    // samples along a side of a block
	blockShare = 0.25 // share of the samples of a block that change by motion
	noiseGain  = 5    // minimum threshold as a multiple of the median change of all samples
	histogram  = 64   // bins for that median, grey levels; larger changes are not noise
)

// Time constants of the moving averages.
const (
	backgroundTime = 1500 * time.Millisecond
	noiseTime      = 5 * time.Second
)

// Motion selects the frames that are worth a detection. It compares a coarse grid of samples with a background that is
// updated slowly. The threshold rises with the noise of the camera. Masks and the area outside the region of interest
// are ignored. A frame of 1080p takes some tens of microseconds.
type Motion struct {
	cfg        Config
	rows, cols int       // size of the frames that the grid is for
	offsets    []int     // of the samples in the bytes of a frame, block after block
	blocks     []block   // those that are compared
	background []float32 // grey level of each sample
	counts     [histogram]int
	noise      float32         // median change, grey levels
	frames     int             // compared since the last start
	last       time.Time       // time of the last frame
	moved      time.Time       // time of the last motion
	selected   time.Time       // time of the last selected frame
	part       image.Rectangle // what moved in the last frame
}

// block is a part of the frame.
type block struct {
	end   int             // of its samples in offsets
	place image.Rectangle // pixels
}

// NewMotion returns a motion gate with a valid configuration.
func NewMotion(cfg Config) *Motion { return &Motion{cfg: cfg} }

// Configure replaces the configuration by another valid one. It keeps background and noise, unless the region of
// interest or the masks change.
func (m *Motion) Configure(cfg Config) {
	same := slices.Equal(cfg.ROI, m.cfg.ROI) && slices.EqualFunc(cfg.Masks, m.cfg.Masks, slices.Equal[Polygon])
	if m.cfg = cfg; !same {
		m.rows, m.cols = 0, 0
	}
}

// Selects reports whether a frame (BGR, 8 bit; not kept), taken at this time, is worth a detection: there was motion
// within Hold, or no frame was selected for Every, or the gate is disabled. The first frame always is.
func (m *Motion) Selects(at time.Time, frame gocv.Mat) bool {
	m.part = image.Rect(0, 0, frame.Cols(), frame.Rows())
	if !m.cfg.Motion.Enabled || frame.Type() != gocv.MatTypeCV8UC3 {
		return true
	}
	pixels, err := frame.DataPtrUint8()
	if err != nil {
		return true // not contiguous
	}
	fresh := frame.Rows() != m.rows || frame.Cols() != m.cols || at.Before(m.last)
	if fresh {
		m.start(frame.Rows(), frame.Cols(), frame.Step(), pixels)
	}
	if fresh || m.changed(pixels, at.Sub(m.last)) {
		m.moved = at
	}
	m.last = at
	worth := at.Sub(m.moved) <= m.cfg.Motion.Hold || at.Sub(m.selected) >= m.cfg.Motion.Every
	if worth {
		m.selected = at
	}
	return worth
}

// Still returns how long before the newest frame the last motion was; 0 if the gate is disabled.
func (m *Motion) Still() time.Duration {
	if !m.cfg.Motion.Enabled {
		return 0
	}
	return m.last.Sub(m.moved)
}

// Moved returns the smallest rectangle, pixels, with everything that moved in the last frame, or that may have: the
// whole frame if it was not compared. It is empty if nothing moved.
func (m *Motion) Moved() image.Rectangle { return m.part }

// Restart discards the background and starts with a frame of another scene, taken at this time.
func (m *Motion) Restart(at time.Time, frame gocv.Mat) {
	m.rows, m.cols = 0, 0
	m.Selects(at, frame)
}

// start computes the grid for frames of this size and makes the frame the background.
func (m *Motion) start(rows, cols, stride int, pixels []byte) {
	m.rows, m.cols, m.noise, m.frames = rows, cols, 0, 0
	m.offsets, m.blocks, m.background = m.offsets[:0], m.blocks[:0], m.background[:0]
	step := max(1, (max(rows, cols)+gridWidth-1)/gridWidth)
	side := step * blockSide
	for top := 0; top < rows; top += side {
		for left := 0; left < cols; left += side {
			bottom, right := min(top+side, rows), min(left+side, cols)
			if !m.cfg.included(float64(left+right)/2/float64(cols), float64(top+bottom)/2/float64(rows)) {
				continue
			}
			for y := top + step/2; y < bottom; y += step {
				for x := left + step/2; x < right; x += step {
					m.offsets = append(m.offsets, y*stride+x*3)
				}
			}
			m.blocks = append(m.blocks, block{len(m.offsets), image.Rect(left, top, right, bottom)})
		}
	}
	for _, offset := range m.offsets {
		m.background = append(m.background, grey(pixels[offset:offset+3]))
	}
}

// grey returns an approximate brightness: a quarter blue, a half green, a quarter red.
func grey(bgr []byte) float32 { return float32(int(bgr[0])+2*int(bgr[1])+int(bgr[2])) / 4 }

// changed reports whether a frame differs from the background, and updates background and noise. passed is the time
// since the last frame.
func (m *Motion) changed(pixels []byte, passed time.Duration) bool {
	threshold := max(float32(m.cfg.Motion.Threshold), noiseGain*m.noise)
	rate := share(passed, backgroundTime)
	clear(m.counts[:])
	m.part = image.Rectangle{}
	start := 0
	for _, b := range m.blocks {
		count := 0
		for i := start; i < b.end; i++ {
			offset := m.offsets[i]
			difference := grey(pixels[offset:offset+3]) - m.background[i]
			m.background[i] += difference * rate
			difference = max(difference, -difference)
			if difference > threshold {
				count++
			}
			m.counts[min(int(difference), histogram-1)]++
		}
		if float64(count) > blockShare*float64(b.end-start) {
			m.part = m.part.Union(b.place)
		}
		start = b.end
	}
	// The plain mean of the first frames, for a quick estimate.
	m.frames++
	m.noise += (m.median() - m.noise) * max(share(passed, noiseTime), 1/float32(m.frames))
	return !m.part.Empty()
}

// median returns the median change of the samples, interpolated within its bin.
func (m *Motion) median() float32 {
	half, below := float32(len(m.offsets))/2, float32(0)
	for level, count := range m.counts {
		if c := float32(count); below+c >= half && count > 0 {
			return float32(level) + (half-below)/c
		}
		below += float32(count)
	}
	return 0
}

// share returns the weight of a new value in a moving average with this time constant.
func share(passed, constant time.Duration) float32 {
	return float32(passed) / float32(passed+constant)
}
