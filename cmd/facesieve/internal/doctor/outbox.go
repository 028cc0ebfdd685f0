package doctor

import (
	"fmt"

	"github.com/dustin/go-humanize"
	"github.com/dustin/go-humanize/english"

	"facesieve/publish/outbox"
)

// checkOutbox checks directory, rights, key and space of the outbox, without a change.
func checkOutbox(cfg outbox.Config) Finding {
	state, err := outbox.Inspect(cfg)
	if err != nil {
		return failed(err.Error(), "")
	}
	if cfg.Store == outbox.Memory {
		return ok("in memory: waiting events are lost when the daemon ends")
	}
	return outboxFinding(cfg, state)
}

// outboxFinding returns the result for an outbox that can be opened.
func outboxFinding(cfg outbox.Config, state outbox.Inspection) Finding {
	text := cfg.Dir + ": writable, "
	if state.InUse {
		text += "in use by a running facesieve, "
	} else {
		text += english.Plural(state.Events, "event waits", "events wait") + ", "
	}
	if cfg.KeyFile != "" {
		text += "sealed with a key, "
	}
	free, growth := byteText(state.Free), byteText(state.Growth)
	text += free + " free"
	if state.Free < state.Growth {
		return warning(fmt.Sprintf("%s, and the file may grow by %s", text, growth),
			"make room on the disk, lower outbox.max_mib, or name a directory on another disk (outbox.dir)")
	}
	f := ok(text)
	f.Values = map[string]any{"free_bytes": state.Free, "in_use": state.InUse}
	return f
}

func byteText(n int64) string { return humanize.IBytes(uint64(max(0, n))) } //nolint:gosec // not negative
