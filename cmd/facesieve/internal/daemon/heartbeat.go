package daemon

import (
	"time"

	"github.com/rs/zerolog"
)

// heartbeat decides when systemd's watchdog is reset: only while every camera's pipeline makes progress and the
// publisher responds. A reset by a timer alone would prove nothing. An absent camera or broker does not matter, because
// pipeline and publisher continue without them.
type heartbeat struct {
	limit  time.Duration // within which systemd expects a reset; 0: it expects none
	log    zerolog.Logger
	last   time.Time        // of the last reset
	steps  map[uint64]steps // of each worker at the last reset
	logged bool             // a stall was logged since the last reset
}

// steps is the progress of a worker.
type steps struct{ steps, frames, captured uint64 }

func newHeartbeat(limit time.Duration, log zerolog.Logger) *heartbeat {
	return &heartbeat{limit: limit, log: log, last: time.Now()}
}

// due reports whether the watchdog is to be reset now.
func (h *heartbeat) due(state *State) bool {
	if h.limit == 0 || state.Time.Sub(h.last) < h.limit/4 {
		return false
	}
	if state.UplinkStuck {
		h.logStall("the publisher")
		return false
	}
	current := map[uint64]steps{}
	for _, camera := range state.Cameras {
		if !camera.Active {
			continue
		}
		now := steps{camera.Pipeline.Steps, camera.Pipeline.Frames, camera.Source.Delivered()}
		if before, ok := h.steps[camera.Worker]; ok && !now.advancedSince(before) {
			h.logStall("camera " + camera.Name)
			return false
		}
		current[camera.Worker] = now
	}
	h.last, h.steps, h.logged = state.Time, current, false
	return true
}

// advancedSince reports whether there was a step since before, and one with a frame if the source delivered any.
func (s steps) advancedSince(before steps) bool {
	return s.steps > before.steps && (s.captured == before.captured || s.frames > before.frames)
}

// logStall logs, once, which part makes no progress, when half the limit has passed.
func (h *heartbeat) logStall(part string) {
	if h.logged || time.Since(h.last) < h.limit/2 {
		return
	}
	h.logged = true
	h.log.Error().Str("part", part).Str("after", time.Since(h.last).Round(time.Second).String()).
		Msg("no progress; if this continues, systemd restarts the program")
}
