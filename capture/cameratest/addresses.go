package cameratest

import (
	"fmt"
	"math/rand/v2"
	"net"
	"sync/atomic"
	"testing"
)

// port is the last one given out. It lies below those that the system gives to clients, so that an address is still
// free when a camera is switched on again.
var port atomic.Int64 //nolint:gochecknoglobals // two cameras of a test must not get the same

// FreeAddresses returns two addresses of this machine where nobody listens, an even port and the one after it.
func FreeAddresses(t testing.TB) (even, odd string) {
	t.Helper()
	port.CompareAndSwap(0, 20000+2*rand.Int64N(5000)) //nolint:gosec // spreads, guards nothing
	for range 100 {
		number := port.Add(2)
		even, odd = fmt.Sprintf("127.0.0.1:%d", number), fmt.Sprintf("127.0.0.1:%d", number+1)
		if bindable(even) && bindable(odd) {
			return even, odd
		}
	}
	t.Fatal("no two free ports")
	return "", ""
}

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
