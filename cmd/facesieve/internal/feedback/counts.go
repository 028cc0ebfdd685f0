package feedback

import "time"

// mostAnHour is the number of reports of a recogniser that count in one hour, so that a burst outweighs nothing.
const mostAnHour = 60

// counts are the weights of the reports of one recogniser about the faces of one camera.
type counts struct {
	matches, others histogram // by score
	// hours is the weighted sum of the numbers of reports of each full hour, and squares that of their squares.
	hours, squares float64
	present        int // reports in the present hour
}

// add counts a report. It returns false if as many as may count have come in this hour.
func (c *counts) add(score float64, matched bool) bool {
	if c.present >= mostAnHour {
		return false
	}
	c.present++
	if matched {
		c.matches[binOf(score)]++
	} else {
		c.others[binOf(score)]++
	}
	return true
}

// endHour begins another hour, elapsed after the present one began.
func (c *counts) endHour(elapsed time.Duration) {
	factor := decay(elapsed)
	c.hours = (c.hours + float64(c.present)) * factor
	c.squares = (c.squares + float64(c.present)*float64(c.present)) * factor
	c.present = 0
	c.matches.scale(factor)
	c.others.scale(factor)
}

// reports returns the weight of all reports.
func (c *counts) reports() float64 { return c.matches.sum() + c.others.sum() }

// spread returns over how many hours the reports are spread: the number of hours with equally many reports that would
// have the same sums (Kish's effective sample size).
func (c *counts) spread() float64 {
	if c.squares == 0 {
		return 0
	}
	return c.hours * c.hours / c.squares
}
