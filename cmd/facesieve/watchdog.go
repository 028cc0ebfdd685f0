package main

import (
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
	"github.com/rs/zerolog"
)

// watchdog speaks with systemd, if the program runs under it.
type watchdog struct {
	limit time.Duration // within which systemd wants to hear; 0: not at all
	log   zerolog.Logger
}

// startWatchdog tells systemd that everything is up.
func startWatchdog(log zerolog.Logger) watchdog {
	w := watchdog{log: log}
	w.notify(daemon.SdNotifyReady)
	limit, err := daemon.SdWatchdogEnabled(false)
	if err != nil {
		log.Warn().Err(err).Msg("systemd's watchdog setting cannot be read")
	}
	w.limit = limit
	return w
}

// pet says that the program is well, if every pipeline has gone round lately; a source without frames is no reason to
// worry, since a pipeline goes round then too.
func (w watchdog) pet(now time.Time, stations []*station) {
	if w.limit == 0 {
		return
	}
	for _, s := range stations {
		pulse := time.Unix(0, s.pipeline.pulse.Load())
		if !s.pipeline.ended.Load() && now.Sub(pulse) > w.limit/2 {
			w.log.Error().Str("camera", s.name).Time("since", pulse).Msg("pipeline hangs")
			return
		}
	}
	w.notify(daemon.SdNotifyWatchdog)
}

// stopping tells systemd that the end has begun.
func (w watchdog) stopping() { w.notify(daemon.SdNotifyStopping) }

func (w watchdog) notify(state string) {
	if _, err := daemon.SdNotify(false, state); err != nil {
		w.log.Warn().Err(err).Msg("systemd cannot be told")
	}
}
