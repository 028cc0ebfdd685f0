package pipeline

import (
	"math"
	"time"

	"facesieve/quality"
)

// scoreEvery is the time after which a face of a track is scored whatever its measures, for its embedding.
const scoreEvery = 500 * time.Millisecond

// How much better than the face of a track that was scored last a face must be in one of its measures to be worth a
// score, for each point that the score of that face was below the best one, up to gapMost points. Chosen on recordings:
// half as many scores, and the sent faces keep their scores within what two neighbouring frames differ.
const (
	gapEyes      = 0.01 // share of the distance between the eyes
	gapSharpness = 1    // points
	gapYaw       = 0.8  // degrees
	gapMost      = 10
)

// measures are those of a face that cost little compared with its score.
type measures struct {
	eyes      float64 // distance, pixels of the frame
	sharpness float64 // 0..100
	yaw       float64 // of the landmarks, degrees to either side
}

func measuresOf(a quality.Assessment) measures {
	return measures{
		eyes:      a.Component(quality.InterEyeDistance).Native,
		sharpness: a.Component(quality.Sharpness).Value,
		yaw:       math.Abs(a.Component(quality.HeadPoseYaw).Native),
	}
}

// exceeds reports whether a face is better than another one in any measure. The score of the other face was by this gap
// below the best one, points.
func (m measures) exceeds(other measures, gap float64) bool {
	gap = max(0, min(gapMost, gap))
	return m.eyes > other.eyes*(1+gapEyes*gap) || m.sharpness > other.sharpness+gapSharpness*gap ||
		m.yaw < other.yaw-gapYaw*gap
}

// scoredFace is a face of a track that was scored.
type scoredFace struct {
	time  time.Time
	score float64 // 0..100
	measures
}

// worth returns the function that decides by its measures whether a face of a track is worth a score; nil: it is. It is
// not if nothing of its visit can be sent any more, or if it is smaller, less sharp and more turned than the face that is
// held to be sent, or than the one scored last, which was not better. A contested face needs its embedding.
func (p *Pipeline) worth(track uint64, at time.Time, contested bool) func(measures) bool {
	last, ok := p.scored[track]
	if since := at.Sub(last.time); !ok || contested || since < 0 || since >= scoreEvery {
		return nil
	}
	held, ok, over := p.visits.Held(track)
	if over {
		return func(measures) bool { return false }
	}
	if !ok {
		return nil
	}
	best := held.Judgement
	gap := best.Score.Value - last.score
	return func(m measures) bool {
		return m.exceeds(best.measures, 0) && (gap < 0 || m.exceeds(last.measures, gap))
	}
}
