package capture

import (
	"fmt"
	"math/rand/v2"
	"net"
	"os/exec"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/bluenviron/gortsplib/v5"
	"github.com/bluenviron/gortsplib/v5/pkg/base"
	"github.com/bluenviron/gortsplib/v5/pkg/description"
	"github.com/bluenviron/gortsplib/v5/pkg/format"
	"github.com/bluenviron/gortsplib/v5/pkg/liberrors"
	"github.com/pion/rtp"
)

// camera is an RTSP camera with faults: ffmpeg publishes to one server, a second one that can fail plays to readers.
type camera struct {
	t        testing.TB
	address  string
	path     string // rtsp://address/path
	user     string // with a password, when set
	pass     string
	stalled  atomic.Bool
	garbage  atomic.Bool
	sent     atomic.Int64 // frames that the publisher has sent
	udp      bool         // offered besides TCP, when set
	protocol atomic.Int64 // gortsplib.Protocol that the last reader asked for
	once     sync.Once
	ready    chan struct{} // closed with the first packet

	mu     sync.Mutex
	desc   *description.Session
	server *gortsplib.Server
	stream *gortsplib.ServerStream
}

// ingest is the side of a camera that ffmpeg publishes to.
type ingest struct{ *camera }

// newCamera starts a camera that sends the grey video without end.
func newCamera(t testing.TB) *camera {
	t.Helper()
	address, inside := freeAddresses(t)
	c := &camera{t: t, address: address, path: "rtsp://" + address + "/stream", ready: make(chan struct{})}
	inlet := &gortsplib.Server{Handler: ingest{c}, RTSPAddress: inside}
	if err := inlet.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(inlet.Close)
	publisher := exec.Command(ffmpegPath(t), "-v", "error", "-re", "-f", "lavfi", "-i", grey,
		"-c:v", "libx264", "-preset", "ultrafast", "-tune", "zerolatency", "-g", "25",
		"-f", "rtsp", "-rtsp_transport", "tcp", "rtsp://"+inlet.RTSPAddress+"/stream")
	if err := publisher.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = publisher.Process.Kill()
		_ = publisher.Wait()
	})
	<-c.ready
	c.up()
	t.Cleanup(c.down)
	return c
}

// port is the last one given out. It lies below those that the system gives to clients, so that an address is still
// free when a camera is switched on again.
var port atomic.Int64

// freeAddresses returns two addresses of this machine where nobody listens, an even port and the one after it.
func freeAddresses(t testing.TB) (even, odd string) {
	t.Helper()
	port.CompareAndSwap(0, 20000+2*rand.Int64N(5000))
	for range 100 {
		number := port.Add(2)
		even, odd = fmt.Sprintf("127.0.0.1:%d", number), fmt.Sprintf("127.0.0.1:%d", number+1)
		if bindable(even) && bindable(odd) {
			return even, odd
		}
	}
	t.Fatal("no two free ports")
	return "", ""
}

func bindable(address string) bool {
	stream, err := net.Listen("tcp", address)
	if err != nil {
		return false
	}
	packets, err := net.ListenPacket("udp", address)
	if err != nil {
		return stream.Close() != nil
	}
	return stream.Close() == nil && packets.Close() == nil
}

// up switches the camera on.
func (c *camera) up() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.server = &gortsplib.Server{Handler: c, RTSPAddress: c.address}
	if c.udp {
		c.server.UDPRTPAddress, c.server.UDPRTCPAddress = freeAddresses(c.t)
	}
	if err := c.server.Start(); err != nil {
		c.t.Error(err)
		return
	}
	c.stream = &gortsplib.ServerStream{Server: c.server, Desc: c.desc}
	if err := c.stream.Initialize(); err != nil {
		c.t.Error(err)
	}
}

// down switches the camera off: readers are thrown out, and nobody answers.
func (c *camera) down() {
	c.mu.Lock()
	server, stream := c.server, c.stream
	c.server, c.stream = nil, nil
	c.mu.Unlock()
	if server != nil {
		stream.Close()
		server.Close()
	}
}

func (i ingest) OnAnnounce(ctx *gortsplib.ServerHandlerOnAnnounceCtx) (*base.Response, error) {
	i.desc = ctx.Description
	return &base.Response{StatusCode: base.StatusOK}, nil
}

func (i ingest) OnSetup(*gortsplib.ServerHandlerOnSetupCtx) (*base.Response, *gortsplib.ServerStream, error) {
	return &base.Response{StatusCode: base.StatusOK}, nil, nil
}

func (i ingest) OnRecord(ctx *gortsplib.ServerHandlerOnRecordCtx) (*base.Response, error) {
	ctx.Session.OnPacketRTPAny(i.forward)
	return &base.Response{StatusCode: base.StatusOK}, nil
}

// forward passes a packet of the publisher on to the readers, as the faults allow.
func (c *camera) forward(media *description.Media, _ format.Format, packet *rtp.Packet) {
	c.once.Do(func() { close(c.ready) })
	if packet.Marker {
		c.sent.Add(1)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.stream == nil || c.stalled.Load() {
		return
	}
	if c.garbage.Load() {
		spoilt := packet.Clone()
		for i := range spoilt.Payload {
			spoilt.Payload[i] = byte(rand.Uint32())
		}
		packet = spoilt
	}
	_ = c.stream.WritePacketRTP(media, packet) // readers come and go
}

func (c *camera) OnDescribe(ctx *gortsplib.ServerHandlerOnDescribeCtx) (
	*base.Response, *gortsplib.ServerStream, error,
) {
	if c.user != "" && !ctx.Conn.VerifyCredentials(ctx.Request, c.user, c.pass) {
		return &base.Response{StatusCode: base.StatusUnauthorized}, nil, liberrors.ErrServerAuth{}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.stream == nil || ctx.Path != "/stream" {
		return &base.Response{StatusCode: base.StatusNotFound}, nil, nil
	}
	return &base.Response{StatusCode: base.StatusOK}, c.stream, nil
}

func (c *camera) OnSetup(ctx *gortsplib.ServerHandlerOnSetupCtx) (
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

func (c *camera) OnPlay(*gortsplib.ServerHandlerOnPlayCtx) (*base.Response, error) {
	return &base.Response{StatusCode: base.StatusOK}, nil
}
