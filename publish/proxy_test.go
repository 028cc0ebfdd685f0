package publish

import (
	"io"
	"net"
	"sync"
	"testing"
	"time"
)

// proxy is a connection between a client and a broker that fails as a test requires.
type proxy struct {
	listener net.Listener
	target   string
	group    sync.WaitGroup

	mu      sync.Mutex
	broken  bool // new connections are closed at once
	silent  bool // answers of the broker are discarded
	blocked bool // nothing is read from clients, so that their writes block
	conns   map[net.Conn]struct{}
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

// cut closes all connections, and refuses new ones if broken.
func (p *proxy) cut(broken bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.broken = broken
	for conn := range p.conns {
		_ = conn.Close()
	}
	clear(p.conns)
}

// silence sets whether the answers of the broker are discarded.
func (p *proxy) silence(silent bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.silent = silent
}

// block sets whether nothing is read from clients.
func (p *proxy) block(blocked bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.blocked = blocked
}

// ready waits until the proxy may read from conn, and reports whether conn is open.
func (p *proxy) ready(conn net.Conn) bool {
	for {
		p.mu.Lock()
		blocked := p.blocked
		_, open := p.conns[conn]
		p.mu.Unlock()
		if !blocked || !open {
			return open
		}
		time.Sleep(5 * time.Millisecond)
	}
}

func (p *proxy) isSilent() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.silent
}

func (p *proxy) accept() {
	for {
		client, err := p.listener.Accept()
		if err != nil {
			return
		}
		_ = client.(*net.TCPConn).SetReadBuffer(64 << 10) // so that writes block soon
		server, err := net.Dial("tcp", p.target)
		if err != nil || !p.keep(client, server) {
			_ = client.Close()
			if server != nil {
				_ = server.Close()
			}
			continue
		}
		p.group.Go(func() { p.copy(server, client, func() bool { return !p.ready(client) }) })
		p.group.Go(func() { p.copy(client, server, p.isSilent) })
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
