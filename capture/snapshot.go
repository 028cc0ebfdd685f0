package capture

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"image"
	"io"
	"net/http"
	"strings"
	"time"

	"gocv.io/x/gocv"
)

const (
	// snapshotBytes bounds the file of one picture; one of 40 million pixels has about 20 MiB.
	snapshotBytes = 32 << 20
	// The bounds of interval.
	shortestInterval, longestInterval = 100 * time.Millisecond, time.Hour
)

func (c Config) validateInterval() error {
	if c.Interval < shortestInterval || c.Interval > longestInterval {
		return fmt.Errorf("interval: %v is not between %v and %v", c.Interval, shortestInterval, longestInterval)
	}
	return nil
}

// errUnchanged marks a read without a new picture from a source that is there.
var errUnchanged = errors.New("the picture is the one before")

// snapshots polls a url that answers each request with one picture.
type snapshots struct {
	*httpClient
	ctx    context.Context //nolint:containedctx // the source's own, it ends all its requests
	first  *snapshot       // the picture that came with the open; nil when it has been read
	before snapshot        // the last picture that could be decoded, without its data
	next   time.Time       // when to request again
	good   time.Time       // when the server last gave a picture that can be decoded, or reported that it is the same
}

// snapshot is an answer of the server.
type snapshot struct {
	data    []byte
	sum     [sha256.Size]byte
	etag    string
	changed string // Last-Modified, as the server sent it
}

// stillPicture reports whether an answer is one picture and no stream, by its Content-Type, its length (-1: not known)
// and its first bytes.
func stillPicture(kind string, length int64, head []byte) bool {
	if strings.HasPrefix(kind, "image/") {
		return true
	}
	generic := kind == "" || strings.HasSuffix(kind, "/octet-stream")
	return generic && length > 0 && formatOf(head) != ""
}

// newSnapshots goes on with the answer to the first request, whose body it reads and closes.
func newSnapshots(ctx context.Context, client *httpClient, response *http.Response) (*snapshots, error) {
	s := &snapshots{httpClient: client, ctx: ctx, next: time.Now().Add(client.cfg.Interval)}
	var err error
	s.first, err = s.accept(response)
	return s, err
}

// read fills dst with the next picture. It waits until the interval is over, and returns errUnchanged when the picture
// is the same, and errUnreadable when it is damaged but the ones before were not: a camera may be writing it just then.
func (s *snapshots) read(ctx context.Context, dst *gocv.Mat) (time.Duration, error) {
	now := s.first
	s.first = nil
	if now == nil {
		if err := sleep(ctx, time.Until(s.next)); err != nil {
			return 0, err
		}
		s.next = time.Now().Add(s.cfg.Interval)
		var err error
		if now, err = s.poll(); err != nil {
			return 0, s.over(ctx, err)
		}
	}
	err := s.decode(now.data, dst)
	switch {
	case err == nil:
		s.good, s.before = time.Now(), snapshot{sum: now.sum, etag: now.etag, changed: now.changed}
		return 0, nil
	case s.good.IsZero() || reasonOf(err) != ReasonUndecodable || time.Since(s.good) > s.cfg.Interval+s.cfg.ReadTimeout:
		return 0, err
	default:
		return 0, fmt.Errorf("%w: %w", errUnreadable, err)
	}
}

// decode decodes a picture, and gives it the configured aspect.
func (s *snapshots) decode(data []byte, dst *gocv.Mat) error {
	err := decodePicture(data, int(s.cfg.MaxPixels), dst)
	if large := (PictureTooLargeError{}); errors.As(err, &large) {
		return faultf(ReasonTooLarge, "%w; lower the resolution, or raise max_pixels", err)
	}
	if err != nil {
		return faultf(ReasonUndecodable, "the picture cannot be used: %w", err)
	}
	return s.stretch(dst)
}

// over returns what an error of a request means.
func (s *snapshots) over(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if errors.Is(err, errUnchanged) {
		s.good = time.Now()
		return err
	}
	return s.explain(err)
}

