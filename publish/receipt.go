package publish

import (
	"context"
	"sync"

	"github.com/eclipse/paho.golang/packets"
	pahosession "github.com/eclipse/paho.golang/paho/session"
	"github.com/eclipse/paho.golang/paho/session/state"
)

// receipt is the broker's answer to one message.
type receipt struct {
	done chan struct{}
	err  error
	once sync.Once
}

func newReceipt() *receipt { return &receipt{done: make(chan struct{})} }

// Done is closed when the answer has arrived, or cannot arrive any more.
func (r *receipt) Done() <-chan struct{} { return r.done }

// Error returns why the message was not accepted, once Done is closed.
func (r *receipt) Error() error { return r.err }

func (r *receipt) end(err error) {
	r.once.Do(func() {
		r.err = err
		close(r.done)
	})
}

// grant is the answer to a subscription.
type grant struct {
	*receipt
	granted map[string]byte
}

// Result returns the granted quality of service of each filter, once Done is closed.
func (g *grant) Result() map[string]byte { return g.granted }

// receipts is paho's session with one addition: it completes the receipt of each message. Paho itself reports no answer
// to a message that was sent without waiting.
type receipts struct {
	pahosession.SessionManager
	next *receipt // of the message that is being published; the writer of the connection sets it

	mu      sync.Mutex
	waiting map[uint16]*receipt // by packet identifier
}

func newReceipts() *receipts {
	return &receipts{SessionManager: state.NewInMemory(), waiting: map[uint16]*receipt{}}
}

// AddToSession assigns an identifier to a packet before it is written.
func (r *receipts) AddToSession(ctx context.Context, packet pahosession.Packet,
	answer chan<- packets.ControlPacket,
) error {
	if err := r.SessionManager.AddToSession(ctx, packet, answer); err != nil {
		return err
	}
	if message, ok := packet.(*packets.Publish); ok {
		r.mu.Lock()
		r.waiting[message.PacketID] = r.next
		r.mu.Unlock()
	}
	return nil
}

// PacketReceived handles an acknowledgement.
func (r *receipts) PacketReceived(packet *packets.ControlPacket, received chan<- *packets.Publish) error {
	err := r.SessionManager.PacketReceived(packet, received)
	if ack, ok := packet.Content.(*packets.Puback); ok {
		r.mu.Lock()
		found := r.waiting[ack.PacketID]
		delete(r.waiting, ack.PacketID)
		r.mu.Unlock()
		if found != nil {
			found.end(acknowledgement(ack))
		}
	}
	return err
}

// ConnectionLost ends all receipts.
func (r *receipts) ConnectionLost(packet *packets.Disconnect) error {
	err := r.SessionManager.ConnectionLost(packet)
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, receipt := range r.waiting {
		receipt.end(errLost)
	}
	clear(r.waiting)
	return err
}
