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

// maxSnapshotBytes is the maximum size of an image; one of 40 million pixels has about 20 MiB.
const maxSnapshotBytes = 32 << 20

// snapshots polls a url that answers each request with one image.
type snapshots struct {
	*httpClient
	ctx       context.Context // of the source; it cancels all requests
	first     *snapshot       // the image that open received; nil after it was read
	before    snapshot        // the last image that could be decoded, without its data
	next      time.Time       // time of the next request
	succeeded time.Time       // time of the last image that could be decoded, or was unchanged
}

// snapshot is a response of the server.
type snapshot struct {
	data    []byte
	sum     [sha256.Size]byte
	etag    string
	changed string // Last-Modified, as the server sent it
}

// isImage reports whether a response is an image, not a stream. length is in bytes (-1: unknown), and head is the first
// bytes.
func isImage(mediaType string, length int64, head []byte) bool {
	if strings.HasPrefix(mediaType, "image/") {
		return true
	}
	generic := mediaType == "" || strings.HasSuffix(mediaType, "/octet-stream")
	return generic && length > 0 && formatOf(head) != ""
}

// newSnapshots takes the response to the first request, and reads and closes its body.
func newSnapshots(ctx context.Context, client *httpClient, response *http.Response) (*snapshots, error) {
	s := &snapshots{httpClient: client, ctx: ctx, next: time.Now().Add(client.cfg.Interval)}
	var err error
	s.first, err = s.accept(response)
	return s, err
}

// read waits until the interval is over and fills dst with the next image. It returns errUnreadable if the image is
// damaged but recent ones were not, because the camera may have been writing the file.
func (s *snapshots) read(ctx context.Context, _ wanted, dst *gocv.Mat) (frameInfo, error) {
	now := s.first
	s.first = nil
	if now == nil {
		if err := sleep(ctx, time.Until(s.next)); err != nil {
			return frameInfo{}, err
		}
		s.next = time.Now().Add(s.cfg.Interval)
		var err error
		if now, err = s.poll(); err != nil {
			return frameInfo{}, s.pollFault(ctx, err)
		}
	}
	err := s.decode(now.data, dst)
	recent := !s.succeeded.IsZero() && time.Since(s.succeeded) <= s.cfg.Interval+s.cfg.ReadTimeout
	switch {
	case err == nil:
		s.succeeded, s.before = time.Now(), snapshot{sum: now.sum, etag: now.etag, changed: now.changed}
		return frameInfo{}, nil
	case recent && reasonOf(err) == ReasonUndecodable:
		return frameInfo{}, fmt.Errorf("%w: %w", errUnreadable, err)
	default:
		return frameInfo{}, err
	}
}

// decode decodes an image, and stretches it to the configured aspect.
func (s *snapshots) decode(data []byte, dst *gocv.Mat) error {
	err := decodeImage(data, int(s.cfg.MaxPixels), dst)
	if _, ok := errors.AsType[imageTooLargeError](err); ok {
		return faultf(ReasonTooLarge, "%w; lower the resolution, or raise max_pixels", err)
	}
	if err != nil {
		return faultf(ReasonUndecodable, "the image cannot be used: %w", err)
	}
	return s.stretch(dst)
}

// pollFault returns the fault for an error of poll.
func (s *snapshots) pollFault(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if errors.Is(err, errUnchanged) {
		s.succeeded = time.Now()
		return err
	}
	return s.explain(err)
}

// poll requests the image, on the condition that it has changed.
func (s *snapshots) poll() (*snapshot, error) {
	limit := s.cfg.ReadTimeout
	late := faultf(ReasonStalled, "no complete image within %v; check the camera, or raise read_timeout", limit)
	defer time.AfterFunc(limit, func() { s.abort(late) }).Stop()
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

// accept reads and closes the body of a response, and returns the image in it, or errUnchanged.
func (s *snapshots) accept(response *http.Response) (*snapshot, error) {
	defer response.Body.Close() //nolint:errcheck // it was only read
	if response.StatusCode == http.StatusNotModified {
		return nil, errUnchanged
	}
	tooLong := faultf(ReasonTooLarge, "the image has more than %d MiB; check that the url is that of a snapshot",
		maxSnapshotBytes>>20)
	if response.ContentLength > maxSnapshotBytes {
		return nil, tooLong
	}
	data, err := io.ReadAll(io.LimitReader(response.Body, maxSnapshotBytes+1))
	switch {
	case err != nil:
		return nil, faultf(ReasonEnded, "the camera ended the connection in the middle of an image (%w)", cause(err))
	case len(data) > maxSnapshotBytes:
		return nil, tooLong
	case len(data) == 0:
		return nil, faultf(ReasonNoPackets, "the server answers 200 OK, but with no image; check the path, and "+
			"restart the camera")
	}
	mediaType := mediaTypeOf(response.Header.Get("Content-Type"))
	if !isImage(mediaType, int64(len(data)), data) {
		return nil, faultf(ReasonNoVideo, "the server sent %s, no longer an image; open the url in a browser",
			printable(mediaType))
	}
	now := &snapshot{
		data: data, sum: sha256.Sum256(data),
		etag: response.Header.Get("ETag"), changed: lastModified(response.Header),
	}
	if now.sum == s.before.sum {
		s.before.etag, s.before.changed = now.etag, now.changed
		return nil, errUnchanged
	}
	return now, nil
}

// lastModified returns Last-Modified, or "" if a later image may have the same value. Last-Modified has a resolution of
// a second, in which an image may change several times (RFC 9110, section 8.8.2.2).
func lastModified(header http.Header) string {
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

// stretch gives an image the configured aspect by enlarging one side.
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

// stretched returns the smallest size with this aspect in which no side of the image is reduced.
func stretched(width, height int, aspect ratio) image.Point {
	if wide := height * aspect.width / aspect.height; wide >= width {
		return image.Pt(wide, height)
	}
	return image.Pt(width, width*aspect.height/aspect.width)
}

func (s *snapshots) shape() shape {
	return shape{
		fps: 1 / s.cfg.Interval.Seconds(), slowest: s.cfg.Interval + 2*s.cfg.ReadTimeout,
		current: true, // an image shows the time of its request
	}
}

func (s *snapshots) close() {
	s.abort(nil)
	s.httpClient.close()
}
