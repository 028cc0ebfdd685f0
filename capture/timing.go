package capture

import "time"

// defaultPeriod is the period of a source that does not declare its frame rate.
const defaultPeriod = 40 * time.Millisecond

// plausible returns a declared frame rate, or 0 if it is not plausible: back ends report 0, NaN, or the 90000 Hz of the
// clock of the stream.
func plausible(fps float64) float64 {
	if fps > 1e-3 && fps < 1e3 {
		return fps
	}
	return 0
}

// period returns the time between two frames.
func period(fps float64) time.Duration {
	if plausible(fps) == 0 {
		return defaultPeriod
	}
	return time.Duration(float64(time.Second) / fps)
}

// timeline converts the timestamps of a file to increasing positions. OpenCV reports 0 for the last frames of a stream
// with B-frames, some recorders restart their clock within a file, and the timestamps of a damaged file jump.
type timeline struct {
	begun  bool
	last   time.Duration // last position
	offset time.Duration // from a timestamp to a position
}

// next returns the position of the frame with this timestamp. step is the period of the frames. A timestamp that is
// unknown (0) or a little less than the last one counts as one step. A jump of a minute or more is a restart of the
// clock.
func (t *timeline) next(stamp, step time.Duration) time.Duration {
	position := stamp + t.offset
	limit := max(time.Minute, 2*step)
	switch {
	case !t.begun:
		t.begun = true
		position = max(position, 0)
	case stamp == 0:
		position = t.last + step
	case position >= t.last+limit || position <= t.last-limit:
		position = t.last + step
		t.offset = position - stamp
	case position <= t.last:
		position = t.last + step
	}
	t.last = position
	return position
}

// startRound starts the next round: its timestamps begin at 0, and its positions continue after the last one.
func (t *timeline) startRound(step time.Duration) {
	if t.begun {
		t.last += step
		t.offset = t.last
		t.begun = false
	}
}

const (
	// staleLimit is the time after opening from which no frame counts as stale.
	staleLimit = 3 * time.Second
	// waitingRead is longer than a decoder takes to start. A read that takes this long has waited for the camera.
	waitingRead = 500 * time.Millisecond
)

// staleFilter detects the stale frames at the beginning of a live stream: those that the back end has buffered while
// the stream was opened, and those since the last key frame, which some cameras send first. They are delivered in quick
// succession, so a read takes less time than the period of the frames. The stale frames end when two of three reads
// take as long as the period. One slow read is not sufficient, because the decoder may be starting.
type staleFilter struct {
	step   time.Duration // period of the frames if their timestamps are unknown
	until  time.Time
	stamp  time.Duration // of the last frame
	waited [3]bool       // whether the last reads took as long as the period
	done   bool
}

func newStaleFilter(step time.Duration, opened time.Time) staleFilter {
	return staleFilter{step: step, until: opened.Add(staleLimit)}
}

// stale reports whether a frame is stale, from its timestamp, the duration of its read, and the time at its end.
func (f *staleFilter) stale(stamp, took time.Duration, now time.Time) bool {
	if f.done {
		return false
	}
	between := stamp - f.stamp
	f.stamp = stamp
	if between <= 0 || between > time.Second {
		between = f.step
	}
	f.waited = [3]bool{f.waited[1], f.waited[2], took >= between*3/4}
	count := 0
	for _, waited := range f.waited {
		if waited {
			count++
		}
	}
	f.done = count >= 2 || took >= waitingRead || now.After(f.until)
	return !f.done
}

const (
	// maxPause is the maximum time for which a slow stream may deliver no frame.
	maxPause = time.Minute
	// recentPauses is the number of recent pauses between frames that are used.
	recentPauses = 8
)

// readLimit determines how long a live stream may deliver no frame. Config.ReadTimeout is for streams of several frames
// a second, but some streams have one frame in several seconds.
type readLimit struct {
	opening, reading time.Duration // Config.OpenTimeout and Config.ReadTimeout
	declared         time.Duration // period of the frames, as declared by the stream; 0: unknown
	last             time.Time     // of the newest frame
	pauses           [recentPauses]time.Duration
	frames           int
}

func newReadLimit(cfg Config) readLimit {
	return readLimit{opening: cfg.OpenTimeout, reading: cfg.ReadTimeout}
}

// next returns how long the next frame may take.
func (l *readLimit) next() time.Duration {
	slowest := l.declared
	for _, pause := range l.pauses {
		slowest = max(slowest, pause)
	}
	limit := max(l.reading, min(3*slowest, maxPause))
	if l.frames < 2 { // the rate of the stream is not known yet
		limit = max(limit, l.opening)
	}
	return limit
}

// add records a frame that arrived at this time. One that was omitted counts only after one that was decoded.
func (l *readLimit) add(at time.Time, why omission) {
	if l.frames == 0 && why != delivered {
		return
	}
	if l.frames > 0 {
		l.pauses[l.frames%recentPauses] = at.Sub(l.last)
	}
	l.frames++
	l.last = at
}

// slowest returns the maximum of next.
func (l *readLimit) slowest() time.Duration { return max(l.opening, l.reading, maxPause) }

// grid selects at most one frame of each period, the first that is decoded. Sampler in C++ omits frames before they are
// decoded by the same grid.
type grid struct {
	period time.Duration
	number int64     // of the period of the last selected frame
	at     time.Time // when that frame was read; zero: none was
}

// selects reports whether a frame with this timestamp, read at this time, is delivered. A period of 0 selects all.
// Timestamps that jump back begin anew. A live source whose timestamps are wrong is limited by the clock: a frame is
// selected after two periods at the latest, and after half a period at the earliest.
func (g *grid) selects(stamp, period time.Duration, now time.Time, live bool) bool {
	if period != g.period {
		*g = grid{period: period}
	}
	if period <= 0 {
		return true
	}
	shifted := stamp + period/10 // timestamps jitter
	number := int64(shifted / period)
	if shifted < 0 && shifted%period != 0 {
		number--
	}
	passed := now.Sub(g.at)
	first := g.at.IsZero()
	due := number > g.number || number < g.number-1
	if live {
		due = due && passed >= period/2 || passed >= 2*period
	}
	if !first && !due {
		return false
	}
	g.number, g.at = number, now
	return true
}
