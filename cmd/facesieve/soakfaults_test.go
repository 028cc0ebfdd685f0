//go:build matprofile

package main

import (
	"math/rand/v2"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"facesieve/cmd/facesieve/internal/config"
	"facesieve/cmd/facesieve/internal/testsupport"
)

// noFault is the name of the time without a fault.
const noFault = "none"

// soakFault is a fault. The daemon has recovered when a later face of the stream arrives, and recovered returns true.
type soakFault struct {
	name       string
	begin, end func(*soak)
	hold       time.Duration      // between begin and end
	recovered  func(s *soak) bool // nil: true
}

func soakFaults() []soakFault {
	var all []soakFault
	for _, fault := range streamFaults() {
		hold := time.Duration(0)
		if fault.lasting {
			hold = 2 * time.Second
		}
		all = append(all, soakFault{
			name: fault.name, hold: hold,
			begin: func(s *soak) { fault.begin(s.camera) }, end: func(s *soak) { fault.end(s.camera) },
			recovered: func(s *soak) bool { return fault.width == 0 || s.broker.last("door").Frame.Width == fault.width },
		})
	}
	return append(all,
		soakFault{name: "broker restarts", hold: time.Second, begin: (*soak).brokerDown, end: (*soak).brokerUp},
		soakFault{name: "outbox full", begin: (*soak).fillOutbox, end: (*soak).brokerUp},
		soakFault{
			name: "daemon restarts without a broker", hold: time.Second, begin: (*soak).brokerDown,
			end: (*soak).restart,
		},
		soakFault{
			name: "SIGHUP, other thresholds", begin: (*soak).changeThreshold, end: (*soak).hangUp,
			recovered: logged("the new configuration is in force"),
		},
		soakFault{
			name: "SIGHUP, configuration cut short", begin: (*soak).cutConfiguration, end: (*soak).hangUp,
			recovered: logged(refused),
		},
		soakFault{
			name: "SIGHUP, network cut short", begin: (*soak).cutNetwork, end: (*soak).hangUp,
			recovered: logged(refused),
		},
	)
}

const refused = "the new configuration is refused; the former one stays in force"

// logged returns a condition: the message was logged since the fault began.
func logged(message string) func(*soak) bool {
	return func(s *soak) bool { return s.messages(message) > 0 }
}

// inject injects a fault and waits until the daemon has recovered.
func (s *soak) inject(fault soakFault) {
	s.setFault(fault.name)
	fault.begin(s)
	time.Sleep(fault.hold)
	fault.end(s)
	over := time.Now()
	testsupport.Eventually(s.t, fault.name+": recovery", func() bool {
		return s.broker.last("door").Time.After(over) && (fault.recovered == nil || fault.recovered(s))
	})
	s.outages.recovered(fault.name, time.Since(over))
	s.repair()
	s.drain()
	s.setFault(noFault)
	time.Sleep(200 * time.Millisecond)
}

// setFault records the present fault, and clears the counts of log messages.
func (s *soak) setFault(fault string) {
	if s.daemon != nil {
		s.outages.dropped(s.fault, s.daemon.State().Uplink.Dropped.Total())
	}
	s.mutex.Lock()
	defer s.mutex.Unlock()
	s.fault = fault
	clear(s.logged)
}

func (s *soak) brokerDown() { s.broker.down() }

func (s *soak) brokerUp() { s.broker.up() }

// fillOutbox stops the broker until the outbox is full.
func (s *soak) fillOutbox() {
	s.broker.down()
	testsupport.Eventually(s.t, "outbox full", func() bool {
		return s.messages("outbox is full: the events of the lowest score go") > 0
	})
}

// restart restarts the daemon while its outbox holds events.
func (s *soak) restart() {
	s.halt()
	s.broker.up()
	s.start()
}

func (s *soak) changeThreshold() { s.configure(1) }

// cutConfiguration cuts the file so that the rest is not valid.
func (s *soak) cutConfiguration() {
	text, err := os.ReadFile(s.config)
	if err != nil {
		s.t.Fatal(err)
	}
	for {
		cut := text[:rand.IntN(len(text))]
		if _, err := config.Parse(config.ForDaemon(), s.config, cut, testsupport.NoEnvironment); err != nil {
			s.write(string(cut))
			return
		}
	}
}

// cutNetwork cuts the file of the network, and changes the configuration, so that a reload reads the network.
func (s *soak) cutNetwork() {
	path := filepath.Join(s.dir, "quality.tflite")
	data, err := os.ReadFile(path)
	if err == nil {
		err = os.WriteFile(path, data[:rand.IntN(len(data))], 0o600)
	}
	if err != nil {
		s.t.Fatal(err)
	}
	s.configure(1)
}

// repair restores the files. The daemon detects the change.
func (s *soak) repair() {
	data, err := os.ReadFile(testsupport.RepositoryPath(s.t, "models", "quality.tflite"))
	if err == nil {
		err = os.WriteFile(filepath.Join(s.dir, "quality.tflite"), data, 0o600)
	}
	if err != nil {
		s.t.Fatal(err)
	}
	s.configure(0)
}

func (s *soak) hangUp() {
	if err := syscall.Kill(os.Getpid(), syscall.SIGHUP); err != nil {
		s.t.Fatal(err)
	}
}

// drain waits until all events that are accepted by now are delivered or dropped.
func (s *soak) drain() {
	s.mutex.Lock()
	var ids []string
	for id := range s.accepted {
		ids = append(ids, id)
	}
	s.mutex.Unlock()
	testsupport.Eventually(s.t, "delivery", func() bool {
		missing := uint64(0)
		for _, id := range ids {
			if s.broker.received(id) == 0 {
				missing++
			}
		}
		s.outages.dropped(s.fault, s.daemon.State().Uplink.Dropped.Total())
		return missing <= s.outages.allDropped()
	})
}
