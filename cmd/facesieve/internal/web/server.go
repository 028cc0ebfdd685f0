// Package web serves the page for technicians: what the cameras see, the last visits, what a threshold does to them,
// and the state of the daemon. It reads snapshots and events. It changes nothing but the overrides, and these only if
// web.control is true. Faces are in memory alone, and go when the process ends.
package web

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log"
	"net"
	"net/http"
	"os"
	"sync"
	"time"

	"github.com/rs/zerolog"
	"golang.org/x/net/netutil"

	"facesieve/cmd/facesieve/internal/config"
	"facesieve/cmd/facesieve/internal/daemon"
)

// Bounds of the server.
const (
	maxClients     = 50  // requests that are served at the same time, live pictures included; more get 503
	maxConnections = 400 // a browser keeps up to six; more wait
	maxHeader      = 16 << 10
	requestTime    = 10 * time.Second // to receive a request, and to send a response that is no stream
	idleTime       = 2 * time.Minute  // of a connection without a request
)

// Versions describe the program and its libraries.
type Versions struct {
	Program, OpenCV, TFLite string
}

// Options are the parts of a server besides its configuration. All but Overrides and Metrics are required.
type Options struct {
	Recorder *Recorder
	State    func() *daemon.State // the present state of the daemon; safe for concurrent use
	Versions Versions
	// Overrides changes the overrides for what is saved on the page; nil: there is no state directory.
	Overrides *config.OverridesFile
	// Metrics serves /metrics; nil: there are none.
	Metrics http.Handler
	Log     zerolog.Logger
}

// Listener is an open address of the page, with its token. Serve or Close it.
type Listener struct {
	net.Listener
	access *access
}

// Listen opens the address of the page, and makes its token at the first time. It fails if the address is in use, or
// the token or the certificate cannot be read.
func Listen(ctx context.Context, cfg config.Web, log zerolog.Logger) (*Listener, error) {
	token, err := EnsureToken(cfg)
	if err != nil {
		return nil, err
	}
	var secure *tls.Config
	if cfg.Cert != "" {
		if secure, err = serverTLS(cfg, log); err != nil {
			return nil, err
		}
	}
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", cfg.Listen)
	if err != nil {
		return nil, fmt.Errorf("web.listen: %w", err)
	}
	listener = netutil.LimitListener(listener, maxConnections)
	if secure != nil {
		listener = tls.NewListener(listener, secure)
	}
	if cfg.Exposed() {
		log.Warn().Str("listen", cfg.Listen).Msg(config.ExposedText)
	}
	log.Info().Str("listen", cfg.Listen).Bool("tls", secure != nil).Msg("the page is open; facesieve page prints its address")
	return &Listener{Listener: listener, access: newAccess(cfg, token)}, nil
}

// Server serves the page until Close.
type Server struct {
	http   *http.Server
	cancel context.CancelFunc // ends the streams
	done   sync.WaitGroup
}

// Serve serves the page on a listener, which it owns.
func Serve(listener *Listener, o Options) *Server {
	ctx, cancel := context.WithCancel(context.Background())
	s := &Server{cancel: cancel, http: &http.Server{
		Handler:           handler(listener.access, o),
		ReadHeaderTimeout: requestTime, ReadTimeout: requestTime, WriteTimeout: requestTime, IdleTimeout: idleTime,
		MaxHeaderBytes: maxHeader,
		BaseContext:    func(net.Listener) context.Context { return ctx },
		ErrorLog:       stdLogger(o.Log),
	}}
	s.done.Go(func() {
		if err := s.http.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			o.Log.Error().Err(err).Msg("the page has ended")
		}
	})
	return s
}

// Close ends the streams, and waits until every request has ended, at most for a short time.
func (s *Server) Close() error {
	const grace = time.Second
	s.cancel()
	ctx, cancel := context.WithTimeout(context.Background(), grace)
	defer cancel()
	err := s.http.Shutdown(ctx)
	if errors.Is(err, context.DeadlineExceeded) {
		err = s.http.Close()
	}
	s.done.Wait()
	return err
}

