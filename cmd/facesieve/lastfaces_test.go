package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"facesieve/capture"
	"facesieve/publish"
	"facesieve/publish/outbox"
	"facesieve/quality"
)

// slowSink accepts each event after a delay, as on a loaded board.
type slowSink struct {
	outlet
	delay              time.Duration
	accepted, released atomic.Int64
}

func (o *slowSink) Publish(e publish.Event) error {
	time.Sleep(o.delay)
	err := o.outlet.Publish(e)
	if err == nil {
		o.accepted.Add(1)
	}
	o.released.Add(1)
	return err
}

// The outbox stays open until slow pipelines have made their last decisions, and it stores all of them.
func TestTheEndWaitsForTheLastDecisions(t *testing.T) {
	cfg := postOf(DefaultConfig())
	cfg.mqtt.Broker, cfg.mqtt.Device, cfg.outbox.Dir = "tcp://"+freeAddress(t), "test", t.TempDir()
	uplink, err := openPost(t.Context(), cfg, zerolog.Nop())
	must(t, err)
	out := &slowSink{outlet: uplink, delay: time.Second}
	f := testFleet(t, out, zerolog.Nop(), map[string]capture.Config{
		"a": recording(t, "two_heads.mp4", true),
		"b": recording(t, "two_heads.mp4", true),
		"c": recording(t, "two_heads.mp4", true),
	})
	d := &daemon{
		fleet: f, post: uplink, shared: f.stations[0].settings.shared, systemd: &notifier{}, log: zerolog.Nop(),
		heart: newHeartbeat(0, zerolog.Nop()),
	}
	eventually(t, "a face of each camera", func() bool { return out.released.Load() >= 3 })
	before := out.released.Load()
	must(t, d.stop(t.Context()))
	if out.released.Load() == before {
		t.Error("no decision after the stop began, so the test proves nothing")
	}
	accepted, stored := out.accepted.Load(), int64(len(storedEvents(t, cfg.outbox)))
	if accepted != out.released.Load() || stored != accepted {
		t.Errorf("%d decisions, %d accepted, %d in the outbox", out.released.Load(), accepted, stored)
	}
}

// storedEvents returns the ids of the events in an outbox that is not in use.
func storedEvents(t *testing.T, cfg outbox.Config) map[string]bool {
	t.Helper()
	cfg.DrainRate = 1000
	store, err := outbox.Open(cfg, zerolog.Nop())
	must(t, err)
	defer func() { must(t, store.Close()) }()
	ids := map[string]bool{}
	for stored := store.Stats().Queued; len(ids) < stored; {
		item, wait, ok := store.Next(false)
		if !ok {
			time.Sleep(max(wait, time.Millisecond))
			continue
		}
		event, err := publish.DecodeEvent(item.Data)
		must(t, err)
		ids[event.ID] = true
	}
	return ids
}

// With many cameras, repeated reloads that replace the publisher, and a stop in the middle of a reload, every accepted
// face is at the broker or in the outbox.
func TestNoAcceptedFaceIsLostByReloadsAndTheEnd(t *testing.T) {
	broker := startLedger(t)
	directory := t.TempDir()
	config := filepath.Join(directory, "facesieve.yaml")
	write := func(n int) {
		t.Helper()
		text := fmt.Sprintf("device: pole\nlog: {level: info, format: json}\n"+
			"mqtt: {broker: 'tcp://%s', rejected: %v}\noutbox: {dir: %s}\n%scameras:\n",
			broker.address, n%2 == 0, directory, allFaces)
		for i := range 8 {
			text += looped(fmt.Sprintf("c%d", i), sharedVideo(t, "two_heads.mp4"))
		}
		must(t, os.WriteFile(config+".new", []byte(text), 0o600))
		must(t, os.Rename(config+".new", config))
	}
	write(0)
	var log safeBuffer
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	ended := make(chan int, 1)
	go func() { ended <- run(ctx, []string{"run", "--config", config}, &log, &log) }()
	text := func() string { return string(log.copied()) }
	logged := func(message string, times int) func() bool {
		return func() bool { return strings.Count(text(), message) >= times || len(ended) > 0 }
	}
	eventually(t, "faces", logged("face forwarded", 11))
	for n := 1; n <= 4; n++ {
		write(n)
		eventually(t, "a reload", logged(`"publisher_replaced":true`, n))
	}
	write(5)
	eventually(t, "the last reload", logged("reading the configuration again", 5))
	stop()
	if code := <-ended; code != exitOK {
		t.Errorf("exit code %d", code)
	}
	forwarded := forwardedIDs(t, text())
	stored := outbox.Default()
	stored.Dir = directory
	kept := storedEvents(t, stored)
	t.Logf("%d forwarded, %d of them in the outbox", len(forwarded), len(kept))
	for id := range maps.Keys(forwarded) {
		if broker.received(id) == 0 && !kept[id] {
			t.Errorf("event %s is lost", id)
		}
	}
	if strings.Contains(text(), "is closed") {
		t.Errorf("a face was refused:\n%s", text())
	}
}

// forwardedIDs returns the ids of the events that were logged as forwarded.
func forwardedIDs(t *testing.T, log string) map[string]bool {
	t.Helper()
	ids := map[string]bool{}
	for line := range strings.Lines(log) {
		var entry struct{ ID, Message string }
		must(t, json.Unmarshal([]byte(line), &entry))
		if entry.Message == "face forwarded" {
			ids[entry.ID] = true
		}
	}
	return ids
}

// failingSink fails with its first face and panics with its second.
type failingSink struct{ faces []uint64 }

func (s *failingSink) face(c *candidate) error {
	s.faces = append(s.faces, c.Track)
	switch len(s.faces) {
	case 1:
		return errors.New("no room")
	case 2:
		panic("sprung")
	}
	return nil
}

func (*failingSink) rejected(*candidate, quality.Reason) error { return nil }

// A sink that fails or panics with one face gets all other decisions of the same call, each once.
func TestAFailingFaceLosesNoOther(t *testing.T) {
	out := &failingSink{}
	p := &pipeline{sink: out, counts: &pipelineCounts{}}
	var decisions []quality.Decision[*candidate]
	for track := range uint64(4) {
		decisions = append(decisions, quality.Decision[*candidate]{Send: true, Face: &candidate{Track: track}})
	}
	func() {
		defer func() {
			if recover() == nil {
				t.Error("the panic of the sink is lost")
			}
		}()
		err := p.decide(decisions)
		t.Errorf("no panic, but %v", err)
	}()
	must(t, p.decide(nil))
	if want := []uint64{0, 1, 2, 3}; !slices.Equal(out.faces, want) {
		t.Errorf("faces of the tracks %v, want %v", out.faces, want)
	}
	if err := p.decide(nil); err != nil || len(out.faces) != 4 {
		t.Errorf("%v, %d faces", err, len(out.faces))
	}
}
