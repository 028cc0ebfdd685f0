package capture

import "time"

// catchUpLimit ends the catching-up after an open even where every frame comes at once.
const catchUpLimit = 3 * time.Second

// catchUp tells the stale frames at the beginning of a live stream. Opening one takes a while in which the back end
// gathers frames (FFmpeg probes for seconds), and cameras send from their last key frame on; all that is delivered in
// one rush and shows the past. The first frame that had to be waited for ends the rush.
type catchUp struct {
	waiting time.Duration // a read this long has waited for the camera
	until   time.Time
	over    bool
}

func newCatchUp(step time.Duration, opened time.Time) catchUp {
	return catchUp{waiting: step / 4, until: opened.Add(catchUpLimit)}
}

// stale judges a frame by how long its read took and when it ended.
func (c *catchUp) stale(took time.Duration, now time.Time) bool {
	if !c.over {
		c.over = took >= c.waiting || now.After(c.until)
	}
	return !c.over
}
