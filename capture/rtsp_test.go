package capture

import (
	"fmt"
	"math/rand/v2"
	"net"
	"os/exec"
	"strings"
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
	skew     atomic.Uint32 // added to the timestamps of the packets
	sent     atomic.Int64  // frames that the publisher has sent
	udp      bool          // offered besides TCP, when set
	protocol atomic.Int64  // gortsplib.Protocol that the last reader asked for
	once     sync.Once
	ready    chan struct{} // closed with the first packet

	mu        sync.Mutex
	inlet     string // where a publisher goes
	publisher *exec.Cmd
	recording *gortsplib.ServerSession // of the present publisher
	desc      *description.Session     // of the present publisher
	server    *gortsplib.Server
	stream    *gortsplib.ServerStream
	readers   []net.Conn
}

// ingest is the side of a camera that ffmpeg publishes to.
type ingest struct{ *camera }

// newCamera starts a camera that sends the grey video without end.
func newCamera(t testing.TB) *camera {
	t.Helper()
	address, inside := freeAddresses(t)
	c := &camera{t: t, address: address, path: "rtsp://" + address + "/stream", inlet: inside, ready: make(chan struct{})}
	inlet := &gortsplib.Server{Handler: ingest{c}, RTSPAddress: inside}
	if err := inlet.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(inlet.Close)
	c.shoot("64x48")
	t.Cleanup(c.cut)
	<-c.ready
	c.up()
	t.Cleanup(c.down)
	return c
}

// shoot starts a publisher of pictures of this size, in place of the one before. Every key frame brings its parameters
// along, as a camera does whose resolution can be changed while somebody looks.
func (c *camera) shoot(size string) {
	c.cut()
	c.publisher = exec.Command(ffmpegPath(c.t), "-v", "error", "-re", "-f", "lavfi", "-i", strings.Replace(grey, "64x48", size, 1),
		"-c:v", "libx264", "-preset", "ultrafast", "-tune", "zerolatency", "-g", "25", "-bsf:v", "dump_extra=freq=keyframe",
		"-f", "rtsp", "-rtsp_transport", "tcp", "rtsp://"+c.inlet+"/stream")
	if err := c.publisher.Start(); err != nil {
		c.t.Fatal(err)
	}
}

// cut ends the publisher, if there is one.
func (c *camera) cut() {
	if c.publisher != nil {
		_ = c.publisher.Process.Kill()
		_ = c.publisher.Wait()
		c.publisher = nil
	}
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
	c.server = &gortsplib.Server{Handler: c, RTSPAddress: c.address, Listen: c.listen}
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

// listen is net.Listen that keeps the connections, for reset and babble.
func (c *camera) listen(network, address string) (net.Listener, error) {
	l, err := net.Listen(network, address)
	return doorman{l, c}, err
}

type doorman struct {
	net.Listener
	c *camera
}

func (d doorman) Accept() (net.Conn, error) {
	conn, err := d.Listener.Accept()
	if err == nil {
		d.c.mu.Lock()
		d.c.readers = append(d.c.readers, conn)
		d.c.mu.Unlock()
	}
	return conn, err
}

// reset ends the readers' connections in the rough way, with a TCP reset.
func (c *camera) reset() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, conn := range c.readers {
		if tcp, ok := conn.(*net.TCPConn); ok {
			_ = tcp.SetLinger(0) // some have ended long ago
		}
		_ = conn.Close()
	}
	c.readers = nil
}

// babble puts noise between the packets on the readers' connections.
func (c *camera) babble() {
	c.mu.Lock()
	defer c.mu.Unlock()
	noise := make([]byte, 20000)
	for i := range noise {
		noise[i] = byte(rand.Uint32())
	}
	for _, conn := range c.readers {
		_, _ = conn.Write(noise) // some have ended long ago
	}
}

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
func (c *camera) forward(from *gortsplib.ServerSession, packet *rtp.Packet) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if from != c.recording {
		return
	}
	c.once.Do(func() { close(c.ready) })
	if packet.Marker {
		c.sent.Add(1)
	}
	if c.stream == nil || c.stalled.Load() {
		return
	}
	packet = packet.Clone()
	packet.Timestamp += c.skew.Load()
	if c.garbage.Load() {
		for i := range packet.Payload {
			packet.Payload[i] = byte(rand.Uint32())
		}
	}
	_ = c.stream.WritePacketRTP(c.stream.Desc.Medias[0], packet) // readers come and go
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
