package main

import (
	"time"

	systemd "github.com/coreos/go-systemd/v22/daemon"
	"github.com/rs/zerolog"
)

// notifier speaks with systemd, if the program runs under it.
type notifier struct {
	log  zerolog.Logger
	said string // the last status
}

// ready tells that everything is up, or that a reload is over, whatever became of it.
func (n *notifier) ready() { n.notify(systemd.SdNotifyReady) }

// reloading tells that a reload has begun. systemd compares the time with that of its request.
func (n *notifier) reloading() {
	n.notify(systemd.SdNotifyReloading + "\n" + systemd.SdNotifyMonotonicUsec())
}

// stopping tells that the end has begun.
func (n *notifier) stopping() { n.notify(systemd.SdNotifyStopping) }

// alive pets the watchdog.
func (n *notifier) alive() { n.notify(systemd.SdNotifyWatchdog) }

// status tells a person how things are; systemctl status shows it.
func (n *notifier) status(line string) {
	if line == n.said {
		return
	}
	n.said = line
	n.notify("STATUS=" + line)
}

// patience is how long systemd waits for the next alive; 0: it does not wait for any.
func (n *notifier) patience() time.Duration {
	limit, err := systemd.SdWatchdogEnabled(false)
	if err != nil {
		n.log.Warn().Err(err).Msg("systemd's watchdog setting cannot be read")
	}
	return limit
}

func (n *notifier) notify(state string) {
	if _, err := systemd.SdNotify(false, state); err != nil {
		n.log.Warn().Err(err).Msg("systemd cannot be told")
	}
}
