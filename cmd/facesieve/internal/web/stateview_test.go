package web

import (
	"encoding/json"
	"strings"
	"testing"

	"facesieve/cmd/facesieve/internal/testsupport"
)

// The state has what the page shows, and no secret of the configuration.
func TestStateView(t *testing.T) {
	text, err := json.Marshal(stateView(testState(), Versions{Program: "1.2.3"}, 4))
	testsupport.Must(t, err)
	for _, part := range []string{
		`"device":"board"`, `"program":"1.2.3"`, `"name":"gate","state":"running"`, `"error":"connection refused"`,
		`"mean_ms":25`, `"min_eye_distance":10`, `"masks":[[[0,0],[0.2,0],[0.2,0.2]]]`, `"queued":3`, `"max_fps: 2000`[1:],
		`"unpictured":4`, `"health":{"state":"degraded"`, `"detail":"remove what covers the lens"}`, `"health":null`,
	} {
		if !strings.Contains(string(text), part) {
			t.Errorf("%s is missing in %s", part, text)
		}
	}
	if strings.Contains(string(text), "S3cret") {
		t.Errorf("a secret is in %s", text)
	}
}
