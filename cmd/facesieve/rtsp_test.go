package main

import (
	"os"
	"os/exec"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/bluenviron/gortsplib/v5"
	"github.com/bluenviron/gortsplib/v5/pkg/base"
	"github.com/bluenviron/gortsplib/v5/pkg/description"
	"github.com/bluenviron/gortsplib/v5/pkg/format"
	"github.com/pion/rtp"

	"facesieve/capture/cameratest"
	"facesieve/internal/freeport"
)

// rtspCamera is an RTSP camera that sends a recording once, from its beginning, when the first reader connects.
type rtspCamera struct {
	t         *testing.T
	video     string
	server    *gortsplib.Server
	announced chan struct{}
	start     sync.Once
	over      chan struct{} // closed when the recording is over
	plays     atomic.Int32  // PLAY requests of readers

	mutex  sync.Mutex
	stream *gortsplib.ServerStream
}

// newRTSPCamera starts a camera that runs until the test ends.
func newRTSPCamera(t *testing.T, video string) *rtspCamera {
	t.Helper()
	c := &rtspCamera{t: t, video: video, announced: make(chan struct{}), over: make(chan struct{})}
	c.server = &gortsplib.Server{Handler: c, RTSPAddress: freeport.Address(t)}
	if err := c.server.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.server.Close)
	return c
}

func (c *rtspCamera) url() string { return "rtsp://" + c.server.RTSPAddress + "/stream" }

// publish lets ffmpeg publish the recording in real time. The first frames are black, because the reader misses some.
func (c *rtspCamera) publish() {
	publisher := exec.Command(cameratest.FFmpeg(c.t), "-v", "error", "-re", "-i", c.video,
		"-vf", "tpad=start_duration=1.5:color=black", "-an", "-c:v", "libx264", "-preset", "ultrafast", "-crf", "12",
		"-tune", "zerolatency", "-g", "10", "-f", "rtsp", "-rtsp_transport", "tcp", c.url())
	publisher.Stderr = os.Stderr
	if err := publisher.Start(); err != nil {
		c.t.Error(err)
		return
	}
	go func() {
		defer close(c.over)
		if err := publisher.Wait(); err != nil {
			c.t.Logf("ffmpeg: %v", err)
		}
	}()
}

func (c *rtspCamera) OnAnnounce(ctx *gortsplib.ServerHandlerOnAnnounceCtx) (*base.Response, error) {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	c.stream = &gortsplib.ServerStream{Server: c.server, Desc: ctx.Description}
	if err := c.stream.Initialize(); err != nil {
		return &base.Response{StatusCode: base.StatusInternalServerError}, err
	}
	close(c.announced)
	return &base.Response{StatusCode: base.StatusOK}, nil
}

func (c *rtspCamera) OnRecord(ctx *gortsplib.ServerHandlerOnRecordCtx) (*base.Response, error) {
	ctx.Session.OnPacketRTPAny(func(media *description.Media, _ format.Format, packet *rtp.Packet) {
		_ = c.stream.WritePacketRTP(media, packet) // the reader may be gone
	})
	return &base.Response{StatusCode: base.StatusOK}, nil
}

func (c *rtspCamera) OnDescribe(
	*gortsplib.ServerHandlerOnDescribeCtx,
) (*base.Response, *gortsplib.ServerStream, error) {
	c.start.Do(c.publish)
	select {
	case <-c.announced:
	case <-time.After(10 * time.Second):
		return &base.Response{StatusCode: base.StatusNotFound}, nil, nil
	}
	select {
	case <-c.over: // the recording is sent once
		return &base.Response{StatusCode: base.StatusNotFound}, nil, nil
	default:
		return &base.Response{StatusCode: base.StatusOK}, c.stream, nil
	}
}

func (c *rtspCamera) OnSetup(ctx *gortsplib.ServerHandlerOnSetupCtx) (*base.Response, *gortsplib.ServerStream, error) {
	if ctx.Session.State() == gortsplib.ServerSessionStatePreRecord || ctx.Session.AnnouncedDescription() != nil {
		return &base.Response{StatusCode: base.StatusOK}, nil, nil
	}
	return &base.Response{StatusCode: base.StatusOK}, c.stream, nil
}

func (c *rtspCamera) OnPlay(*gortsplib.ServerHandlerOnPlayCtx) (*base.Response, error) {
	c.plays.Add(1)
	return &base.Response{StatusCode: base.StatusOK}, nil
}
