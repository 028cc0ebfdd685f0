package daemon

import (
	"time"

	systemd "github.com/coreos/go-systemd/v22/daemon"
	"github.com/rs/zerolog"
)

// notifier sends notifications to systemd, if the program runs under it.
type notifier struct {
	log  zerolog.Logger
	last string // the last status
}

// ready reports that the start, or a reload with any result, has ended.
func (n *notifier) ready() { n.notify(systemd.SdNotifyReady) }

// reloading reports that a reload has begun. systemd compares the time with that of its request.
func (n *notifier) reloading() {
	n.notify(systemd.SdNotifyReloading + "\n" + systemd.SdNotifyMonotonicUsec())
}

// stopping reports that the stop has begun.
func (n *notifier) stopping() { n.notify(systemd.SdNotifyStopping) }

// resetWatchdog resets the watchdog.
func (n *notifier) resetWatchdog() { n.notify(systemd.SdNotifyWatchdog) }

// status sets the line that systemctl status shows.
func (n *notifier) status(line string) {
	if line == n.last {
		return
	}
	n.last = line
	n.notify("STATUS=" + line)
}

// watchdogLimit returns the time within which systemd expects a reset of the watchdog; 0: it expects none.
func (n *notifier) watchdogLimit() time.Duration {
	limit, err := systemd.SdWatchdogEnabled(false)
	if err != nil {
		n.log.Warn().Err(err).Msg("systemd's watchdog setting cannot be read")
	}
	return limit
}

func (n *notifier) notify(state string) {
	if _, err := systemd.SdNotify(false, state); err != nil {
		n.log.Warn().Err(err).Msg("systemd cannot be notified")
	}
}
