package broker

import (
	"context"
	"log/slog"
	"net"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"
)

// Stats counts what the broker has refused since it was started.
type Stats struct {
	// Dropped counts clients that were disconnected: they read too slowly, acknowledged nothing, or violated the
	// protocol.
	Dropped uint64
	// Refused counts connections that were not accepted; WrongPasswords those of them with a wrong user or password.
	Refused        uint64
	WrongPasswords uint64
	// RefusedMessages counts messages and last wills of clients that may not publish.
	RefusedMessages uint64
	// LostMessages counts messages that were not stored for a disconnected client, because its session is full.
	LostMessages uint64
}

// faults counts and logs the faults of clients, with at most three lines a minute of each kind.
type faults struct {
	dropped, refused, passwords, messages, lost *fault
}

// fault is one kind of fault.
type fault struct {
	text  string
	count atomic.Uint64
	log   zerolog.Logger
}

func newFaults(log zerolog.Logger) *faults {
	kind := func(text string) *fault {
		return &fault{text: text, log: log.Sample(&zerolog.BurstSampler{Burst: 3, Period: time.Minute})}
	}
	return &faults{
		dropped:   kind("embedded broker: a client is disconnected"),
		refused:   kind("embedded broker: a connection is refused"),
		passwords: kind("embedded broker: wrong user or password"),
		messages:  kind("embedded broker: only facesieve publishes here; a message of a client is refused"),
		lost:      kind("embedded broker: the session of a disconnected client is full; a message for it is dropped"),
	}
}

func (f *fault) report(remote net.Addr, client string, reason error) {
	f.log.Warn().Err(reason).Str("client", client).Stringer("remote", remote).Uint64("so_far", f.count.Add(1)).
		Msg(f.text)
}

func (f *faults) stats() Stats {
	return Stats{
		Dropped: f.dropped.count.Load(), Refused: f.refused.count.Load() + f.passwords.count.Load(),
		WrongPasswords: f.passwords.count.Load(), RefusedMessages: f.messages.count.Load(),
		LostMessages: f.lost.count.Load(),
	}
}

// debugHandler writes what the MQTT server logs, at whatever level, to the program's log at debug. Attributes that may
// hold a packet, and so a face or a password, are left out.
type debugHandler struct{ slog.Handler }

func newDebugHandler(log zerolog.Logger) debugHandler {
	return debugHandler{zerolog.NewSlogHandler(log)}
}

// Enabled follows the level of the program's log.
func (h debugHandler) Enabled(ctx context.Context, _ slog.Level) bool {
	return h.Handler.Enabled(ctx, slog.LevelDebug)
}

// Handle writes one record.
func (h debugHandler) Handle(ctx context.Context, r slog.Record) error {
	safe := slog.NewRecord(time.Time{}, slog.LevelDebug, r.Message, 0)
	r.Attrs(func(a slog.Attr) bool {
		safe.AddAttrs(safeAttrs(a)...)
		return true
	})
	return h.Handler.Handle(ctx, safe)
}

// WithAttrs returns a handler that writes the attributes with every record.
func (h debugHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return debugHandler{h.Handler.WithAttrs(safeAttrs(attrs...))}
}

// WithGroup ignores groups, so that the attributes keep their keys; the server has none.
func (h debugHandler) WithGroup(string) slog.Handler { return h }

// safeAttrs returns the attributes that hold no packet, as text.
func safeAttrs(attrs ...slog.Attr) (safe []slog.Attr) {
	for _, a := range attrs {
		switch a.Key {
		case "error", "client", "remote", "listener", "id", "hook", "address", "protocol", "version", "keepalive":
			safe = append(safe, slog.String(a.Key, a.Value.String()))
		}
	}
	return safe
}
