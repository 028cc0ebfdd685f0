package cameratest

import (
	"math/rand/v2"

	"github.com/bluenviron/gortsplib/v5"
	"github.com/bluenviron/gortsplib/v5/pkg/base"
	"github.com/bluenviron/gortsplib/v5/pkg/description"
	"github.com/bluenviron/gortsplib/v5/pkg/format"
	"github.com/bluenviron/gortsplib/v5/pkg/liberrors"
	"github.com/pion/rtp"
)

// publisherHandler is the server for ffmpeg.
type publisherHandler struct{ *Camera }

func (h publisherHandler) OnAnnounce(ctx *gortsplib.ServerHandlerOnAnnounceCtx) (*base.Response, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.desc, h.recording = ctx.Description, ctx.Session
	h.sent.Store(0)
	return &base.Response{StatusCode: base.StatusOK}, nil
}

func (h publisherHandler) OnSetup(*gortsplib.ServerHandlerOnSetupCtx) (*base.Response, *gortsplib.ServerStream, error) {
	return &base.Response{StatusCode: base.StatusOK}, nil, nil
}

func (h publisherHandler) OnRecord(ctx *gortsplib.ServerHandlerOnRecordCtx) (*base.Response, error) {
	ctx.Session.OnPacketRTPAny(func(_ *description.Media, _ format.Format, packet *rtp.Packet) {
		h.forward(ctx.Session, packet)
	})
	return &base.Response{StatusCode: base.StatusOK}, nil
}

// forward sends a packet of the publisher to the readers, unless a fault prevents it.
func (c *Camera) forward(from *gortsplib.ServerSession, packet *rtp.Packet) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if from != c.recording {
		return
	}
	c.once.Do(func() { close(c.ready) })
	if packet.Marker {
		c.sent.Add(1)
	}
	if c.stream == nil || c.Stalled.Load() {
		return
	}
	packet = packet.Clone()
	packet.Timestamp += c.Skew.Load()
	if c.Garbage.Load() {
		for i := range packet.Payload {
			packet.Payload[i] = byte(rand.Uint32()) //nolint:gosec // noise
		}
	}
	_ = c.stream.WritePacketRTP(c.stream.Desc.Medias[0], packet) // a reader may have left
}

// readerHandler is the server for readers.
type readerHandler struct{ *Camera }

func (h readerHandler) OnDescribe(ctx *gortsplib.ServerHandlerOnDescribeCtx) (
	*base.Response, *gortsplib.ServerStream, error,
) {
	if h.User != "" && !ctx.Conn.VerifyCredentials(ctx.Request, h.User, h.Password) {
		return &base.Response{StatusCode: base.StatusUnauthorized}, nil, liberrors.ErrServerAuth{}
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.stream == nil || ctx.Path != "/stream" {
		return &base.Response{StatusCode: base.StatusNotFound}, nil, nil
	}
	return &base.Response{StatusCode: base.StatusOK}, h.stream, nil
}

func (h readerHandler) OnSetup(ctx *gortsplib.ServerHandlerOnSetupCtx) (
	*base.Response, *gortsplib.ServerStream, error,
) {
	h.protocol.Store(int64(ctx.Transport.Protocol))
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.stream == nil {
		return &base.Response{StatusCode: base.StatusNotFound}, nil, nil
	}
	return &base.Response{StatusCode: base.StatusOK}, h.stream, nil
}

func (h readerHandler) OnPlay(*gortsplib.ServerHandlerOnPlayCtx) (*base.Response, error) {
	return &base.Response{StatusCode: base.StatusOK}, nil
}
