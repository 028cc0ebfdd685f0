// Package cameratest provides an RTSP camera for tests, like httptest: a server on 127.0.0.1 that sends a video of
// ffmpeg. It can stall, send garbage, change its resolution, lose its connections and be switched off. The package also
// provides servers that misbehave.
package cameratest

import (
	"errors"
	"net"
	"os"
	"os/exec"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/bluenviron/gortsplib/v5"
	"github.com/bluenviron/gortsplib/v5/pkg/description"

	"facesieve/internal/freeport"
)

// Camera is an RTSP camera. ffmpeg publishes to one server, and a second one, which can fail, plays to readers. The
// atomic fields may be set at any time.
type Camera struct {
	URL     string        // without credentials
	Stalled atomic.Bool   // nothing is sent
	Garbage atomic.Bool   // the packets contain noise
	Skew    atomic.Uint32 // added to the timestamps of the packets, in units of 1/90000 s

	User, Password string // required if set; to be set while the camera is down
	UDP            bool   // offered besides TCP; to be set while the camera is down

	t        testing.TB
	address  string
	inlet    string // address of the server for ffmpeg
	scene    func(size string) []string
	sent     atomic.Int64
	protocol atomic.Int64
	once     sync.Once
	ready    chan struct{} // closed with the first packet

	mu        sync.Mutex
	publisher *exec.Cmd
	recording *gortsplib.ServerSession // of the current publisher
	desc      *description.Session     // of the current publisher
	server    *gortsplib.Server
	stream    *gortsplib.ServerStream
	readers   []net.Conn
}

// New starts a camera that sends an endless scene until the test ends. scene returns the arguments of ffmpeg for frames
// of a size, such as "640x480": the input and its filters. Without ffmpeg the test is skipped.
func New(t testing.TB, size string, scene func(size string) []string) *Camera {
	t.Helper()
	address, inside := freeport.Pair(t)
	c := &Camera{
		t: t, address: address, URL: "rtsp://" + address + "/stream", inlet: inside, scene: scene, ready: make(chan struct{}),
	}
	inlet := &gortsplib.Server{Handler: publisherHandler{c}, RTSPAddress: inside, Listen: retryInUse(net.Listen)}
	if err := inlet.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(inlet.Close)
	c.SetSize(size)
	t.Cleanup(c.cut)
	<-c.ready
	c.Up()
	t.Cleanup(c.Down)
	return c
}

// Sent returns the number of frames of the current size that ffmpeg has sent, whether there was a reader or not.
func (c *Camera) Sent() int { return int(c.sent.Load()) }

// Protocol returns the transport that the last reader requested.
func (c *Camera) Protocol() gortsplib.Protocol { return gortsplib.Protocol(c.protocol.Load()) }

// SetSize sends frames of another size from now on. Each key frame contains its parameters, like those of a camera
// whose resolution can be changed while it streams.
func (c *Camera) SetSize(size string) {
	c.cut()
	args := append([]string{"-v", "error", "-re"}, c.scene(size)...)
	args = append(args, "-an", "-c:v", "libx264", "-preset", "ultrafast", "-tune", "zerolatency", "-g", "10",
		"-bsf:v", "dump_extra=freq=keyframe", "-f", "rtsp", "-rtsp_transport", "tcp", "rtsp://"+c.inlet+"/stream")
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

// FFmpeg returns the path of ffmpeg. If it is not installed, the test is skipped, or fails if the variable CI is
// "true".
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

// retryInUse retries for two seconds while an address is in use: a child process holds the sockets of its parent, even
// those that were closed since, until it executes its program.
func retryInUse[S any](bind func(network, address string) (S, error)) func(network, address string) (S, error) {
	return func(network, address string) (S, error) {
		for tries := 0; ; tries++ {
			socket, err := bind(network, address)
			if tries == 100 || !errors.Is(err, syscall.EADDRINUSE) {
				return socket, err
			}
			time.Sleep(20 * time.Millisecond)
		}
	}
}
