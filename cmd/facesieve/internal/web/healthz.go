package web

import (
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/dustin/go-humanize/english"

	"facesieve/cmd/facesieve/internal/daemon"
	"facesieve/publish/event"
)

// staleState is the age of the daemon's state, which is made each second, from which the daemon hangs.
const staleState = 10 * time.Second

// withHealth adds /healthz and /readyz, which need no token: they state nothing that is private, not even the name of a
// camera. They are also served while the page has too many clients.
func withHealth(state func() *daemon.State, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		reads := r.Method == http.MethodGet || r.Method == http.MethodHead
		switch {
		case reads && r.URL.Path == "/healthz":
			writeHealth(w, hangs(state(), time.Now()))
		case reads && r.URL.Path == "/readyz":
			s := state()
			writeHealth(w, append(hangs(s, time.Now()), unready(s)...))
		default:
			next.ServeHTTP(w, r)
		}
	})
}

// writeHealth answers with 200 without faults, and with 503 and one line for each of them otherwise.
func writeHealth(w http.ResponseWriter, faults []string) {
	if len(faults) > 0 {
		http.Error(w, strings.Join(faults, "\n"), http.StatusServiceUnavailable)
		return
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_, _ = w.Write([]byte("ok\n")) //nolint:errcheck // the client has gone
}

// hangs returns a fault if the daemon does not report its state.
func hangs(s *daemon.State, now time.Time) []string {
	if age := now.Sub(s.Time); age > staleState {
		return []string{fmt.Sprintf("daemon: its last report is %s old", age.Round(time.Second))}
	}
	return nil
}

// unready returns why the daemon does not do its work, apart from causes outside of this machine that it has found.
func unready(s *daemon.State) (faults []string) {
	if len(s.Networks) == 0 {
		faults = append(faults, "networks: none is loaded")
	}
	if s.Uplink.Held > 0 {
		faults = append(faults, fmt.Sprintf("outbox: %s in memory only, because the disk does not take them",
			english.Plural(s.Uplink.Held, "event", "")))
	}
	if s.UplinkStuck {
		faults = append(faults, "publisher: it does not respond")
	}
	if n := unexplained(s); n > 0 {
		faults = append(faults, fmt.Sprintf("cameras: %d of %d without a frame so far", n, len(s.Cameras)))
	}
	return faults
}

// unexplained counts the cameras that have no frame, and no reason for that. A stopped one without a reason is a
// recording that has ended.
func unexplained(s *daemon.State) (n int) {
	for _, c := range s.Cameras {
		if c.State == event.Reconnecting && c.Error == "" {
			n++
		}
	}
	return n
}
