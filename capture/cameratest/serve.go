package cameratest

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"
	"time"
)

// Serve listens on a free address and calls talk for each connection until the test ends. It returns the address.
func Serve(t testing.TB, talk func(context.Context, net.Conn)) (address string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var all sync.WaitGroup
	all.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
			all.Go(func() {
				defer func() { _ = conn.Close() }()
				defer stop()
				talk(ctx, conn)
			})
		}
	})
	t.Cleanup(func() {
		cancel()
		_ = l.Close()
		all.Wait()
	})
	return l.Addr().String()
}

// Silent accepts a connection and never answers.
func Silent(ctx context.Context, _ net.Conn) { <-ctx.Done() }

// Trickle repeats a text without end, one byte in each period. A period of zero sends as fast as possible.
func Trickle(text string, period time.Duration) func(context.Context, net.Conn) {
	if period == 0 {
		text = strings.Repeat(text, 1+(64<<10)/len(text))
	}
	return func(ctx context.Context, conn net.Conn) {
		for i := 0; ctx.Err() == nil; i++ {
			piece := text
			if period > 0 {
				piece = text[i%len(text) : i%len(text)+1]
			}
			if _, err := conn.Write([]byte(piece)); err != nil {
				return
			}
			select {
			case <-ctx.Done():
			case <-time.After(period):
			}
		}
	}
}

// Answer reads one request, sends head, and then sends body the given number of times, or without end if times is
// negative.
func Answer(head, body string, times int) func(context.Context, net.Conn) {
	return func(ctx context.Context, conn net.Conn) {
		if !readRequest(bufio.NewReader(conn)) {
			return
		}
		_, err := conn.Write([]byte(head))
		for i := 0; err == nil && i != times && ctx.Err() == nil; i++ {
			_, err = conn.Write([]byte(body))
		}
		if times < 0 {
			<-ctx.Done()
		}
	}
}

// readRequest reads an RTSP or HTTP request that has no body.
func readRequest(r *bufio.Reader) bool {
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			return false
		}
		if strings.TrimSpace(line) == "" {
			return true
		}
	}
}

// Script is an RTSP server that sends a prepared answer to each method: a status line and headers, to which CSeq is
// added, and a body. The answer to other methods is 200 OK. After PLAY it calls Play.
type Script struct {
	SDP     string            // answer to DESCRIBE, unless Answers has one
	Answers map[string]string // status line and headers by method; {address} is replaced by the server's address
	Play    func(context.Context, net.Conn)

	mu     sync.Mutex
	logins int
}

// Logins returns the number of requests that had an Authorization header.
func (s *Script) Logins() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.logins
}

// Talk serves a connection. Pass it to Serve.
func (s *Script) Talk(ctx context.Context, conn net.Conn) {
	r := bufio.NewReader(conn)
	for ctx.Err() == nil {
		method, cseq, ok := s.request(r)
		if !ok {
			return
		}
		if _, err := conn.Write(s.answer(method, cseq, conn.LocalAddr().String())); err != nil {
			return
		}
		if method == "PLAY" && s.Play != nil {
			s.Play(ctx, conn)
		}
	}
}

func (s *Script) request(r *bufio.Reader) (method, cseq string, ok bool) {
	line, err := r.ReadString('\n')
	if err != nil {
		return "", "", false
	}
	method, _, _ = strings.Cut(line, " ")
	for {
		line, err = r.ReadString('\n')
		if err != nil {
			return "", "", false
		}
		key, value, _ := strings.Cut(strings.TrimSpace(line), ":")
		switch strings.ToLower(key) {
		case "":
			return method, cseq, true
		case "cseq":
			cseq = strings.TrimSpace(value)
		case "authorization":
			s.mu.Lock()
			s.logins++
			s.mu.Unlock()
		}
	}
}

func (s *Script) answer(method, cseq, address string) []byte {
	var b bytes.Buffer
	head, known := s.Answers[method]
	body := ""
	switch {
	case known:
	case method == "DESCRIBE":
		head, body = "RTSP/1.0 200 OK\r\nContent-Type: application/sdp\r\n", s.SDP
	case method == "SETUP":
		head = "RTSP/1.0 200 OK\r\nTransport: RTP/AVP/TCP;unicast;interleaved=0-1\r\nSession: 1\r\n"
	default:
		head = "RTSP/1.0 200 OK\r\nSession: 1\r\n"
	}
	head = strings.ReplaceAll(head, "{address}", address)
	fmt.Fprintf(&b, "%sCSeq: %s\r\n", head, cseq)
	if body != "" {
		fmt.Fprintf(&b, "Content-Length: %d\r\n", len(body))
	}
	fmt.Fprintf(&b, "\r\n%s", body)
	return b.Bytes()
}

// SDP returns a session description with these media sections, for example "video H264/90000".
func SDP(medias ...string) string {
	text := "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 0.0.0.0\r\nt=0 0\r\n"
	for i, media := range medias {
		kind, codec, _ := strings.Cut(media, " ")
		text += fmt.Sprintf("m=%s 0 RTP/AVP %d\r\na=rtpmap:%d %s\r\na=control:trackID=%d\r\n", kind, 96+i, 96+i, codec, i)
	}
	return text
}
