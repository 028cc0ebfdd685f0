package publish

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"
	"golang.org/x/time/rate"

	"facesieve/publish/event"
	"facesieve/publish/outbox"
)

// ErrClosed is returned for reports and states after Close. Events are stored as long as the outbox is open.
var ErrClosed = errors.New("publisher is closed")

// Publisher stores events in an outbox and sends them to a broker. Its methods may be called from any goroutine.
type Publisher struct {
	cfg    Config
	timing timing
	topics event.Topics
	log    zerolog.Logger

	outbox    *outbox.Queue
	states    states
	documents documents
	handle    atomic.Pointer[func(event.Command)]         // of commands; nil: they are not subscribed
	feedback  atomic.Pointer[func(event.FeedbackMessage)] // handles what recognisers report; nil: it is not subscribed
	rejects   chan message                                // reports and results to be sent; those that do not fit are dropped
	limiter   *rate.Limiter                               // of rejects
	wake      chan struct{}                               // something has changed that the session must handle
	broker    memory
	leaving   atomic.Bool // the root is given up, see Leave

	ctx     context.Context // ends when Close no longer waits
	cancel  context.CancelFunc
	closing chan struct{}
	done    chan struct{}
	pulse   pulse

	// Used by the goroutine of run only.
	evictions    int  // consecutive connections that the broker has ended
	acknowledged bool // the broker acknowledged anything on the last connection

	mu     sync.Mutex
	closed bool
	stats  Stats             // without those of the outbox
	denied map[string]string // why the broker refuses messages, by topic
}

// timing holds the durations that tests make shorter.
type timing struct {
	retryMin, retryMax time.Duration // between attempts to connect
	ack                time.Duration // without any acknowledgement, after which the connection counts as dead
	states             time.Duration // between messages of one camera of which only the rates differ
	step               time.Duration // that a step may take beyond its own deadline before the publisher is stuck
	echo               time.Duration // within which a broker must return a message to its sender
	holdMin, holdMax   time.Duration // between attempts to send what the broker refuses
	renew              time.Duration // within which discovery is sent again when Home Assistant has started
}

func defaultTiming() timing {
	return timing{
		retryMin: 500 * time.Millisecond, retryMax: 30 * time.Second, ack: 30 * time.Second, states: time.Second,
		step: 10 * time.Second, echo: 5 * time.Second, holdMin: 5 * time.Second, holdMax: time.Minute,
		renew: 5 * time.Second,
	}
}

const (
	window         = 16 // events that are sent and not acknowledged
	maxRejects     = 64 // reports that wait, and that are sent at once
	rejectsASecond = 10 // on the average
)

// Open checks the configuration, and connects until Close. If there is no broker, Open returns no error; Stats has the
// reason. The embedded broker must be started before. There can be only one publisher of a client id and of an outbox:
// to replace it, Close it before the next is opened. The next one sends what is left in the outbox. The caller closes
// the outbox after the last.
func Open(cfg Config, queue *outbox.Queue, log zerolog.Logger) (*Publisher, error) {
	return open(cfg, queue, log, defaultTiming())
}

