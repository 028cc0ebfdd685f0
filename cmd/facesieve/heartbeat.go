package main

import (
	"time"

	"github.com/rs/zerolog"
)

// heartbeat says when systemd's watchdog may be told that the program is well: when every camera's pipeline has made
// steps since it was told last, and the publisher is not stuck. A clock alone proves nothing; a camera or a broker that is
// away is no reason to worry, for pipeline and publisher go on all the same.
type heartbeat struct {
	limit time.Duration // within which systemd wants to hear; 0: not at all
	log   zerolog.Logger
	last  time.Time
	seen  map[*station]steps // at the last beat
	said  bool               // what keeps the heart from beating
}

func newHeartbeat(limit time.Duration, log zerolog.Logger) *heartbeat {
	return &heartbeat{limit: limit, log: log, last: time.Now()}
}

// due says whether it is time to tell, and everything has gone on.
func (h *heartbeat) due(now time.Time, stations []*station, stuck bool) bool {
	if h.limit == 0 || now.Sub(h.last) < h.limit/4 {
		return false
	}
	if stuck {
		h.complain("the publisher")
		return false
	}
	seen := map[*station]steps{}
	for _, s := range stations {
		now, expected := s.steps()
		if !expected {
			continue
		}
		if before, ok := h.seen[s]; ok && !now.goesOn(before) {
			h.complain("camera " + s.name)
			return false
		}
		seen[s] = now
	}
	h.last, h.seen, h.said = now, seen, false
	return true
}

// goesOn says whether there was a step since before; with a frame, if the source has brought any.
func (p steps) goesOn(before steps) bool {
	return p.rounds > before.rounds && (p.captured == before.captured || p.frames > before.frames)
}

// complain logs who hangs, once, when half the time is over.
func (h *heartbeat) complain(who string) {
	if h.said || time.Since(h.last) < h.limit/2 {
		return
	}
	h.said = true
	h.log.Error().Str("who", who).Str("after", time.Since(h.last).Round(time.Second).String()).
		Msg("hangs; systemd will end the program unless it continues")
}
