package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/dustin/go-humanize/english"

	"facesieve/cmd/facesieve/internal/config"
	"facesieve/cmd/facesieve/internal/logging"
	"facesieve/publish"
	"facesieve/publish/event"
)

type watchCommand struct {
	Config filePath      `help:"Configuration file, for the broker and its credentials."`
	Broker string        `default:"tcp://127.0.0.1:1883" help:"Broker, tcp:// or ssl://; not used with --config."`
	User   string        `help:"User at the broker; the password comes from FACESIEVE_MQTT_PASSWORD."`
	CA     string        `type:"existingfile" help:"PEM file of the broker's certificate authority, for ssl://."`
	Cert   string        `type:"existingfile" help:"PEM file of the client certificate, if required; needs --key."`
	Key    string        `type:"existingfile" help:"PEM file of its private key."`
	Root   string        `help:"Beginning of the topics; + is any level. Default: that of --config, or facesieve/+."`
	Save   filePath      `placeholder:"DIR" help:"Save the faces into this directory."`
	JSON   bool          `help:"Print each event as JSON, one a line, with the image."`
	Count  int           `help:"End after this many faces."`
	For    time.Duration `help:"End after this time."`
}

// Run prints messages until ctx ends, or --count faces have arrived.
func (c *watchCommand) Run(ctx context.Context, term console) error {
	cfg, err := c.connection()
	if err != nil {
		return err
	}
	if c.Save != "" {
		if err := os.MkdirAll(string(c.Save), 0o700); err != nil {
			return fmt.Errorf("create the directory for faces: %w", err)
		}
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	if c.For > 0 {
		ctx, cancel = context.WithTimeout(ctx, c.For)
		defer cancel()
	}
	v := &viewer{command: c, term: term, cancel: cancel}
	log := logging.New(config.Log{Level: "warn", Format: "auto"}, term.err)
	return errors.Join(publish.Subscribe(ctx, cfg, v.handler(), log), v.failure())
}

// connection returns the settings of the connection to the broker.
func (c *watchCommand) connection() (publish.Config, error) {
	cfg := publish.Default()
	if c.Config != "" {
		loaded, err := config.Load(config.ForWatch(), string(c.Config), config.Secret)
		if err != nil {
			return cfg, err
		}
		cfg = loaded.MQTT
	} else {
		cfg.Broker, cfg.Root = c.Broker, "facesieve/+"
		cfg.TLS = publish.TLS{CA: c.CA, Cert: c.Cert, Key: c.Key}
		cfg.User, cfg.Password = config.Secret("FACESIEVE_MQTT_USER"),
			publish.Secret(config.Secret("FACESIEVE_MQTT_PASSWORD"))
	}
	if c.User != "" {
		cfg.User = c.User
	}
	if c.Root != "" {
		cfg.Root = c.Root
	}
	return cfg, nil
}

// viewer prints and saves messages.
type viewer struct {
	command *watchCommand
	term    console
	cancel  context.CancelFunc
	faces   int
	reason  string // the last printed reason why there is no connection

	mutex sync.Mutex
	err   error // the first failure to show or save
}

func (v *viewer) handler() publish.Handler {
	return publish.Handler{
		Face: v.event,
		State: func(s event.State) {
			v.remark("%s/%s: %s, %.1f frames and %.2f faces a second",
				s.Device, s.Camera, s.State, s.FPS, s.FacesPerSecond)
			if s.Health.State == event.HealthDegraded {
				v.remark("  %s", s.Health.Detail)
			}
		},
		Status:  func(root string, status event.Status) { v.remark("%s: %s", root, status) },
		Removed: v.removed,
		Rejected: func(r event.Rejected) {
			v.remark("%s/%s: %strack %d, rejected: %s", r.Device, r.Camera, visitText(r.Visit, ", "), r.Track,
				event.MissesText(r.Reasons))
		},
		Invalid: func(topic string, err error) {
			v.remark("%s: %s", topic, strings.ReplaceAll(err.Error(), "\n", "; "))
		},
		Disconnected: func(broker string, err error, wait time.Duration) {
			v.remark("no broker at %s; retrying in %s", broker, rounded(wait))
			if reason := err.Error(); reason != v.reason {
				v.reason = reason
				v.remark("  %s", reason)
			}
		},
	}
}

// remark prints a line to the terminal. Strings among the values are external text, and are made printable.
func (v *viewer) remark(format string, values ...any) {
	for i, value := range values {
		if text, ok := value.(string); ok {
			values[i] = printable(text)
		}
	}
	fmt.Fprintf(v.term.err, format+"\n", values...)
}

// removed prints that a camera, or a device, no longer exists.
func (v *viewer) removed(root, camera string) {
	if camera == "" {
		v.remark("%s: removed", root)
		return
	}
	v.remark("%s/%s: removed", root, camera)
}

// rounded returns a duration in whole seconds, or in tenths below one second.
func rounded(d time.Duration) string {
	if d < time.Second {
		return d.Round(100 * time.Millisecond).String()
	}
	return d.Round(time.Second).String()
}

// event prints one face, and saves it.
func (v *viewer) event(e event.Face) {
	v.fail(v.show(e))
	if v.command.Save != "" {
		v.fail(saveFace(string(v.command.Save), watchedFile(e), e))
	}
	if v.faces++; v.command.Count > 0 && v.faces >= v.command.Count {
		v.cancel()
	}
}

func (v *viewer) show(e event.Face) error {
	if v.command.JSON {
		return v.showJSON(e)
	}
	_, err := fmt.Fprintf(v.term.out, "%s  %s/%s  %strack %-3d  score %5.1f  %3.0fx%-3.0f  %s, %d bytes%s\n",
		e.Time.Format("2006-01-02 15:04:05.000"), printable(e.Device), printable(e.Camera), visitText(e.Visit, "  "), e.Track,
		e.Quality.Score, e.Box.Width, e.Box.Height, e.Image.Encoding, len(e.Image.Data), historyText(e))
	return err
}

// visitText returns the short id of a visit and a separator; nothing for a message of schema version 2, which has none.
func visitText(v event.Visit, separator string) string {
	if v.ID == "" {
		return ""
	}
	return "visit " + printable(v.ShortID()) + separator
}

// historyText returns what a face has behind it: the tracks of its visit, its latency, and whether it is replayed.
func historyText(e event.Face) string {
	text := ""
	if e.Schema >= 3 {
		text = fmt.Sprintf(", %s, after %.1f s", english.Plural(e.Visit.Tracks, "track", ""), float64(e.LatencyMS)/1000)
	}
	if e.Replayed {
		text += ", replayed"
	}
	return text
}

func (v *viewer) showJSON(e event.Face) error {
	text, err := json.Marshal(e)
	if err != nil {
		return err
	}
	_, err = v.term.out.Write(append(safeJSON(text), '\n'))
	return err
}

// fail stores the first failure and stops, because an output that is full or closed stays so.
func (v *viewer) fail(err error) {
	if err == nil {
		return
	}
	v.mutex.Lock()
	defer v.mutex.Unlock()
	if v.err == nil {
		v.err = err
	}
	v.cancel()
}

func (v *viewer) failure() error {
	v.mutex.Lock()
	defer v.mutex.Unlock()
	return v.err
}
