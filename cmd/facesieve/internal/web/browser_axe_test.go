package web

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
)

// axeSource returns the accessibility checker, which npm fetches. It skips the test where it is absent, but not in CI.
func axeSource(t *testing.T) string {
	t.Helper()
	source, err := os.ReadFile("ui/node_modules/axe-core/axe.min.js")
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("axe-core is missing, and CI must have it: .setup/page --fetch fetches it")
		}
		t.Skip("axe-core is missing: .setup/page --fetch fetches it")
	}
	return string(source)
}

// accessible fails the test if axe-core finds a serious or critical fault in what the page shows.
func (b *browser) accessible(axe, what string) {
	b.t.Helper()
	if !evaluate[bool](b, "'axe' in window") {
		evaluate[any](b, axe+";0") // not subject to the policy of the page
	}
	evaluate[any](b, `window.axeFaults = undefined
		axe.run({resultTypes: ["violations"]}).then(result => window.axeFaults = result.violations
			.filter(v => v.impact === "serious" || v.impact === "critical")
			.map(v => v.id + ": " + v.help + "\n\t" + v.nodes.map(n => n.target + " " + n.failureSummary.replaceAll("\n", " ")).join("\n\t"))
			.join("\n") || "none", e => window.axeFaults = String(e)); 0`)
	if faults := result(b, chromedp.Poll[string]("window.axeFaults")); faults != "none" {
		b.t.Errorf("%s: %s", what, faults)
	}
}

// No view has a serious fault of accessibility: in light and dark, in a window and on a phone.
func TestBrowserAccessibility(t *testing.T) {
	t.Parallel()
	axe := axeSource(t)
	p := newFilledPage(t)
	fillCalibration(t, p.recorder)
	r := newReportRecorder(t, ReportBounds())
	fillCalibration(t, r)
	report := "file://" + newTestReport(t, r, ViewVisits)
	views := []struct {
		address, ready string
		press          []string
	}{
		{p.base + "/#live/gate", ".caption", nil},
		{p.base + "/#live/gate", ".caption", []string{"Region and masks", "Add a mask to edit by numbers"}},
		{p.base + "/#live/yard", ".fault", nil},
		{p.base + "/#visits", ".visit", nil},
		{p.base + "/#visits/1", ".pictures", nil},
		{p.base + "/#calibrate", ".figures", nil},
		{p.base + "/#state", "dl", nil},
		{p.base + "/?token=wrong", "form", nil},
		{report + "#visits", ".visit", nil},
		{report + "#visits/1", ".pictures", nil},
		{report + "#calibrate", ".figures", nil},
	}
	b := openBrowser(t)
	b.run(chromedp.Navigate(p.base + "/?token=" + p.token))
	for _, view := range views {
		b.run(chromedp.Navigate(view.address), chromedp.WaitVisible(chromedp.CSS(view.ready)))
		for _, text := range view.press {
			b.press(text)
		}
		name := view.address[strings.LastIndexAny(view.address, "#?"):]
		for _, scheme := range []string{"light", "dark"} {
			for _, width := range []int64{1200, 360} {
				b.device(width, 800, scheme)
				b.accessible(axe, fmt.Sprintf("%s %s, %s, %d pixels wide", name, view.press, scheme, width))
			}
		}
	}
}
