package main

import (
	"time"

	"facesieve/capture"
	"facesieve/publish/event"
)

// told is what was said last about a camera.
type told struct {
	state        event.State
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
		return event.Stopped, why
	case !working:
		return event.Reconnecting, why
	}
	switch s.source.State() {
	case capture.Running:
		return event.Running, ""
	case capture.Stopped:
		return event.Stopped, why
	default:
		return event.Reconnecting, why
	}
}

// reason returns why the camera is not running: a fixed reason for programs, and a text. Unknown ones are empty.
func (s *station) reason(state, why string) (reason, detail string) {
	if state == event.Running || s.source == nil {
		return "", clipped(why)
	}
	stats := s.source.Stats()
	if state == event.Reconnecting && why != "" && !stats.NextTry.IsZero() {
		why += "; the next try is at " + stats.NextTry.UTC().Format(time.RFC3339)
	}
	return string(stats.Reason), clipped(why)
}

// clipped cuts a text to the length that a published state may have.
func clipped(text string) string {
	const most = 500
	if r := []rune(text); len(r) > most {
		return string(r[:most-1]) + "…"
	}
	return text
}

// news returns the camera's state if it is another than before, or stateInterval has passed.
func (s *station) news(now time.Time) (event.State, bool) {
	word, why := s.word()
	reason, detail := s.reason(word, why)
	t := &s.told
	if word == t.state.State && reason == t.state.Reason && now.Sub(t.at) < stateInterval {
		return event.State{}, false
	}
	t.state.Reason, t.state.Detail = reason, detail
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
