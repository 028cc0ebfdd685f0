package health

import (
	"fmt"
	"math"
	"time"

	"facesieve/publish/event"
)

// Reasons of a degraded picture, in event.Health.
const (
	Covered   = "covered"
	Dark      = "dark"
	Moved     = "moved"
	Dirty     = "dirty_or_out_of_focus"
	LowScores = "low_scores"
)

// Reasons returns all reasons, in the order of their rank: the first that applies is reported.
func Reasons() []string { return []string{Covered, Dark, Moved, Dirty, LowScores} }

// finding is the result of one check.
type finding struct {
	present  bool
	measure  string
	measured float64
	limit    float64
	unit     string
	detail   string
}

// alarm is raised by a finding that lasts, and cleared when it is gone for a while. Both times are on the clock of the
// frames.
type alarm struct {
	reason    string
	raise     time.Duration // how long the finding must last
	clear     time.Duration // how long it must be gone
	present   time.Duration // how long it lasts; 0: it is gone
	gone      time.Duration // how long it is gone since it was present last
	raisedFor time.Duration // how long the alarm is raised
	raised    bool
	last      finding // that was present
}

// newAlarms returns the alarms in the order of their rank: the first that is raised is reported.
func newAlarms() []*alarm {
	return []*alarm{
		{reason: Covered, raise: time.Minute, clear: 30 * time.Second},
		{reason: Dark, raise: 5 * time.Minute, clear: time.Minute},
		{reason: Moved, raise: 3 * time.Minute, clear: time.Minute},
		{reason: Dirty, raise: 5 * time.Minute, clear: time.Minute},
		{reason: LowScores},
	}
}

// update takes the result of a check, and the time since the last one.
func (a *alarm) update(f finding, passed time.Duration) {
	if f.present {
		a.last, a.gone = f, 0
		a.present += passed
	} else {
		a.present = 0
		a.gone += passed
	}
	switch {
	case !a.raised && f.present && a.present >= a.raise:
		a.raised, a.raisedFor = true, 0
	case a.raised && !f.present && a.gone >= a.clear:
		a.raised = false
	case a.raised:
		a.raisedFor += passed
	}
}

// pending reports whether the check finds something now, or did a moment ago, so that nothing must be learned.
func (a *alarm) pending() bool { return a.raised || a.present > 0 }

// reset discards everything.
func (a *alarm) reset() { *a = alarm{reason: a.reason, raise: a.raise, clear: a.clear} }

// health returns the state of health of the first alarm that is raised; without one, state.
func health(alarms []*alarm, state string) event.Health {
	for _, a := range alarms {
		if a.raised {
			f := a.last
			return event.Health{
				State: event.HealthDegraded, Reason: a.reason, Measure: f.measure,
				Measured: round(f.measured), Limit: round(f.limit), Unit: f.unit, Detail: f.detail,
			}
		}
	}
	return event.Health{State: state}
}

// round rounds to one decimal.
func round(v float64) float64 { return math.Round(10*v) / 10 }

func coveredText(detail float64) finding {
	return finding{
		present: true, measure: "PictureDetail", measured: 100 * detail, limit: 100 * (1 - lostShare), unit: "%",
		detail: fmt.Sprintf("the picture shows almost no detail (%.0f %% of the usual, limit %.0f %%): remove what covers "+
			"the lens", 100*detail, 100*(1-lostShare)),
	}
}

func darkText(brightness float64, usual bool) finding {
	f := finding{
		present: true, measure: "PictureBrightness", measured: 100 * brightness / 255, limit: 100 * darkLevel / 255, unit: "%",
	}
	when := ""
	if usual {
		when = " at an hour when it usually is not"
	}
	f.detail = fmt.Sprintf("the picture is dark (brightness %.0f %%, limit %.0f %%)%s: check the light, the infrared lamp "+
		"and the lens", f.measured, f.limit, when)
	return f
}

func movedText(d displacement) finding {
	const fix = ": turn the camera back, or leave it: after 24 h this position is taken as the usual one"
	if d.moved() {
		return finding{
			present: true, measure: "PictureShift", measured: 100 * d.distance(), limit: 100 * minShift, unit: "%",
			detail: fmt.Sprintf("the picture has moved by %.0f %% (limit %.0f %%)%s", 100*d.distance(), 100*minShift, fix),
		}
	}
	match := 100 * max(0, d.same)
	return finding{
		present: true, measure: "PictureMatch", measured: match, limit: 100 * minMatch, unit: "%",
		detail: fmt.Sprintf("the picture shows another scene (%.0f %% match, limit %.0f %%)%s", match, 100*minMatch, fix),
	}
}

func dirtyText(impaired, limit float64) finding {
	limit = max(impairedShare, limit) // not the one at which it ends
	return finding{
		present: true, measure: "PictureImpaired", measured: 100 * impaired, limit: 100 * limit, unit: "%",
		detail: fmt.Sprintf("%.0f %% of the picture is blurred or dull (limit %.0f %%): clean the lens or refocus",
			100*impaired, 100*limit),
	}
}

func lowScoresText(score, usual float64) finding {
	return finding{
		present: true, measure: "FaceScore", measured: score, limit: max(0, usual-scoreDrop),
		detail: fmt.Sprintf("faces score %.0f (median of the last %d visits), usually %.0f: clean the lens, and check focus "+
			"and light", score, scoreVisits, usual),
	}
}
