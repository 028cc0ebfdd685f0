package publish

import (
	"context"
	"errors"
	"fmt"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"
)

var errNoAck = errors.New("the broker acknowledges nothing")

// session serves one connection.
type session struct {
	p        *Publisher
	link     *link
	number   uint64
	inflight []mqtt.Token // of the oldest entries of the queue, in their order
	moved    time.Time    // when an acknowledgement came last, or the first of the window was sent
	progress bool         // whether any came
}

// begin says that the device is online. It is the first message, so that it is never newer than the last will.
func (s *session) begin() error {
	s.p.states.forget()
	_, err := s.link.publish(s.p.topics.Status(), 1, true, []byte(Online))
	return err
}

// run sends what there is until the connection is lost, or everything was sent after Close: then it returns nil.
func (s *session) run() error {
	tick := time.NewTicker(s.p.timing.states)
	defer tick.Stop()
	for {
		s.sendStates(false)
		busy := s.fill()
		if s.p.drained() {
			return nil
		}
		select {
		case <-s.link.lost:
			return s.link.err
		case <-s.p.ctx.Done():
			return context.Cause(s.p.ctx)
		case <-s.oldest():
			if err := s.acknowledged(); err != nil {
				return err
			}
		case <-s.patience(busy):
			if err := s.overdue(); err != nil {
				return err
			}
		case <-tick.C:
			s.sendStates(true)
		case m := <-s.p.rejects:
			s.sendReject(m)
		case <-s.p.wake:
		}
	}
}

// fill sends entries until the window is full. It says whether the link was too busy to take one.
func (s *session) fill() (busy bool) {
	for len(s.inflight) < window {
		e := s.p.queue.at(len(s.inflight))
		if e == nil {
			return false
		}
		token, err := s.link.publish(e.topic, 1, false, e.payload(s.number))
		if len(s.inflight) == 0 && s.moved.IsZero() {
			s.moved = time.Now()
		}
		if err != nil {
			return true
		}
		s.inflight = append(s.inflight, token)
	}
	return false
}

// oldest ends when the oldest message in flight is acknowledged or has failed; never when there is none.
func (s *session) oldest() <-chan struct{} {
	if len(s.inflight) == 0 {
		return nil
	}
	return s.inflight[0].Done()
}

// acknowledged removes the oldest entry, the one place where that happens.
func (s *session) acknowledged() error {
	if err := s.inflight[0].Error(); err != nil {
		return fmt.Errorf("%w: %w", errLost, err)
	}
	delivered := s.p.queue.at(0)
	s.p.queue.pop()
	s.inflight = s.inflight[1:]
	s.progress, s.moved = true, time.Now()
	if s.p.queue.len() == 0 {
		s.moved = time.Time{}
	}
	if delivered.event != nil {
		s.p.mu.Lock()
		s.p.stats.Delivered++
		s.p.mu.Unlock()
	}
	return nil
}

// patience ends when it is time to try a busy link again, or to ask whether the broker is overdue.
func (s *session) patience(busy bool) <-chan time.Time {
	switch {
	case busy:
		return time.After(handover)
	case len(s.inflight) > 0:
		return time.After(time.Until(s.moved.Add(s.p.timing.ack)))
	}
	return nil
}

func (s *session) overdue() error {
	if time.Since(s.moved) < s.p.timing.ack {
		return nil
	}
	return fmt.Errorf("%w: %w for %v", errLost, errNoAck, s.p.timing.ack)
}

// sendStates sends the states that are due; what the link does not take stays due.
func (s *session) sendStates(all bool) {
	for _, state := range s.p.states.due(all) {
		payload, err := encode(&state, "state")
		if err != nil {
			s.p.log.Error().Err(err).Msg("state of a camera")
			continue
		}
		if _, err := s.link.publish(s.p.topics.State(state.Camera), 1, true, payload); err != nil {
			return
		}
		s.p.states.known(state)
	}
}

func (s *session) sendReject(m message) {
	if _, err := s.link.publish(m.topic, 0, false, m.payload); err != nil {
		s.p.mu.Lock()
		s.p.stats.RejectsDropped++
		s.p.mu.Unlock()
	}
}

// farewell says that the cameras have stopped and the device is offline, and leaves in order. Where the broker does
// not take that in time, the connection is dropped instead, and the last will says offline.
func (s *session) farewell() {
	for _, camera := range s.p.states.cameras() {
		s.p.states.set(State{
			Schema: SchemaVersion, Device: s.p.cfg.Device, Camera: camera, State: Stopped, Since: utc(time.Now()),
		})
	}
	s.sendStates(true)
	token, err := s.link.publish(s.p.topics.Status(), 1, true, []byte(Offline))
	if err == nil {
		ctx, cancel := context.WithTimeoutCause(s.p.ctx, s.p.timing.ack, errNoAck)
		defer cancel()
		err = s.link.wait(ctx, token)
	}
	if err != nil {
		s.p.log.Warn().Err(err).Msg("broker did not hear that the device goes offline")
		s.link.abort()
		return
	}
	s.link.close()
}
