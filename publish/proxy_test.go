package publish

import (
	"io"
	"net"
	"sync"
	"testing"
)

// proxy stands between a client and a broker and is where networks fail in tests.
type proxy struct {
	listener net.Listener
	target   string
	group    sync.WaitGroup

	mu     sync.Mutex
	broken bool // new connections are closed at once
	deaf   bool // answers of the broker are swallowed
	conns  map[net.Conn]struct{}
}

func startProxy(t *testing.T, target string) *proxy {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{listener: l, target: target, conns: map[net.Conn]struct{}{}}
	p.group.Go(p.accept)
	t.Cleanup(func() {
		_ = l.Close()
		p.cut(true)
		p.group.Wait()
	})
	return p
}

func (p *proxy) url() string { return "tcp://" + p.listener.Addr().String() }

// cut drops all connections without a word, and refuses new ones if broken.
func (p *proxy) cut(broken bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.broken = broken
	for conn := range p.conns {
		_ = conn.Close()
	}
	clear(p.conns)
}

// swallow makes the answers of the broker disappear, or not.
func (p *proxy) swallow(deaf bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.deaf = deaf
}

func (p *proxy) isDeaf() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.deaf
}

func (p *proxy) accept() {
	for {
		client, err := p.listener.Accept()
		if err != nil {
			return
		}
		server, err := net.Dial("tcp", p.target)
		if err != nil || !p.keep(client, server) {
			_ = client.Close()
			if server != nil {
				_ = server.Close()
			}
			continue
		}
		p.group.Go(func() { p.copy(server, client, func() bool { return false }) })
		p.group.Go(func() { p.copy(client, server, p.isDeaf) })
	}
}

func (p *proxy) keep(conns ...net.Conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.broken {
		return false
	}
	for _, conn := range conns {
		p.conns[conn] = struct{}{}
	}
	return true
}

// copy moves bytes from src to dst until either ends, and then ends both.
func (p *proxy) copy(dst io.WriteCloser, src io.ReadCloser, lost func() bool) {
	defer dst.Close()
	defer src.Close()
	buffer := make([]byte, 4096)
	for {
		n, err := src.Read(buffer)
		if err != nil {
			return
		}
		if lost() {
			continue
		}
		if _, err := dst.Write(buffer[:n]); err != nil {
			return
		}
	}
}
