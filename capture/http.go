package capture

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"path"
	"strings"
	"time"

	"gocv.io/x/gocv"
)

const (
	// sniffed is the number of bytes of a body that are used to recognise its type.
	sniffed = 512
	// playlistBytes is the maximum size of an HLS playlist.
	playlistBytes = 1 << 20
	// playlistSegment is the usual maximum length of an HLS segment, whose frames all arrive at once.
	playlistSegment = 10 * time.Second
)

// httpStream is a live stream over HTTP: MJPEG, MPEG-TS, FLV, MP4 or HLS. Go reads the bytes, and FFmpeg
// decodes them.
type httpStream struct {
	*httpClient
	ctx    context.Context //nolint:containedctx // context of the stream; it cancels all requests
	reader *reader
	still  *snapshots // set if the url returns single pictures; then the reader is closed
	tempo  tempo
	seen   picture
}

func openHTTP(ctx context.Context, cfg Config, t target) (input, error) {
	options, err := cfg.media(true)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	e, err := newEndpoint(cfg, t, cancel)
	if err != nil {
		cancel()
		return nil, err
	}
	s := &httpStream{ctx: ctx, tempo: tempo{opening: cfg.OpenTimeout, reading: cfg.ReadTimeout}}
	if s.httpClient, err = newHTTPClient(e); err != nil {
		cancel()
		return nil, err
	}
	if s.reader, err = newReader(options); err != nil {
		cancel()
		return nil, err
	}
	stop := context.AfterFunc(ctx, s.reader.interrupt)
	if err := s.begin(); err != nil {
		stop()
		s.close()
		return nil, fmt.Errorf("open %s: %w", t.label, err)
	}
	if s.still != nil {
		stop()
		s.reader.close()
		return s.still, nil
	}
	return s, nil
}

// begin requests the stream and recognises its type.
func (s *httpStream) begin() error {
	defer s.within(s.cfg.OpenTimeout)()
	response, err := s.get(s.ctx, s.url.String(), http.Header{})
	if err != nil {
		return err
	}
	body := bufio.NewReaderSize(response.Body, 4096)
	head, _ := body.Peek(sniffed) // shorter at the end of a stream
	kind := mediaType(response.Header.Get("Content-Type"))
	if stillPicture(kind, response.ContentLength, head) {
		response.Body = limited{body, response.Body}
		if s.still, err = newSnapshots(s.ctx, s.httpClient, response); err != nil {
			return s.explain(err)
		}
		return nil
	}
	format, err := recognise(kind, response.Request.URL, head)
	if err != nil {
		_ = response.Body.Close() // the body is not used
		return s.explain(err)
	}
	f := &feed{body: limited{body, response.Body}, open: s.openNested}
	if format == "hls" {
		f.body = limit(f.body, playlistBytes)
		s.tempo.declared = playlistSegment
	}
	if err := s.reader.openFeed(f, response.Request.URL.String(), format); err != nil {
		if reasonOf(err) == "" {
			err = faultf(ReasonNoVideo, "the server sent no video that FFmpeg can read (Content-Type %q: %w); check the "+
				"path", printable(kind), err)
		}
		return s.explain(err)
	}
	return nil
}

// mediaType returns the first part of a Content-Type, in lower case.
func mediaType(header string) string {
	kind, _, err := mime.ParseMediaType(header)
	if err != nil { // cameras send boundaries that are not valid
		kind, _, _ = strings.Cut(header, ";")
	}
	return strings.ToLower(strings.TrimSpace(kind))
}

