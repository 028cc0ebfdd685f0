package publish

import (
	"context"
	"log/slog"

	"github.com/rs/zerolog"
)

// debugHandler writes what the embedded broker logs, at whatever level, to the program's log at debug. Attributes that
// may hold a packet, and so a face or a password, are left out.
type debugHandler struct{ log zerolog.Logger }

// Enabled follows the level of the program's log.
func (h debugHandler) Enabled(context.Context, slog.Level) bool {
	return h.log.GetLevel() <= zerolog.DebugLevel
}

// Handle writes one record.
func (h debugHandler) Handle(_ context.Context, r slog.Record) error {
	fields := map[string]any{}
	r.Attrs(func(a slog.Attr) bool {
		if harmless(a.Key) {
			fields[a.Key] = a.Value.String()
		}
		return true
	})
	h.log.Debug().Fields(fields).Msg(r.Message)
	return nil
}

// WithAttrs returns a handler that writes the attributes with every record.
func (h debugHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	c := h.log.With()
	for _, a := range attrs {
		if harmless(a.Key) {
			c = c.Str(a.Key, a.Value.String())
		}
	}
	return debugHandler{c.Logger()}
}

// WithGroup has nothing to do: mochi groups nothing.
func (h debugHandler) WithGroup(string) slog.Handler { return h }

func harmless(key string) bool {
	switch key {
	case "error", "client", "remote", "listener", "id", "hook", "address", "protocol", "version", "keepalive":
		return true
	}
	return false
}
