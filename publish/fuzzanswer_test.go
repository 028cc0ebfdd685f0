package publish

import (
	"context"
	"errors"
	"net"
	"net/url"
	"testing"
	"time"

	"facesieve/publish/internal/frame"
)

// FuzzBrokerAnswers sends arbitrary answers of a broker, at first and after a valid CONNACK: a client ends or
// continues, in time.
func FuzzBrokerAnswers(f *testing.F) {
	for _, answer := range [][]byte{
		{0x20, 3, 0, 0, 0},
		{0x20, 2, 0, 1},
		{0x20, 3, 0, 0x87, 0},
		{0xe0, 2, 0x8e, 0},
		{0x30, 5, 0, 1, 'a', 0, 'x'},
		{0x40, 2, 0, 1},
		{0xd0, 0},
		[]byte("HTTP/1.1 400 Bad Request\r\n\r\n"),
		{0x40, 0xbd, 0xbd, 0xbd, 0xbd, 0xbd, 2, 0, 1},
		{0x15, 3, 1, 0, 2, 2, 70},
		{0x20, 0xff, 0xff, 0xff, 0x7f},
		{0x90, 4, 0, 1, 0, 0x87},
		{0xf0, 0},
	} {
		f.Add(answer, false)
		f.Add(answer, true)
	}
	f.Fuzz(func(t *testing.T, answer []byte, accepted bool) {
		ctx, cancel := context.WithTimeoutCause(t.Context(), 200*time.Millisecond, errNoAnswer)
		defer cancel()
		for _, open := range []opener{open5, open3} {
			own, broker := net.Pipe()
			done := make(chan struct{})
			go func() {
				defer close(done)
				converse(broker, answer, accepted)
			}()
			a := &attempt{
				ctx: ctx, cfg: testConfig("tcp://127.0.0.1"), id: identity{clientID: "x", memory: new(memory)},
				target: &url.URL{Scheme: schemeTCP, Host: "127.0.0.1:1"}, raw: &tap{Conn: own}, dialed: true,
			}
			a.clear = a.raw
			lost := make(chan error, 8)
			stop := context.AfterFunc(ctx, func() { _ = own.Close() })
			c, err := open(a, &pahoConn{Conn: a.raw}, func(err error) { lost <- err })
			if err == nil {
				c.end()
			} else if errors.Is(err, errBusy) {
				t.Error(err)
			}
			stop()
			_ = own.Close()
			<-done
		}
	})
}

// converse is the broker's side: it reads everything, and sends answer.
func converse(conn net.Conn, answer []byte, accepted bool) {
	taken := make(chan struct{})
	go func() {
		defer close(taken)
		buffer := make([]byte, 1024)
		for {
			if _, err := conn.Read(buffer); err != nil {
				return
			}
		}
	}()
	if accepted {
		_, _ = conn.Write([]byte{0x20, 3, 0, 0, 0})
	}
	_, _ = conn.Write(answer)
	_ = conn.Close()
	<-taken
}

func TestBrokerAnnouncesTooMuch(t *testing.T) {
	for _, answer := range [][]byte{
		{0x20, 0xff, 0xff, 0xff, 0x7f}, {0x20, 0xbd, 0xbd, 0xbd, 0xbd, 0xbd, 2}, {0x20, 0x80, 0x80, 0x80, 0x09},
	} {
		own, broker := net.Pipe()
		go func() { _, _ = broker.Write(answer) }()
		c := &pahoConn{Conn: own}
		var err error
		for err == nil {
			_, err = c.Read(make([]byte, 1))
		}
		if !errors.Is(err, frame.ErrSize) && !errors.Is(err, frame.ErrLength) {
			t.Errorf("% x: %v", answer, err)
		}
		_ = broker.Close()
	}
}
