package broker

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"syscall"
	"testing"
	"time"

	"github.com/mochi-mqtt/server/v2/packets"

	"facesieve/publish/publishtest"
)

// stopped starts a real subscriber and stops it, as a debugger or a laptop that sleeps does.
func stopped(t *testing.T, addr, id string, qos int) {
	t.Helper()
	path, err := exec.LookPath("mosquitto_sub")
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("mosquitto_sub is not installed")
		}
		t.Log("mosquitto_sub is not installed: apt-get install mosquitto-clients")
		return
	}
	_, port, _ := net.SplitHostPort(addr)
	sub := exec.Command(path, "-p", port, "-i", id, "-t", "#", "-q", fmt.Sprint(qos))
	if err := sub.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = sub.Process.Kill()
		_ = sub.Wait()
	})
	time.Sleep(200 * time.Millisecond) // for it to subscribe; one that has not yet is stopped as well
	if err := sub.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
}

// Clients that stop reading are disconnected, and no other client loses a message.
func TestDropsClientsThatDoNotRead(t *testing.T) {
	b := startTest(t, testLog(t), nil, func(l *limits) { l.outbound, l.stall = 512<<10, 5*time.Second })
	for qos := range 2 {
		stopped(t, b.Addr(), fmt.Sprintf("stopped%d", qos), qos)
		c := rawConnected(t, b.Addr(), fmt.Sprintf("silent%d", qos), nil)
		_ = c.Conn.(*net.TCPConn).SetReadBuffer(4096)
		c.subscribe(byte(qos), "#")
	}
	w := publishtest.Record(t, "tcp://"+b.Addr(), "faces/#")
	const messages, size = 120, 100 << 10 // more than the buffers of the kernel hold
	deliverInStep(t, connectDaemon(t, b, daemonID), w, messages, size)
	publishtest.Eventually(t, "the others are dropped", func() bool { return b.Stats().Dropped >= 2 })
	publishtest.Eventually(t, "nothing waits for them", func() bool { return b.waiting.Load() < 512<<10 })
}

// A client that accepts nothing is dropped also where its buffer is not full.
func TestDropsClientsThatStall(t *testing.T) {
	b := startTest(t, testLog(t), nil, func(l *limits) {
		l.stall, l.outbound = 200*time.Millisecond, 16<<20
	})
	c := rawConnected(t, b.Addr(), "silent", nil)
	_ = c.Conn.(*net.TCPConn).SetReadBuffer(4096)
	c.subscribe(0, "#")
	deliverAll(t, connectDaemon(t, b, daemonID), "faces/door", 100, 100<<10)
	publishtest.Eventually(t, "dropped", func() bool { return b.Stats().Dropped == 1 })
}

// Many slow clients together take no more than one bound.
func TestBoundsWhatWaitsForAll(t *testing.T) {
	b := startTest(t, testLog(t), nil, func(l *limits) { l.outboundAll = 2 << 20 })
	for i := range 4 {
		c := rawConnected(t, b.Addr(), fmt.Sprintf("silent%d", i), nil)
		_ = c.Conn.(*net.TCPConn).SetReadBuffer(4096)
		c.subscribe(0, "#")
	}
	l := connectDaemon(t, b, daemonID)
	for range 60 {
		deliverAll(t, l, "faces/door", 1, 100<<10)
		if n := b.waiting.Load(); n > 3<<20 {
			t.Fatalf("%d bytes wait", n)
		}
	}
	publishtest.Eventually(t, "some are dropped", func() bool { return b.Stats().Dropped > 0 })
}

// A subscriber that never acknowledges is disconnected; its session keeps messages within its bounds, and delivers them
// later.
func TestDropsClientsThatDoNotAcknowledge(t *testing.T) {
	const kept = 20
	persistent := func(pk *packets.Packet) { pk.Connect.Clean = false }
	for name, bound := range map[string]func(*limits){
		"messages": func(l *limits) { l.messages = kept },
		"bytes":    func(l *limits) { l.unacked = kept * (1000 + messageOverhead) },
	} {
		t.Run(name, func(t *testing.T) {
			b := startTest(t, testLog(t), nil, bound)
			c := rawConnected(t, b.Addr(), "mute", persistent)
			c.subscribe(1, "#")
			w := publishtest.Record(t, "tcp://"+b.Addr(), "faces/#")
			deliverInStep(t, connectDaemon(t, b, daemonID), w, 60, 1000)
			c.ended()
			if s := b.Stats(); s.Dropped != 1 || s.LostMessages == 0 {
				t.Errorf("%+v", s)
			}
			second := rawConnected(t, b.Addr(), "mute", persistent)
			for i := range kept / 2 {
				if pk, err := second.receive(); err != nil || pk.FixedHeader.Type != packets.Publish {
					t.Fatal(i, err)
				}
			}
		})
	}
}

// All sessions together are bounded: the largest is dropped.
func TestBoundsAllSessions(t *testing.T) {
	const all = 64 << 10
	b := startTest(t, testLog(t), nil, func(l *limits) { l.unacked, l.unackedAll, l.sessions = 20<<10, all, 5 })
	for i := range 8 {
		c := rawConnected(t, b.Addr(), fmt.Sprintf("away%d", i), func(pk *packets.Packet) { pk.Connect.Clean = false })
		c.subscribe(1, "#")
		_ = c.Close()
	}
	publishtest.Eventually(t, "the oldest are forgotten", func() bool { return b.server.Clients.Len() == 5 })
	deliverAll(t, connectDaemon(t, b, daemonID), "faces/door", 100, 1000)
	s := b.sessions
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.unackedBytes > all {
		t.Errorf("%d bytes are kept", s.unackedBytes)
	}
	if n := b.server.Clients.Len(); n != 4 { // with the daemon's own
		t.Errorf("%d clients", n)
	}
}

// A subscriber of MQTT 5 with a receive maximum still gets every message.
func TestServesAReceiveMaximum(t *testing.T) {
	b := startTest(t, testLog(t), nil, nil)
	c := rawConnected(t, b.Addr(), "careful", func(pk *packets.Packet) {
		pk.ProtocolVersion, pk.Properties.ReceiveMaximum = 5, 5
	})
	c.subscribe(1, "#")
	deliverAll(t, connectDaemon(t, b, daemonID), "faces/door", 200, 100)
	for i := range 200 {
		pk, err := c.receive()
		if err != nil {
			t.Fatalf("after %d messages: %v", i, err)
		}
		c.acknowledge(pk.PacketID)
	}
}

// Close does not wait for clients that flood the broker or do not read.
func TestEndsUnderAFlood(t *testing.T) {
	b := startTest(t, testLog(t), nil, func(l *limits) { l.stall = time.Hour })
	for i := range 4 {
		c := rawConnected(t, b.Addr(), fmt.Sprintf("silent%d", i), nil)
		_ = c.Conn.(*net.TCPConn).SetReadBuffer(4096)
		c.subscribe(1, "#")
		flood := rawConnected(t, b.Addr(), fmt.Sprintf("flood%d", i), nil)
		done := make(chan struct{})
		go func() {
			defer close(done)
			for {
				if _, err := flood.Write([]byte{0xc0, 0}); err != nil { // pings
					return
				}
			}
		}()
		t.Cleanup(func() {
			_ = flood.Close()
			<-done
		})
	}
	deliverAll(t, connectDaemon(t, b, daemonID), "faces/door", 30, 90<<10)
	begun := time.Now()
	if err := b.Close(); err != nil {
		t.Error(err)
	}
	if took := time.Since(begun); took > publishtest.Patience {
		t.Errorf("the broker ends after %v", took)
	}
}
