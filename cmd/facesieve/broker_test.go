package main

import (
	"fmt"
	"net"
	"os/exec"
	"testing"
	"time"

	"facesieve/cmd/facesieve/internal/testsupport"
)

// startMosquitto starts the real broker for everybody on a free port and returns its address.
func startMosquitto(t *testing.T) string {
	t.Helper()
	address := testsupport.FreeAddress(t)
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		t.Fatal(err)
	}
	config := testsupport.WriteFile(t, "mosquitto.conf", fmt.Sprintf("listener %s 127.0.0.1\nallow_anonymous true\npersistence false\n", port))
	broker := exec.Command(testsupport.ProgramPath(t, "mosquitto"), "-c", config)
	if err := broker.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = broker.Process.Kill()
		_ = broker.Wait()
	})
	for range 100 {
		if connection, err := net.Dial("tcp", address); err == nil {
			_ = connection.Close()
			return address
		}
		time.Sleep(50 * time.Millisecond)
	}
	t.Fatal("mosquitto does not listen")
	return ""
}
