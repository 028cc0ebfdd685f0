package cameratest

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"sync"
	"syscall"
	"testing"
	"time"
)

// The ports given out lie below those that the system gives to clients, so that an address is still free when a camera
// is switched on again. They are divided into ranges, one for each process, since packages are tested at the same time.
const firstPort, portsInRange, ranges = 20000, 200, 50

// own is the range of this process: as long as it listens on the first port, no other takes it.
var own struct { //nolint:gochecknoglobals // two cameras of a process must not get the same address
	sync.Mutex
	claims []net.Listener
	next   int // port to give out
	left   int // ports of the range that are not given out
}

// FreeAddresses returns two addresses of this machine where nobody listens, an even port and the one after it.
func FreeAddresses(t testing.TB) (even, odd string) {
	t.Helper()
	own.Lock()
	defer own.Unlock()
	for range 2 * portsInRange {
		if own.left == 0 {
			claim(t)
		}
		even, odd = loopback(own.next), loopback(own.next+1)
		own.next, own.left = own.next+2, own.left-2
		if bindable(even) && bindable(odd) {
			return even, odd
		}
	}
	t.Fatal("no two free ports")
	return "", ""
}

// claim takes a range that no process has.
func claim(t testing.TB) {
	t.Helper()
	for _, k := range rand.Perm(ranges) { //nolint:gosec // spreads, guards nothing
		start := firstPort + k*portsInRange
		listener, err := net.Listen("tcp", loopback(start))
		if err != nil {
			continue
		}
		own.claims = append(own.claims, listener)
		own.next, own.left = start+2, portsInRange-2
		return
	}
	t.Fatalf("no free range of %d ports from %d on", portsInRange, firstPort)
}

func loopback(port int) string { return fmt.Sprintf("127.0.0.1:%d", port) }

func bindable(address string) bool {
	stream, err := net.Listen("tcp", address)
	if err != nil {
		return false
	}
	packets, err := net.ListenPacket("udp", address)
	if err != nil {
		return stream.Close() != nil
	}
	return stream.Close() == nil && packets.Close() == nil
}

// patiently waits, at most two seconds, for an address that is in use: a child holds the sockets of the process that
// forked it, also those that were closed since, until it runs a program of its own.
func patiently[S any](bind func(network, address string) (S, error)) func(network, address string) (S, error) {
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