// recognise returns FFmpeg's name of the container of a body, "" if FFmpeg is to detect it, or a fault if the body is
// not video.
func recognise(kind string, u *url.URL, head []byte) (string, error) {
	text := bytes.ToLower(bytes.TrimSpace(bytes.TrimPrefix(head, []byte("\xef\xbb\xbf"))))
	switch {
	case strings.HasPrefix(kind, "multipart/"):
		return "mpjpeg", nil
	case bytes.HasPrefix(text, []byte("#extm3u")):
		return "hls", nil
	case strings.HasSuffix(kind, "mpegurl"), strings.HasPrefix(path.Ext(u.Path), ".m3u"):
		return "", faultf(ReasonNoVideo, "the playlist does not begin with #EXTM3U; check the path")
	case kind == "text/html", bytes.HasPrefix(text, []byte("<!doctype")), bytes.HasPrefix(text, []byte("<html")):
		return "", faultf(ReasonNoVideo, "the server sent a web page (%s), no video; give the url of the stream, not of "+
			"the camera's page", printable(kind))
	case strings.HasPrefix(kind, "text/"), kind == "application/json", kind == "application/xml":
		return "", faultf(ReasonNoVideo, "the server sent text (%s), no video; give the url of the stream",
			printable(kind))
	case strings.HasPrefix(kind, "audio/"):
		return "", faultf(ReasonNoVideo, "the server sent sound only (%s); give the url of the video", printable(kind))
	case len(head) == 0:
		return "", faultf(ReasonNoPackets, "the server answers 200 OK, and then sends nothing; check the path, and "+
			"restart the camera")
	default:
		return "", nil
	}
}

// openNested opens an address in a playlist.
func (s *httpStream) openNested(address string, offset, end int64) (io.ReadCloser, error) {
	u, err := url.Parse(address)
	if err != nil {
		return nil, s.keep(faultf(ReasonRedirect, "the playlist of the camera contains an invalid address"))
	}
	if err := s.allowed(u); err != nil {
		s.cut(err) // otherwise FFmpeg would try the next address
		return nil, err
	}
	u.User = nil
	header := http.Header{}
	switch {
	case end > offset:
		header.Set("Range", fmt.Sprintf("bytes=%d-%d", offset, end-1))
	case offset > 0:
		header.Set("Range", fmt.Sprintf("bytes=%d-", offset))
	}
	response, err := s.get(s.ctx, u.String(), header)
	if err != nil {
		return nil, err
	}
	playlist := strings.HasSuffix(mediaType(response.Header.Get("Content-Type")),
		"mpegurl") || strings.HasPrefix(path.Ext(u.Path), ".m3u")
	if playlist {
		return limit(response.Body, playlistBytes), nil
	}
	return response.Body, nil
}

func (s *httpStream) read(ctx context.Context, dst *gocv.Mat) (time.Duration, error) {
	patience := s.tempo.patience()
	timer := time.AfterFunc(patience, func() { s.cut(nil) })
	pic, err := s.reader.next(dst)
	if !timer.Stop() && err != nil && ctx.Err() == nil {
		return 0, s.explain(s.late(patience))
	}
	if err != nil {
		return 0, s.over(ctx, err)
	}
	s.seen = pic
	s.forget()
	s.tempo.frame(time.Now())
	return pic.stamp, nil
}

// over returns the fault for an error of the reader.
func (s *httpStream) over(ctx context.Context, err error) error {
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.Is(err, io.EOF) && s.tempo.frames == 0:
		return s.explain(faultf(ReasonUndecodable, "the stream ended before its first picture (%s); check the path "+
			"and the codec", s.content()))
	case errors.Is(err, io.EOF):
		return io.EOF
	default:
		return s.explain(err)
	}
}

// late returns the fault of a stream that delivered no frame within patience.
func (s *httpStream) late(patience time.Duration) error {
	switch info := s.reader.info(); {
	case s.tempo.frames > 0:
		return stalled(patience)
	case info.streams != "" && !strings.Contains(info.streams, " video"):
		return faultf(ReasonNoVideo, "only %s came within %v, no video; give the url of the video, or switch it on in "+
			"the camera", info.streams, patience)
	default:
		return faultf(ReasonUndecodable, "the server answers 200 OK, but no picture came within %v (%s); check path "+
			"and codec", patience, s.content())
	}
}

func (s *httpStream) content() string {
	info := s.reader.info()
	return strings.Trim(info.format+": "+info.streams, ": ")
}

// stalled returns the fault of a stream that delivered frames before.
func stalled(patience time.Duration) error {
	return faultf(ReasonStalled, "no readable frame within %v", patience.Round(100*time.Millisecond))
}

func (s *httpStream) shape() shape            { return shape{} }
func (s *httpStream) picture() picture        { return s.seen }
func (s *httpStream) patience() time.Duration { return max(s.tempo.patience(), longestPause) }

func (s *httpStream) close() {
	s.cut(nil)
	s.reader.close()
	s.httpClient.close()
}
