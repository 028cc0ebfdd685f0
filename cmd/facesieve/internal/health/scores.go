package health

import (
	"math"
	"slices"
	"time"
)

const (
	scoreBins   = 20                 // of 0..100
	scoreVisits = 30                 // visits that are compared with what is usual, and least number that is usual
	scoreDrop   = 15                 // points below the usual score: too low
	scoreBack   = 10                 // points below the usual score: high enough again
	scoreAge    = 24 * time.Hour     // of the visits that are compared
	scoreMemory = 7 * 24 * time.Hour // after which a score counts only e^-1
	hours       = 24
)

// scores compares a face of each visit with those of the last week at this hour. One value a visit, because the faces of
// a visit are alike: one person who looks away is not a fault of the camera.
type scores struct {
	usual  [hours][scoreBins]float32 // weights by hour of the day and score
	last   time.Time                 // when a score was added last
	recent []visitScore              // compared, the oldest first
	low    bool
}

type visitScore struct {
	at           time.Time
	score, usual float64
}

// add adds the score of a visit's face, 0..100.
func (s *scores) add(at time.Time, score float64) {
	s.age(at)
	if usual, ok := s.median(at); ok {
		s.recent = append(s.recent, visitScore{at, score, usual})
	}
	s.usual[at.Local().Hour()][min(scoreBins-1, int(score*scoreBins/100))]++
}

// age reduces the weights by the time that has passed. After a jump of the clock it starts the comparison anew.
func (s *scores) age(at time.Time) {
	passed := at.Sub(s.last)
	if s.last.IsZero() || passed < 0 {
		s.recent, passed = nil, 0
	}
	s.last = at
	share := float32(math.Exp(-passed.Seconds() / scoreMemory.Seconds()))
	for hour := range s.usual {
		for bin := range s.usual[hour] {
			s.usual[hour][bin] *= share
		}
	}
	s.recent = slices.DeleteFunc(s.recent, func(v visitScore) bool { return at.Sub(v.at) > scoreAge })
	s.recent = s.recent[max(0, len(s.recent)-scoreVisits+1):]
}

// median returns the median score at this hour, one hour earlier and later, and false if too few are known.
func (s *scores) median(at time.Time) (score float64, ok bool) {
	var sum [scoreBins]float32
	var total float32
	for _, hour := range around(at) {
		for bin, weight := range s.usual[hour] {
			sum[bin] += weight
			total += weight
		}
	}
	if total < scoreVisits {
		return 0, false
	}
	below := float32(0)
	for bin, weight := range sum {
		if below+weight >= total/2 {
			return (float64(bin) + float64((total/2-below)/weight)) * 100 / scoreBins, true
		}
		below += weight
	}
	return 0, false
}

// around returns the hour of the day, the one before and the one after.
func around(at time.Time) [3]int {
	hour := at.Local().Hour()
	return [3]int{hour, (hour + hours - 1) % hours, (hour + 1) % hours}
}

// check reports scores that are lower than usual.
func (s *scores) check() finding {
	if len(s.recent) < scoreVisits {
		s.low = false
		return finding{}
	}
	var drops, all, usual []float64
	for _, v := range s.recent {
		drops, all, usual = append(drops, v.usual-v.score), append(all, v.score), append(usual, v.usual)
	}
	limit := float64(scoreDrop)
	if s.low {
		limit = scoreBack
	}
	if s.low = middleOf(drops) >= limit; !s.low {
		return finding{}
	}
	return lowScoresText(middleOf(all), middleOf(usual))
}

func middleOf(values []float64) float64 {
	slices.Sort(values)
	return values[len(values)/2]
}
