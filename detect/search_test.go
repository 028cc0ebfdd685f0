package detect

import (
	"testing"
	"time"
)

// At any frame rate that permits it, a frame is searched at least once in the period, so that a face appears that late at
// most, and not much more often.
func TestASearchInEveryPeriod(t *testing.T) {
	cfg := Default()
	for _, rate := range []int{1, 3, 4, 10, 25} {
		s := NewSearch(cfg)
		searched, last := 0, epoch
		frame := time.Second / time.Duration(rate)
		for i := range 10 * rate {
			at := epoch.Add(time.Duration(i) * frame)
			if !s.Due(at, 2) {
				continue
			}
			if gap := at.Sub(last); gap > max(cfg.SearchEvery, frame) {
				t.Errorf("%d frames a second: no search for %v", rate, gap)
			}
			s.Done(at)
			searched, last = searched+1, at
		}
		if most := 10*min(rate, int(time.Second/cfg.SearchEvery)) + 10; searched > most {
			t.Errorf("%d frames a second: %d searches in 10 s, at most %d wanted", rate, searched, most)
		}
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
		"nobody":               {after: 149 * time.Millisecond},
		"some faces":           {after: 149 * time.Millisecond, expected: maxFollowed},
		"a low frame rate":     {after: 151 * time.Millisecond, expected: 1, want: true},
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
		if test.restart {
			s.Restart()
		}
		if got := s.Due(epoch.Add(test.after), test.expected); got != test.want {
			t.Errorf("%s: due %v", name, got)
		}
	}
}
