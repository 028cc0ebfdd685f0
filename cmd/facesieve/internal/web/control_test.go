package web

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/rs/zerolog"

	"facesieve/cmd/facesieve/internal/config"
	"facesieve/cmd/facesieve/internal/daemon"
	"facesieve/cmd/facesieve/internal/testsupport"
	"facesieve/models"
)

// controlledPage is a page that saves overrides over a configuration file of two cameras, gate and yard. The state of
// its daemon always has the overrides that are saved.
type controlledPage struct {
	*testPage
	overrides *config.OverridesFile
	log       *syncBuffer
	inForce   func() *config.InForce
}

// syncBuffer is a log that a test reads while the server writes.
type syncBuffer struct {
	mutex  sync.Mutex
	buffer bytes.Buffer
}

func (b *syncBuffer) Write(text []byte) (int, error) {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	return b.buffer.Write(text)
}

func (b *syncBuffer) String() string {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	return b.buffer.String()
}

func newControlledPage(t *testing.T) *controlledPage {
	t.Helper()
	return controlledPageOf(t, "", func(*daemon.State) {})
}

// controlledPageOf returns a controlled page with these settings at the top of the file. Change is called for each state.
func controlledPageOf(t *testing.T, settings string, change func(*daemon.State)) *controlledPage {
	t.Helper()
	directory := t.TempDir()
	path := testsupport.WriteFile(t, "facesieve.yaml", settings+`
cameras:
  - {name: gate, url: a.mp4}
  - {name: yard, url: b.mp4}
`)
	getenv := func(name string) string { return map[string]string{"STATE_DIRECTORY": directory}[name] }
	overrides, err := config.OpenOverrides(path, getenv)
	testsupport.Must(t, err)
	inForce := func() *config.InForce {
		loaded, err := config.LoadInForce(config.ForDaemon(), path, getenv)
		if err != nil {
			t.Error(err)
		}
		return &loaded
	}
	model, err := models.Embedded(models.TaskQuality)
	testsupport.Must(t, err)
	log := &syncBuffer{}
	cfg := config.DefaultWeb()
	cfg.Control = true
	page := serveTestPage(t, cfg, Options{Overrides: overrides, Log: zerolog.New(log), State: func() *daemon.State {
		state := testState()
		state.InForce, state.Networks = inForce(), []models.Manifest{model.Manifest}
		change(state)
		return state
	}})
	return &controlledPage{testPage: page, overrides: overrides, log: log, inForce: inForce}
}

// post sends JSON as a script of the page does. It returns the status and the text of the response.
func (p *testPage) post(t *testing.T, cookie *http.Cookie, path, body string) (int, string) {
	t.Helper()
	r := p.requestWithBody(t, "POST", path, map[string]string{
		"Cookie": cookie.String(), "Origin": p.base, "Content-Type": "application/json; charset=utf-8",
	}, body)
	answer := p.send(t, r)
	text, err := io.ReadAll(answer.Body)
	testsupport.Must(t, err)
	return answer.StatusCode, string(text)
}

// Settings are saved, merged with those that were saved before, reset to those of the file, and undone. Each change is
// logged.
func TestSaveOverrides(t *testing.T) {
	p := newControlledPage(t)
	cookie := p.login(t)
	save := func(body string) {
		t.Helper()
		if code, text := p.post(t, cookie, "/api/overrides", body); code != http.StatusNoContent {
			t.Fatalf("%d %s", code, text)
		}
	}
	settings := func() (threshold, sharpness float64, masks int) {
		camera, err := p.inForce().Camera("gate")
		testsupport.Must(t, err)
		return camera.Quality.LeastScore(), camera.Quality.Gates.MinSharpness, len(camera.Detect.Masks)
	}
	expect := func(threshold, sharpness float64, masks int) {
		t.Helper()
		if a, b, c := settings(); a != threshold || b != sharpness || c != masks {
			t.Errorf("threshold %g, sharpness %g, %d masks; want %g, %g, %d", a, b, c, threshold, sharpness, masks)
		}
	}
	if code, text := p.post(t, cookie, "/api/overrides/undo", "{}"); code != http.StatusConflict || !strings.Contains(text, "no saved change") {
		t.Errorf("undo of nothing: %d %s", code, text)
	}
	save(`{"camera": "gate", "quality": {"threshold": 35, "gates": {"min_sharpness": 12.5}}}`)
	expect(35, 12.5, 0)
	save(`{"camera": "gate", "quality": {"policy": "quick"}, "detect": {"masks": [[[0, 0], [0.2, 0], [0.2, 0.2]]]}}`)
	expect(35, 12.5, 1)
	save(`{"camera": "gate", "quality": {"threshold": null}}`)
	expect(20, 12.5, 1)
	if state := p.state(t, cookie); !state.Control.Enabled || !state.Control.CanUndo ||
		strings.Join(state.Overridden["gate"], " ") != "detect.masks quality.gates.min_sharpness quality.policy" {
		t.Errorf("%+v, %v", state.Control, state.Overridden)
	}
	if code, text := p.post(t, cookie, "/api/overrides/undo", "{}"); code != http.StatusNoContent {
		t.Errorf("undo: %d %s", code, text)
	}
	expect(35, 12.5, 1)
	for _, want := range []string{
		`"remote":"127.0.0.1:`, `"camera":"gate"`, `"settings":["quality.gates.min_sharpness=12.5","quality.threshold=35"]`,
		`"quality.threshold=null"`, "was undone on the page",
	} {
		if !strings.Contains(p.log.String(), want) {
			t.Errorf("%s is missing in the log:\n%s", want, p.log)
		}
	}
}

