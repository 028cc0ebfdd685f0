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
	"facesieve/publish/broker"
	"facesieve/publish/event"
	"facesieve/publish/outbox"
)

// handoverTime is how long a replaced publisher may wait for the broker. The next publisher sends the remaining events.
const handoverTime = 200 * time.Millisecond

// uplink is the outbox, the publisher of the current configuration, and the broker if it is embedded. Publisher and
// broker can be replaced while it is used; a caller with an event then waits for at most a second. The outbox stays
// open until the program ends, and moves the waiting events when its configuration changes. An uplink is safe for
// concurrent use.
type uplink struct {
	log     zerolog.Logger
	version string // of the program
	inbound inbound

	mutex     sync.RWMutex // locked for writing while something is replaced
	cfg       uplinkConfig
	queue     *outbox.Queue
	publisher *publish.Publisher
	broker    *broker.Broker
	cameras   []string     // names of the configured ones
	device    event.Device // its last state
}

// inbound receives what other programs publish for the cameras. Its functions return at once.
type inbound struct {
	commands func(event.Command)
	feedback func(event.FeedbackMessage)
}

// uplinkConfig is the part of the configuration that the uplink uses.
type uplinkConfig struct {
	mqtt     publish.Config
	outbox   outbox.Config
	feedback bool // it is received
}

func uplinkConfigOf(c config.Config) uplinkConfig {
	return uplinkConfig{mqtt: c.MQTT, outbox: c.Outbox, feedback: c.Feedback.Enabled}
}

// openUplink starts the embedded broker if it is configured, the outbox and the publisher. Version is that of the
// program.
func openUplink(
	ctx context.Context, cfg uplinkConfig, in inbound, version string, log zerolog.Logger,
) (*uplink, error) {
	u := &uplink{log: log, version: version, inbound: in}
	if err := u.open(ctx, cfg); err != nil {
		return nil, errors.Join(err, u.closeQueue(), u.closeBroker())
	}
	return u, nil
}

// open starts those parts that do not run.
func (u *uplink) open(ctx context.Context, cfg uplinkConfig) (err error) {
	u.cfg = cfg
	if cfg.mqtt.Broker == publish.Embedded && u.broker == nil {
		if u.broker, err = startBroker(context.WithoutCancel(ctx), cfg.mqtt, u.log); err != nil {
			return err
		}
	}
	if u.queue == nil {
		if u.queue, err = outbox.Open(cfg.outbox, u.log.With().Str("component", "outbox").Logger()); err != nil {
			return err
		}
	}
	mqtt := cfg.mqtt
	if u.broker != nil {
		u.broker.Reserve(mqtt.ClientName())
		permitClients(u.broker, cfg)
		mqtt.Dialer = u.broker
	}
	u.publisher, err = publish.Open(mqtt, u.queue, u.log.With().Str("component", "publish").Logger())
	if err != nil {
		return err
	}
	u.publisher.OnCommand(u.inbound.commands)
	if cfg.feedback {
		u.publisher.OnFeedback(u.inbound.feedback)
	}
	if u.cameras == nil {
		return nil
	}
	u.announce()
	u.publisher.SetCameras(u.cameras)
	if u.device.Version == "" {
		return nil // none was reported yet
	}
	return u.publisher.SetDevice(u.device)
}

func (u *uplink) closeBroker() error {
	if u.broker == nil {
		return nil
	}
	err := u.broker.Close()
	u.broker = nil
	return err
}

func (u *uplink) closeQueue() error {
	if u.queue == nil {
		return nil
	}
	err := u.queue.Close()
	u.queue = nil
	return err
}

// replace applies another configuration, or restores the former one if that fails. Events in the outbox stay there.
func (u *uplink) replace(ctx context.Context, cfg uplinkConfig) error {
	before := u.cfg
	if before.outbox != cfg.outbox {
		if err := u.queue.Reconfigure(cfg.outbox); err != nil {
			return err
		}
	}
	u.mutex.Lock()
	defer u.mutex.Unlock()
	if before.mqtt == cfg.mqtt && before.feedback == cfg.feedback {
		u.cfg = cfg
		return nil
	}
	u.closePublisher(ctx, cfg.mqtt)
	u.closeReplacedBroker(cfg)
	err := u.open(ctx, cfg)
	if err == nil {
		return nil
	}
	u.closeReplacedBroker(before)
	if rollback := u.open(ctx, before); rollback != nil {
		return errors.Join(err, fmt.Errorf("%w: %w", errRollbackFailed, rollback))
	}
	if before.outbox != cfg.outbox {
		err = errors.Join(err, u.queue.Reconfigure(before.outbox))
	}
	return err
}

// closePublisher closes the publisher before the next one is opened. It clears topics that the next one does not use.
func (u *uplink) closePublisher(ctx context.Context, next publish.Config) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), handoverTime)
	defer cancel()
	if !sameDiscovery(u.cfg.mqtt, next) {
		u.publisher.Withdraw()
	}
	if now := u.cfg.mqtt; now.Broker == next.Broker && now.Listen == next.Listen && now.Topics() == next.Topics() {
		u.publisher.Close(ctx)
		return
	}
	u.publisher.Leave(ctx)
}

// errRollbackFailed means that neither the new nor the former uplink can be opened, so that the program cannot
// continue.
var errRollbackFailed = errors.New("the former uplink cannot be restored either")

// closeReplacedBroker closes the embedded broker if cfg needs another one, or none.
func (u *uplink) closeReplacedBroker(cfg uplinkConfig) {
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
	return errors.Join(u.closeQueue(), u.closeBroker())
}

// Publish accepts the event of a face.
func (u *uplink) Publish(e event.Face) error {
	u.mutex.RLock()
	defer u.mutex.RUnlock()
	return u.publisher.Publish(e)
}

// Reject accepts the report of a rejected visit.
func (u *uplink) Reject(r event.Rejected) error {
	u.mutex.RLock()
	defer u.mutex.RUnlock()
	return u.publisher.Reject(r)
}

// SetState publishes the state of a camera.
func (u *uplink) SetState(camera string, state event.State) error {
	u.mutex.RLock()
	defer u.mutex.RUnlock()
	return u.publisher.SetState(camera, state)
}

// setCameras sets the names of the configured cameras. The retained states of other cameras are cleared.
func (u *uplink) setCameras(names []string) {
	u.mutex.Lock()
	defer u.mutex.Unlock()
	u.cameras = names
	u.announce() // first: Home Assistant then no longer reads the states that are cleared
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

func startBroker(ctx context.Context, cfg publish.Config, log zerolog.Logger) (*broker.Broker, error) {
	secure, err := cfg.ListenTLS.Server(log)
	if err != nil {
		return nil, fmt.Errorf("embedded broker: %w", err)
	}
	return broker.Start(ctx, broker.Config{
		Listen: cfg.Listen, TLS: secure, User: cfg.User, Password: string(cfg.Password),
		ClientID: cfg.ClientName(), Root: cfg.Topics().Root(),
	}, log)
}
