package capture

import "time"

// catchUpLimit ends the catching-up after an open even where every frame comes at once.
const catchUpLimit = 3 * time.Second

// catchUp tells the stale frames at the beginning of a live stream. Opening one takes a while in which the back end
// gathers frames (FFmpeg probes for a second or more), and cameras send from their last key frame on; all that is
// delivered in one rush and shows the past. Two of three reads that had to wait for the camera end the rush; one may
// be the decoder that starts.
type catchUp struct {
	waiting time.Duration // a read this long has waited
	until   time.Time
	waited  [3]bool // the last reads
	over    bool
}

func newCatchUp(step time.Duration, opened time.Time) catchUp {
	return catchUp{waiting: step / 4, until: opened.Add(catchUpLimit)}
}

// stale judges a frame by how long its read took and when it ended.
func (c *catchUp) stale(took time.Duration, now time.Time) bool {
	if c.over {
		return false
	}
	c.waited = [3]bool{c.waited[1], c.waited[2], took >= c.waiting}
	count := 0
	for _, waited := range c.waited {
		if waited {
			count++
		}
	}
	c.over = count >= 2 || now.After(c.until)
	return !c.over
}
