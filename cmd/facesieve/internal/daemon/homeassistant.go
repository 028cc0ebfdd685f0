package daemon

import (
	"facesieve/publish"
	"facesieve/publish/broker"
	"facesieve/publish/event"
	"facesieve/publish/hass"
)

// announce publishes the configured cameras to Home Assistant. The caller holds the mutex.
func (u *uplink) announce() {
	cfg := u.cfg.mqtt
	if !cfg.HomeAssistant || u.cameras == nil {
		return
	}
	messages, err := hass.Discovery(hass.Device{
		Name: cfg.Device, Version: u.version, Topics: cfg.Topics(), Cameras: u.cameras, Control: cfg.Control,
	})
	if err != nil {
		u.log.Error().Err(err).Msg("the cameras cannot be published to Home Assistant")
		return
	}
	u.publisher.SetDiscovery(messages)
}

// sameDiscovery reports whether the messages for Home Assistant of one configuration stay in another: the next
// publisher replaces them.
func sameDiscovery(now, next publish.Config) bool {
	return next.HomeAssistant && now.Broker == next.Broker && now.Listen == next.Listen &&
		now.Topics() == next.Topics() && now.Device == next.Device
}

// SetDevice publishes the state of the device.
func (u *uplink) SetDevice(d event.Device) error {
	u.mutex.Lock()
	defer u.mutex.Unlock()
	u.device = d
	return u.publisher.SetDevice(d)
}

// SetResult publishes the answer to a command.
func (u *uplink) SetResult(r event.Result) error {
	u.mutex.RLock()
	defer u.mutex.RUnlock()
	return u.publisher.SetResult(r)
}

// permitClients permits the clients of the embedded broker to publish what the configuration expects from them.
func permitClients(b *broker.Broker, cfg uplinkConfig) {
	var filters []string
	if cfg.mqtt.Control {
		for _, setting := range settingNames() {
			filters = append(filters, cfg.mqtt.Topics().Set("+", setting))
		}
	}
	if cfg.feedback {
		filters = append(filters, cfg.mqtt.Topics().Feedback("+"))
	}
	if cfg.mqtt.HomeAssistant {
		filters = append(filters, hass.StatusTopic)
	}
	b.Permit(filters...)
}

// reportDevice publishes the state of the device every stateInterval.
func (d *Daemon) reportDevice(s *State) {
	if s.Time.Sub(d.deviceReported) < stateInterval {
		return
	}
	d.deviceReported = s.Time
	waiting := max(0, s.Uplink.Queued)
	err := d.uplink.SetDevice(event.Device{
		Version: d.options.Version,
		Outbox:  event.Outbox{Waiting: uint64(waiting), Dropped: s.Uplink.Dropped.Total()}, //nolint:gosec // not negative
	})
	if err != nil {
		d.log.Error().Err(err).Msg("cannot report the state of the device")
	}
}
