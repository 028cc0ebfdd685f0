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
	// typeBytes is the number of bytes of a body by which its type is recognised.
	typeBytes = 512
	// maxPlaylistBytes is the maximum size of an HLS playlist.
	maxPlaylistBytes = 1 << 20
	// segmentDuration is the usual maximum duration of an HLS segment, whose frames all arrive at once.
	segmentDuration = 10 * time.Second
)

// httpStream is a live stream over HTTP: MJPEG, MPEG-TS, FLV, MP4 or HLS. Go reads the bytes, and FFmpeg
// decodes them.
type httpStream struct {
	*httpClient
	ctx    context.Context // of the stream; it cancels all requests
	reader *reader
	limit  readLimit
}

// openHTTP opens a url that returns a stream or an image.
func openHTTP(ctx context.Context, cfg Config, t target, _ *watchdog) (input, error) {
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
	s := &httpStream{ctx: ctx, limit: newReadLimit(cfg)}
	if s.httpClient, err = newHTTPClient(e); err != nil {
		cancel()
		return nil, err
	}
	if s.reader, err = newReader(options); err != nil {
		cancel()
		return nil, err
	}
	stop := context.AfterFunc(ctx, s.reader.interrupt)
	images, err := s.begin()
	if err == nil && images == nil {
		return s, nil
	}
	stop()
	if err != nil {
		s.close()
		return nil, fmt.Errorf("open %s: %w", t.label, err)
	}
	s.reader.close()
	return images, nil
}

// begin requests the url and recognises the type of the response. It returns the snapshots if that is an image, and nil
// if it is a stream.
func (s *httpStream) begin() (*snapshots, error) {
	defer s.abortAfter()()
	response, err := s.get(s.ctx, s.url.String(), http.Header{})
	if err != nil {
		return nil, err
	}
	body := bufio.NewReaderSize(response.Body, 4096)
	head, _ := body.Peek(typeBytes) // shorter at the end of a stream
	response.Body = bodyReader{body, response.Body}
	mediaType := mediaTypeOf(response.Header.Get("Content-Type"))
	if isImage(mediaType, response.ContentLength, head) {
		images, err := newSnapshots(s.ctx, s.httpClient, response)
		if err != nil {
			return nil, s.explain(err)
		}
		return images, nil
	}
	format, err := containerOf(mediaType, response.Request.URL, head)
	if err != nil {
		_ = response.Body.Close() // the body is not used
		return nil, s.explain(err)
	}
	f := &feed{body: response.Body, open: s.openNested}
	if format == "hls" {
		f.body = limitBody(f.body, maxPlaylistBytes)
		s.limit.declared = segmentDuration
	}
	if err := s.reader.openFeed(f, response.Request.URL.String(), format); err != nil {
		if reasonOf(err) == "" {
			err = faultf(ReasonNoVideo, "the server sent no video that FFmpeg can read (Content-Type %q: %w); check the "+
				"path", printable(mediaType), err)
		}
		return nil, s.explain(err)
	}
	return nil, nil
}

// mediaTypeOf returns the first part of a Content-Type, in lower case.
func mediaTypeOf(header string) string {
	mediaType, _, err := mime.ParseMediaType(header)
	if err != nil { // cameras send boundaries that are not valid
		mediaType, _, _ = strings.Cut(header, ";")
	}
	return strings.ToLower(strings.TrimSpace(mediaType))
}

// containerOf returns FFmpeg's name of the container of a body, "" if FFmpeg must detect it, or a fault if the body is
// not video.
func containerOf(mediaType string, u *url.URL, head []byte) (string, error) {
	text := bytes.ToLower(bytes.TrimSpace(bytes.TrimPrefix(head, []byte("\xef\xbb\xbf"))))
	switch {
	case strings.HasPrefix(mediaType, "multipart/"):
		return "mpjpeg", nil
	case bytes.HasPrefix(text, []byte("#extm3u")):
		return "hls", nil
	case strings.HasSuffix(mediaType, "mpegurl"), strings.HasPrefix(path.Ext(u.Path), ".m3u"):
		return "", faultf(ReasonNoVideo, "the playlist does not begin with #EXTM3U; check the path")
	case mediaType == "text/html", bytes.HasPrefix(text, []byte("<!doctype")), bytes.HasPrefix(text, []byte("<html")):
		return "", faultf(ReasonNoVideo, "the server sent a web page (%s), no video; give the url of the stream, not of "+
			"the camera's page", printable(mediaType))
	case strings.HasPrefix(mediaType, "text/"), mediaType == "application/json", mediaType == "application/xml":
		return "", faultf(ReasonNoVideo, "the server sent text (%s), no video; give the url of the stream",
			printable(mediaType))
	case strings.HasPrefix(mediaType, "audio/"):
		return "", faultf(ReasonNoVideo, "the server sent sound only (%s); give the url of the video", printable(mediaType))
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
		return nil, s.storeFault(faultf(ReasonRedirect, "the playlist of the camera contains an invalid address"))
	}
	if err := s.checkAddress(u); err != nil {
		s.abort(err) // otherwise FFmpeg would try the next address
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
	mediaType := mediaTypeOf(response.Header.Get("Content-Type"))
	if strings.HasSuffix(mediaType, "mpegurl") || strings.HasPrefix(path.Ext(u.Path), ".m3u") {
		return limitBody(response.Body, maxPlaylistBytes), nil
	}
	return response.Body, nil
}

func (s *httpStream) read(ctx context.Context, w wanted, _ *gocv.Mat) (frameInfo, error) {
	limit := s.limit.next()
	timer := time.AfterFunc(limit, func() { s.abort(nil) })
	info, err := s.reader.next(w)
	timedOut := !timer.Stop()
	switch {
	case err == nil:
		s.clearFault()
		s.limit.add(time.Now(), info.omitted)
		return info, nil
	case ctx.Err() != nil:
		return frameInfo{}, ctx.Err()
	case timedOut:
		return frameInfo{}, s.explain(s.timeoutFault(limit))
	case errors.Is(err, io.EOF) && s.limit.frames == 0:
		return frameInfo{}, s.explain(faultf(ReasonUndecodable, "the stream ended before its first frame (%s); check the "+
			"path and the codec", s.content()))
	case errors.Is(err, io.EOF):
		return frameInfo{}, io.EOF
	default:
		return frameInfo{}, s.explain(err)
	}
}

func (s *httpStream) picture() (*picture, error) { return s.reader.picture() }

func (s *httpStream) decoding() (string, time.Duration, decoderUse) { return s.reader.decoding() }

// timeoutFault returns the fault of a stream that delivered no frame within the limit.
func (s *httpStream) timeoutFault(limit time.Duration) error {
	switch info := s.reader.info(); {
	case s.limit.frames > 0:
		return stalled(limit)
	case info.streams != "" && !strings.Contains(info.streams, " video"):
		return faultf(ReasonNoVideo, "only %s came within %v, no video; give the url of the video, or enable it in the "+
			"camera", info.streams, limit)
	default:
		return faultf(ReasonUndecodable, "the server answers 200 OK, but no frame came within %v (%s); check path and codec",
			limit, s.content())
	}
}

// content describes the container and the streams in it.
func (s *httpStream) content() string {
	info := s.reader.info()
	return strings.Trim(info.format+": "+info.streams, ": ")
}

func (s *httpStream) shape() shape { return shape{slowest: s.limit.slowest()} }

func (s *httpStream) close() {
	s.abort(nil)
	s.reader.close()
	s.httpClient.close()
}
