package web

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/rs/zerolog"

	"facesieve/cmd/facesieve/internal/config"
	"facesieve/cmd/facesieve/internal/testsupport"
)

// newTestReport returns the path of a report of two cameras.
func newTestReport(t *testing.T, r *Recorder, view string) string {
	t.Helper()
	state := testState()
	text, err := r.Report(Report{
		Title: "a </script><b>title", Program: "1.2.3", Cameras: state.InForce.Cameras, Networks: state.Networks, View: view,
	})
	testsupport.Must(t, err)
	path := filepath.Join(t.TempDir(), "report.html")
	testsupport.Must(t, os.WriteFile(path, text, 0o600))
	return path
}

func newReportRecorder(t *testing.T, bounds Bounds) *Recorder {
	t.Helper()
	r := NewRecorder(bounds, zerolog.Nop())
	t.Cleanup(r.Close)
	return r
}

// A report is opened from a file: it has every face with its score, the sent ones, reasons and measures, and the browser
// requests nothing else and runs no script that the policy does not name.
func TestBrowserReport(t *testing.T) {
	t.Parallel()
	r := newReportRecorder(t, ReportBounds())
	fill(t, r)
	path := newTestReport(t, r, ViewCalibrate)
	b := openBrowser(t)
	b.device(1200, 800, "light")
	b.run(chromedp.Navigate("file://" + path))
	b.awaitText("nav [aria-current]", "Calibrate")
	b.awaitText("h1", "a </script><b>title")
	b.screenshot("report-calibrate")
	b.run(chromedp.Navigate("file://" + path + "#visits"))
	b.awaitText(".caption", "2 visits, 21 faces")
	b.awaitText(".visits", "7 px between the eyes, needs 10")
	b.run(chromedp.Click(chromedp.CSS(".filters input")))
	result(b, chromedp.Poll[bool]("document.querySelectorAll('.pictures li').length === 20"))
	b.screenshot("report-faces")
	b.run(chromedp.Navigate("file://" + path + "#visits/1"))
	b.awaitText("h2", "Visit 1, gate")
	for expression, want := range map[string]int{
		"document.querySelectorAll('.curve circle:not(.sent)').length":                             20,
		"document.querySelectorAll('.curve .threshold').length":                                    1,
		"document.querySelectorAll('.pictures li').length":                                         20,
		"document.querySelectorAll('.pictures li.sent').length":                                    1,
		"[...document.querySelectorAll('.pictures img')].filter(i => i.naturalWidth).length":       20,
		"performance.getEntriesByType('resource').filter(r => !r.name.startsWith('data:')).length": 0,
	} {
		testsupport.Eventually(t, expression, func() bool { return evaluate[int](b, expression) == want })
	}
	if title := evaluate[string](b, "document.querySelector('.pictures .sent').title"); !strings.Contains(title, "score 77.0") {
		t.Errorf("measures %q", title)
	}
	b.run(chromedp.Focus(chromedp.CSS(".pictures button")), chromedp.KeyEvent("\r"))
	b.awaitText(".pictures + .caption", "score 20.0")
	b.device(360, 740, "dark")
	b.fits("report")
	b.screenshot("phone-report")
	b.noFaults()
	evaluate[any](b, "document.body.append(Object.assign(document.createElement('script'), {textContent: 'window.ran = true'}))")
	if evaluate[bool](b, "window.ran === true") {
		t.Error("a script that the policy does not name ran")
	}
}

// Nothing in a report refers to another file or address.
func TestReportIsSelfContained(t *testing.T) {
	t.Parallel()
	r := newReportRecorder(t, ReportBounds())
	fill(t, r)
	text, err := os.ReadFile(newTestReport(t, r, ViewVisits))
	testsupport.Must(t, err)
	head, _, _ := strings.Cut(string(text), `<script type="application/json"`)
	if !strings.Contains(head, "default-src 'none'; img-src data:; script-src 'sha256-") || strings.Contains(head, "unsafe") {
		t.Errorf("no strict policy in %.400s", head)
	}
	for _, reference := range regexp.MustCompile(`(?:src|href)="([^"]*)"|url\(([^)]*)\)`).FindAllStringSubmatch(head, -1) {
		if !strings.HasPrefix(reference[1]+reference[2], "data:") {
			t.Errorf("reference to %s", reference[0])
		}
	}
}

// Later faces are counted and left out, with the visits that have no other ones.
func TestReportIsBounded(t *testing.T) {
	t.Parallel()
	bounds := ReportBounds()
	bounds.Faces = 3
	r := newReportRecorder(t, bounds)
	for i := range 5 {
		judge(r, newFace("gate", "a", 1, time.Duration(i)*time.Second, float64(20+i)), "")
	}
	later := newFace("gate", "b", 2, 5*time.Second, 60)
	judge(r, later, "")
	send(r, later)
	send(r, newFace("gate", "a", 1, time.Second, 21))
	data, err := r.report(Report{Cameras: []config.Camera{{Name: "gate"}}})
	testsupport.Must(t, err)
	if data.Faces != 3 || data.LeftOut != 3 || len(data.Visits) != 1 || len(data.Images) != 3 {
		t.Fatalf("%d faces, %d left out, %d visits, %d images", data.Faces, data.LeftOut, len(data.Visits), len(data.Images))
	}
	v := data.Visits[0]
	if v.Sent != 1 || len(v.Pictures) != 3 || !v.Pictures[1].Sent || v.Face != v.Pictures[1].Face || len(v.Points) != 3 {
		t.Errorf("visit %+v", v)
	}
	if n := len(data.Calibrations); n != 1 || len(data.Calibrations[0].Visits) != 1 {
		t.Errorf("%d calibrations", n)
	}
}
