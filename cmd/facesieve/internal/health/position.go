package health

import (
	"errors"
	"image"
	"math"

	"gocv.io/x/gocv"
)

// A background is compared with a former one by a map of half its size, from which the large changes of brightness are
// removed, because light and shadow change over a day.
const (
	mapWidth  = thumbWidth / 2
	mapHeight = thumbHeight / 2
	mapBlur   = 9  // side of the box whose mean is subtracted, pixels of the map
	mapClip   = 16 // greatest difference from that mean, grey levels: a few strong edges must not decide
)

// half reduces a background to the size of a map.
func half(background []uint8) []uint8 {
	small := make([]uint8, 0, mapWidth*mapHeight)
	for y := 0; y < thumbHeight; y += 2 {
		for x := 0; x < thumbWidth; x += 2 {
			i := y*thumbWidth + x
			sum := int(background[i]) + int(background[i+1]) + int(background[i+thumbWidth]) + int(background[i+thumbWidth+1])
			small = append(small, uint8(sum/4)) //nolint:gosec // at most 255
		}
	}
	return small
}

// structure computes the differences of a reduced background from its surroundings, 32-bit float.
func structure(small []uint8, result *gocv.Mat) error {
	grey, err := gocv.NewMatFromBytes(mapHeight, mapWidth, gocv.MatTypeCV8U, small)
	if err != nil {
		return err
	}
	defer grey.Close()
	around := gocv.NewMat()
	defer around.Close()
	if err := errors.Join(
		grey.ConvertTo(result, gocv.MatTypeCV32F),
		gocv.Blur(*result, &around, image.Pt(mapBlur, mapBlur)),
		gocv.Subtract(*result, around, result),
	); err != nil {
		return err
	}
	values, err := result.DataPtrFloat32()
	for i, v := range values {
		values[i] = max(-mapClip, min(mapClip, v))
	}
	return err
}

// comparedMaps are the structures of two backgrounds. Close them after use.
type comparedMaps struct{ former, now gocv.Mat }

func newComparedMaps(former, now []uint8) (comparedMaps, error) {
	c := comparedMaps{gocv.NewMat(), gocv.NewMat()}
	return c, errors.Join(structure(former, &c.former), structure(now, &c.now))
}

func (c comparedMaps) close() {
	c.former.Close()
	c.now.Close()
}

// turns are the angles that are tried, degrees.
func turns() []float64 { return []float64{0, -3, 3, -6, 6, -10, 10} }

// displacement is how a background differs from a former one.
type displacement struct {
	same    float64 // correlation at the same place, -1..1
	shifted float64 // correlation after the best turn and shift, where the two overlap; at least same
	shift   float64 // of the centre, as a share of the picture's width or height, whichever is greater
	angle   float64 // of the turn, degrees
}

// compareBackgrounds compares two reduced backgrounds by phase correlation. It tries turns if the two differ.
func compareBackgrounds(former, now []uint8) (displacement, error) {
	maps, err := newComparedMaps(former, now)
	defer maps.close()
	if err != nil {
		return displacement{}, err
	}
	hanning := gocv.NewMat()
	defer hanning.Close()
	if err := gocv.CreateHanningWindow(&hanning, image.Pt(mapWidth, mapHeight), gocv.MatTypeCV32F); err != nil {
		return displacement{}, err
	}
	best := displacement{shifted: -1}
	for _, angle := range turns() {
		d, err := maps.shiftAfterTurn(hanning, angle)
		if err != nil {
			return d, err
		}
		if angle == 0 {
			best = d
			best.shifted = max(d.same, d.shifted)
			if d.same >= samePlace {
				break
			}
		} else if d.shifted > best.shifted {
			best.shifted, best.shift, best.angle = d.shifted, d.shift, angle
		}
	}
	if best.shifted == best.same {
		best.shift = 0
	}
	return best, nil
}

// Limits of a position.
const (
	minShift     = 0.03 // of the picture's width or height
	minMatch     = 0.2  // correlation below which it is another scene
	clearMatch   = 0.5  // least correlation after the shift, and
	clearBetter  = 0.2  // least gain by it, if the picture has moved
	minTurnShift = 0.5  // part of the way of the picture's border by a turn that counts as a shift
)

// moved reports whether the same scene is seen at another place.
func (d displacement) moved() bool {
	return d.distance() >= minShift && d.shifted >= clearMatch && d.shifted-d.same >= clearBetter
}

// elsewhere reports whether another scene is seen.
func (d displacement) elsewhere() bool { return d.same < minMatch }

// distance returns the shift halfway between the centre and the border, as a share of the width or height.
func (d displacement) distance() float64 {
	return d.shift + minTurnShift*math.Abs(math.Sin(d.angle*math.Pi/180))
}

// samePlace is the correlation at the same place from which on a background is the former one, and no turn is tried.
const samePlace = 0.75

// shiftAfterTurn returns how the present background is shifted from the former one after that is turned by angle.
func (c comparedMaps) shiftAfterTurn(hanning gocv.Mat, angle float64) (d displacement, err error) {
	turned := gocv.NewMat()
	defer turned.Close()
	if angle == 0 {
		err = c.former.CopyTo(&turned)
	} else {
		matrix := gocv.GetRotationMatrix2D(image.Pt(mapWidth/2, mapHeight/2), angle, 1)
		defer matrix.Close()
		err = gocv.WarpAffine(c.former, &turned, matrix, image.Pt(mapWidth, mapHeight))
	}
	if err != nil {
		return d, err
	}
	shift, _ := gocv.PhaseCorrelate(turned, c.now, hanning)
	first, err1 := turned.DataPtrFloat32()
	second, err2 := c.now.DataPtrFloat32()
	if err := errors.Join(err1, err2); err != nil {
		return d, err
	}
	dx, dy := math.Round(float64(shift.X)), math.Round(float64(shift.Y))
	d.shift = max(math.Abs(float64(shift.X))/mapWidth, math.Abs(float64(shift.Y))/mapHeight)
	d.same = correlation(first, second, 0, 0)
	if math.Abs(dx) < mapWidth && math.Abs(dy) < mapHeight {
		d.shifted = correlation(first, second, int(dx), int(dy))
	}
	return d, nil
}

// sameScene reports whether two reduced backgrounds show the same scene from the same place.
func sameScene(former, now []uint8) (bool, error) {
	maps, err := newComparedMaps(former, now)
	defer maps.close()
	if err != nil {
		return false, err
	}
	first, err1 := maps.former.DataPtrFloat32()
	second, err2 := maps.now.DataPtrFloat32()
	if err := errors.Join(err1, err2); err != nil {
		return false, err
	}
	return correlation(first, second, 0, 0) >= minMatch, nil
}

// correlation returns the normalised correlation of two maps where the second is shifted by dx and dy, over their common
// area; 0 if that is less than a quarter of the map.
func correlation(a, b []float32, dx, dy int) float64 {
	if 4*(mapWidth-abs(dx))*(mapHeight-abs(dy)) < mapWidth*mapHeight {
		return 0
	}
	var product, first, second float64
	for y := max(0, -dy); y < min(mapHeight, mapHeight-dy); y++ {
		for x := max(0, -dx); x < min(mapWidth, mapWidth-dx); x++ {
			u, v := float64(a[y*mapWidth+x]), float64(b[(y+dy)*mapWidth+x+dx])
			product += u * v
			first += u * u
			second += v * v
		}
	}
	if first == 0 || second == 0 {
		return 0
	}
	return product / math.Sqrt(first*second)
}

func abs(v int) int { return max(v, -v) }
