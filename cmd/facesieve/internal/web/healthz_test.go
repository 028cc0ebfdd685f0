package web

import (
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"facesieve/cmd/facesieve/internal/daemon"
	"facesieve/publish/event"
)

// The checks need no token and no host of the page, and state nothing private. The state of the test is old.
func TestHealthNeedsNoToken(t *testing.T) {
	p := newTestPage(t)
	for _, path := range []string{"/healthz", "/readyz"} {
		answer := p.do(t, "GET", path, map[string]string{"Host": "board.example"})
		text, _ := io.ReadAll(answer.Body)
		if answer.StatusCode != http.StatusServiceUnavailable || !strings.Contains(string(text), "daemon: its last report is ") {
			t.Errorf("%s: %s, %s", path, answer.Status, text)
		}
		for _, private := range []string{"gate", "yard", "board", "S3cret", "refused"} {
			if strings.Contains(string(text), private) {
				t.Errorf("%s states %q: %s", path, private, text)
			}
		}
		if answer := p.do(t, "POST", path, nil); answer.StatusCode == http.StatusOK {
			t.Errorf("POST %s: %s", path, answer.Status)
		}
	}
}

func TestHealth(t *testing.T) {
	now := start.Add(staleState)
	if faults := hangs(&daemon.State{Time: start}, now); faults != nil {
		t.Errorf("a state of %v: %q", staleState, faults)
	}
	if faults := hangs(&daemon.State{Time: start}, now.Add(time.Second)); len(faults) != 1 {
		t.Errorf("an older state: %q", faults)
	}
}

func TestReadiness(t *testing.T) {
	for name, c := range map[string]struct {
		change func(s *daemon.State)
		want   []string
	}{
		"good":       {func(*daemon.State) {}, nil}, // a camera is lost, for a known reason
		"at the end": {func(s *daemon.State) { s.Cameras[1].State, s.Cameras[1].Error = event.Stopped, "" }, nil},
		"connecting": {func(s *daemon.State) { s.Cameras[1].Error = "" }, []string{"cameras: 1 of 2 without a frame so far"}},
		"all bad": {func(s *daemon.State) {
			s.Networks, s.Uplink.Held, s.UplinkStuck = nil, 2, true
		}, []string{
			"networks: none is loaded", "outbox: 2 events in memory only, because the disk does not take them",
			"publisher: it does not respond",
		}},
	} {
		state := testState()
		c.change(state)
		if got := unready(state); !slices.Equal(got, c.want) {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}
