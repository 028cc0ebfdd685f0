package daemon

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"facesieve/cmd/facesieve/internal/config"
	"facesieve/publish"
	"facesieve/publish/outbox"
)

// handoverTime is how long a replaced publisher may wait for the broker. The next publisher sends the remaining events.
const handoverTime = 200 * time.Millisecond

// uplink is the outbox, the publisher of the current configuration, and the broker if it is embedded. Publisher and broker
// can be replaced while it is used; a caller with an event then waits for at most a second. The outbox stays open until the
// program ends, and moves the waiting events when its configuration changes. An uplink is safe for concurrent use.
type uplink struct {
	log zerolog.Logger

	mutex     sync.RWMutex // locked for writing while something is replaced
	cfg       uplinkConfig
	box       *outbox.Box
	publisher *publish.Publisher
	broker    *publish.Broker
	cameras   []string // names of the configured ones
}

// uplinkConfig is the part of the configuration that the uplink uses.
type uplinkConfig struct {
	mqtt   publish.Config
	outbox outbox.Config
}

func uplinkConfigOf(c config.Config) uplinkConfig {
	return uplinkConfig{mqtt: c.MQTT, outbox: c.Outbox}
}

// openUplink starts the embedded broker if it is configured, the outbox and the publisher.
func openUplink(ctx context.Context, cfg uplinkConfig, log zerolog.Logger) (*uplink, error) {
	u := &uplink{log: log}
	if err := u.open(ctx, cfg); err != nil {
		return nil, errors.Join(err, u.closeBox(), u.closeBroker())
	}
	return u, nil
}

// open starts those parts that do not run.
func (u *uplink) open(ctx context.Context, cfg uplinkConfig) (err error) {
	u.cfg = cfg
	if cfg.mqtt.Broker == publish.Embedded && u.broker == nil {
		if u.broker, err = publish.StartBroker(context.WithoutCancel(ctx), cfg.mqtt, u.log); err != nil {
			return err
		}
	}
	if u.box == nil {
		if u.box, err = outbox.Open(cfg.outbox, u.log.With().Str("component", "outbox").Logger()); err != nil {
			return err
		}
	}
	mqtt := cfg.mqtt
	if u.broker != nil {
		mqtt = u.broker.Attach(mqtt)
	}
	u.publisher, err = publish.Open(mqtt, u.box, u.log.With().Str("component", "publish").Logger())
	if err == nil && u.cameras != nil {
		u.publisher.SetCameras(u.cameras)
	}
	return err
}

func (u *uplink) closeBroker() error {
	if u.broker == nil {
		return nil
	}
	err := u.broker.Close()
	u.broker = nil
	return err
}

func (u *uplink) closeBox() error {
	if u.box == nil {
		return nil
	}
	err := u.box.Close()
	u.box = nil
	return err
}

// replace continues with another configuration, or with the former one if that fails. Events in the outbox stay there.
func (u *uplink) replace(ctx context.Context, cfg uplinkConfig) error {
	before := u.cfg
	if before.outbox != cfg.outbox {
		if err := u.box.Reconfigure(cfg.outbox); err != nil {
			return err
		}
	}
	u.mutex.Lock()
	defer u.mutex.Unlock()
	if before.mqtt == cfg.mqtt {
		u.cfg = cfg
		return nil
	}
	u.closePublisher(ctx, cfg.mqtt)
	u.closeForeign(cfg)
	err := u.open(ctx, cfg)
	if err == nil {
		return nil
	}
	u.closeForeign(before)
	if rollback := u.open(ctx, before); rollback != nil {
		return errors.Join(err, fmt.Errorf("%w: %w", errRollbackFailed, rollback))
	}
	if before.outbox != cfg.outbox {
		err = errors.Join(err, u.box.Reconfigure(before.outbox))
	}
	return err
}

// closePublisher closes the publisher before the next one is opened. It clears topics that the next one does not use.
func (u *uplink) closePublisher(ctx context.Context, next publish.Config) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), handoverTime)
	defer cancel()
	if now := u.cfg.mqtt; now.Broker == next.Broker && now.Listen == next.Listen && now.Topics() == next.Topics() {
		u.publisher.Close(ctx)
		return
	}
	u.publisher.Leave(ctx)
}

// errRollbackFailed means that neither the new nor the former uplink can be opened, so that the program cannot continue.
var errRollbackFailed = errors.New("the former uplink cannot be opened again either")

// closeForeign closes the embedded broker unless it also fits cfg.
func (u *uplink) closeForeign(cfg uplinkConfig) {
	if sameBroker(u.cfg.mqtt, cfg.mqtt) {
		return
	}
	if err := u.closeBroker(); err != nil {
		u.log.Warn().Err(err).Msg("cannot close the replaced embedded broker")
	}
}

// sameBroker reports whether the embedded broker of one configuration fits the other.
func sameBroker(a, b publish.Config) bool {
	return a.Broker == b.Broker && a.Listen == b.Listen && a.ListenTLS == b.ListenTLS &&
		a.User == b.User && a.Password == b.Password
}

// close lets the publisher send waiting events until ctx ends, and closes it, the outbox and the broker.
func (u *uplink) close(ctx context.Context) error {
	u.publisher.Close(ctx) // the outbox is still open for events of late pipelines
	u.mutex.Lock()
	defer u.mutex.Unlock()
	return errors.Join(u.closeBox(), u.closeBroker())
}

// Publish accepts the event of a face.
func (u *uplink) Publish(e publish.Event) error {
	u.mutex.RLock()
	defer u.mutex.RUnlock()
	return u.publisher.Publish(e)
}

// Reject accepts the report of a track without a face to send.
func (u *uplink) Reject(r publish.Rejected) error {
	u.mutex.RLock()
	defer u.mutex.RUnlock()
	return u.publisher.Reject(r)
}

// SetState publishes the state of a camera.
func (u *uplink) SetState(camera string, state publish.State) error {
	u.mutex.RLock()
	defer u.mutex.RUnlock()
	return u.publisher.SetState(camera, state)
}

// setCameras sets the cameras of the configuration. The retained states of other cameras are cleared.
func (u *uplink) setCameras(cameras []config.Camera) {
	names := make([]string, 0, len(cameras))
	for _, camera := range cameras {
		names = append(names, camera.Name)
	}
	u.mutex.Lock()
	defer u.mutex.Unlock()
	u.cameras = names
	u.publisher.SetCameras(names)
}

// stuck reports whether the publisher does not respond.
func (u *uplink) stuck() bool {
	u.mutex.RLock()
	defer u.mutex.RUnlock()
	return u.publisher.Stuck()
}

// stats returns the counts of the publisher; deliveries are those since the start of the program.
func (u *uplink) stats() publish.Stats {
	u.mutex.RLock()
	defer u.mutex.RUnlock()
	return u.publisher.Stats()
}
