package health

import (
	"testing"
	"time"

	"gocv.io/x/gocv"

	"facesieve/cmd/facesieve/internal/testsupport"
	"facesieve/publish/event"
)

// Each fault of the picture is found after the time that it must last, on the first day and on a later one, and ends
// when the picture is as before.
func TestFaultsOfThePicture(t *testing.T) {
	usual := sceneWindow(t, 1, asItIs)
	after := map[string]time.Duration{
		Covered: time.Minute, Dark: 5 * time.Minute, Moved: 3 * time.Minute, Dirty: 5 * time.Minute,
	}
	for _, fault := range pictureFaults() {
		t.Run(fault.name, func(t *testing.T) {
			faulty := sceneWindow(t, 1, fault.apply)
			for _, pause := range []time.Duration{0, 23 * time.Hour} {
				p := newPlayer()
				p.play(t, 35*time.Minute, usual)
				if p.now = p.now.Add(pause); !p.only("", 0) || p.monitor.health.State != event.HealthOK {
					t.Fatalf("before the fault: %v %+v", p.reasons, p.monitor.health)
				}
				p.play(t, 7*time.Minute, faulty)
				known := fault.reason != Dark || pause > 0 || faulty.brightness < blackLevel
				if known && !p.only(fault.reason, after[fault.reason]) || !known && !p.only("", 0) {
					t.Errorf("after a pause of %v: %v", pause, p.reasons)
				}
				if h := p.monitor.health; fault.reason != "" && known && (h.Detail == "" || h.Measure == "" ||
					h.Measured == h.Limit || h.Since != noon().Add(35*time.Minute+pause+after[fault.reason])) {
					t.Errorf("%+v", h)
				}
				p.play(t, 2*time.Minute, usual)
				if p.monitor.health.State != event.HealthOK {
					t.Errorf("after the fault: %+v", p.monitor.health)
				}
			}
		})
	}
}

// A fault that does not last is not reported, and a new camera is compared with nothing.
func TestShortFaultsAndNewCameras(t *testing.T) {
	usual, covered := sceneWindow(t, 1, asItIs), sceneWindow(t, 1, pictureFaults()[9].apply)
	other := sceneWindow(t, 2, asItIs)
	p := newPlayer()
	p.play(t, 5*time.Minute, usual)
	p.play(t, 4*time.Minute, other)
	if !p.only("", 0) || p.monitor.health.State != event.HealthLearning {
		t.Errorf("%v %+v", p.reasons, p.monitor.health)
	}
	p = newPlayer()
	p.play(t, time.Hour, usual)
	p.play(t, 10*time.Minute, usual, usual, usual, covered, covered, covered, covered, covered)
	if !p.only("", 0) {
		t.Error(p.reasons)
	}
}

// A camera that shows several scenes in turn, as a channel sequencer does, has not moved. It can be covered.
func TestSeveralScenes(t *testing.T) {
	var tour []window
	for seed := range uint64(3) {
		w := sceneWindow(t, seed+1, asItIs)
		tour = append(tour, w, w, w, w)
	}
	p := newPlayer()
	p.play(t, time.Hour, tour...)
	if !p.only("", 0) || p.monitor.health.State != event.HealthOK {
		t.Errorf("%v %+v", p.reasons, p.monitor.health)
	}
	p.play(t, 5*time.Minute, sceneWindow(t, 1, pictureFaults()[9].apply))
	if !p.only(Covered, time.Minute) {
		t.Error(p.reasons)
	}
}

// A new position is reported for a day, and is then the usual one.
func TestNewPositionAfterADay(t *testing.T) {
	usual, turned := sceneWindow(t, 1, asItIs), sceneWindow(t, 1, func(f *gocv.Mat, _ float64) { move(f, 0, 0.06) })
	p := newPlayer()
	p.play(t, 15*time.Minute, usual)
	turned.length = 3 * time.Minute // to be quick
	p.play(t, 24*time.Hour, turned)
	if !p.only(Moved, 3*time.Minute) || p.monitor.health.State != event.HealthDegraded {
		t.Errorf("%v %+v", p.reasons, p.monitor.health)
	}
	p.play(t, 20*time.Minute, turned)
	if p.monitor.health.State != event.HealthOK {
		t.Errorf("%+v", p.monitor.health)
	}
	p.play(t, 5*time.Minute, usual)
	if !p.only(Moved, 3*time.Minute) {
		t.Error(p.reasons)
	}
}

// Darkness is a fault only at an hour that is usually bright.
func TestNightIsUsual(t *testing.T) {
	day, night := sceneWindow(t, 1, asItIs), sceneWindow(t, 1, func(f *gocv.Mat, _ float64) { gain(f, 0.05, 0) })
	p := newPlayer()
	for range 3 {
		p.now = time.Date(p.now.Year(), p.now.Month(), p.now.Day()+1, 12, 5, 0, 0, time.Local)
		p.play(t, 40*time.Minute, day)
		p.now = p.now.Add(9 * time.Hour)
		p.play(t, 40*time.Minute, night)
		if !p.only("", 0) {
			t.Error(p.reasons)
		}
	}
	p.now = p.now.Add(15 * time.Hour) // noon
	p.play(t, 10*time.Minute, night)
	if !p.only(Dark, 5*time.Minute) {
		t.Error(p.reasons)
	}
}

// A clock that jumps, or a camera that pauses, begins another window, and no fault lasts over the pause.
func TestClockJumps(t *testing.T) {
	usual, covered := drawScene(t, 1), drawScene(t, 1)
	defer usual.Close()
	defer covered.Close()
	pictureFaults()[9].apply(&covered, 1)
	m, now := newMonitor(), noon()
	add := func(frame gocv.Mat, seconds int) {
		for range seconds {
			now = now.Add(time.Second)
			p, err := newPicture(now, frame)
			testsupport.Must(t, err, m.add(p))
		}
	}
	add(usual, 30)
	for _, jump := range []time.Duration{-24 * time.Hour, time.Hour, -time.Minute, 365 * 24 * time.Hour} {
		add(covered, 40)
		now = now.Add(jump)
		add(usual, 30)
		if m.health.State != event.HealthLearning {
			t.Errorf("after a jump of %v: %+v", jump, m.health)
		}
	}
	add(covered, 75)
	if m.health.Reason != Covered {
		t.Errorf("%+v", m.health)
	}
}

// Faces that score lower than usual are reported only if there are enough, and only against those of the same hours.
func TestLowScores(t *testing.T) {
	var s scores
	at := noon()
	visits := func(count int, score float64) {
		for range count {
			at = at.Add(time.Minute)
			s.add(at, score)
		}
	}
	visits(60, 52)
	at = at.Add(22 * time.Hour)
	visits(29, 30)
	at = at.Add(9 * time.Hour) // at night nothing is usual yet
	visits(29, 5)
	if f := s.check(); f.present {
		t.Errorf("%+v", f)
	}
	at = at.Add(14*time.Hour + 30*time.Minute)
	visits(29, 30)
	if f := s.check(); f.present {
		t.Errorf("%+v", f)
	}
	visits(1, 30)
	if f := s.check(); !f.present || f.measured != 30 || f.limit < 30 || f.limit > 40 {
		t.Errorf("%+v", f)
	}
	visits(16, 52)
	if f := s.check(); f.present {
		t.Errorf("%+v", f)
	}
}
