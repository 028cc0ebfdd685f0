package detect

import (
	"image"
	"math"

	"gocv.io/x/gocv"
)

// A frame is divided into cells, each the mean of four samples, and blocks of cells. The pattern of a block is its
// cells minus their mean. It does not change with the light, the exposure or the infrared filter. Two blocks whose
// patterns correlate show the same content. In the recordings of the shared data 0 to 8 % of the blocks correlate
// across a cut, and 30 to 100 % between other consecutive frames.
const (
	cutCells   = 64   // maximum number of cells along the longer side of the frame
	cutBlock   = 6    // cells along a side of a block
	cutPattern = 5    // minimum deviation of the cells of a block with a pattern, grey levels
	cutNoise   = 3    // and minimum of this deviation as a multiple of the noise
	cutMatch   = 0.7  // minimum correlation of two blocks that match
	cutKnown   = 0.25 // minimum share of all blocks that have a pattern in both images
	cutSame    = 0.15 // minimum share of those that match in the same scene
	cutMoved   = 0.3  // after a turn of the camera: minimum share of the overlapping blocks that match
	cutFound   = 0.15 // and of all blocks, because a few match by chance
	cutSpread  = 0.45 // minimum width of the area of blocks with a pattern in both images, share of the frame
	cutShift   = 0.2  // maximum turn between two frames, share of each side
	quickNoise = 4    // limit for a sudden rise of the noise estimate, grey levels; a cut also looks like noise
	noiseBins  = 256  // bins of the histogram of cell changes, a quarter of a grey level each
)

// Cuts detects hard cuts: frames that show another scene than the frame before. They occur in the streams of channel
// sequencers and preset tours, and in edited recordings. These are not cuts: a change of light, a flash, a dark or
// frozen image, a camera that shakes or turns, and a person who walks through the image. A frame of 1080p takes
// some tens of microseconds.
type Cuts struct {
	rows, cols int           // size of the frames that the cells belong to
	wide, high int           // number of cells along each side
	offsets    []int         // of the samples in the bytes of a frame, four per cell
	blocks     []image.Point // first cell of each block
	now, last  []float32     // grey levels of the cells in the last two frames
	scene      []float32     // grey levels of the last frame with patterns; empty: none yet
	noise      float32       // deviation of the noise of a cell, grey levels
	counts     [noiseBins]int
}

// NewCuts returns a detector of cuts.
func NewCuts() *Cuts { return &Cuts{} }

// Cut reports whether a frame (BGR, 8 bit; not kept) shows another scene than the frames before, or has another size. A
// frame without patterns, such as a black or white one, is skipped: the next frame is compared with the one before it.
func (c *Cuts) Cut(frame gocv.Mat) bool {
	pixels, err := frame.DataPtrUint8()
	if err != nil || frame.Type() != gocv.MatTypeCV8UC3 {
		return false
	}
	fresh := frame.Rows() != c.rows || frame.Cols() != c.cols
	resized := fresh && c.rows > 0
	if fresh {
		c.resize(frame.Rows(), frame.Cols(), frame.Step())
	}
	c.now, c.last = c.last, c.now
	c.sample(pixels)
	if !fresh {
		c.updateNoise()
	}
	if known, _ := c.compare(c.now, image.Point{}); !c.enough(known) {
		return resized
	}
	cut := len(c.scene) > 0 && c.differs()
	c.scene = append(c.scene[:0], c.now...)
	return cut || resized
}

// resize computes the cells for frames of this size.
func (c *Cuts) resize(rows, cols, stride int) {
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

// updateNoise updates the noise estimate from the quarter of the cells that changed least. It is not affected by motion
// in the other cells.
func (c *Cuts) updateNoise() {
	clear(c.counts[:])
	for i, v := range c.now {
		change := v - c.last[i]
		c.counts[min(int(4*max(change, -change)), noiseBins-1)]++
	}
	const deviations = 0.45 // a quarter of the differences of two normal deviates is smaller
	bin, below := 0, 0
	for below += c.counts[0]; 4*below < len(c.now); below += c.counts[bin] {
		bin++
	}
	c.noise = min(float32(bin)/4/deviations, max(quickNoise, 1.3*c.noise))
}

// differs reports whether the image shows another scene: hardly any block matches, neither at its position nor at one
// to which a turn of the camera may have moved it.
func (c *Cuts) differs() bool {
	known, same := c.compare(c.scene, image.Point{})
	if !c.enough(known) || float64(same) >= cutSame*float64(known) || c.spread() < cutSpread {
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

// spread returns the width of the area in which image and scene have patterns, as a share of the frame. It is small
// where a person before a plain wall is all that has patterns.
func (c *Cuts) spread() float64 {
	left, right := c.wide, 0
	for _, block := range c.blocks {
		i := block.Y*c.wide + block.X
		if a, b, _ := c.covariance(c.scene, i, i); min(a, b) >= c.leastVariance() {
			left, right = min(left, block.X), max(right, block.X+cutBlock)
		}
	}
	return float64(right-left) / float64(c.wide)
}

// enough reports whether this number of blocks is sufficient for a comparison.
func (c *Cuts) enough(known int) bool {
	return known > 0 && float64(known) >= cutKnown*float64(len(c.blocks))
}

// compare compares the image with another one, shifted by some cells. It returns the number of blocks that have a
// pattern in both images, and how many of those match.
func (c *Cuts) compare(other []float32, shift image.Point) (known, same int) {
	for _, block := range c.blocks {
		at := block.Add(shift)
		if at.X < 0 || at.Y < 0 || at.X+cutBlock > c.wide || at.Y+cutBlock > c.high {
			continue
		}
		a, b, ab := c.covariance(other, block.Y*c.wide+block.X, at.Y*c.wide+at.X)
		if least := c.leastVariance(); a < least || b < least {
			continue
		}
		known++
		if float64(ab) >= cutMatch*math.Sqrt(float64(a)*float64(b)) {
			same++
		}
	}
	return known, same
}

// leastVariance returns the minimum variance of the cells of a block with a pattern.
func (c *Cuts) leastVariance() float32 {
	least := max(cutPattern, cutNoise*c.noise)
	return least * least
}

// covariance returns the variances of a block of the image and a block of another image, and their covariance; i
// and k are the indices of their first cells.
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
