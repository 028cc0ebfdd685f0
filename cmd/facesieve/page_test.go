package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"os"
	"strings"
	"testing"

	"facesieve/cmd/facesieve/internal/testsupport"
	"facesieve/internal/freeport"
)

// daemonPage is the page of a running daemon in a browser that is logged in.
type daemonPage struct {
	t      *testing.T
	client *http.Client
	base   string // the address without a path
	token  string
}

// openDaemonPage opens the address that the command page prints.
func openDaemonPage(t *testing.T, d *testDaemon) *daemonPage {
	t.Helper()
	stdout, _ := mustInvoke(t, "page", "--config", d.config)
	address := strings.TrimSpace(stdout)
	jar, err := cookiejar.New(nil)
	testsupport.Must(t, err)
	client := &http.Client{Jar: jar, Timeout: testsupport.Timeout}
	answer, err := client.Get(address)
	testsupport.Must(t, err)
	answer.Body.Close()
	base := answer.Request.URL.String()
	if answer.StatusCode != http.StatusOK || strings.Contains(base, "token") {
		t.Fatalf("%s at %s", answer.Status, base)
	}
	return &daemonPage{t: t, client: client, base: base, token: strings.SplitAfter(address, "token=")[1]}
}

// get decodes the JSON of a path.
func (p *daemonPage) get(path string, to any) {
	p.t.Helper()
	answer, err := p.client.Get(p.base + path)
	testsupport.Must(p.t, err)
	defer answer.Body.Close()
	testsupport.Must(p.t, json.NewDecoder(answer.Body).Decode(to))
}

// post sends JSON as a script of the page does.
func (p *daemonPage) post(path, body string) {
	p.t.Helper()
	r, err := http.NewRequestWithContext(p.t.Context(), http.MethodPost, p.base+path, strings.NewReader(body))
	testsupport.Must(p.t, err)
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Origin", strings.TrimSuffix(p.base, "/"))
	answer, err := p.client.Do(r)
	testsupport.Must(p.t, err)
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusNoContent {
		text, _ := io.ReadAll(answer.Body)
		p.t.Fatalf("%s: %s %s", path, answer.Status, text)
	}
}

// A threshold that is saved on the page takes effect, is shown as the override by check, and can be undone.
func TestSaveOnThePageOfADaemon(t *testing.T) {
	t.Setenv("STATE_DIRECTORY", t.TempDir())
	web := fmt.Sprintf("web: {listen: '%s', control: true}\n", freeport.Address(t))
	d := startTestDaemon(t, noFaces+web+"cameras:\n"+looped("one", testsupport.SharedVideo(t, "two_heads.mp4")))
	p := openDaemonPage(t, d)
	threshold := func() float64 {
		var calibration struct {
			Data struct{ Settings struct{ Threshold float64 } }
		}
		p.get("api/calibration?camera=one", &calibration)
		return calibration.Data.Settings.Threshold
	}
	former := threshold()
	p.post("api/overrides", `{"camera": "one", "quality": {"threshold": 1.5}}`)
	testsupport.Eventually(t, "the new threshold", func() bool { return threshold() == 1.5 })
	testsupport.Eventually(t, "a face", func() bool { return d.faces("one") > 0 })
	d.awaitLog("settings were saved on the page", `"remote":"127.0.0.1:`, `"settings":["quality.threshold=1.5"]`)
	stdout, _ := mustInvoke(t, "check", "--origins", "--config", d.config)
	if !strings.Contains(stdout, "threshold: 1.5 # override "+os.Getenv("STATE_DIRECTORY")) {
		t.Errorf("check prints\n%s", stdout)
	}
	p.post("api/overrides/undo", "{}")
	testsupport.Eventually(t, "the former threshold", func() bool { return threshold() == former })
}

// The address that page prints opens the page of a running daemon, which shows its visits and its state.
func TestPageOfDaemon(t *testing.T) {
	t.Setenv("STATE_DIRECTORY", t.TempDir())
	video := testsupport.SharedVideo(t, "two_heads.mp4")
	web := fmt.Sprintf("web: {listen: '%s'}\n", freeport.Address(t))
	d := startTestDaemon(t, allFaces+web+"cameras:\n"+looped("one", video))
	p := openDaemonPage(t, d)
	get := p.get
	testsupport.Eventually(t, "a sent visit", func() bool {
		var list struct{ Visits []struct{ State string } }
		get("api/visits", &list)
		return strings.Contains(fmt.Sprint(list.Visits), "sent")
	})
	var state struct {
		Cameras  []struct{ Name, State string }
		Networks []struct{ Task string }
		Reload   struct{ Faults []string }
	}
	get("api/state", &state)
	if len(state.Cameras) != 1 || state.Cameras[0].State != "running" || len(state.Networks) != 3 {
		t.Errorf("%+v", state)
	}
	d.write(allFaces + web + "max_fps: 2000\ncameras:\n" + looped("one", video))
	testsupport.Eventually(t, "the fault of the refused configuration", func() bool {
		get("api/state", &state)
		return strings.Contains(fmt.Sprint(state.Reload.Faults), "max_fps: 2000 is outside")
	})
	if strings.Contains(d.log.String(), p.token) {
		t.Error("the token is in the log")
	}
}

// A daemon whose page cannot be served goes on without it.
func TestDaemonGoesOnWithoutItsPage(t *testing.T) {
	t.Setenv("STATE_DIRECTORY", t.TempDir())
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	testsupport.Must(t, err)
	defer taken.Close()
	d := startTestDaemon(t, allFaces+fmt.Sprintf("web: {listen: '%s'}\n", taken.Addr())+
		"cameras:\n"+looped("one", testsupport.SharedVideo(t, "two_heads.mp4")))
	d.awaitLog("there is no page", "address already in use")
	d.awaitLog("face forwarded")
}

// Without a page, or before the first start, page reports what to do.
func TestPageFaults(t *testing.T) {
	t.Setenv("STATE_DIRECTORY", t.TempDir())
	off := testsupport.WriteFile(t, "off.yaml", "cameras: []\n")
	on := testsupport.WriteFile(t, "on.yaml", "web: {listen: ':8470'}\ncameras: [{name: a, url: a.mp4}]\n")
	for file, want := range map[string]string{off: "set web.listen", on: "start the daemon first"} {
		if code, _, stderr := invoke(t.Context(), "page", "--config", file); code != exitFailure || !strings.Contains(stderr, want) {
			t.Errorf("exit code %d: %s", code, stderr)
		}
	}
	_, stderr := mustInvoke(t, "check", "--config", on)
	if !strings.Contains(stderr, "warning: web.listen: other machines can reach the page") {
		t.Errorf("check prints %s", stderr)
	}
}
