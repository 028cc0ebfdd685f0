package detect

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"
)

// watched returns when a face is static, in seconds, or 0. Place returns its centre and size, pixels, at each tenth of a
// second of two minutes and a half; size 0 is no face.
func watched(s *Static, place func(second float64) (x, y, size float64)) float64 {
	for i := range 1500 {
		second := float64(i) / 10
		x, y, size := place(second)
		if size == 0 {
			continue
		}
		track := Track{ID: uint64(1 + i/100), Face: at(x, y, size, 0.9)} // a new track every ten seconds
		if static, lasted := s.Update(seconds(second), []Track{track}); len(static) > 0 {
			if static[0].ID != track.ID || lasted[0] < 2*time.Minute {
				return -1
			}
			return second
		}
	}
	return 0
}

func TestStatic(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	noisy := func(deviation float64) func(float64) (x, y, size float64) {
		return func(float64) (x, y, size float64) {
			n := func() float64 { return random.NormFloat64() * deviation * 40 }
			return 300 + n(), 200 + n(), 40 + n()
		}
	}
	// moving returns a face of 40 pixels that is moved to the right by these pixels.
	moving := func(right func(second float64) float64) func(float64) (x, y, size float64) {
		return func(s float64) (x, y, size float64) { return 300 + right(s), 200, 40 }
	}
	// seen returns a face that is in sight in the last part of each period, seconds.
	seen := func(hidden, period float64) func(float64) (x, y, size float64) {
		return func(s float64) (x, y, size float64) {
			return 300, 200, 40 * min(1, math.Floor(math.Mod(s, period)/hidden))
		}
	}
	for name, test := range map[string]struct {
		place     func(second float64) (x, y, size float64)
		low, high float64 // seconds; 0: never
	}{
		"poster":                     {noisy(0), 120, 120},
		"poster in a noisy picture":  {noisy(0.03), 120, 140},
		"poster that people hide":    {seen(2, 7), 120, 123},
		"poster that is moved":       {moving(func(s float64) float64 { return 5 * min(1, math.Floor(s/20)) }), 140, 149},
		"person who sways":           {moving(func(s float64) float64 { return 2 * math.Sin(s/3) }), 0, 0},
		"person who moves now, then": {moving(func(s float64) float64 { return 4 * math.Mod(math.Floor(s/50), 2) }), 0, 0},
		"person who comes nearer":    {func(s float64) (x, y, size float64) { return 300, 200, 40 + s/8 }, 0, 0},
		"person who leaves for long": {seen(12, 60), 0, 0},
	} {
		if got := watched(NewStatic(2*time.Minute), test.place); got < test.low || got > test.high {
			t.Errorf("%s: static after %g s, expected %g..%g", name, got, test.low, test.high)
		}
	}
	if got := watched(NewStatic(0), noisy(0)); got != 0 {
		t.Errorf("with period 0: static after %g s", got)
	}
}

// People who pass in front of a poster do not count as its motion.
func TestStaticBehindPassers(t *testing.T) {
	s := NewStatic(2 * time.Minute)
	for i := range 1300 {
		second := float64(i) / 10
		tracks := []Track{{ID: 1, Face: at(300, 200, 40, 0.9)}}
		x := math.Mod(second, 10) * 100 // one passes every ten seconds, a size a second, and hides the poster
		if passer := (Track{ID: 2 + uint64(second/10), Face: at(x, 205, 44, 0.9)}); math.Abs(x-300) < 25 {
			tracks = []Track{passer}
		} else {
			tracks = append(tracks, passer)
		}
		if static, _ := s.Update(seconds(second), tracks); len(static) > 0 {
			if static[0].ID != 1 || second != 120 {
				t.Errorf("track %d is static after %g s", static[0].ID, second)
			}
			return
		}
	}
	t.Error("the poster is not static")
}

// A static face is ignored at its place, until a day without it; a face that moved is not.
func TestStaticIgnores(t *testing.T) {
	s := NewStatic(2 * time.Minute)
	poster := at(300, 200, 40, 0.9)
	if s.Ignores(seconds(0), poster) {
		t.Error("ignored at once")
	}
	watched(s, func(float64) (x, y, size float64) { return 300, 200, 40 })
	for name, test := range map[string]struct {
		face Face
		want bool
	}{
		"the face":           {poster, true},
		"a little beside it": {at(308, 200, 40, 0.9), true},
		"moved":              {at(312, 200, 40, 0.9), false},
		"larger":             {at(300, 200, 60, 0.9), false},
	} {
		if got := s.Ignores(seconds(200), test.face); got != test.want {
			t.Errorf("%s: ignored %v", name, got)
		}
	}
	passing := Track{ID: 99, Face: at(100, 100, 40, 0.9)}
	s.Update(seconds(80000), []Track{passing})
	if !s.Ignores(seconds(80000), poster) {
		t.Error("not ignored within a day")
	}
	s.Update(seconds(200000), []Track{passing})
	if s.Ignores(seconds(200000), poster) {
		t.Error("ignored after more than a day without the face")
	}
	s.Configure(0)
	if len(s.places) > 0 {
		t.Errorf("with period 0, %d places are left", len(s.places))
	}
}

// The number of places is bounded, and a static one is not removed before others.
func TestStaticPlacesAreBounded(t *testing.T) {
	s := NewStatic(2 * time.Minute)
	for i := range 3 * staticPlaces {
		s.Update(seconds(float64(i)/100), []Track{{ID: uint64(i), Face: at(float64(100*i), 200, 40, 0.9)}})
	}
	if len(s.places) != staticPlaces || s.places[0].anchor[0] != float64(200*staticPlaces) {
		t.Errorf("%d places, the first at %g", len(s.places), s.places[0].anchor[0])
	}
}
