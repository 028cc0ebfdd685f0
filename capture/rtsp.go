package capture

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/bluenviron/gortsplib/v5"
	"github.com/bluenviron/gortsplib/v5/pkg/base"
	"github.com/bluenviron/gortsplib/v5/pkg/description"
	"github.com/bluenviron/gortsplib/v5/pkg/liberrors"
	"gocv.io/x/gocv"
)

// queuedUnits is the number of units that can wait for the decoder. If more arrive, reading from the camera waits.
const queuedUnits = 4

// rtspStream is a live stream over RTSP. gortsplib receives the packets, and FFmpeg decodes them.
type rtspStream struct {
	*endpoint
	client  *gortsplib.Client
	decoder *packetDecoder
	units   chan unit
	closing chan struct{} // closed when no more units are accepted
	once    sync.Once     // closes closing
	ended   chan struct{} // closed when the client has ended
	err     error         // of the client; set before ended is closed

	opened    time.Time
	limit     readLimit
	received  atomic.Uint64 // video packets
	decodeErr error         // last error of the decoder
}

func openRTSP(ctx context.Context, cfg Config, t target, _ *watchdog) (input, error) {
	ctx, cancel := context.WithCancel(ctx)
	e, err := newEndpoint(cfg, t, cancel)
	if err != nil {
		cancel()
		return nil, err
	}
	for redirects := 0; ; redirects++ {
		s, location, err := dialRTSP(ctx, e)
		if err == nil && location == nil {
			return s, nil
		}
		if err == nil && redirects == maxRedirects {
			err = tooManyRedirects()
		}
		if err != nil {
			e.abort(nil)
			return nil, fmt.Errorf("open %s: %w", t.label, err)
		}
		if !e.sameServer(location) {
			e.user = nil
		}
		e.url = location
	}
}

// dialRTSP starts the stream of a server. It returns the stream, or the address to which the server redirects.
func dialRTSP(ctx context.Context, e *endpoint) (*rtspStream, *url.URL, error) {
	secure, err := e.cfg.TLS.config(e.url.Hostname())
	if err != nil {
		return nil, nil, err
	}
	s := &rtspStream{
		endpoint: e, units: make(chan unit, queuedUnits), closing: make(chan struct{}), ended: make(chan struct{}),
		limit: newReadLimit(e.cfg),
	}
	protocol := gortsplib.ProtocolTCP
	if e.cfg.Transport == transportUDP && e.url.Scheme == "rtsp" {
		protocol = gortsplib.ProtocolUDP
	}
	var location string
	s.client = &gortsplib.Client{
		Scheme: e.url.Scheme, Host: e.url.Host, Protocol: &protocol, AnyPortEnable: true, UserAgent: "facesieve",
		TLSConfig: secure, DialContext: e.dial, ReadTimeout: 2 * maxPause, WriteTimeout: e.cfg.OpenTimeout,
		OnResponse: func(r *base.Response) {
			if l := r.Header["Location"]; len(l) == 1 { // gortsplib would send the password to any host
				location = l[0]
				delete(r.Header, "Location")
			}
		},
		OnPacketsLost: func(uint64) {}, OnDecodeError: func(error) {}, OnTransportSwitch: func(error) {},
	}
	if err := s.client.Start(); err != nil {
		return nil, nil, err
	}
	go func() {
		s.err = s.client.Wait()
		close(s.ended)
	}()
	stop := context.AfterFunc(ctx, s.interrupt)
	done := s.abortAfter()
	err = s.begin()
	done()
	if err == nil {
		return s, nil, nil
	}
	stop()
	s.end()
	var status liberrors.ErrClientBadStatusCode
	if errors.As(err, &status) && status.Code >= 300 && status.Code < 400 && location != "" {
		u, err := e.parseLocation(location)
		return nil, u, err
	}
	if err = s.explain(err); reasonOf(err) == "" {
		err = s.explainClient(err)
	}
	return nil, nil, err
}