func open(cfg Config, queue *outbox.Queue, log zerolog.Logger, t timing) (*Publisher, error) {
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("publish: %w", err)
	}
	if _, err := cfg.TLS.load(); err != nil {
		return nil, fmt.Errorf("publish: %w", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	p := &Publisher{
		cfg:       cfg,
		timing:    t,
		topics:    cfg.Topics(),
		log:       log,
		outbox:    queue,
		states:    newStates(),
		documents: newDocuments(cfg.Topics().Device()),
		rejects:   make(chan message, maxRejects),
		limiter:   rate.NewLimiter(rejectsASecond, maxRejects),
		wake:      make(chan struct{}, 1),
		ctx:       ctx,
		cancel:    cancel,
		closing:   make(chan struct{}),
		done:      make(chan struct{}),
		stats:     Stats{Since: time.Now()},
		denied:    map[string]string{},
	}
	p.pulse.promise(t.step)
	go p.run()
	return p, nil
}

// Publish stores an event in the outbox. It returns the faults of the event, or the error of outbox.Queue.Add; nil
// means that the event is stored, and will be delivered or counted. It waits half a second for the disk at most, and
// never for the broker. After Close it still stores events, for the next publisher or the next run, as long as the
// outbox is open. It sets Schema and Device, and ID if it is empty.
func (p *Publisher) Publish(f event.Face) error {
	if err := event.CheckName(f.Camera); err != nil {
		return fmt.Errorf("event: camera: %w", err)
	}
	f.Schema, f.Device = event.Version, p.cfg.Device
	if f.ID == "" {
		id, err := event.NewID()
		if err != nil {
			return err
		}
		f.ID = id
	}
	data, err := event.EncodeFace(f)
	if err != nil {
		return err
	}
	return p.outbox.Add(outbox.Event{Camera: f.Camera, Score: f.Quality.Score, Data: data})
}

// Reject publishes the report of a visit that gave no face, if Config.Rejected is set. Reports are not stored: they are
// dropped and counted while there is no connection, when there are more than the connection accepts, and beyond
// rejectsASecond. It sets Schema and Device.
func (p *Publisher) Reject(r event.Rejected) error {
	if !p.cfg.Rejected {
		return nil
	}
	if err := event.CheckName(r.Camera); err != nil {
		return fmt.Errorf("rejected face: camera: %w", err)
	}
	r.Schema, r.Device = event.Version, p.cfg.Device
	payload, err := event.EncodeRejected(r)
	if err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return ErrClosed
	}
	if p.stats.Connected && p.limiter.Allow() {
		select {
		case p.rejects <- message{event.KindRejected, r.Camera, payload}:
			return nil
		default:
		}
	}
	p.stats.RejectsDropped++
	return nil
}

// SetState publishes the state of a camera, retained: at once if State, Occupied or Settings have changed, otherwise the
// latest once a second.
// It sets Schema and Device.
func (p *Publisher) SetState(camera string, s event.State) error {
	if err := event.CheckName(camera); err != nil {
		return fmt.Errorf("state: camera: %w", err)
	}
	s.Schema, s.Device, s.Camera, s.Since = event.Version, p.cfg.Device, camera, s.Since.Round(0).UTC()
	if _, err := event.EncodeState(s); err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return ErrClosed
	}
	if p.states.set(s) {
		p.wakeSession()
	}
	return nil
}

// Close sends the events of this connection, and all events if the outbox is in memory. Then it publishes that the
// cameras have stopped and the device is offline. It returns when all goroutines have ended, at the latest half a
// second after ctx ends. If there is no connection and events would be lost, it tries once more to connect. Remaining
// events stay in the outbox, for the next publisher or the next run.
func (p *Publisher) Close(ctx context.Context) {
	p.mu.Lock()
	if !p.closed {
		p.closed = true
		close(p.closing)
		p.wakeSession()
	}
	if !p.stats.Connected && p.outbox.Pending() == 0 {
		p.cancel() // nothing to connect for
	}
	p.mu.Unlock()
	select {
	case <-p.done:
	case <-ctx.Done():
	}
	p.cancel()
	<-p.done
}

// SetCameras sets the names of the configured cameras. The retained state of any other camera below the root is cleared
// with an empty retained message: that of a camera that had a state before and, if the broker allows reading it, that
// of a camera of an earlier run. Without a call nothing is cleared.
func (p *Publisher) SetCameras(names []string) {
	p.states.configure(names)
	p.wakeSession()
}

// Leave is Close for a root that is given up, because device or root change: it also clears the retained states and the
// status. Call Withdraw before for the messages of SetDiscovery and SetDevice.
func (p *Publisher) Leave(ctx context.Context) {
	p.leaving.Store(true)
	p.Close(ctx)
}

// wakeSession makes the session check all its work. One waiting token is enough, whatever has changed.
func (p *Publisher) wakeSession() {
	select {
	case p.wake <- struct{}{}:
	default:
	}
}
