package publish

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"image/jpeg"
	"image/png"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/rs/zerolog"
)

var (
	// ErrQueueFull is returned for an event that is not accepted because as many as configured wait for the broker.
	ErrQueueFull = errors.New("queue is full")
	// ErrClosed is returned after Close.
	ErrClosed = errors.New("publisher is closed")
)

// Publisher sends events to a broker and keeps them until it has them. Its methods may be called from any goroutine.
type Publisher struct {
	cfg    Config
	timing timing
	topics Topics
	log    zerolog.Logger

	queue  queue
	states states
	// rejects holds reports that are about to be sent; those that do not fit are dropped and counted.
	rejects chan message
	wake    chan struct{} // something happened that the session should look at

	ctx     context.Context // ends when nothing more may be waited for
	cancel  context.CancelFunc
	closing chan struct{}
	done    chan struct{}

	mu      sync.Mutex
	closed  bool
	link    uint64 // number of the present connection, 0 for none
	stats   Stats
	dropLog limiter
}

type message struct {
	topic   string
	payload []byte
}

// timing is what tests make shorter.
type timing struct {
	retryMin, retryMax time.Duration // between attempts to connect
	ack                time.Duration // without any acknowledgement, after which the connection counts as dead
	states             time.Duration // between messages about the same camera whose state is the same but for its rates
}

func defaultTiming() timing {
	return timing{retryMin: 500 * time.Millisecond, retryMax: 30 * time.Second, ack: 30 * time.Second, states: time.Second}
}

const (
	window     = 16 // messages sent ahead of their acknowledgements
	maxRejects = 64
)

// Open checks the configuration and starts to connect, and goes on connecting until Close: a broker that is away is no
// error here, see Stats. The embedded broker must have been started by StartBroker. There can be one publisher of a
// client id: to replace it, for example after the configuration was changed, Close it before the next is opened.
func Open(cfg Config, log zerolog.Logger) (*Publisher, error) {
	return open(cfg, log, defaultTiming())
}

func open(cfg Config, log zerolog.Logger, t timing) (*Publisher, error) {
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("publish: %w", err)
	}
	if _, err := cfg.TLS.load(); err != nil {
		return nil, fmt.Errorf("publish: %w", err)
	}
	limit := cfg.Queue
	if cfg.JPEG {
		limit *= 2 // an event is two messages
	}
	ctx, cancel := context.WithCancel(context.Background())
	p := &Publisher{
		cfg:     cfg,
		timing:  t,
		topics:  cfg.Topics(),
		log:     log,
		queue:   queue{limit: limit},
		states:  states{latest: map[string]State{}, sent: map[string]State{}},
		rejects: make(chan message, maxRejects),
		wake:    make(chan struct{}, 1),
		ctx:     ctx,
		cancel:  cancel,
		closing: make(chan struct{}),
		done:    make(chan struct{}),
		stats:   Stats{Since: time.Now()},
	}
	go p.run()
	return p, nil
}

// Publish accepts an event, or says what is wrong with it, or returns ErrQueueFull or ErrClosed. It never waits. Schema
// and Device are filled in, ID too when it is empty. The bytes of the image must not be changed afterwards.
func (p *Publisher) Publish(e Event) error {
	e.Schema, e.Device, e.Time = SchemaVersion, p.cfg.Device, utc(e.Time)
	if e.ID == "" {
		id, err := uuid.NewV7()
		if err != nil {
			return fmt.Errorf("id of an event: %w", err)
		}
		e.ID = id.String()
	}
	if _, err := EncodeEvent(e); err != nil {
		return err
	}
	entries := []*entry{{topic: p.topics.Face(e.Camera), event: &e}}
	if p.cfg.JPEG {
		picture, err := asJPEG(e.Image)
		if err != nil {
			return err
		}
		entries = append(entries, &entry{topic: p.topics.JPEG(e.Camera), picture: picture})
	}
	return p.accept(entries)
}

func (p *Publisher) accept(entries []*entry) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return ErrClosed
	}
	now := time.Now()
	for _, e := range entries {
		e.accepted, e.link = now, p.link
	}
	if !p.queue.push(entries...) {
		p.stats.Dropped++
		if p.dropLog.allow(now) {
			p.log.Warn().Uint64("dropped", p.stats.Dropped).Int("queue", p.cfg.Queue).
				Msg("queue is full: new events are dropped until the broker takes the old ones")
		}
		return ErrQueueFull
	}
	p.stats.Accepted++
	p.poke()
	return nil
}

// Reject reports a face that did not pass, if Config.Rejected asks for it. Reports are for the eye, now: they are not
// kept while the broker is away, and dropped when there are more than the connection takes. Schema and Device are
// filled in.
func (p *Publisher) Reject(r Rejected) error {
	if !p.cfg.Rejected {
		return nil
	}
	r.Schema, r.Device, r.Time = SchemaVersion, p.cfg.Device, utc(r.Time)
	payload, err := encode(&r, "rejected face")
	if err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return ErrClosed
	}
	if p.link != 0 {
		select {
		case p.rejects <- message{p.topics.Rejected(r.Camera), payload}:
			return nil
		default:
		}
	}
	p.stats.RejectsDropped++
	return nil
}

// SetState makes a state the retained one of its camera: at once when its word changes, otherwise with the next of
// the messages sent once a second, of which only the latest counts. Schema and Device are filled in.
func (p *Publisher) SetState(camera string, s State) error {
	s.Schema, s.Device, s.Camera, s.Since = SchemaVersion, p.cfg.Device, camera, utc(s.Since)
	if _, err := encode(&s, "state"); err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return ErrClosed
	}
	if p.states.set(s) {
		p.poke()
	}
	return nil
}

// Close accepts nothing more, sends what is queued, publishes that the cameras have stopped and the device is offline,
// and returns when all has ended: half a second after ctx ends at the latest. If the broker is away it tries once more
// to reach it. The error says how many events were left behind.
func (p *Publisher) Close(ctx context.Context) error {
	p.mu.Lock()
	if !p.closed {
		p.closed = true
		close(p.closing)
		p.poke()
	}
	if p.link == 0 && p.queue.len() == 0 {
		p.cancel() // nothing to connect for
	}
	p.mu.Unlock()
	select {
	case <-p.done:
	case <-ctx.Done():
	}
	p.cancel()
	<-p.done
	if s := p.Stats(); s.Queued > 0 {
		return fmt.Errorf("publish: %d events were not delivered: %s", s.Queued, s.LastError)
	}
	return nil
}

// poke wakes the session. The channel holds one token: more would say nothing more.
func (p *Publisher) poke() {
	select {
	case p.wake <- struct{}{}:
	default:
	}
}

// asJPEG returns the picture as JPEG, the very bytes where it is one already.
func asJPEG(i Image) ([]byte, error) {
	if i.Encoding == JPEG {
		return i.Data, nil
	}
	picture, err := png.Decode(bytes.NewReader(i.Data))
	if err != nil {
		return nil, fmt.Errorf("event: image.data: %w", err)
	}
	var out bytes.Buffer
	if err := jpeg.Encode(&out, picture, &jpeg.Options{Quality: 90}); err != nil {
		return nil, fmt.Errorf("event: image.data: %w", err)
	}
	return out.Bytes(), nil
}
