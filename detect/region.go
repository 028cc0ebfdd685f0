package detect

import (
	"fmt"
	"math"
)

// Polygon is a closed line of at least three points, x then y, relative to the frame: 0,0 is its upper left corner and 1,1
// its lower right. What is inside is decided by the even-odd rule.
type Polygon [][2]float64

// validate returns every fault, each with its key.
func (p Polygon) validate(key string) []error {
	var faults []error
	if len(p) < 3 {
		faults = append(faults, fmt.Errorf("%s: %d points, a polygon has at least 3", key, len(p)))
	}
	for i, point := range p {
		// Written so that NaN fails too.
		if !(point[0] >= 0 && point[0] <= 1 && point[1] >= 0 && point[1] <= 1) {
			faults = append(faults, fmt.Errorf("%s[%d]: %v is outside 0..1, the coordinates are relative", key, i, point))
		}
	}
	if len(faults) == 0 && p.area() == 0 {
		faults = append(faults, fmt.Errorf("%s: has no area; its corners are on one line", key))
	}
	return faults
}

// area is that of the shoelace formula.
func (p Polygon) area() float64 {
	sum := 0.0
	for i, a := range p {
		b := p[(i+1)%len(p)]
		sum += a[0]*b[1] - b[0]*a[1]
	}
	return math.Abs(sum) / 2
}

// contains counts the edges to the right of the point.
func (p Polygon) contains(x, y float64) bool {
	inside := false
	for i, a := range p {
		b := p[(i+1)%len(p)]
		if (a[1] > y) != (b[1] > y) && x < a[0]+(b[0]-a[0])*(y-a[1])/(b[1]-a[1]) {
			inside = !inside
		}
	}
	return inside
}

// masked tells whether a point, relative to the frame, is in one of the masks.
func (c Config) masked(x, y float64) bool {
	for _, mask := range c.Masks {
		if mask.contains(x, y) {
			return true
		}
	}
	return false
}

// counts tells whether a face centred there, relative to the frame, is wanted.
func (c Config) counts(x, y float64) bool {
	return (len(c.ROI) == 0 || c.ROI.contains(x, y)) && !c.masked(x, y)
}
