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
	// snapshotBytes is the maximum size of a picture; one of 40 million pixels has about 20 MiB.
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

// errUnchanged is returned when the camera has answered but the picture has not changed.
var errUnchanged = errors.New("the picture is the one before")

// snapshots polls a url that answers each request with one picture.
type snapshots struct {
	*httpClient
	ctx    context.Context //nolint:containedctx // context of the source; it cancels all requests
	first  *snapshot       // the picture that open received; nil after it was read
	before snapshot        // the last picture that could be decoded, without its data
	next   time.Time       // time of the next request
	good   time.Time       // when the server last sent a picture that can be decoded, or the same picture
}

// snapshot is a response of the server.
type snapshot struct {
	data    []byte
	sum     [sha256.Size]byte
	etag    string
	changed string // Last-Modified, as the server sent it
}

// stillPicture reports whether a response is a single picture, not a stream, by its Content-Type, its length (-1:
// unknown) and its first bytes.
func stillPicture(kind string, length int64, head []byte) bool {
	if strings.HasPrefix(kind, "image/") {
		return true
	}
	generic := kind == "" || strings.HasSuffix(kind, "/octet-stream")
	return generic && length > 0 && formatOf(head) != ""
}

// newSnapshots takes the response to the first request, and reads and closes its body.
func newSnapshots(ctx context.Context, client *httpClient, response *http.Response) (*snapshots, error) {
	s := &snapshots{httpClient: client, ctx: ctx, next: time.Now().Add(client.cfg.Interval)}
	var err error
	s.first, err = s.accept(response)
	return s, err
}

// read waits until the interval is over and fills dst with the next picture. It returns errUnchanged if the picture is
// the same as before. It returns errUnreadable if the picture is damaged but recent ones were not, because the camera
// may have been writing the file.
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

// decode decodes a picture, and stretches it to the configured aspect.
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

// over returns the fault for an error of a request.
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

// accept reads and closes the body of a response, and returns the picture in it, or errUnchanged.
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
		return nil, faultf(ReasonNoVideo, "the server sent %s, no longer a picture; open the url in a browser",
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

// changedBefore returns Last-Modified, or "" if a later picture may have the same value. Last-Modified has a resolution
// of a second, in which a picture may change several times (RFC 9110, section 8.8.2.2).
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

// stretch gives a picture the configured aspect by adding columns or rows.
func (s *snapshots) stretch(m *gocv.Mat) error {
	aspect, err := parseAspect(s.cfg.Aspect)
	if err != nil || aspect == (ratio{}) {
		return err
	}
	size := stretched(m.Cols(), m.Rows(), aspect)
	if int64(size.X)*int64(size.Y) > s.cfg.MaxPixels || size.X == m.Cols() && size.Y == m.Rows() {
		return nil
	}
	if err := gocv.Resize(*m, m, size, 0, 0, gocv.InterpolationLinear); err != nil {
		return fmt.Errorf("stretch the picture: %w", err)
	}
	return nil
}

// stretched returns the smallest size with this aspect in which no side of the picture is reduced.
func stretched(width, height int, aspect ratio) image.Point {
	if wide := height * aspect.width / aspect.height; wide >= width {
		return image.Pt(wide, height)
	}
	return image.Pt(width, width*aspect.height/aspect.width)
}

// shape reports that a picture always shows the time of its request, even if several arrive in quick succession.
func (s *snapshots) shape() shape { return shape{fps: 1 / s.cfg.Interval.Seconds(), present: true} }

// patience returns how long a read may take before the watchdog counts it as blocked: the interval, and twice the
// timeout of a request.
func (s *snapshots) patience() time.Duration { return s.cfg.Interval + 2*s.cfg.ReadTimeout }

func (s *snapshots) close() {
	s.cut(nil)
	s.httpClient.close()
}
