package cameratest

import (
	"math/rand/v2"
	"net"

	"github.com/bluenviron/gortsplib/v5"
)

// Up switches the camera on.
func (c *Camera) Up() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.server = &gortsplib.Server{Handler: player{c}, RTSPAddress: c.address, Listen: c.listen, ListenPacket: patiently(net.ListenPacket)}
	if c.UDP {
		c.server.UDPRTPAddress, c.server.UDPRTCPAddress = FreeAddresses(c.t)
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

// Down switches the camera off: readers are thrown out, and nobody answers.
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

// listen is net.Listen that keeps the connections, for Reset and Babble.
func (c *Camera) listen(network, address string) (net.Listener, error) {
	l, err := patiently(net.Listen)(network, address)
	return doorman{l, c}, err
}

type doorman struct {
	net.Listener
	c *Camera
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

// Reset ends the readers' connections in the rough way, with a TCP reset.
func (c *Camera) Reset() {
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

// Babble puts noise between the packets on the readers' connections.
func (c *Camera) Babble() {
	c.mu.Lock()
	defer c.mu.Unlock()
	noise := make([]byte, 20000)
	for i := range noise {
		noise[i] = byte(rand.Uint32()) //nolint:gosec // noise
	}
	for _, conn := range c.readers {
		_, _ = conn.Write(noise) // some have ended long ago
	}
}
