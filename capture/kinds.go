package capture

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"

	"gocv.io/x/gocv"

	"facesieve/capture/sourceurl"
)

// kind is a kind of source.
type kind struct {
	prefix string                 // of its URLs, in any case
	live   bool                   // the source has no end, and is opened again when it is lost
	check  func(url string) error // validates a URL without disk and network; nil: there is nothing to validate
	open   opener
}

// kinds returns the kinds of sources, except a path without scheme. A new kind is a file with an opener, and an entry
// here.
func kinds() []kind {
	return []kind{
		{prefix: "rtsp://", live: true, check: sourceurl.Check, open: openRTSP},
		{prefix: "rtsps://", live: true, check: sourceurl.Check, open: openRTSP},
		{prefix: "http://", live: true, check: sourceurl.Check, open: openHTTP},
		{prefix: "https://", live: true, check: sourceurl.Check, open: openHTTP},
		{prefix: "file://", open: openPath},
		{prefix: sourceurl.PipelinePrefix, live: true, check: checkPipeline, open: openPipeline},
		{prefix: "/dev/video", live: true, open: openDevice},
		{prefix: "/dev/v4l/", live: true, open: openDevice},
	}
}

// opener opens a source. Calls that can block without an end must be made while the watchdog runs.
type opener func(ctx context.Context, cfg Config, t target, w *watchdog) (input, error)

// input is an opened source. Its methods must be called from one goroutine.
type input interface {
	// read fills dst with the next frame, unless the input is a decoder, or omits a frame that is not wanted. It returns
	// io.EOF after the last frame, errUnreadable if a later call can succeed, and errUnchanged if the source is connected
	// but has no new frame.
	read(ctx context.Context, w wanted, dst *gocv.Mat) (frameInfo, error)
	// shape returns the properties that are known before the first frame.
	shape() shape
	close()
}

// decoder is an input whose read only decodes the next frame, into its own memory. So the frame needs a Mat only when
// Next returns it, and none if it is discarded.
type decoder interface {
	// picture returns the frame of the last read. The caller closes it.
	picture() (*picture, error)
}

// meter is an input that measures its decoding.
type meter interface {
	// decoding returns FFmpeg's name of the codec, and the CPU time of decoding so far, without conversion. Only the thread
	// that calls FFmpeg counts, which does it all for a live source and at pace Native, unless one thread is too slow.
	decoding() (codec string, spent time.Duration, used decoderUse)
}

// shape is the properties of an input.
type shape struct {
	fps float64 // 0: unknown
	// slowest is the time after which a read counts as blocked; 0: Config.ReadTimeout. Only for live sources.
	slowest time.Duration
	current bool // each frame shows the time of its read, even if reads follow each other quickly
	timed   bool // the frames have the pace of their timestamps, unless Config.Pace is Fast
}

// frameInfo describes a frame, without its pixels.
type frameInfo struct {
	stamp         time.Duration // since the beginning of the stream; 0: unknown
	width, height int           // as decoded; 0: unknown
	sample        ratio         // declared width to height of a pixel
	omitted       omission
}

// omission is why a frame that the camera sent is not delivered.
type omission int

const (
	delivered omission = iota
	overRate           // another one of its period is delivered
	idle               // nothing moves, and it is not a key frame
)

var (
	errNoMemory   = errors.New("out of memory")
	errResized    = errors.New("the frames changed their size") // the source must be opened again
	errUnreadable = errors.New("not a readable image")          // the next one may be readable
	errUnchanged  = errors.New("the image has not changed")
)

// target is a parsed Config.URL.
type target struct {
	kind
	url   string // with the prefix in lower case; may contain credentials
	rest  string // url after the prefix
	label string // for logs and errors, without credentials
}

// target parses URL.
func (c Config) target() (target, error) {
	return parseURL(c.URL, sourceurl.Redact(cmp.Or(c.Shown, c.URL)))
}

// parseURL uses neither disk nor network. Its errors contain the label, not the URL.
func parseURL(raw, label string) (target, error) {
	if strings.TrimSpace(raw) == "" {
		return target{}, errors.New("empty; give a path, /dev/video0, rtsp://..., http://... or gst:PIPELINE")
	}
	if strings.ContainsRune(raw, 0) {
		return target{}, fmt.Errorf("%s: contains a zero byte", label)
	}
	for _, k := range kinds() {
		if !sourceurl.HasPrefix(raw, k.prefix) {
			continue
		}
		rest := raw[len(k.prefix):]
		if k.check != nil {
			if err := k.check(raw); err != nil {
				return target{}, fmt.Errorf("%s: %w", label, err)
			}
		}
		return target{kind: k, url: k.prefix + rest, rest: rest, label: label}, nil
	}
	if scheme, _, ok := strings.Cut(raw, "://"); ok {
		return target{}, unsupported(strings.ToLower(scheme), label)
	}
	if sourceurl.Misspelled(raw) {
		return target{}, fmt.Errorf("%s: neither a path nor a URL; write scheme://user:password@host:port/path, "+
			"or ./ before a path", label)
	}
	return target{kind: kind{open: openPath}, url: raw, rest: raw, label: label}, nil
}

var schemeName = regexp.MustCompile(`^[a-z][a-z0-9+.-]*$`)

// unsupported returns the error for a scheme. It does not repeat a scheme that is not valid, which may be a password.
func unsupported(scheme, label string) error {
	if !schemeName.MatchString(scheme) {
		return fmt.Errorf("%s: not a valid URL; write scheme://user:password@host:port/path", label)
	}
	var known []string
	for _, k := range kinds() {
		if !strings.HasPrefix(k.prefix, "/") {
			known = append(known, strings.TrimSuffix(k.prefix, "://"))
		}
	}
	return fmt.Errorf("%s: scheme %q is not supported; use %s or a path", label, scheme, strings.Join(known, ", "))
}
