package detect

import (
	"slices"
	"time"

	"gocv.io/x/gocv"
)

// The motion gate looks at a grid of pixels, sampled without any filter, and judges it in blocks: a single pixel is noise, a
// quarter of a block is not.
const (
	gridWidth  = 160  // samples over the longer side of the frame, at most
	blockSide  = 8    // samples over a side of a block
	blockShare = 0.25 // part of a block's samples that must have changed
	noiseGain  = 5    // the threshold is at least so many times the median change of all samples
	histogram  = 64   // bins for that median, grey levels; more is no noise
)

// Time constants of the slow averages.
const (
	backgroundTime = 1500 * time.Millisecond
	noiseTime      = 5 * time.Second
)

// Motion tells frames that are worth a detection from those that show nothing new. It compares a coarse grid of samples with
// a slowly following background; the threshold follows the noise of the camera, and what lies in masks or outside the region
// of interest is not looked at. One frame of 1080p costs some tens of microseconds.
type Motion struct {
	cfg        Config
	rows, cols int       // of the frame that the grid is for
	offsets    []int     // of each sample's pixel in the frame's bytes, block after block
	blocks     []int     // end of each block in offsets
	background []float32 // grey level of each sample
	counts     [histogram]int
	noise      float32 // median change, grey levels
	frames     int     // compared since the grid was laid
	last       time.Time
	moved      time.Time // time of the last motion
	looked     time.Time // time of the last frame that was worth a look
}

// NewMotion makes a motion gate from a valid configuration.
func NewMotion(cfg Config) *Motion { return &Motion{cfg: cfg} }

// Configure replaces the configuration by another valid one. Background and noise stay known; where other parts of the frame
// count, the gate begins anew.
func (m *Motion) Configure(cfg Config) {
	same := slices.Equal(cfg.ROI, m.cfg.ROI) && slices.EqualFunc(cfg.Masks, m.cfg.Masks, slices.Equal[Polygon])
	if m.cfg = cfg; !same {
		m.rows, m.cols = 0, 0
	}
}

// Moved tells whether a frame (BGR, 8 bit, borrowed) taken at that time is worth a detection: something moved, or did so
// less than Hold ago, or Every has gone by without a look, or the gate is turned off. The first frame always is.
func (m *Motion) Moved(at time.Time, frame gocv.Mat) bool {
	if !m.cfg.Motion.Enabled || frame.Type() != gocv.MatTypeCV8UC3 {
		return true
	}
	pixels, err := frame.DataPtrUint8()
	if err != nil {
		return true // a frame that is not in one piece cannot be judged here
	}
	fresh := frame.Rows() != m.rows || frame.Cols() != m.cols || at.Before(m.last)
	if fresh {
		m.start(frame.Rows(), frame.Cols(), frame.Step(), pixels)
	}
	if fresh || m.changed(pixels, at.Sub(m.last)) {
		m.moved = at
	}
	m.last = at
	worth := at.Sub(m.moved) <= m.cfg.Motion.Hold || at.Sub(m.looked) >= m.cfg.Motion.Every
	if worth {
		m.looked = at
	}
	return worth
}

// Restart discards the background and starts with a frame of another scene, taken at that time.
func (m *Motion) Restart(at time.Time, frame gocv.Mat) {
	m.rows, m.cols = 0, 0
	m.Moved(at, frame)
}

// start lays the grid for frames of that size and takes the frame as background.
func (m *Motion) start(rows, cols, stride int, pixels []byte) {
	m.rows, m.cols, m.noise, m.frames = rows, cols, 0, 0
	m.offsets, m.blocks, m.background = m.offsets[:0], m.blocks[:0], m.background[:0]
	step := max(1, (max(rows, cols)+gridWidth-1)/gridWidth)
	side := step * blockSide
	for top := 0; top < rows; top += side {
		for left := 0; left < cols; left += side {
			bottom, right := min(top+side, rows), min(left+side, cols)
			if !m.cfg.counts(float64(left+right)/2/float64(cols), float64(top+bottom)/2/float64(rows)) {
				continue
			}
			for y := top + step/2; y < bottom; y += step {
				for x := left + step/2; x < right; x += step {
					m.offsets = append(m.offsets, y*stride+x*3)
				}
			}
			m.blocks = append(m.blocks, len(m.offsets))
		}
	}
	for _, offset := range m.offsets {
		m.background = append(m.background, grey(pixels[offset:offset+3]))
	}
}

// grey is a cheap brightness: a quarter blue, a half green, a quarter red.
func grey(bgr []byte) float32 { return float32(int(bgr[0])+2*int(bgr[1])+int(bgr[2])) / 4 }

// changed compares a frame with the background, then lets the background and the noise follow.
func (m *Motion) changed(pixels []byte, passed time.Duration) bool {
	threshold := max(float32(m.cfg.Motion.Threshold), noiseGain*m.noise)
	follow := share(passed, backgroundTime)
	clear(m.counts[:])
	start, moved := 0, false
	for _, end := range m.blocks {
		count := 0
		for i := start; i < end; i++ {
			offset := m.offsets[i]
			difference := grey(pixels[offset:offset+3]) - m.background[i]
			m.background[i] += difference * follow
			difference = max(difference, -difference)
			if difference > threshold {
				count++
			}
			m.counts[min(int(difference), histogram-1)]++
		}
		moved = moved || float64(count) > blockShare*float64(end-start)
		start = end
	}
	// At first the plain mean, so that the noise is known soon.
	m.frames++
	m.noise += (m.median() - m.noise) * max(share(passed, noiseTime), 1/float32(m.frames))
	return moved
}

// median is the median change of the samples, interpolated within its bin.
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

// share is the part of a difference that a slow average follows in that time.
func share(passed, constant time.Duration) float32 {
	return float32(passed) / float32(passed+constant)
}
