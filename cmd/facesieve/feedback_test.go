package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"facesieve/cmd/facesieve/internal/testsupport"
	"facesieve/internal/freeport"
	"facesieve/publish/event"
	"facesieve/publish/publishtest"
)

// recogniser reports a match for each face that arrives, once.
type recogniser struct {
	*publishtest.Recorder
	t        *testing.T
	topics   event.Topics
	reported map[string]bool
}

func (r *recogniser) answer(camera string) {
	r.t.Helper()
	for _, m := range r.On(r.topics.Face(camera)) {
		face, err := event.DecodeFace(m.Payload())
		testsupport.Must(r.t, err)
		if r.reported[face.ID] {
			continue
		}
		r.reported[face.ID] = true
		payload, err := event.EncodeFeedback(event.Feedback{
			Schema: event.Version, ID: face.ID, Outcome: event.OutcomeMatch, Recogniser: "test 1",
		})
		testsupport.Must(r.t, err)
		r.Send(r.t, r.topics.Feedback(camera), string(payload), false)
	}
}

// A recogniser at the embedded broker reports about the faces that it receives. What is learned is saved, is shown by
// calibrate, and nothing is received any more when feedback is turned off.
func TestFeedback(t *testing.T) {
	state := filepath.Dir(newStateDirectory(t))
	address := freeport.Address(t)
	video := testsupport.SharedVideo(t, "two_heads.mp4")
	cameras := "cameras:\n" + looped("one", video)
	configuration := "feedback: {enabled: true}\nquality: {policy: interval, interval: 1s, threshold: auto, auto: [0, 50]}\n"
	d := startDaemonOn(t, address, embeddedBroker(address), configuration+cameras)
	r := &recogniser{
		publishtest.Record(t, "tcp://"+address, "#"), t, event.NewTopics("facesieve/pole"), map[string]bool{},
	}
	testsupport.Eventually(t, "reports about five faces", func() bool {
		r.answer("one")
		return len(r.reported) >= 5
	})
	testsupport.Eventually(t, "the state", func() bool {
		s, err := event.DecodeState([]byte(r.Last(r.topics.State("one"))))
		return err == nil && s.Settings.Auto && s.Settings.Threshold == 20
	})
	r.Send(t, r.topics.Feedback("one"), `{"schema": 3}`, false)
	d.awaitLog("feedback is ignored", "id: missing")

	d.write("quality: {policy: all, threshold: 100}\n" + cameras)
	d.awaitLog("is in force", `"publisher_replaced":true`)
	text, err := os.ReadFile(filepath.Join(state, "feedback.json"))
	testsupport.Must(t, err)
	var saved struct {
		Cameras map[string]struct {
			Recognisers map[string]struct{ Matches []float64 }
		}
	}
	testsupport.Must(t, json.Unmarshal(text, &saved))
	sum := 0.0
	for _, n := range saved.Cameras["one"].Recognisers["test 1"].Matches {
		sum += n
	}
	if sum < 5 {
		t.Errorf("%v reports in %s", sum, text)
	}
	refused := d.logged("only facesieve publishes here")
	_ = r.Client.Publish(r.topics.Feedback("one"), 0, false, "{}")
	testsupport.Eventually(t, "the broker refuses feedback", func() bool {
		return d.logged("only facesieve publishes here") > refused
	})

	out := filepath.Join(t.TempDir(), "report.html")
	mustInvoke(t, "calibrate", "--config", testsupport.WriteFile(t, "facesieve.yaml", cameras), "--feedback", state, "--out", out, video)
	report, err := os.ReadFile(out)
	testsupport.Must(t, err)
	if !strings.Contains(string(report), `"recogniser":"test 1"`) {
		t.Error("the report does not show what was learned")
	}
	code, _, stderr := invoke(t.Context(), "calibrate", "--feedback", t.TempDir(), "--out", out, video)
	if code != exitFailure || !strings.Contains(stderr, "has no feedback.json; name the state directory of a service") {
		t.Errorf("exit code %d, %s", code, stderr)
	}
}

// A threshold that is auto needs reports.
func TestAutoNeedsFeedback(t *testing.T) {
	file := testsupport.WriteFile(t, "facesieve.yaml", "quality: {threshold: auto}\n"+goodConfig)
	code, _, stderr := invoke(t.Context(), "check", "--config", file)
	if code != exitConfig || !strings.Contains(stderr, file+":1:22: quality.threshold: auto needs the reports of a "+
		"recogniser; set feedback.enabled: true, or give a number") {
		t.Errorf("exit code %d, %s", code, stderr)
	}
}
