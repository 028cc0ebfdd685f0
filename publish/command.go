package publish

import (
	"errors"

	"facesieve/publish/event"
)

// ErrNotConnected is returned for a result that cannot be sent: results are not stored.
var ErrNotConnected = errors.New("not connected to the broker")

// OnCommand subscribes to the commands for the cameras, and calls handle for each, one at a time; handle must return at
// once. It has no effect without Config.Control.
func (p *Publisher) OnCommand(handle func(event.Command)) {
	if p.cfg.Control {
		p.handle.Store(&handle)
		p.wakeSession()
	}
}

// SetResult publishes the answer to a command. Answers are not stored: without a connection, or when many wait, it
// returns ErrNotConnected. It sets Schema and Device.
func (p *Publisher) SetResult(r event.Result) error {
	r.Schema, r.Device = event.Version, p.cfg.Device
	payload, err := event.EncodeResult(r)
	if err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed || !p.stats.Connected {
		return ErrNotConnected
	}
	select {
	case p.rejects <- message{event.KindResult, r.Camera, payload}:
		return nil
	default:
		return ErrNotConnected
	}
}

// receiveCommand passes a command to its handler. It reports whether the topic is that of a command.
func (p *Publisher) receiveCommand(topic string, retained bool, payload []byte) bool {
	handle := p.handle.Load()
	camera, setting, ok := p.topics.ParseSet(topic)
	if !ok || handle == nil {
		return false
	}
	if len(payload) > 0 { // an empty one clears a retained command
		(*handle)(event.Command{
			Topic: topic, Camera: camera, Setting: setting, Value: string(payload), Retained: retained,
		})
	}
	return true
}
