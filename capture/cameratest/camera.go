// Package cameratest is an RTSP camera for tests, in the manner of httptest: a real server on 127.0.0.1 that shows what
// ffmpeg makes, and that can stall, send garbage, change its resolution, lose its connections and be switched off.
package cameratest

import (
	"net"
	"os"
	"os/exec"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/bluenviron/gortsplib/v5"
	"github.com/bluenviron/gortsplib/v5/pkg/description"
)

// Camera is an RTSP camera: ffmpeg publishes to one server, a second one that can fail plays to readers. Its fields may
// be set at any time, but for the ones that say otherwise.
type Camera struct {
	URL     string        // without credentials
	Stalled atomic.Bool   // nothing is sent
	Garbage atomic.Bool   // the packets hold noise
	Skew    atomic.Uint32 // added to the timestamps of the packets, whose clock has 90 kHz

	User, Password string // when set, asked for; to be set while the camera is down
	UDP            bool   // offered besides TCP; to be set while the camera is down

	t        testing.TB
	address  string
	inlet    string // where a publisher goes
	scene    func(size string) []string
	sent     atomic.Int64
	protocol atomic.Int64
	once     sync.Once
	ready    chan struct{} // closed with the first packet

	mu        sync.Mutex
	publisher *exec.Cmd
	recording *gortsplib.ServerSession // of the present publisher
	desc      *description.Session     // of the present publisher
	server    *gortsplib.Server
	stream    *gortsplib.ServerStream
	readers   []net.Conn
}

// New starts a camera that shows a scene without end, until the test ends. The scene is the part of ffmpeg's command line
// that gives pictures of a size, as "640x480": the input and its filters. Without ffmpeg the test is skipped.
func New(t testing.TB, size string, scene func(size string) []string) *Camera {
	t.Helper()
	address, inside := FreeAddresses(t)
	c := &Camera{
		t: t, address: address, URL: "rtsp://" + address + "/stream", inlet: inside, scene: scene, ready: make(chan struct{}),
	}
	inlet := &gortsplib.Server{Handler: ingest{c}, RTSPAddress: inside, Listen: patiently(net.Listen)}
	if err := inlet.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(inlet.Close)
	c.Shoot(size)
	t.Cleanup(c.cut)
	<-c.ready
	c.Up()
	t.Cleanup(c.Down)
	return c
}

// Sent is how many frames of the present size ffmpeg has sent, to readers or not.
func (c *Camera) Sent() int { return int(c.sent.Load()) }

// Protocol is what the last reader asked for.
func (c *Camera) Protocol() gortsplib.Protocol { return gortsplib.Protocol(c.protocol.Load()) }

// Shoot shows pictures of another size. Every key frame brings its parameters along, as with a camera whose resolution
// can be changed while somebody looks.
func (c *Camera) Shoot(size string) {
	c.cut()
	args := append([]string{"-v", "error", "-re"}, c.scene(size)...)
	args = append(args, "-an", "-c:v", "libx264", "-preset", "ultrafast", "-tune", "zerolatency", "-g", "10", "-bsf:v", "dump_extra=freq=keyframe",
		"-f", "rtsp", "-rtsp_transport", "tcp", "rtsp://"+c.inlet+"/stream")
	c.publisher = exec.Command(FFmpeg(c.t), args...) //nolint:gosec // the test's own scene
	c.publisher.Stderr = os.Stderr
	if err := c.publisher.Start(); err != nil {
		c.t.Fatal(err)
	}
}

// cut ends the publisher, if there is one.
func (c *Camera) cut() {
	if c.publisher != nil {
		_ = c.publisher.Process.Kill()
		_ = c.publisher.Wait()
		c.publisher = nil
	}
}

// FFmpeg returns the path of the system's ffmpeg, without which the test is skipped, or fails where CI is "true".
func FFmpeg(t testing.TB) string {
	t.Helper()
	path, err := exec.LookPath("ffmpeg")
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("ffmpeg is not installed")
		}
		t.Skip("ffmpeg is not installed: apt-get install ffmpeg")
	}
	return path
}
