package publish

import (
	"io"
	"net"
	"sync"
	"testing"
	"time"
)

// proxy stands between a client and a broker and is where networks fail in tests.
type proxy struct {
	listener net.Listener
	target   string
	group    sync.WaitGroup

	mu     sync.Mutex
	broken bool // new connections are closed at once
	deaf   bool // answers of the broker are swallowed
	stuck  bool // nothing more is taken from clients, so that their writes block
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

// block stops taking anything from clients, or goes on.
func (p *proxy) block(stuck bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.stuck = stuck
}

// ready waits until the proxy may take something from conn, and says whether conn still counts.
func (p *proxy) ready(conn net.Conn) bool {
	for {
		p.mu.Lock()
		stuck := p.stuck
		_, open := p.conns[conn]
		p.mu.Unlock()
		if !stuck || !open {
			return open
		}
		time.Sleep(5 * time.Millisecond)
	}
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
		_ = client.(*net.TCPConn).SetReadBuffer(64 << 10) // so that block is soon felt
		server, err := net.Dial("tcp", p.target)
		if err != nil || !p.keep(client, server) {
			_ = client.Close()
			if server != nil {
				_ = server.Close()
			}
			continue
		}
		p.group.Go(func() { p.copy(server, client, func() bool { return !p.ready(client) }) })
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
	buffer := make([]byte, 64<<10)
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
