package main

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/cookiejar"
	"strings"
	"testing"

	"facesieve/cmd/facesieve/internal/testsupport"
)

// The address that page prints opens the page of a running daemon, which shows its visits and its state.
func TestPageOfDaemon(t *testing.T) {
	t.Setenv("STATE_DIRECTORY", t.TempDir())
	video := testsupport.SharedVideo(t, "two_heads.mp4")
	web := fmt.Sprintf("web: {listen: '%s'}\n", testsupport.FreeAddress(t))
	d := startTestDaemon(t, allFaces+web+"cameras:\n"+looped("one", video))
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
	get := func(path string, to any) {
		answer, err := client.Get(base + path)
		testsupport.Must(t, err)
		defer answer.Body.Close()
		testsupport.Must(t, json.NewDecoder(answer.Body).Decode(to))
	}
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
	if strings.Contains(d.log.String(), strings.SplitAfter(address, "token=")[1]) {
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
