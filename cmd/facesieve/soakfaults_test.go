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

// noFault is what is happening while nothing is.
const noFault = "none"

// soakFault befalls the soak: begin, and what ends it. It is over when faces of the stream from after end arrive, or when
// recovered says so.
type soakFault struct {
	name       string
	begin, end func(*soak)
	hold       time.Duration // between begin and end
	recovered  func(s *soak) bool
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
		soakFault{name: "daemon restarts, broker away", hold: time.Second, begin: (*soak).brokerDown, end: (*soak).restart},
		soakFault{name: "SIGHUP, other thresholds", begin: (*soak).retune, end: (*soak).hangUp, recovered: said("the new configuration is in force")},
		soakFault{name: "SIGHUP, configuration cut short", begin: (*soak).cutConfiguration, end: (*soak).hangUp, recovered: said(refused)},
		soakFault{name: "SIGHUP, network cut short", begin: (*soak).cutNetwork, end: (*soak).hangUp, recovered: said(refused)},
	)
}

const refused = "the new configuration is refused; the old one goes on"

// said waits for a message of the log that was not there when the soak last looked.
func said(message string) func(*soak) bool {
	return func(s *soak) bool { return s.heard(message) > 0 }
}

// suffer lets one fault happen and waits until it is overcome.
func (s *soak) suffer(fault soakFault) {
	s.happens(fault.name)
	fault.begin(s)
	time.Sleep(fault.hold)
	fault.end(s)
	over := time.Now()
	testsupport.Eventually(s.t, fault.name+": recovery", func() bool {
		return s.broker.last("door").Time.After(over) && (fault.recovered == nil || fault.recovered(s))
	})
	s.outages.recovered(fault.name, time.Since(over))
	s.mend()
	s.drain()
	s.happens(noFault)
	time.Sleep(200 * time.Millisecond)
}

// happens notes what is happening from now on, and forgets what the log has said.
func (s *soak) happens(fault string) {
	if s.daemon != nil {
		s.outages.dropped(s.fault, s.daemon.State().Uplink.Dropped.Total())
	}
	s.mutex.Lock()
	defer s.mutex.Unlock()
	s.fault = fault
	clear(s.said)
}

func (s *soak) brokerDown() { s.broker.down() }

func (s *soak) brokerUp() { s.broker.up() }

// fillOutbox keeps the broker away until the outbox has no room.
func (s *soak) fillOutbox() {
	s.broker.down()
	testsupport.Eventually(s.t, "outbox full", func() bool { return s.heard("outbox is full: the events of the lowest score go") > 0 })
}

// restart ends the daemon, whose outbox holds events then, and starts it anew.
func (s *soak) restart() {
	s.halt()
	s.broker.up()
	s.start()
}

func (s *soak) retune() { s.configure(1) }

// cutConfiguration cuts the file where what is left is wrong.
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

// cutNetwork cuts the network, and changes the configuration beside it.
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

// mend makes files whole again; the daemon sees the change by itself.
func (s *soak) mend() {
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

// drain waits until the outbox holds no event that came before.
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
