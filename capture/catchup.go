package capture

import "time"

// catchUpLimit ends the catching-up after an open even where every frame comes at once.
const catchUpLimit = 3 * time.Second

// catchUpWait is longer than the start of a decoder takes. A read that takes this long has waited for the camera.
const catchUpWait = 500 * time.Millisecond

// catchUp tells the stale frames at the beginning of a live stream. Opening one takes a while in which the back end
// gathers frames, and some cameras send from their last key frame on; all that is delivered in one rush and shows the
// past. In the rush a read takes less time than lies between the frames. Two of three reads that took as long end it;
// a single one may be the decoder that starts.
type catchUp struct {
	step   time.Duration // between frames, where their timestamps do not tell
	until  time.Time
	stamp  time.Duration // of the last frame
	waited [3]bool       // the last reads
	over   bool
}

func newCatchUp(step time.Duration, opened time.Time) catchUp {
	return catchUp{step: step, until: opened.Add(catchUpLimit)}
}

// stale judges a frame by its timestamp, how long its read took, and when that ended.
func (c *catchUp) stale(stamp, took time.Duration, now time.Time) bool {
	if c.over {
		return false
	}
	between := stamp - c.stamp
	c.stamp = stamp
	if between <= 0 || between > time.Second {
		between = c.step
	}
	c.waited = [3]bool{c.waited[1], c.waited[2], took >= between*3/4}
	count := 0
	for _, waited := range c.waited {
		if waited {
			count++
		}
	}
	c.over = count >= 2 || took >= catchUpWait || now.After(c.until)
	return !c.over
}
