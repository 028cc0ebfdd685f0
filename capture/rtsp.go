package capture

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/bluenviron/gortsplib/v5"
	"github.com/bluenviron/gortsplib/v5/pkg/base"
	"github.com/bluenviron/gortsplib/v5/pkg/description"
	"github.com/bluenviron/gortsplib/v5/pkg/liberrors"
	"gocv.io/x/gocv"
)

// queuedUnits is the number of packets that can wait for the decoder. If it is slow, reading from the camera waits.
const queuedUnits = 4

// rtspStream is a live stream over RTSP. gortsplib receives the packets, and FFmpeg decodes them.
type rtspStream struct {
	*endpoint
	client  *gortsplib.Client
	decoder *packets
	units   chan unit
	closing chan struct{} // closed when no more units are wanted
	once    sync.Once
	ended   chan struct{} // closed when the client has ended
	err     error         // why the client has ended; set before ended is closed

	opened time.Time
	tempo  tempo
	seen   picture
	came   atomic.Uint64 // number of video packets
	failed error         // last error of the decoder
}

func openRTSP(ctx context.Context, cfg Config, t target) (input, error) {
	ctx, cancel := context.WithCancel(ctx)
	e, err := newEndpoint(cfg, t, cancel)
	if err != nil {
		cancel()
		return nil, err
	}
	for redirects := 0; ; redirects++ {
		s, elsewhere, err := dialRTSP(ctx, e)
		switch {
		case err != nil:
			e.cut(nil)
			return nil, fmt.Errorf("open %s: %w", t.label, err)
		case elsewhere == nil:
			return s, nil
		case redirects == maxRedirects:
			e.cut(nil)
			return nil, fmt.Errorf("open %s: %w", t.label, faultf(ReasonRedirect,
				"the camera redirects too often (%d redirects); give the url of the stream", maxRedirects))
		}
		if !e.home(elsewhere) {
			e.user = nil
		}
		e.url = elsewhere
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
		tempo: tempo{opening: e.cfg.OpenTimeout, reading: e.cfg.ReadTimeout},
	}
	protocol := gortsplib.ProtocolTCP
	if e.cfg.Transport == transportUDP && e.url.Scheme == "rtsp" {
		protocol = gortsplib.ProtocolUDP
	}
	var location string
	s.client = &gortsplib.Client{
		Scheme: e.url.Scheme, Host: e.url.Host, Protocol: &protocol, AnyPortEnable: true, UserAgent: "facesieve",
		TLSConfig: secure, DialContext: e.dial, ReadTimeout: 2 * longestPause, WriteTimeout: e.cfg.OpenTimeout,
		OnResponse: func(r *base.Response) {
			if l := r.Header["Location"]; len(l) == 1 { // gortsplib would follow it to any host, with the password
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
	stop := context.AfterFunc(ctx, s.abort)
	over := s.within(e.cfg.OpenTimeout)
	err = s.begin()
	over()
	if err == nil {
		return s, nil, nil
	}
	stop()
	s.end()
	var status liberrors.ErrClientBadStatusCode
	if errors.As(err, &status) && status.Code >= 300 && status.Code < 400 && location != "" {
		u, err := e.follow(location)
		return nil, u, err
	}
	if err = s.explain(err); reasonOf(err) == "" {
		err = s.refusal(err)
	}
	return nil, nil, err
}

// follow returns the address in a redirect of an RTSP server, if it is allowed.
func (e *endpoint) follow(location string) (*url.URL, error) {
	u, err := url.Parse(location)
	if err != nil {
		return nil, faultf(ReasonRedirect, "the camera redirects to an invalid address; give the url of the stream")
	}
	u.User = nil
	if u.Scheme != "rtsp" && u.Scheme != "rtsps" {
		return nil, faultf(ReasonRedirect, "the camera redirects to an address of the kind %.20q, which is not supported",
			u.Scheme)
	}
	return u, e.allowed(u)
}

// begin sends the requests up to PLAY.
func (s *rtspStream) begin() error {
	u := *s.url
	u.User = s.user
	desc, _, err := s.client.Describe((*base.URL)(&u))
	if err != nil {
		return err
	}
	media, codec, err := choose(desc)
	if err != nil {
		return err
	}
	options, err := s.cfg.media(true)
	if err != nil {
		return err
	}
	if s.decoder, err = newPackets(options, codec.name); err != nil {
		return err
	}
	if codec.fps > 0 {
		s.tempo.declared = period(codec.fps)
	}
	if _, err := s.client.Setup(desc.BaseURL, media, 0, 0); err != nil {
		return err
	}
	s.client.OnPacketRTP(media, codec.format, codec.collect(s.push, &s.came))
	s.opened = time.Now()
	_, err = s.client.Play(nil)
	return err
}

// choose returns the first video in a session description that can be decoded.
func choose(desc *description.Session) (*description.Media, *rtpCodec, error) {
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
	return nil, nil, faultf(ReasonNoVideo, "the stream has no video, only %s; switch the video on in the camera, or "+
		"use another path",
		strings.Join(others[:min(len(others), 4)], ", "))
}

// refusal returns the fault for an error of gortsplib.
func (s *rtspStream) refusal(err error) error {
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
		return errLoginKind()
	case errors.As(err, &sdp), errors.As(err, &missing), errors.As(err, &kind):
		return faultf(ReasonNoVideo, "the camera's description of the stream (SDP) cannot be read: %s; update its "+
			"firmware", s.quote(err.Error()))
	case errors.As(err, &useTCP), errors.As(err, &useUDP):
		return faultf(ReasonServer, "the %w; set transport to it", err)
	case errors.Is(err, io.EOF), errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return faultf(ReasonEnded, "the camera ended the connection before it answered; it may have too many viewers, "+
			"or the port is not that of RTSP")
	case errors.Is(err, context.Canceled):
		return err
	default:
		return faultf(ReasonServer, "the camera's answer cannot be read: %s; check the port, and update its "+
			"firmware", s.quote(err.Error()))
	}
}

// push sends a unit to the goroutine that decodes, and blocks while the queue is full.
func (s *rtspStream) push(u unit) {
	select {
	case s.units <- u:
	case <-s.closing:
	}
}

func (s *rtspStream) read(ctx context.Context, dst *gocv.Mat) (time.Duration, error) {
	patience := s.tempo.patience()
	timer := time.NewTimer(patience)
	defer timer.Stop()
	for {
		pic, ok, err := s.decoder.receive(dst)
		switch {
		case ok:
			s.seen = pic
			s.tempo.frame(time.Now())
			return pic.stamp, nil
		case err != nil:
			s.failed = err
		}
		select {
		case u := <-s.units:
			if err := s.decode(u); err != nil {
				return 0, err
			}
			if s.tempo.frames == 0 && time.Since(s.opened) < longestPause { // the next key frame may take long
				timer.Reset(patience)
			}
		case <-s.ended:
			return 0, s.over(ctx)
		case <-ctx.Done():
			return 0, ctx.Err()
		case <-timer.C:
			return 0, s.late(patience)
		}
	}
}

// decode sends a unit to the decoder. Damaged units are skipped.
func (s *rtspStream) decode(u unit) error {
	err := s.decoder.send(u)
	if reasonOf(err) == ReasonTooLarge {
		return err
	}
	if err != nil {
		s.failed = err
	}
	return nil
}

// over returns the fault for which the client has ended.
func (s *rtspStream) over(ctx context.Context) error {
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case s.tempo.frames == 0:
		return s.explain(faultf(ReasonEnded, "the camera ended the stream before its first picture (%s); it may have "+
			"too many viewers",
			s.quote(s.err.Error())))
	default:
		return faultf(ReasonEnded, "the stream ended (%s)", s.quote(s.err.Error()))
	}
}

// late returns the fault of a stream that delivered no frame within patience.
func (s *rtspStream) late(patience time.Duration) error {
	switch {
	case s.tempo.frames > 0:
		return stalled(patience)
	case s.came.Load() == 0 && s.cfg.Transport == transportUDP:
		return faultf(ReasonNoPackets, "the camera plays the stream, but no packet came within %v; open the firewall "+
			"for UDP, or set transport: tcp",
			patience)
	case s.came.Load() == 0:
		return faultf(ReasonNoPackets, "the camera plays the stream, but no packet came within %v; restart it, or try "+
			"another of its streams", patience)
	case s.failed != nil:
		return faultf(ReasonUndecodable, "no readable frame: %d packets came, and not one picture of %s could be "+
			"decoded (%w); check the camera's codec settings",
			s.came.Load(), s.decoder.codec, s.failed)
	default:
		return faultf(ReasonUndecodable, "no readable frame: %d packets came, but no key frame; "+
			"set a shorter key frame interval in the camera", s.came.Load())
	}
}

func (s *rtspStream) shape() shape            { return shape{} }
func (s *rtspStream) picture() picture        { return s.seen }
func (s *rtspStream) patience() time.Duration { return max(s.tempo.patience(), longestPause) }

// abort ends the client without waiting for it.
func (s *rtspStream) abort() {
	s.once.Do(func() { close(s.closing) })
	s.cutConnections()
	s.client.Close()
}

func (s *rtspStream) close() {
	s.cut(nil)
	s.end()
}

// end waits until the client has ended. The endpoint remains usable for another connection.
func (s *rtspStream) end() {
	s.abort()
	<-s.ended
	if s.decoder != nil {
		s.decoder.close()
	}
}
