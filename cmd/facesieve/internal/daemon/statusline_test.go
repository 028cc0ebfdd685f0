package daemon

import (
	"errors"
	"strings"
	"testing"
	"time"

	"facesieve/cmd/facesieve/internal/config"
	"facesieve/publish"
	"facesieve/publish/event"
)

func TestRefusalNamesTheFirstFault(t *testing.T) {
	at := time.Date(2026, 3, 1, 14, 2, 0, 0, time.Local)
	const refused, kept = "configuration of 14:02 refused: ", "; the former one stays in force"
	for want, err := range map[string]error{
		refused + "line 7: max_fps: 2000 is too much" + kept: config.Faults{
			File: "x", List: []config.Fault{
				{Key: "mqtt", Line: 9, Text: "no"}, {Key: "max_fps", Line: 7, Text: "2000 is too much"},
			},
		},
		refused + "open it: no such file" + kept:              errors.New("open it:\n no such file"),
		refused + strings.Repeat("é", maxText-1) + "…" + kept: errors.New(strings.Repeat("é", 500)),
	} {
		if got := refusal(at, err); got != want {
			t.Errorf("got\n%s\nwant\n%s", got, want)
		}
	}
}

func TestStatusLineOfTheBroker(t *testing.T) {
	disconnected := publish.Stats{LastError: "connect: tcp: refused\nby the host"}
	disconnected.Queued = 1
	discards := publish.Stats{Connected: true, Denied: "forbidden"}
	discards.Queued = 1
	held := disconnected
	held.Held = 2
	const disconnectedLine = "broker not connected (refused by the host), 1 event waiting"
	for want, stats := range map[string]publish.Stats{
		"broker connected": {Connected: true, LastError: "of an earlier connection"},
		disconnectedLine:   disconnected,
		disconnectedLine + ", 2 events in memory only (the disk is not writable)": held,
		"broker not connected": {},
		"broker not connected (nothing listens there)": {
			LastError: "connect: nothing listens there: refused", Hint: "nothing listens there",
		},
		"broker connected, but discards messages (forbidden), 1 event waiting": discards,
	} {
		if got := brokerText(stats); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

// degraded is the health of a camera with a dirty lens.
func degraded() event.Health {
	return event.Health{State: event.HealthDegraded, Reason: "dirty_or_out_of_focus", Detail: "clean the lens or refocus"}
}

func TestStatusLineOfADegradedCamera(t *testing.T) {
	cameras := []CameraState{
		{Name: "door", State: event.Running, Health: degraded()},
		{Name: "gate", State: event.Running, Health: event.Health{State: event.HealthOK}},
	}
	const want = "2 cameras running, 1 degraded (door: dirty or out of focus)"
	if got := camerasText(cameras); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// A state is published at once when the health changes, and otherwise only after a while.
func TestHealthIsPublishedWhenItChanges(t *testing.T) {
	var reporter stateReporter
	now := time.Unix(1_800_000_000, 0)
	for _, step := range []struct {
		health    event.Health
		published bool
	}{
		{event.Health{State: event.HealthOK}, true},
		{event.Health{State: event.HealthOK}, false},
		{degraded(), true},
		{degraded(), false},
		{event.Health{State: event.HealthOK}, true},
	} {
		now = now.Add(time.Second)
		published := false
		state := &State{Time: now, Cameras: []CameraState{{Name: "door", State: event.Running, Health: step.health}}}
		for _, s := range reporter.changes(state) {
			published = true
			if s.Health != step.health {
				t.Errorf("%+v, want %+v", s.Health, step.health)
			}
		}
		if published != step.published {
			t.Errorf("%+v: published %v", step.health, published)
		}
	}
}

func TestLastHourDropsOldMinutes(t *testing.T) {
	var h lastHour
	start := time.Unix(1_800_000_000, 0)
	for _, step := range []struct {
		after time.Duration
		add   uint64
		sum   uint64
	}{
		{0, 2, 2},
		{time.Minute, 3, 5},
		{59 * time.Minute, 1, 6},
		{60 * time.Minute, 0, 4},
		{61 * time.Minute, 0, 1},
		{48 * time.Hour, 0, 0},
		{49 * time.Hour, 7, 7},
	} {
		if sum := h.add(start.Add(step.after), step.add); sum != step.sum {
			t.Errorf("after %v: %d, want %d", step.after, sum, step.sum)
		}
	}
}
