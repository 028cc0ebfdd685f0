package detect

import (
	"image"
	"testing"
	"time"
)

// At any frame rate that permits it, a moving part of the frame is searched at least once in the period and a third, so
// that a face appears that late at most, and not much more often. The whole frame is searched as often as without motion.
func TestASearchInEveryPeriod(t *testing.T) {
	cfg, moved := Default(), image.Rect(100, 100, 300, 200)
	for _, rate := range []int{1, 3, 4, 10, 25} {
		s := NewSearch(cfg)
		var searched, whole int
		last := epoch
		frame := time.Second / time.Duration(rate)
		for i := range 10 * rate {
			at := epoch.Add(time.Duration(i) * frame)
			s.Add(moved)
			part, due := s.Due(at, 2)
			if !due {
				continue
			}
			if gap := at.Sub(last); gap > max(cfg.SearchEvery*4/3, frame) {
				t.Errorf("%d frames a second: no search for %v", rate, gap)
			}
			if part.Empty() {
				whole++
			} else if part != moved {
				t.Errorf("%d frames a second: searched %v", rate, part)
			}
			s.Done(at)
			searched, last = searched+1, at
		}
		if most := 10*min(rate, int(time.Second/cfg.SearchEvery)) + 10; searched > most {
			t.Errorf("%d frames a second: %d searches in 10 s, at most %d wanted", rate, searched, most)
		}
		if want := int(10 * time.Second / cfg.Motion.Every); whole < want || whole > want+1 {
			t.Errorf("%d frames a second: %d searches of the whole frame in 10 s, wanted %d", rate, whole, want)
		}
	}
}

// Everything that was added since the last search is searched, and nothing is where nothing was added.
func TestAddedParts(t *testing.T) {
	s := NewSearch(Default())
	s.Due(epoch, 0)
	s.Done(epoch)
	if part, due := s.Due(epoch.Add(time.Second), 1); due {
		t.Errorf("nothing moved, and %v is searched", part)
	}
	s.Add(image.Rect(100, 100, 300, 200))
	s.Add(Around([][4]float32{{400, 300, 20, 40}}))
	if part, due := s.Due(epoch.Add(2*time.Second), 1); !due || part != image.Rect(100, 100, 480, 400) {
		t.Errorf("searched %v, %v", part, due)
	}
	s.Done(epoch.Add(2 * time.Second))
	if part, due := s.Due(epoch.Add(2900*time.Millisecond), 1); due {
		t.Errorf("nothing moved since, and %v is searched", part)
	}
}

// A search is due before the period is over if following cannot replace it.
func TestASearchBeforeThePeriodIsOver(t *testing.T) {
	for name, test := range map[string]struct {
		change   func(*Config)
		after    time.Duration
		expected int
		restart  bool
		want     bool
	}{
		"nobody":               {after: 200 * time.Millisecond},
		"some faces":           {after: 200 * time.Millisecond, expected: maxFollowed},
		"a low frame rate":     {after: 201 * time.Millisecond, expected: 1, want: true},
		"too many faces":       {after: time.Millisecond, expected: maxFollowed + 1, want: true},
		"another scene":        {after: time.Millisecond, expected: 1, restart: true, want: true},
		"a clock set back":     {after: -time.Millisecond, expected: 1, want: true},
		"without refinement":   {change: func(c *Config) { c.Refine = false }, expected: 1, want: true},
		"every frame searched": {change: func(c *Config) { c.SearchEvery = 0 }, expected: 1, want: true},
	} {
		s := NewSearch(Default())
		s.Due(epoch, 0)
		s.Done(epoch)
		cfg := Default()
		if test.change != nil {
			test.change(&cfg)
		}
		s.Configure(cfg)
		s.Add(image.Rect(0, 0, 1, 1))
		if test.restart {
			s.Restart()
		}
		if _, got := s.Due(epoch.Add(test.after), test.expected); got != test.want {
			t.Errorf("%s: due %v", name, got)
		}
	}
}
