package main

import (
	"time"

	"facesieve/capture"
	"facesieve/publish"
)

// told is what was said last about a camera.
type told struct {
	state        publish.State
	at           time.Time
	frames, sent uint64
}

// ended says whether the station's work is over.
func (s *station) ended() bool {
	select {
	case <-s.flushed:
		return true
	default:
		return false
	}
}

// word is the present state in the words of the state topic, and why it is not running, if that is known.
func (s *station) word() (word, why string) {
	s.mutex.Lock()
	working, fault := s.pipeline != nil, s.fault
	s.mutex.Unlock()
	switch {
	case fault != nil:
		why = fault.Error()
	case s.source != nil:
		why = s.source.Stats().LastError
	}
	switch {
	case s.ended(), !working && !s.endless():
		return publish.Stopped, why
	case !working:
		return publish.Reconnecting, why
	}
	switch s.source.State() {
	case capture.Running:
		return publish.Running, ""
	case capture.Stopped:
		return publish.Stopped, why
	default:
		return publish.Reconnecting, why
	}
}

// news returns the camera's state if it is another than before, or stateInterval has passed.
func (s *station) news(now time.Time) (publish.State, bool) {
	word, _ := s.word()
	t := &s.told
	if word == t.state.State && now.Sub(t.at) < stateInterval {
		return publish.State{}, false
	}
	if word != t.state.State {
		t.state.State, t.state.Since = word, now
	}
	frames, sent := s.counts.frames.Load(), s.counts.sent.Load()
	if seconds := now.Sub(t.at).Seconds(); !t.at.IsZero() && seconds > 0 {
		t.state.FPS = float64(frames-t.frames) / seconds
		t.state.FacesPerSecond = float64(sent-t.sent) / seconds
	}
	t.at, t.frames, t.sent = now, frames, sent
	return t.state, true
}

// steps are what a station has done so far.
type steps struct{ rounds, frames, captured uint64 }

// steps returns what the station has done, and whether anything is to be expected of it at the moment.
func (s *station) steps() (steps, bool) {
	s.mutex.Lock()
	working := s.pipeline != nil
	s.mutex.Unlock()
	if !working {
		return steps{}, false
	}
	return steps{s.counts.rounds.Load(), s.counts.frames.Load(), s.source.Stats().Frames}, true
}
