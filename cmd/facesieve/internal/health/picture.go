package health

import (
	"errors"
	"time"

	"gocv.io/x/gocv"
)

// A frame is reduced to a thumbnail, and to rows at full resolution, in which blur is visible that the thumbnail does
// not have. Both are divided into the same cells.
const (
	thumbWidth  = 160
	thumbHeight = 96 // also the number of rows
	cellWidth   = 10 // pixels of the thumbnail
	cellHeight  = 12 // pixels of the thumbnail, and rows
	samplesSide = 4  // samples of the frame for a pixel of the thumbnail, along each side
	cellsWide   = thumbWidth / cellWidth
	cellCount   = cellsWide * thumbHeight / cellHeight
)

const (
	fineWidth   = 1280 // columns of a frame for each pixel of the fine distance, at least one
	coarse      = 4    // coarse distance as a multiple of the fine one
	minEnergy   = 12   // of a structure, squared grey levels over the coarse distance
	stillShare  = 0.1  // of that energy: maximum change since the last picture of a cell that is still
	minChroma   = 2.5  // mean difference of the colour channels of a picture in colour, grey levels
	flatSharp   = 0.01 // least sharpness: a cell whose fine structure is gone
	unknownCell = -1   // sharpness of a cell that was not measured: it moves, or has no structure
)

var errNoPicture = errors.New("not a contiguous frame of 8-bit BGR")

// picture is what is kept of one frame.
type picture struct {
	at     time.Time
	thumb  []uint8 // thumbWidth x thumbHeight grey levels
	colour bool    // false: an infrared picture, or nothing is visible
	wide   int     // pixels of a row
	rows   []uint8 // grey levels of thumbHeight rows of the frame
}

// newPicture reduces a frame (8-bit BGR, not kept), taken at this time.
func newPicture(at time.Time, frame gocv.Mat) (picture, error) {
	p := picture{at: at, wide: frame.Cols()}
	pixels, err := frame.DataPtrUint8()
	if err != nil || frame.Type() != gocv.MatTypeCV8UC3 || frame.Empty() {
		return p, errNoPicture
	}
	p.rows = make([]uint8, 0, thumbHeight*p.wide)
	for i := range thumbHeight {
		start := (2*i + 1) * frame.Rows() / (2 * thumbHeight) * frame.Step()
		p.rows = appendGrey(p.rows, pixels[start:start+3*p.wide])
	}
	p.thumbnail(pixels, frame.Rows(), frame.Step())
	return p, nil
}

// thumbnail sets thumb and colour. Each pixel is the mean of samplesSide x samplesSide pixels of the frame, which is a
// tenth of the time of a mean of all.
func (p *picture) thumbnail(pixels []uint8, high, stride int) {
	p.thumb = make([]uint8, thumbWidth*thumbHeight)
	var columns [thumbWidth * samplesSide]int
	for i := range columns {
		columns[i] = (2*i + 1) * p.wide / (2 * len(columns)) * 3
	}
	chroma := 0
	for y := range thumbHeight {
		var sums [thumbWidth][3]int
		for k := range samplesSide {
			row := pixels[(2*(y*samplesSide+k)+1)*high/(2*samplesSide*thumbHeight)*stride:]
			for i, column := range columns {
				sum, bgr := &sums[i/samplesSide], row[column:column+3]
				sum[0] += int(bgr[0])
				sum[1] += int(bgr[1])
				sum[2] += int(bgr[2])
			}
		}
		for x, sum := range sums {
			const count = samplesSide * samplesSide
			p.thumb[y*thumbWidth+x] = uint8((sum[0] + 2*sum[1] + sum[2]) / (4 * count)) //nolint:gosec // at most 255
			chroma += (max(sum[0], sum[1], sum[2]) - min(sum[0], sum[1], sum[2])) / count
		}
	}
	p.colour = float64(chroma) >= minChroma*thumbWidth*thumbHeight
}

// appendGrey appends an approximate brightness of pixels: a quarter blue, a half green, a quarter red.
func appendGrey(grey, bgr []uint8) []uint8 {
	for ; len(bgr) >= 3; bgr = bgr[3:] {
		grey = append(grey, uint8((int(bgr[0])+2*int(bgr[1])+int(bgr[2]))/4)) //nolint:gosec // at most 255
	}
	return grey
}

// sharpness returns, for each cell, the energy of its fine structure relative to that of its coarse structure, from 0 to
// some more than 1. It does not change with the contrast, so not with the light. Fine structure is the second difference
// of neighbours, because a blurred edge still has a first one; both are horizontal, because the rows are apart. The noise
// of the camera is subtracted as far as it differs between two pictures: change is twice its variance. A cell is
// unknownCell if it has no structure or moves, and flatSharp if its structure has no fine part left.
func (p picture) sharpness(before picture) (all [cellCount]float32) {
	fine := max(1, p.wide/fineWidth)
	far := coarse * fine
	for i := range all {
		all[i] = unknownCell
	}
	if before.wide != p.wide || p.wide < cellsWide*2*far {
		return all
	}
	for i := range all {
		left, right := i%cellsWide*p.wide/cellsWide, (i%cellsWide+1)*p.wide/cellsWide-far
		var near, wide, change int
		for row := i / cellsWide * cellHeight; row < (i/cellsWide+1)*cellHeight; row++ {
			now, last := p.rows[row*p.wide:(row+1)*p.wide], before.rows[row*p.wide:(row+1)*p.wide]
			for x := left; x < right; x++ {
				v := int(now[x])
				near += square(int(now[x+2*fine]) - 2*int(now[x+fine]) + v)
				wide += square(int(now[x+far]) - v)
				change += square(int(last[x]) - v)
			}
		}
		count := float32(cellHeight * (right - left))
		energy := float32(wide-change) / count
		if float32(change) > stillShare*float32(wide) || energy < minEnergy {
			continue
		}
		all[i] = max(flatSharp, float32(near-3*change)/count/energy)
	}
	return all
}

func square(v int) int { return v * v }