// handler returns the routes of the page behind its checks.
func handler(a *access, o Options) http.Handler {
	api := api{Options: o, Control: a.cfg.Control}
	mux := http.NewServeMux()
	mux.Handle("GET /", assets())
	mux.HandleFunc("GET /api/state", api.state)
	mux.HandleFunc("GET /api/configuration", api.configuration)
	mux.HandleFunc("GET /api/visits", api.visits)
	mux.HandleFunc("GET /api/visits/{number}", api.visit)
	mux.HandleFunc("GET /api/faces/{number}", api.face)
	mux.HandleFunc("GET /api/live", api.live)
	mux.HandleFunc("GET /api/calibration", api.calibration)
	mux.HandleFunc("POST /api/overrides", api.controlled(api.saveOverride))
	mux.HandleFunc("POST /api/overrides/undo", api.controlled(api.undoOverride))
	if o.Metrics != nil {
		mux.Handle("GET /metrics", o.Metrics)
	}
	return headers(withHealth(o.State, a.guard(limitClients(maxClients, mux))))
}

// headers sets the security headers of every response. Nothing is stored, because most responses show people.
func headers(next http.Handler) http.Handler {
	const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; " +
		"form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for name, value := range map[string]string{
			"Content-Security-Policy":      policy,
			"X-Content-Type-Options":       "nosniff",
			"X-Frame-Options":              "DENY",
			"Referrer-Policy":              "no-referrer",
			"Cross-Origin-Resource-Policy": "same-origin",
			"Cross-Origin-Opener-Policy":   "same-origin",
			"Cache-Control":                "no-store",
		} {
			w.Header().Set(name, value)
		}
		next.ServeHTTP(w, r)
	})
}

// limitClients serves at most this many requests at the same time.
func limitClients(most int, next http.Handler) http.Handler {
	free := make(chan struct{}, most)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		select {
		case free <- struct{}{}:
			defer func() { <-free }()
			next.ServeHTTP(w, r)
		default:
			w.Header().Set("Retry-After", "5")
			http.Error(w, "Too many people watch this page. Try again later.", http.StatusServiceUnavailable)
		}
	})
}

// serverTLS returns the configuration of a listener. It reads certificate and key again when they have changed, for
// example after a renewal. If that fails, the former ones stay in use.
func serverTLS(cfg config.Web, log zerolog.Logger) (*tls.Config, error) {
	pair, err := cfg.LoadCertificate()
	if err != nil {
		return nil, fmt.Errorf("web.cert: the certificate and its key cannot be used: %w", err)
	}
	modified := func() (times [2]time.Time) {
		for i, path := range []string{cfg.Cert, cfg.Key} {
			if info, err := os.Stat(path); err == nil {
				times[i] = info.ModTime()
			}
		}
		return times
	}
	var mutex sync.Mutex
	last := modified()
	return &tls.Config{
		MinVersion: tls.VersionTLS12,
		NextProtos: []string{"http/1.1"},
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
			mutex.Lock()
			defer mutex.Unlock()
			if now := modified(); now != last {
				last = now
				if fresh, err := cfg.LoadCertificate(); err != nil {
					log.Warn().Err(err).Msg("web.cert: the changed certificate cannot be used; the former one stays in use")
				} else {
					pair = fresh
				}
			}
			current := pair
			return &current, nil
		},
	}, nil
}

// stdLogger returns a logger for the faults of single connections, which only a developer needs.
func stdLogger(l zerolog.Logger) *log.Logger { return log.New(debugWriter{l}, "", 0) }

type debugWriter struct{ log zerolog.Logger }

func (w debugWriter) Write(line []byte) (int, error) {
	w.log.Debug().Msg(string(bytes.TrimSpace(line)))
	return len(line), nil
}