// parseLocation returns the address to which an RTSP server redirects, if it is allowed.
func (e *endpoint) parseLocation(location string) (*url.URL, error) {
	u, err := url.Parse(location)
	if err != nil {
		return nil, faultf(ReasonRedirect, "the camera redirects to an invalid address; give the url of the stream")
	}
	u.User = nil
	if u.Scheme != "rtsp" && u.Scheme != "rtsps" {
		return nil, faultf(ReasonRedirect, "the camera redirects to an address of the kind %.20q, which is not supported",
			u.Scheme)
	}
	return u, e.checkAddress(u)
}

// begin sends the requests up to PLAY.
func (s *rtspStream) begin() error {
	u := *s.url
	u.User = s.user
	desc, _, err := s.client.Describe((*base.URL)(&u))
	if err != nil {
		return err
	}
	media, codec, err := chooseVideo(desc)
	if err != nil {
		return err
	}
	options, err := s.cfg.media(true)
	if err != nil {
		return err
	}
	if s.decoder, err = newPacketDecoder(options, codec.name); err != nil {
		return err
	}
	if codec.fps > 0 {
		s.limit.declared = period(codec.fps)
	}
	if _, err := s.client.Setup(desc.BaseURL, media, 0, 0); err != nil {
		return err
	}
	s.client.OnPacketRTP(media, codec.format, codec.collect(s.push, &s.received))
	s.opened = time.Now()
	_, err = s.client.Play(nil)
	return err
}

// chooseVideo returns the first video in a session description that can be decoded.
func chooseVideo(desc *description.Session) (*description.Media, *rtpCodec, error) {
	var videos, others []string
	for _, media := range desc.Medias {
		for _, format := range media.Formats {
			name := printable(format.Codec())
			if name == "Generic" {
				name = printable(format.RTPMap())
			}
			if media.Type != description.MediaTypeVideo {
				others = append(others, printable(string(media.Type))+" ("+name+")")
				continue
			}
			codec, err := newRTPCodec(format)
			if err == nil && codec != nil {
				return media, codec, nil
			}
			videos = append(videos, name)
		}
	}
	if len(videos) > 0 {
		return nil, nil, faultf(ReasonCodec, "the video is of a codec that is not supported (%s); set the camera to "+
			"H.264, H.265 or MJPEG",
			strings.Join(videos[:min(len(videos), 4)], ", "))
	}
	return nil, nil, faultf(ReasonNoVideo, "the stream has no video, only %s; enable the video in the camera, or "+
		"use another path",
		strings.Join(others[:min(len(others), 4)], ", "))
}

// explainClient returns the fault for an error of gortsplib.
func (s *rtspStream) explainClient(err error) error {
	var (
		status  liberrors.ErrClientBadStatusCode
		login   liberrors.ErrClientAuthSetup
		sdp     liberrors.ErrClientSDPInvalid
		missing liberrors.ErrClientContentTypeMissing
		kind    liberrors.ErrClientContentTypeUnsupported
		useTCP  liberrors.ErrClientServerRequestedTCP
		useUDP  liberrors.ErrClientServerRequestedUDP
	)
	switch {
	case errors.As(err, &status):
		text := s.quote(status.Message)
		if text == "" {
			text = http.StatusText(int(status.Code))
		}
		return explainStatus(int(status.Code), text, s.user != nil)
	case errors.As(err, &login):
		return unsupportedLogin()
	case errors.As(err, &sdp), errors.As(err, &missing), errors.As(err, &kind):
		return faultf(ReasonNoVideo, "the camera's description of the stream (SDP) cannot be read: %s; update its "+
			"firmware", s.quote(err.Error()))
	case errors.As(err, &useTCP), errors.As(err, &useUDP):
		return faultf(ReasonServer, "the %w; set transport to it", err)
	default:
		return s.explainAnswer(err)
	}
}

