// Package freeport reserves addresses of 127.0.0.1 for tests. Packages that are tested at the same time, and connections
// of clients, do not take the address of another test before it is used.
package freeport

import (
	"fmt"
	"math/rand/v2"
	"net"
	"sync"
	"syscall"
	"testing"
)

// The ports are below those that the system assigns to clients, so that an address is still free when a camera is
// switched on again. They are divided into ranges, one for each process, because packages are tested at the same time.
const firstPort, portsInRange, ranges = 20000, 200, 50

// ports is the range of this process, which no other process uses while this one listens on its first port.
var ports struct { //nolint:gochecknoglobals // two cameras of a process must not get the same address
	sync.Mutex
	listeners []net.Listener // on the first ports
	next      int
	left      int // from next to the end of the range
}

// Address returns an unused address. Each call returns another one.
func Address(t testing.TB) string {
	t.Helper()
	address, _ := Pair(t)
	return address
}

// Pair returns two unused addresses: an even port and the next one. Each call returns others.
func Pair(t testing.TB) (even, odd string) {
	t.Helper()
	ports.Lock()
	defer ports.Unlock()
	for range 2 * portsInRange {
		if ports.left == 0 {
			reserveRange(t)
		}
		even, odd = at(ports.next), at(ports.next+1)
		ports.next, ports.left = ports.next+2, ports.left-2
		if bindable(even) && bindable(odd) {
			return even, odd
		}
	}
	t.Fatal("no two free ports")
	return "", ""
}

// reserveRange reserves a range that no process uses.
func reserveRange(t testing.TB) {
	t.Helper()
	for _, k := range rand.Perm(ranges) { //nolint:gosec // not for security
		start := firstPort + k*portsInRange
		listener, err := net.Listen("tcp", at(start))
		if err != nil {
			continue
		}
		ports.listeners = append(ports.listeners, listener)
		ports.next, ports.left = start+2, portsInRange-2
		return
	}
	t.Fatalf("no free range of %d ports from %d on", portsInRange, firstPort)
}

func at(port int) string { return fmt.Sprintf("127.0.0.1:%d", port) }

// bindable reports whether nothing listens at an address. No child process starts meanwhile: it would hold the sockets
// until it executes its program.
func bindable(address string) bool {
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
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
