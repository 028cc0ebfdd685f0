package capture

import (
	"errors"
	"fmt"
	"net"
	"reflect"
	"strings"
	"time"
)

// Pace is the speed at which a video file is read. Other sources ignore it.
type Pace string

// The paces of a video file.
const (
	Native Pace = "native" // that of its timestamps; a newer frame replaces an older one, as for a camera
	Fast   Pace = "fast"   // all frames in order, each as soon as the previous one has been taken
)

// The transports of RTSP.
const (
	transportTCP = "tcp"
	transportUDP = "udp"
)

// Idle is what is decoded of a live source, or a file at pace Native, while nothing moves.
type Idle string

// The values of Idle.
const (
	IdleOff       Idle = "off"       // all frames
	IdleKeyFrames Idle = "keyframes" // key frames alone; motion is seen at the next one, which may take as long as they are apart
)

// HWAccel is the choice of a hardware decoder. It is used after its first frames were equal to those of software, and took
// less CPU time; otherwise software goes on.
type HWAccel string

// The choices of a hardware decoder.
const (
	HWNone    HWAccel = "none"    // software
	HWAuto    HWAccel = "auto"    // the first of the others that is proven
	HWVAAPI   HWAccel = "vaapi"   // Intel, AMD
	HWV4L2M2M HWAccel = "v4l2m2m" // Raspberry Pi 4 and other boards
)

// decoders returns FFmpeg's names of the decoders to try.
func (h HWAccel) decoders() []string {
	switch h {
	case HWAuto:
		return []string{string(HWVAAPI), string(HWV4L2M2M)}
	case HWVAAPI, HWV4L2M2M:
		return []string{string(h)}
	default:
		return nil
	}
}

// The bounds of the timeouts and pauses. A timeout of an hour is a mistake.
const shortestTime, longestTime = time.Millisecond, 10 * time.Minute

// The bounds of interval.
const shortestInterval, longestInterval = 100 * time.Millisecond, time.Hour

// The bounds of max_pixels: a small frame, and the largest frame of FFmpeg.
const minPixels, maxPixels = 320 * 240, 500_000_000

// Config is the configuration of a Source. Start from Default.
type Config struct {
	URL          string        `yaml:"url"`           // see the package comment
	Pace         Pace          `yaml:"pace"`          // native or fast; video files only
	OpenTimeout  time.Duration `yaml:"open_timeout"`  // for connecting and requests, then for the first frame
	ReadTimeout  time.Duration `yaml:"read_timeout"`  // longest pause between frames; longer for slow streams
	ReconnectMin time.Duration `yaml:"reconnect_min"` // shortest pause before a live source is tried again
	ReconnectMax time.Duration `yaml:"reconnect_max"` // longest pause; frames for this long make the pauses short again
	Interval     time.Duration `yaml:"interval"`      // between two requests to a url that returns one image
	Transport    string        `yaml:"transport"`     // of RTSP: tcp or udp
	Loop         bool          `yaml:"loop"`          // start a file or directory again at its end
	MaxPixels    int64         `yaml:"max_pixels"`    // of a frame; larger frames are rejected before they are decoded
	Aspect       string        `yaml:"aspect"`        // of the whole frame, such as 16:9; empty: as declared
	AllowHosts   []string      `yaml:"allow_hosts"`   // hosts, besides the camera, that playlists and redirects may use
	Idle         Idle          `yaml:"idle"`          // off or keyframes; see Source.SetIdle
	HWAccel      HWAccel       `yaml:"hwaccel"`       // hardware decoder: none, auto, vaapi or v4l2m2m
	TLS          TLS           `yaml:"tls"`           // of https and rtsps

	// MaxFPS is the number of frames a second that Next returns at most, until SetMaxFPS changes it; 0: all.
	MaxFPS float64 `yaml:"-"`

	// Shown replaces URL in logs and errors, where its credentials are hidden as well; empty: URL. Set it to the text
	// before variables were replaced by secrets, because Redact cannot recognise a secret at every position.
	Shown string `yaml:"-"`

	// Start is the Frame.Time of position 0 of a file or directory; zero: the time of Open. With a fixed Start, each run
	// returns the same times.
	Start time.Time `yaml:"-"`
}