// push sends a unit to the goroutine that decodes, and blocks while the queue is full.
func (s *rtspStream) push(u unit) {
	select {
	case s.units <- u:
	case <-s.closing:
	}
}

func (s *rtspStream) read(ctx context.Context, w wanted, _ *gocv.Mat) (frameInfo, error) {
	limit := s.limit.next()
	timer := time.NewTimer(limit)
	defer timer.Stop()
	for {
		info, ok, err := s.decoder.receive()
		switch {
		case ok:
			s.limit.add(time.Now(), info.omitted)
			return info, nil
		case err != nil:
			s.decodeErr = err
		}
		select {
		case u := <-s.units:
			if info, omitted, err := s.decode(u, w); omitted || err != nil {
				return info, err
			}
			if s.limit.frames == 0 && time.Since(s.opened)+limit < maxPause { // the first key frame may take long
				timer.Reset(limit)
			}
		case <-s.ended:
			return frameInfo{}, s.endFault(ctx)
		case <-ctx.Done():
			return frameInfo{}, ctx.Err()
		case <-timer.C:
			return frameInfo{}, s.timeoutFault(limit)
		}
	}
}

func (s *rtspStream) picture() (*picture, error) { return s.decoder.picture() }

func (s *rtspStream) decoding() (string, time.Duration, decoderUse) {
	return s.decoder.codec, time.Duration(s.decoder.spent), s.decoder.used
}

// decode sends a unit to the decoder, or omits its frame, which it returns then. Damaged units are skipped.
func (s *rtspStream) decode(u unit, w wanted) (info frameInfo, omitted bool, err error) {
	info, omitted, err = s.decoder.send(u, w)
	if reasonOf(err) == ReasonTooLarge {
		return frameInfo{}, false, err
	}
	if err != nil {
		s.decodeErr = err
	}
	if omitted {
		s.limit.add(time.Now(), info.omitted)
	}
	return info, omitted, nil
}

// endFault returns the fault for which the client has ended.
func (s *rtspStream) endFault(ctx context.Context) error {
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case s.limit.frames == 0:
		return s.explain(faultf(ReasonEnded, "the camera ended the stream before its first frame (%s); it may have too "+
			"many viewers", s.quote(s.err.Error())))
	default:
		return faultf(ReasonEnded, "the stream ended (%s)", s.quote(s.err.Error()))
	}
}

// timeoutFault returns the fault of a stream that delivered no frame within the limit.
func (s *rtspStream) timeoutFault(limit time.Duration) error {
	packets := s.received.Load()
	switch {
	case s.limit.frames > 0:
		return stalled(limit)
	case packets == 0 && s.cfg.Transport == transportUDP:
		return faultf(ReasonNoPackets, "the camera plays the stream, but no packet came within %v; open the firewall for "+
			"UDP, or set transport: tcp", limit)
	case packets == 0:
		return faultf(ReasonNoPackets, "the camera plays the stream, but no packet came within %v; restart it, or try "+
			"another of its streams", limit)
	case s.decodeErr != nil:
		return faultf(ReasonUndecodable, "no readable frame: %d packets came, and no frame of %s could be decoded (%w); "+
			"check the camera's codec settings", packets, s.decoder.codec, s.decodeErr)
	default:
		return faultf(ReasonUndecodable, "no readable frame: %d packets came, but no key frame; set a shorter key frame "+
			"interval in the camera", packets)
	}
}

func (s *rtspStream) shape() shape { return shape{slowest: s.limit.slowest()} }

// interrupt ends the client without waiting for it.
func (s *rtspStream) interrupt() {
	s.once.Do(func() { close(s.closing) })
	s.closeConnections()
	s.client.Close()
}

func (s *rtspStream) close() {
	s.abort(nil)
	s.end()
}

// end waits until the client has ended. The endpoint remains usable for another connection.
func (s *rtspStream) end() {
	s.interrupt()
	<-s.ended
	if s.decoder != nil {
		s.decoder.close()
	}
}