// poll requests the picture.
func (s *snapshots) poll() (*snapshot, error) {
	limit := s.cfg.ReadTimeout
	late := faultf(ReasonStalled, "no complete picture within %v; check the camera, or raise read_timeout", limit)
	defer time.AfterFunc(limit, func() { s.cut(late) }).Stop()
	header := http.Header{}
	if s.before.etag != "" {
		header.Set("If-None-Match", s.before.etag)
	}
	if s.before.changed != "" {
		header.Set("If-Modified-Since", s.before.changed)
	}
	response, err := s.get(s.ctx, s.url.String(), header)
	if err != nil {
		return nil, err
	}
	return s.accept(response)
}

// accept reads and closes the body of an answer, and returns the picture in it, or errUnchanged.
func (s *snapshots) accept(response *http.Response) (*snapshot, error) {
	defer response.Body.Close() //nolint:errcheck // it was only read
	if response.StatusCode == http.StatusNotModified {
		return nil, errUnchanged
	}
	tooLong := faultf(ReasonTooLarge, "the picture has more than %d MiB; check that the url is that of a snapshot",
		snapshotBytes>>20)
	if response.ContentLength > snapshotBytes {
		return nil, tooLong
	}
	data, err := io.ReadAll(io.LimitReader(response.Body, snapshotBytes+1))
	switch {
	case err != nil:
		return nil, faultf(ReasonEnded, "the camera ended the connection in the middle of a picture (%w)", plain(err))
	case len(data) > snapshotBytes:
		return nil, tooLong
	case len(data) == 0:
		return nil, faultf(ReasonNoPackets, "the server answers 200 OK, but with no picture; check the path, and "+
			"restart the camera")
	}
	kind := mediaType(response.Header.Get("Content-Type"))
	if !stillPicture(kind, int64(len(data)), data) {
		return nil, faultf(ReasonNoVideo, "what comes is %s, no longer a picture; open the url in a browser",
			printable(kind))
	}
	now := &snapshot{
		data: data, sum: sha256.Sum256(data),
		etag: response.Header.Get("ETag"), changed: changedBefore(response.Header),
	}
	if now.sum == s.before.sum {
		s.before.etag, s.before.changed = now.etag, now.changed
		return nil, errUnchanged
	}
	return now, nil
}

// changedBefore returns Last-Modified, or "" where a later picture may have the same: it counts seconds, and pictures
// may change several times in one (RFC 9110, section 8.8.2.2).
func changedBefore(header http.Header) string {
	text := header.Get("Last-Modified")
	changed, err := http.ParseTime(text)
	if err != nil {
		return ""
	}
	if sent, err := http.ParseTime(header.Get("Date")); err != nil || sent.Sub(changed) < 2*time.Second {
		return ""
	}
	return text
}

// stretch gives a picture the configured aspect, by more columns or more rows.
func (s *snapshots) stretch(m *gocv.Mat) error {
	aspect, err := parseAspect(s.cfg.Aspect)
	if err != nil || aspect == (ratio{}) {
		return err
	}
	size := stretched(m.Cols(), m.Rows(), aspect)
	if int64(size.X)*int64(size.Y) > s.cfg.MaxPixels || size.X == m.Cols() && size.Y == m.Rows() {
		return nil
	}
	gocv.Resize(*m, m, size, 0, 0, gocv.InterpolationLinear)
	return nil
}

// stretched returns the size at which a picture has an aspect, without a loss of pixels.
func stretched(width, height int, aspect ratio) image.Point {
	if wide := height * aspect.width / aspect.height; wide >= width {
		return image.Pt(wide, height)
	}
	return image.Pt(width, width*aspect.height/aspect.width)
}

// shape reports that a picture shows the present, also where several come at once.
func (s *snapshots) shape() shape { return shape{fps: 1 / s.cfg.Interval.Seconds(), present: true} }

// patience is how long a read may take before the watchdog counts it as blocked: the wait, and twice the time after which
// the request is cut.
func (s *snapshots) patience() time.Duration { return s.cfg.Interval + 2*s.cfg.ReadTimeout }

func (s *snapshots) close() {
	s.cut(nil)
	s.httpClient.close()
}
