package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"facesieve/publish"
	"facesieve/publish/outbox"
)

// handoverTime is how long a publisher that is replaced may wait for the broker; what is left goes to the next one.
const handoverTime = 200 * time.Millisecond

// post is the uplink: the outbox, the publisher of the current configuration, and the broker if it is embedded.
// Publisher and broker can be replaced while it is used; a caller with an event then waits for at most a second. The
// outbox stays open until the program ends, and moves the waiting events when its configuration changes.
type post struct {
	log zerolog.Logger

	mutex     sync.RWMutex // locked for writing while something is replaced
	cfg       postConfig
	box       *outbox.Box
	publisher *publish.Publisher
	broker    *publish.Broker
	cameras   []string // names of the configured ones
}

// postConfig is what the configuration says of the way to the broker.
type postConfig struct {
	mqtt   publish.Config
	outbox outbox.Config
}

func postOf(c Config) postConfig { return postConfig{mqtt: c.MQTT, outbox: c.Outbox} }

// openPost starts the embedded broker if it is wanted, the outbox and the publisher.
func openPost(ctx context.Context, cfg postConfig, log zerolog.Logger) (*post, error) {
	p := &post{log: log}
	if err := p.open(ctx, cfg); err != nil {
		return nil, errors.Join(err, p.closeBox(), p.closeBroker())
	}
	return p, nil
}

// open starts what does not run.
func (p *post) open(ctx context.Context, cfg postConfig) (err error) {
	p.cfg = cfg
	if cfg.mqtt.Broker == publish.Embedded && p.broker == nil {
		if p.broker, err = publish.StartBroker(context.WithoutCancel(ctx), cfg.mqtt, p.log); err != nil {
			return err
		}
	}
	if p.box == nil {
		if p.box, err = outbox.Open(cfg.outbox, p.log.With().Str("component", "outbox").Logger()); err != nil {
			return err
		}
	}
	mqtt := cfg.mqtt
	if p.broker != nil {
		mqtt = p.broker.Attach(mqtt)
	}
	p.publisher, err = publish.Open(mqtt, p.box, p.log.With().Str("component", "publish").Logger())
	if err == nil && p.cameras != nil {
		p.publisher.SetCameras(p.cameras)
	}
	return err
}

func (p *post) closeBroker() error {
	if p.broker == nil {
		return nil
	}
	err := p.broker.Close()
	p.broker = nil
	return err
}

func (p *post) closeBox() error {
	if p.box == nil {
		return nil
	}
	err := p.box.Close()
	p.box = nil
	return err
}

// replace goes on with another configuration, or with the one before if that fails. What waits in the outbox stays.
func (p *post) replace(ctx context.Context, cfg postConfig) error {
	before := p.cfg
	if before.outbox != cfg.outbox {
		if err := p.box.Reconfigure(cfg.outbox); err != nil {
			return err
		}
	}
	p.mutex.Lock()
	defer p.mutex.Unlock()
	if before.mqtt == cfg.mqtt {
		p.cfg = cfg
		return nil
	}
	p.closePublisher(ctx, cfg.mqtt)
	p.closeForeign(cfg)
	err := p.open(ctx, cfg)
	if err == nil {
		return nil
	}
	p.closeForeign(before)
	if again := p.open(ctx, before); again != nil {
		return errors.Join(err, fmt.Errorf("%w: %w", errNoWayBack, again))
	}
	if before.outbox != cfg.outbox {
		err = errors.Join(err, p.box.Reconfigure(before.outbox))
	}
	return err
}

// closePublisher closes the publisher before the next one is opened. It clears topics that the next one does not use.
func (p *post) closePublisher(ctx context.Context, next publish.Config) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), handoverTime)
	defer cancel()
	if now := p.cfg.mqtt; now.Broker == next.Broker && now.Listen == next.Listen && now.Topics() == next.Topics() {
		p.publisher.Close(ctx)
		return
	}
	p.publisher.Leave(ctx)
}

// errNoWayBack says that neither the new nor the old way to the broker can be opened: the program cannot go on.
var errNoWayBack = errors.New("nor can the one before be opened again")

// closeForeign closes the embedded broker unless it can also serve cfg.
func (p *post) closeForeign(cfg postConfig) {
	if sameBroker(p.cfg.mqtt, cfg.mqtt) {
		return
	}
	if err := p.closeBroker(); err != nil {
		p.log.Warn().Err(err).Msg("cannot close the replaced embedded broker")
	}
}

// sameBroker says whether the embedded broker of one configuration serves the other.
func sameBroker(a, b publish.Config) bool {
	return a.Broker == b.Broker && a.Listen == b.Listen && a.ListenTLS == b.ListenTLS &&
		a.User == b.User && a.Password == b.Password
}

// close lets the publisher send what it has until ctx ends, and ends it, the outbox and the broker.
func (p *post) close(ctx context.Context) error {
	p.publisher.Close(ctx) // the outbox is still open for events of late pipelines
	p.mutex.Lock()
	defer p.mutex.Unlock()
	return errors.Join(p.closeBox(), p.closeBroker())
}

// Publish hands over an event.
func (p *post) Publish(e publish.Event) error {
	p.mutex.RLock()
	defer p.mutex.RUnlock()
	return p.publisher.Publish(e)
}

// Reject hands over a report.
func (p *post) Reject(r publish.Rejected) error {
	p.mutex.RLock()
	defer p.mutex.RUnlock()
	return p.publisher.Reject(r)
}

// tell publishes what is new about the stations.
func (p *post) tell(now time.Time, stations []*station) {
	p.mutex.RLock()
	defer p.mutex.RUnlock()
	for _, s := range stations {
		state, is := s.news(now)
		if !is {
			continue
		}
		if err := p.publisher.SetState(s.name, state); err != nil {
			p.log.Error().Err(err).Str("camera", s.name).Msg("cannot tell the camera's state")
		}
	}
}

// configured sets the cameras of the configuration; retained states of other cameras are cleared.
func (p *post) configured(cameras []Camera) {
	names := make([]string, 0, len(cameras))
	for _, camera := range cameras {
		names = append(names, camera.Name)
	}
	p.mutex.Lock()
	defer p.mutex.Unlock()
	p.cameras = names
	p.publisher.SetCameras(names)
}

// stuck says whether the publisher hangs.
func (p *post) stuck() bool {
	p.mutex.RLock()
	defer p.mutex.RUnlock()
	return p.publisher.Stuck()
}

// stats returns those of the present publisher, with the deliveries since the start.
func (p *post) stats() publish.Stats {
	p.mutex.RLock()
	defer p.mutex.RUnlock()
	return p.publisher.Stats()
}
