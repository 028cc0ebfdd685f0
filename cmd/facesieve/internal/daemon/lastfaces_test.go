package daemon

import (
	"sync/atomic"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"facesieve/capture"
	"facesieve/cmd/facesieve/internal/config"
	"facesieve/cmd/facesieve/internal/pipeline"
	"facesieve/cmd/facesieve/internal/testsupport"
	"facesieve/internal/freeport"
	"facesieve/publish/event"
)

// slowSink accepts each event after a delay, as on a loaded board.
type slowSink struct {
	pipeline.Uplink
	delay              time.Duration
	accepted, released atomic.Int64
}

func (s *slowSink) Publish(e event.Face) error {
	time.Sleep(s.delay)
	err := s.Uplink.Publish(e)
	if err == nil {
		s.accepted.Add(1)
	}
	s.released.Add(1)
	return err
}

// The outbox stays open until slow pipelines have made their last decisions, and it stores all of them.
func TestStopWaitsForTheLastDecisions(t *testing.T) {
	cfg := uplinkConfigOf(config.Default())
	cfg.mqtt.Broker, cfg.mqtt.Device, cfg.outbox.Dir = "tcp://"+freeport.Address(t), "test", t.TempDir()
	uplink, err := openUplink(t.Context(), cfg, inbound{commands: func(event.Command) {}}, "1.0.0", zerolog.Nop())
	testsupport.Must(t, err)
	out := &slowSink{Uplink: uplink, delay: 400 * time.Millisecond}
	s := testSupervisor(t, out, zerolog.Nop(), map[string]capture.Config{
		"a": recording(t, "two_heads.mp4", true),
		"b": recording(t, "two_heads.mp4", true),
		"c": recording(t, "two_heads.mp4", true),
	})
	d := &Daemon{
		supervisor: s, uplink: uplink, pool: s.workers[0].settings.pool, systemd: &notifier{}, log: zerolog.Nop(),
		heartbeat: newHeartbeat(0, zerolog.Nop()), activity: newActivity(),
	}
	testsupport.Eventually(t, "a face of each camera", func() bool { return out.released.Load() >= 3 })
	before := out.released.Load()
	testsupport.Must(t, d.stop(t.Context()))
	if out.released.Load() == before {
		t.Error("no decision after the stop began, so the test proves nothing")
	}
	accepted, stored := out.accepted.Load(), int64(len(testsupport.StoredEvents(t, cfg.outbox)))
	if accepted != out.released.Load() || stored != accepted {
		t.Errorf("%d decisions, %d accepted, %d in the outbox", out.released.Load(), accepted, stored)
	}
}