func (p *testPage) state(t *testing.T, cookie *http.Cookie) (state stateJSON) {
	t.Helper()
	answer := p.do(t, "GET", "/api/state", map[string]string{"Cookie": cookie.String()})
	testsupport.Must(t, json.NewDecoder(answer.Body).Decode(&state))
	return state
}

// A request with a fault changes nothing, and its answer names each fault with its key.
func TestRefusedOverrides(t *testing.T) {
	p := newControlledPage(t)
	cookie := p.login(t)
	corners := strings.Repeat("[0.1, 0.2], ", 10_000)
	for _, one := range []struct {
		body  string
		code  int
		texts []string
	}{
		{
			`{"camera": "gate", "quality": {"threshold": 200, "gates": {"max_yaw": -1}}, "detect": {"roi": [[0, 0]]}}`, 422,
			[]string{"cameras.gate.quality.threshold: 200 is outside 0..100", "\ncameras.gate.quality.gates.max_yaw: ", "cameras.gate.detect.roi"},
		},
		{`{"camera": "gate", "quality": {"policy": "each"}}`, 422, []string{`cameras.gate.quality.policy: "each" is not one of`}},
		{`{"camera": "gaet", "quality": {"threshold": 30}}`, 422, []string{"the configuration has no camera"}},
		{`{"quality": {"threshold": 30}}`, 400, []string{"camera is missing"}},
		{`{"camera": "gate", "quality": {"treshold": 30}}`, 400, []string{`unknown field "treshold"`}},
		{`{"camera": "gate", "capture": {"url": "rtsp://evil"}}`, 400, []string{`unknown field "capture"`}},
		{`{"camera": "gate", "quality": {"threshold": "30"}}`, 400, []string{"cannot be read"}},
		{`{"camera": "gate"} {}`, 400, []string{"more than one"}},
		{``, 400, []string{"cannot be read"}},
		{`{"camera": "gate", "detect": {"roi": [` + corners + `[0, 0]]}}`, 413, []string{"64 KiB", "fewer corners"}},
	} {
		code, text := p.post(t, cookie, "/api/overrides", one.body)
		for _, want := range one.texts {
			if code != one.code || !strings.Contains(text, want) {
				t.Errorf("%.60s: %d %q, want %d %q", one.body, code, text, one.code, want)
			}
		}
	}
	if saved := p.inForce(); len(saved.Overrides.Cameras) > 0 || p.overrides.CanUndo() {
		t.Errorf("something was saved: %+v", saved.Overrides)
	}
}

// Nothing is saved without the cookie, for another site, with another type of content, without web.control, or without a
// directory for it.
func TestAccessToOverrides(t *testing.T) {
	p := newControlledPage(t)
	cookie := p.login(t)
	const body = `{"camera": "gate", "quality": {"threshold": 30}}`
	json := "application/json"
	for _, one := range []struct {
		cookie, origin, kind string
		want                 int
	}{
		{"", p.base, json, 401},
		{cookie.String(), "", json, 403},
		{cookie.String(), "http://evil.example", json, 403},
		{cookie.String(), "null", json, 403},
		{cookie.String(), p.base, "", 415},
		{cookie.String(), p.base, "text/plain", 415},
		{cookie.String(), p.base, "application/x-www-form-urlencoded", 415},
	} {
		for _, path := range []string{"/api/overrides", "/api/overrides/undo", "/api/overrides?token=" + p.token} {
			header := map[string]string{"Cookie": one.cookie, "Origin": one.origin, "Content-Type": one.kind}
			answer := p.send(t, p.requestWithBody(t, "POST", path, header, body))
			if answer.StatusCode != one.want {
				t.Errorf("%s %+v: %s, want %d", path, one, answer.Status, one.want)
			}
		}
	}
	if answer := p.do(t, "GET", "/api/overrides", map[string]string{"Cookie": cookie.String()}); answer.StatusCode != http.StatusMethodNotAllowed && answer.StatusCode != http.StatusNotFound {
		t.Errorf("GET: %s", answer.Status)
	}
	if len(p.inForce().Overrides.Cameras) > 0 {
		t.Error("something was saved")
	}
	for want, cfg := range map[string]config.Web{"web.control: true": {}, "STATE_DIRECTORY": {Control: true}} {
		closed := newTestPage(t, func(web *config.Web) { web.Control = cfg.Control })
		cookie := closed.login(t)
		for _, path := range []string{"/api/overrides", "/api/overrides/undo"} {
			if code, text := closed.post(t, cookie, path, body); code != http.StatusForbidden || !strings.Contains(text, want) {
				t.Errorf("%s: %d %s, want %s", path, code, text, want)
			}
		}
		if control := closed.state(t, cookie).Control; control.Enabled || !strings.Contains(control.Fix, want) {
			t.Errorf("%+v", control)
		}
	}
}

// A failure to store the settings is logged, and is not a fault of the settings.
func TestOverridesThatCannotBeStored(t *testing.T) {
	p := newControlledPage(t)
	cookie := p.login(t)
	obstacle := filepath.Join(filepath.Dir(p.overrides.Path()), "overrides.previous.yaml", "x")
	testsupport.Must(t, os.MkdirAll(obstacle, 0o700))
	code, text := p.post(t, cookie, "/api/overrides", `{"camera": "gate", "quality": {"threshold": 30}}`)
	if code != http.StatusInternalServerError || !strings.Contains(text, "write the overrides") ||
		!strings.Contains(p.log.String(), "cannot be saved") {
		t.Errorf("%d %s, log %s", code, text, p.log)
	}
}
