package cameratest

import (
	"math/rand/v2"
	"net"

	"github.com/bluenviron/gortsplib/v5"

	"facesieve/internal/freeport"
)

// Up switches the camera on.
func (c *Camera) Up() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.server = &gortsplib.Server{
		Handler: readerHandler{c}, RTSPAddress: c.address, Listen: c.listen, ListenPacket: retryInUse(net.ListenPacket),
	}
	if c.UDP {
		c.server.UDPRTPAddress, c.server.UDPRTCPAddress = freeport.Pair(c.t)
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

// Down switches the camera off: it closes the connections of the readers and accepts no others.
func (c *Camera) Down() {
	c.mu.Lock()
	server, stream := c.server, c.stream
	c.server, c.stream = nil, nil
	c.mu.Unlock()
	if server != nil {
		stream.Close()
		server.Close()
	}
}

// listen is net.Listen that stores the connections, for Reset and SendNoise.
func (c *Camera) listen(network, address string) (net.Listener, error) {
	l, err := retryInUse(net.Listen)(network, address)
	return readerListener{l, c}, err
}

type readerListener struct {
	net.Listener
	camera *Camera
}

func (l readerListener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err == nil {
		l.camera.mu.Lock()
		l.camera.readers = append(l.camera.readers, conn)
		l.camera.mu.Unlock()
	}
	return conn, err
}

// Reset ends the connections of the readers with a TCP reset.
func (c *Camera) Reset() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, conn := range c.readers {
		if tcp, ok := conn.(*net.TCPConn); ok {
			_ = tcp.SetLinger(0) // may be closed
		}
		_ = conn.Close()
	}
	c.readers = nil
}

// SendNoise sends noise between the packets to the readers.
func (c *Camera) SendNoise() {
	c.mu.Lock()
	defer c.mu.Unlock()
	noise := make([]byte, 20000)
	for i := range noise {
		noise[i] = byte(rand.Uint32()) //nolint:gosec // noise
	}
	for _, conn := range c.readers {
		_, _ = conn.Write(noise) // may be closed
	}
}
