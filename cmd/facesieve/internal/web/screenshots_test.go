package web

import (
	"context"
	"fmt"
	"io"
	"os"
	"sync"
	"testing"

	"github.com/chromedp/chromedp"
	"gocv.io/x/gocv"

	"facesieve/cmd/facesieve/internal/config"
	"facesieve/cmd/facesieve/internal/daemon"
	"facesieve/cmd/facesieve/internal/logging"
	"facesieve/cmd/facesieve/internal/pipeline"
	"facesieve/cmd/facesieve/internal/testsupport"
	"facesieve/internal/freeport"
	"facesieve/models"
)

// startRecordingPage serves the page of a daemon that reads a recording in a loop, until the test ends.
func startRecordingPage(t *testing.T, recording string) *testPage {
	t.Helper()
	file := testsupport.WriteFile(t, "facesieve.yaml", fmt.Sprintf(`
device: board
log: {level: error}
cameras: [{name: entrance, url: %q, loop: true}]
mqtt: {broker: embedded, listen: %s}
outbox: {store: memory}
`, recording, freeport.Address(t)))
	state := t.TempDir()
	getenv := func(name string) string { return map[string]string{"STATE_DIRECTORY": state}[name] }
	cfg, err := config.LoadInForce(config.ForDaemon(), file, getenv)
	testsupport.Must(t, err)
	overrides, err := config.OpenOverrides(file, getenv)
	testsupport.Must(t, err)
	var shown func() *daemon.State
	web := config.DefaultWeb()
	web.Control = true
	p := serveTestPage(t, web, Options{State: func() *daemon.State { return shown() }, Overrides: overrides})
	options := daemon.Options{Path: file, Observers: []pipeline.Observer{p.recorder}, Overrides: overrides}
	options.Log, options.LogSwitch = logging.Open(cfg.Log, io.Discard)
	ctx, cancel := context.WithCancel(t.Context())
	d, err := daemon.Start(ctx, cfg, options)
	testsupport.Must(t, err)
	shown = d.State
	var done sync.WaitGroup
	done.Go(func() {
		if err := d.Run(ctx, nil); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(func() {
		cancel()
		done.Wait()
	})
	return p
}

// Screenshots of every view with a real recording, for the guides and for whoever changes the page. Set
// FACESIEVE_SCREENSHOTS to a directory, and FACESIEVE_RECORDING to a recording of people, for example the clip of make demo.
func TestScreenshots(t *testing.T) {
	recording := os.Getenv("FACESIEVE_RECORDING")
	if recording == "" || os.Getenv("FACESIEVE_SCREENSHOTS") == "" {
		t.Skip("set FACESIEVE_SCREENSHOTS and FACESIEVE_RECORDING to make screenshots")
	}
	t.Logf("TFLite %s, OpenCV %s", models.LibraryVersion(), gocv.OpenCVVersion())
	p := startRecordingPage(t, recording)
	testsupport.Eventually(t, "a visit that was sent", func() bool {
		_, all := p.recorder.summaries()
		return len(all) > 0 && all[len(all)-1].Sent > 0
	})
	b := openBrowser(t)
	b.run(chromedp.Navigate(p.base + "/?token=" + p.token))
	views := []struct{ hash, ready, press string }{
		{"live", ".picture .face", ""},
		{"live", ".picture", "Region and masks"},
		{"visits", ".visit img", ""},
		{"visits/1", ".pictures img", ""},
		{"calibrate", ".strip img", ""},
		{"state", "dl", ""},
	}
	for _, device := range []struct {
		name          string
		width, height int64
		scheme        string
	}{{"wide", 1280, 800, "light"}, {"dark", 1280, 800, "dark"}, {"phone", 390, 844, "light"}} {
		b.device(device.width, device.height, device.scheme)
		for i, view := range views {
			b.run(chromedp.Navigate("about:blank"), chromedp.Navigate(p.base+"/#"+view.hash), chromedp.WaitVisible(chromedp.CSS(view.ready)))
			if view.press != "" {
				b.press(view.press)
				b.press("Add a mask to edit by numbers")
			}
			result(b, chromedp.Poll[bool]("[...document.images].every(i => i.complete)"))
			b.fits(view.hash)
			b.screenshot(fmt.Sprintf("real-%s-%d-%s", device.name, i, view.hash[:2]))
		}
	}
	b.noFaults()
}
