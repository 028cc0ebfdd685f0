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

// ingest is the side of a camera that ffmpeg publishes to.
type ingest struct{ *Camera }

func (i ingest) OnAnnounce(ctx *gortsplib.ServerHandlerOnAnnounceCtx) (*base.Response, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.desc, i.recording = ctx.Description, ctx.Session
	i.sent.Store(0)
	return &base.Response{StatusCode: base.StatusOK}, nil
}

func (i ingest) OnSetup(*gortsplib.ServerHandlerOnSetupCtx) (*base.Response, *gortsplib.ServerStream, error) {
	return &base.Response{StatusCode: base.StatusOK}, nil, nil
}

func (i ingest) OnRecord(ctx *gortsplib.ServerHandlerOnRecordCtx) (*base.Response, error) {
	ctx.Session.OnPacketRTPAny(func(_ *description.Media, _ format.Format, packet *rtp.Packet) {
		i.forward(ctx.Session, packet)
	})
	return &base.Response{StatusCode: base.StatusOK}, nil
}

// forward passes a packet of the publisher on to the readers, as the faults allow.
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
	_ = c.stream.WritePacketRTP(c.stream.Desc.Medias[0], packet) // readers come and go
}

// player is the side that readers see.
type player struct{ *Camera }

func (c player) OnDescribe(ctx *gortsplib.ServerHandlerOnDescribeCtx) (
	*base.Response, *gortsplib.ServerStream, error,
) {
	if c.User != "" && !ctx.Conn.VerifyCredentials(ctx.Request, c.User, c.Password) {
		return &base.Response{StatusCode: base.StatusUnauthorized}, nil, liberrors.ErrServerAuth{}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.stream == nil || ctx.Path != "/stream" {
		return &base.Response{StatusCode: base.StatusNotFound}, nil, nil
	}
	return &base.Response{StatusCode: base.StatusOK}, c.stream, nil
}

func (c player) OnSetup(ctx *gortsplib.ServerHandlerOnSetupCtx) (
	*base.Response, *gortsplib.ServerStream, error,
) {
	c.protocol.Store(int64(ctx.Transport.Protocol))
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.stream == nil {
		return &base.Response{StatusCode: base.StatusNotFound}, nil, nil
	}
	return &base.Response{StatusCode: base.StatusOK}, c.stream, nil
}

func (c player) OnPlay(*gortsplib.ServerHandlerOnPlayCtx) (*base.Response, error) {
	return &base.Response{StatusCode: base.StatusOK}, nil
}
