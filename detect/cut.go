package detect

import (
	"image"
	"math"

	"gocv.io/x/gocv"
)

// A frame is compared with the one before in cells, each the mean of four samples, and in blocks of cells. The pattern of a block,
// which is its cells less their mean, stays the same when lights, exposure or the infrared filter change it; two blocks that
// correlate show the same thing. In the recordings of the shared data 0 to 8 % of the blocks correlate across a cut, and 30 to
// 100 % from one frame to the next elsewhere.
const (
	cutCells   = 64   // cells over the longer side of the frame, at most
	cutBlock   = 6    // cells over a side of a block
	cutPattern = 5    // least deviation of a block's cells, grey levels, to have a pattern; more where the camera is noisy
	cutNoise   = 3    // that deviation is at least so many times that of the noise
	cutMatch   = 0.7  // least correlation of two blocks that show the same
	cutKnown   = 0.1  // least part of all blocks that must have a pattern in both pictures
	cutSame    = 0.15 // in the same scene at least this part of those match
	cutMoved   = 0.3  // in a scene that the camera has turned from, at least this part of what is still in the picture
	cutFound   = 0.15 // and at least this part of all blocks: a few match by chance
	cutShift   = 0.2  // largest turn between two frames, part of each side
	quickNoise = 4    // noise up to here, grey levels, is taken for it at once, more in some frames: a cut looks like noise too
	noiseBins  = 256  // of the changes of cells, a quarter of a grey level each
)

// Cuts finds hard cuts: a frame that shows another scene than the one before, as those of channel sequencers, tours of presets
// and edited recordings. Another light on the same scene is none, nor is a flash, a dark or a frozen picture, a camera that shakes
// or turns, or somebody who walks through the picture. One frame of 1080p costs some tens of microseconds.
type Cuts struct {
	rows, cols int           // of the frames that the cells are for
	wide, high int           // cells
	offsets    []int         // of the samples in a frame's bytes, four for each cell
	blocks     []image.Point // first cell of each block
	now, last  []float32     // grey levels of the cells in the last two frames
	scene      []float32     // those of the last frame that had patterns; empty: there was none
	noise      float32       // deviation of a cell's noise, grey levels
	counts     [noiseBins]int
}

// NewCuts makes a detector of cuts.
func NewCuts() *Cuts { return &Cuts{} }

// Cut reports whether a frame (BGR, 8 bit, borrowed) shows another scene than the frames before, or has another size. A frame
// without patterns, such as a black or a white one, is no evidence: the next is compared with the one before it.
func (c *Cuts) Cut(frame gocv.Mat) bool {
	pixels, err := frame.DataPtrUint8()
	if err != nil || frame.Type() != gocv.MatTypeCV8UC3 {
		return false
	}
	fresh := frame.Rows() != c.rows || frame.Cols() != c.cols
	resized := fresh && c.rows > 0
	if fresh {
		c.lay(frame.Rows(), frame.Cols(), frame.Step())
	}
	c.now, c.last = c.last, c.now
	c.sample(pixels)
	if !fresh {
		c.follow()
	}
	if known, _ := c.compare(c.now, image.Point{}); !c.enough(known) {
		return resized
	}
	cut := len(c.scene) > 0 && c.differs()
	c.scene = append(c.scene[:0], c.now...)
	return cut || resized
}

// lay lays the cells over frames of that size.
func (c *Cuts) lay(rows, cols, stride int) {
	longer := max(rows, cols)
	cells := func(side int) int { return min(max(1, side*cutCells/longer), side) }
	c.rows, c.cols, c.wide, c.high = rows, cols, cells(cols), cells(rows)
	c.offsets, c.blocks, c.scene, c.noise = c.offsets[:0], c.blocks[:0], c.scene[:0], quickNoise/2.0
	for cell := range c.wide * c.high {
		for _, quarter := range [4]image.Point{{1, 1}, {3, 1}, {1, 3}, {3, 3}} {
			x := (4*(cell%c.wide) + quarter.X) * cols / (4 * c.wide)
			y := (4*(cell/c.wide) + quarter.Y) * rows / (4 * c.high)
			c.offsets = append(c.offsets, y*stride+x*3)
		}
	}
	for y := cutBlock; y+2*cutBlock <= c.high; y += cutBlock {
		for x := 0; x+cutBlock <= c.wide; x += cutBlock {
			c.blocks = append(c.blocks, image.Pt(x, y))
		}
	}
	c.now, c.last = make([]float32, c.wide*c.high), make([]float32, c.wide*c.high)
}

