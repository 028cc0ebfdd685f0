package capture

import (
	"math"
	"slices"
	"testing"
	"time"
)

func TestTimeline(t *testing.T) {
	const step = 40
	for name, c := range map[string]struct{ stamps, want []int }{
		"plain":            {[]int{0, 40, 80, 120}, []int{0, 40, 80, 120}},
		"variable":         {[]int{0, 40, 500, 510}, []int{0, 40, 500, 510}},
		"starts late":      {[]int{33, 66, 100}, []int{33, 66, 100}},
		"starts early":     {[]int{-33, 0, 40}, []int{0, 40, 80}},
		"unknown":          {[]int{0, 0, 0, 0}, []int{0, 40, 80, 120}},
		"unknown at end":   {[]int{0, 40, 80, 0, 0}, []int{0, 40, 80, 120, 160}},
		"decode order":     {[]int{0, 80, 40, 120, 200, 160, 240}, []int{0, 80, 120, 160, 200, 240, 280}},
		"twice the same":   {[]int{40, 40, 80}, []int{40, 80, 120}},
		"clock starts new": {[]int{100000, 100040, 40, 80, 120}, []int{100000, 100040, 100080, 100120, 100160}},
		"clock jumps":      {[]int{0, 40, 9e7, 9e7 + 40}, []int{0, 40, 80, 120}},
	} {
		var line timeline
		var got []int
		for _, stamp := range c.stamps {
			got = append(got, int(line.next(time.Duration(stamp)*time.Millisecond, step*time.Millisecond).Milliseconds()))
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
}

func TestTimelineOfATimeLapse(t *testing.T) {
	var line timeline
	step := period(1.0 / 300) // a frame in five minutes
	for i := range 4 {
		if got := line.next(time.Duration(i)*step, step); got != time.Duration(i)*step {
			t.Errorf("frame %d at %v", i, got)
		}
	}
}

func TestPeriod(t *testing.T) {
	for fps, want := range map[float64]time.Duration{
		25: 40 * time.Millisecond, 0.5: 2 * time.Second,
		0: defaultPeriod, -1: defaultPeriod, 90000: defaultPeriod, math.Inf(1): defaultPeriod, math.NaN(): defaultPeriod,
	} {
		if got := period(fps); got != want {
			t.Errorf("%v: %v, want %v", fps, got, want)
		}
	}
}

// The pauses grow, but each is between the limits.
func TestBackOff(t *testing.T) {
	const shortest, longest = time.Second, 30 * time.Second
	b := newBackOff(shortest, longest)
	maximum := time.Duration(0)
	for i := range 1000 {
		pause := b.NextBackOff()
		if pause < shortest || pause > longest || pause > 3*shortest<<min(i, 10) {
			t.Fatalf("pause %d is %v", i, pause)
		}
		maximum = max(maximum, pause)
	}
	if maximum < 20*time.Second {
		t.Errorf("the longest of 1000 pauses is %v", maximum)
	}
	b.Reset()
	if pause := b.NextBackOff(); pause > 3*shortest {
		t.Errorf("%v after a reset", pause)
	}
	if pause := newBackOff(shortest, shortest).NextBackOff(); pause != shortest {
		t.Errorf("%v, want one second exactly", pause)
	}
	narrow := newBackOff(shortest, 2*shortest)
	for range 100 {
		if pause := narrow.NextBackOff(); pause < shortest || pause > 2*shortest {
			t.Fatalf("%v is not between 1s and 2s", pause)
		}
	}
}

func TestStaleFilter(t *testing.T) {
	opened := time.Now()
	for name, c := range map[string]struct { // milliseconds; want is 1 where a frame is stale
		between    int
		took, want []int
	}{
		"all at once":            {40, []int{1, 1, 1, 38, 39, 1, 1}, []int{1, 1, 1, 1, 0, 0, 0}},
		"a slow decoder":         {40, []int{25, 25, 25, 25, 38, 39}, []int{1, 1, 1, 1, 1, 0}},
		"a decoder starts":       {40, []int{90, 1, 1, 1, 38, 39, 1}, []int{1, 1, 1, 1, 1, 0, 0}},
		"frames come in twos":    {40, []int{1, 1, 78, 1, 79, 1}, []int{1, 1, 1, 1, 0, 0}},
		"a fast camera":          {10, []int{1, 1, 9, 9, 9}, []int{1, 1, 1, 0, 0}},
		"no timestamps":          {0, []int{1, 1, 38, 38, 1}, []int{1, 1, 1, 0, 0}},
		"too long":               {40, []int{1, 1, 1, 3000, 1}, []int{1, 1, 1, 0, 0}},
		"a slow camera":          {1000, []int{600, 1000, 1000}, []int{0, 0, 0}},
		"all at once, then slow": {1000, []int{1, 1, 900, 1000}, []int{1, 1, 0, 0}},
	} {
		filter := newStaleFilter(40*time.Millisecond, opened)
		now := opened
		var got []int
		for i, took := range c.took {
			stamp, took := time.Duration(i*c.between)*time.Millisecond, time.Duration(took)*time.Millisecond
			now = now.Add(took)
			stale := 0
			if filter.stale(stamp, took, now) {
				stale = 1
			}
			got = append(got, stale)
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
}

func TestReadLimit(t *testing.T) {
	now := time.Now()
	at := func(seconds float64) time.Time { return now.Add(time.Duration(seconds * float64(time.Second))) }
	for name, c := range map[string]struct {
		declared time.Duration
		frames   []float64
		want     time.Duration
	}{
		"before the first frame": {0, nil, 10 * time.Second},
		"rate unknown":           {0, []float64{0}, 10 * time.Second},
		"usual":                  {0, []float64{0, 0.04, 0.08}, 5 * time.Second},
		"slow":                   {0, []float64{0, 4, 8}, 12 * time.Second},
		"very slow":              {0, []float64{0, 50, 100}, maxPause},
		"declared slow":          {20 * time.Second, []float64{0}, maxPause},
		"slow long ago":          {0, []float64{0, 4, 4.1, 4.2, 4.3, 4.4, 4.5, 4.6, 4.7, 4.8}, 5 * time.Second},
	} {
		limit := readLimit{opening: 10 * time.Second, reading: 5 * time.Second, declared: c.declared}
		for _, frame := range c.frames {
			limit.add(at(frame), delivered)
		}
		if got := limit.next(); got != c.want {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
}
