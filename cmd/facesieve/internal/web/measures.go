package web

import (
	"image"
	"math"
	"time"

	"gocv.io/x/gocv"

	"facesieve/cmd/facesieve/internal/pipeline"
	"facesieve/quality"
)

// gateCount is the number of limits of quality.Gates.
const gateCount = 7

// gateMeasures are what the gates compare with their limits, in the order of quality.Gates.Measures, in thousandths of
// the limit's unit or notMeasured. Each is rounded to the side that is worse for the face, so that the comparison with
// a limit of at most three decimals has the same result as with the measure itself.
type gateMeasures [gateCount]int32

// notMeasured is a measure that a gate does not have of a face.
const notMeasured = math.MinInt32

// unmeasurable is worse than every limit, in the unit of the limit: the measure is not a number.
const unmeasurable = 1e6

// measuresOf returns the measures of a face. Where they were replaced by better ones after a gate had ruled the face
// out, those of the gate count, because they decided.
func measuresOf(c *pipeline.Candidate) (all gateMeasures) {
	j := c.Judgement
	for i, m := range (quality.Gates{}).Measures(image.Pt(c.Width, c.Height), j.Face.Box, j.Assessment) {
		all[i] = notMeasured
		if m.Assessed {
			all[i] = thousandths(m.Key, m.Measured)
		}
		for _, miss := range j.Misses {
			if miss.Key != m.Key {
				continue
			}
			measured := miss.Measured
			if miss.Unit == quality.UnitPercent {
				measured /= 100
			}
			all[i] = worse(m.Key, all[i], thousandths(m.Key, measured))
		}
	}
	return all
}

// atMost reports whether a gate bounds the amount of its measure, and not its least value.
func atMost(key string) bool {
	switch key {
	case "gates.max_yaw", "gates.max_pitch", "gates.max_roll", "gates.max_residual":
		return true
	default:
		return false
	}
}

// worse returns the measure that is worse for the face. One that was not measured is not.
func worse(key string, a, b int32) int32 {
	switch {
	case a == notMeasured:
		return b
	case atMost(key):
		return max(a, b)
	default:
		return min(a, b)
	}
}

// thousandths returns a measure for gateMeasures. A bounded amount is rounded up, a least value down, and the distance
// from the border up and then lowered by one, because it has to exceed its limit.
func thousandths(key string, measured float64) int32 {
	switch {
	case atMost(key):
		return int32(ceiling(finite(math.Abs(measured), unmeasurable)))
	case key == "gates.edge_margin":
		return int32(ceiling(finite(measured, -unmeasurable))) - 1
	default:
		return int32(floor(finite(measured, -unmeasurable)))
	}
}

// finite returns a value within ±unmeasurable, or instead of what is not a number.
func finite(value, instead float64) float64 {
	if math.IsNaN(value) {
		return instead
	}
	return min(max(value, -unmeasurable), unmeasurable)
}

// floor returns the greatest number of thousandths that is not above value. The number divided by 1000 is the float64
// that a decimal fraction in a configuration becomes.
func floor(value float64) float64 {
	n := math.Floor(value * 1000)
	for (n+1)/1000 <= value {
		n++
	}
	for n/1000 > value {
		n--
	}
	return n
}

func ceiling(value float64) float64 { return -floor(-value) }

// colour is whether the picture of a face has colours.
type colour byte

const (
	unknownColour colour = iota // the face was not aligned
	day                         // it has colours
	night                       // it has none, as under infrared light
)

// leastColour is the mean difference between the highest and the lowest of the three channels of a face, 0..255, from
// which on the picture has colours. A camera delivers grey under infrared light: the frames of an infrared recording
// have 0. The faces of seven colour recordings have 10 to 82.
const leastColour = 4

// colourOf measures a face, 112x112 BGR. It reads one of 16 pixels, because a mean needs no more.
func colourOf(pixels []byte) colour {
	if len(pixels) != 3*quality.Size*quality.Size {
		return unknownColour
	}
	const step = 4
	sum, count := 0, 0
	for y := 0; y < quality.Size; y += step {
		for x := 0; x < quality.Size; x += step {
			p := pixels[3*(y*quality.Size+x):]
			sum += int(max(p[0], p[1], p[2]) - min(p[0], p[1], p[2]))
			count++
		}
	}
	if sum < leastColour*count {
		return night
	}
	return day
}

func newPoint(c *pipeline.Candidate, aligned gocv.Mat, reason quality.Reason, text string) point {
	j := c.Judgement
	p := point{
		track: c.Track, time: c.Time, score: quality.NotAssessed, reason: reason, text: text,
		passed:  j.Scored && (j.Reason == "" || j.Reason == quality.ReasonDuplicate),
		skipped: !j.Scored && j.Reason == quality.ReasonDuplicate,
		unlike:  j.Reason == quality.ReasonPose && len(j.Misses) == 0, measures: measuresOf(c),
	}
	if j.Scored {
		p.score, p.colour = j.Score.Value, colourOf(pixelsOf(c, aligned))
	}
	return p
}

// pixelsOf returns the pixels of a face, which are those of aligned if the pipeline did not copy them.
func pixelsOf(c *pipeline.Candidate, aligned gocv.Mat) []byte {
	if c.Pixels != nil || aligned.Empty() {
		return c.Pixels
	}
	pixels, err := aligned.DataPtrUint8()
	if err != nil { // not of 8 bits
		return nil
	}
	return pixels
}

// watchedTime is how long a camera delivered frames.
type watchedTime struct {
	last    time.Time // of a frame
	total   time.Duration
	dropped bool // a visit of the camera is no longer in memory
}

// longestPause is the time without a frame from which on a camera counts as not watched.
const longestPause = 10 * time.Second

func (r *Recorder) addWatched(camera string, frame time.Time) {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	if r.leftOut > 0 { // the visits of this time are not kept
		return
	}
	w := r.timeOf(camera)
	if since := frame.Sub(w.last); since > 0 && since <= longestPause {
		w.total += since
	}
	w.last = frame
}

// timeOf returns how long a camera was watched. The caller holds mutex.
func (r *Recorder) timeOf(camera string) *watchedTime {
	if r.watched[camera] == nil {
		r.watched[camera] = &watchedTime{}
	}
	return r.watched[camera]
}