func (c *Cuts) sample(pixels []byte) {
	for i := range c.now {
		sum := float32(0)
		for _, offset := range c.offsets[4*i : 4*i+4] {
			sum += grey(pixels[offset : offset+3])
		}
		c.now[i] = sum / 4
	}
}

// follow lets the noise follow the quarter of the cells that changed least, which is that of the noise even when much moves.
func (c *Cuts) follow() {
	clear(c.counts[:])
	for i, v := range c.now {
		change := v - c.last[i]
		c.counts[min(int(4*max(change, -change)), noiseBins-1)]++
	}
	const deviations = 0.45 // a quarter of the differences of two normal deviates is below
	bin, below := 0, 0
	for below += c.counts[0]; 4*below < len(c.now); below += c.counts[bin] {
		bin++
	}
	c.noise = min(float32(bin)/4/deviations, max(quickNoise, 1.3*c.noise))
}

// differs reports whether the picture shows another scene, for hardly any block shows the same, neither at its place nor where a
// turn of the camera has moved it.
func (c *Cuts) differs() bool {
	known, same := c.compare(c.scene, image.Point{})
	if !c.enough(known) || float64(same) >= cutSame*float64(known) {
		return false
	}
	reach := image.Pt(int(cutShift*float64(c.wide)), int(cutShift*float64(c.high)))
	for y := -reach.Y; y <= reach.Y; y++ {
		for x := -reach.X; x <= reach.X; x++ {
			overlap, same := c.compare(c.scene, image.Pt(x, y))
			if 2*overlap >= known && float64(same) >= max(cutMoved*float64(overlap), cutFound*float64(len(c.blocks))) {
				return false
			}
		}
	}
	return true
}

// enough reports whether so many blocks are enough to judge by.
func (c *Cuts) enough(known int) bool {
	return known > 0 && float64(known) >= cutKnown*float64(len(c.blocks))
}

// compare compares the picture with another that is shifted by some cells: how many blocks have a pattern in both, and how many of
// those show the same.
func (c *Cuts) compare(other []float32, shift image.Point) (known, same int) {
	least := max(cutPattern, cutNoise*c.noise)
	for _, block := range c.blocks {
		at := block.Add(shift)
		if at.X < 0 || at.Y < 0 || at.X+cutBlock > c.wide || at.Y+cutBlock > c.high {
			continue
		}
		a, b, ab := c.covariance(other, block.Y*c.wide+block.X, at.Y*c.wide+at.X)
		if a < least*least || b < least*least {
			continue
		}
		known++
		if float64(ab) >= cutMatch*math.Sqrt(float64(a)*float64(b)) {
			same++
		}
	}
	return known, same
}

// covariance returns the variances of a block of the picture and of one of another, and their covariance; i and k are their first
// cells.
func (c *Cuts) covariance(other []float32, i, k int) (a, b, ab float32) {
	const n = cutBlock * cutBlock
	var sumA, sumB float32
	for range cutBlock {
		rowA, rowB := c.now[i:i+cutBlock], other[k:k+cutBlock]
		for x, v := range rowA {
			w := rowB[x]
			sumA, sumB = sumA+v, sumB+w
			a, b, ab = a+v*v, b+w*w, ab+v*w
		}
		i, k = i+c.wide, k+c.wide
	}
	return a/n - sumA/n*sumA/n, b/n - sumB/n*sumB/n, ab/n - sumA/n*sumB/n
}