// Default returns the configuration without a URL.
func Default() Config {
	return Config{
		Pace:         Native,
		OpenTimeout:  10 * time.Second,
		ReadTimeout:  5 * time.Second,
		ReconnectMin: time.Second,
		ReconnectMax: 30 * time.Second,
		Interval:     500 * time.Millisecond,
		Transport:    transportTCP,
		MaxPixels:    DefaultMaxPixels,
		Idle:         IdleOff,
		HWAccel:      HWNone,
	}
}

// Validate returns all faults of the configuration as a joined error. Each begins with its key. The only file that
// Validate reads is tls.ca.
func (c Config) Validate() error {
	var faults []error
	check := func(ok bool, key, format string, args ...any) {
		if !ok {
			faults = append(faults, keyError{key, fmt.Errorf(format, args...)})
		}
	}
	_, err := c.target()
	check(err == nil, "url", "%w", err)
	check(c.Pace == Native || c.Pace == Fast, "pace", "%q is neither %q nor %q", c.Pace, Native, Fast)
	c.checkTimes(check)
	check(c.HWAccel == HWNone || c.HWAccel.decoders() != nil, "hwaccel", "%q is not %s, %s, %s or %s", c.HWAccel, HWNone,
		HWAuto, HWVAAPI, HWV4L2M2M)
	check(c.Idle == IdleOff || c.Idle == IdleKeyFrames, "idle", "%q is neither %q nor %q", c.Idle, IdleOff, IdleKeyFrames)
	check(c.Transport == transportTCP || c.Transport == transportUDP, "transport",
		"%q is neither %q nor %q", c.Transport, transportTCP, transportUDP)
	check(c.MaxPixels >= minPixels && c.MaxPixels <= maxPixels, "max_pixels",
		"%d is not between %d and %d", c.MaxPixels, minPixels, maxPixels)
	_, err = parseAspect(c.Aspect)
	check(err == nil, "aspect", "%w", err)
	for i, host := range c.AllowHosts {
		valid := host != "" && (!strings.ContainsAny(host, ":/@ ") || net.ParseIP(host) != nil)
		check(valid, fmt.Sprintf("allow_hosts[%d]", i), "not a host; write a name or an address, without scheme and port")
	}
	check(c.Interval >= shortestInterval && c.Interval <= longestInterval, "interval",
		"%v is not between %v and %v", c.Interval, shortestInterval, longestInterval)
	return errors.Join(append(faults, c.TLS.validate())...)
}

func (c Config) checkTimes(check func(ok bool, key, format string, args ...any)) {
	for _, d := range []struct {
		key   string
		value time.Duration
	}{
		{"open_timeout", c.OpenTimeout},
		{"read_timeout", c.ReadTimeout},
		{"reconnect_min", c.ReconnectMin},
		{"reconnect_max", c.ReconnectMax},
	} {
		check(d.value >= shortestTime && d.value <= longestTime, d.key,
			"%v is not between %v and %v", d.value, shortestTime, longestTime)
	}
	check(c.ReconnectMin <= c.ReconnectMax, "reconnect_min",
		"%v is longer than reconnect_max (%v)", c.ReconnectMin, c.ReconnectMax)
}

// keyError is the error of one key of the configuration.
type keyError struct {
	key string // dotted
	err error  // what is wrong and how to fix it
}

func (e keyError) Error() string { return e.key + ": " + e.err.Error() }

func (e keyError) Unwrap() error { return e.err }

// ConfigKey returns the key; package config reports it with its line.
func (e keyError) ConfigKey() string { return e.key }

// Equal reports whether a Source of the other configuration would be the same.
func (c Config) Equal(other Config) bool { return reflect.DeepEqual(c, other) }

// media returns the options for decoding.
func (c Config) media(live bool) (mediaOptions, error) {
	aspect, err := parseAspect(c.Aspect)
	return mediaOptions{
		maxPixels: c.MaxPixels, aspect: aspect, live: live, paced: c.Pace == Native,
		hardware: c.HWAccel.decoders(), maxCost: 1, maxLoad: 0.6,
	}, err
}
