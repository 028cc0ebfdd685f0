package web

import (
	"fmt"
	"math"
	"slices"
	"testing"

	"github.com/chromedp/chromedp"
	"go.yaml.in/yaml/v4"

	"facesieve/cmd/facesieve/internal/testsupport"
	"facesieve/detect"
)

// regions returns what is in force at the camera gate.
func (p *controlledPage) regions() detect.Config {
	camera, err := p.inForce().Camera("gate")
	if err != nil {
		return detect.Config{}
	}
	return camera.Detect
}

// click clicks the picture, at shares of its width and height.
func (b *browser) click(x, y float64) {
	b.t.Helper()
	b.run(chromedp.MouseClickXY(b.at(x, y)))
}

func (b *browser) at(x, y float64) (float64, float64) {
	b.t.Helper()
	area := evaluate[struct{ X, Y, Width, Height float64 }](b, "document.querySelector('.picture svg').getBoundingClientRect().toJSON()")
	return area.X + x*area.Width, area.Y + y*area.Height
}

// awaitRegions waits until the YAML on the page has these regions, within the pixels that a click is rounded to.
func (b *browser) awaitRegions(roi detect.Polygon, masks ...detect.Polygon) {
	b.t.Helper()
	want := append([]detect.Polygon{roi}, masks...)
	near := func(a, b [2]float64) bool { return math.Abs(a[0]-b[0]) < 0.005 && math.Abs(a[1]-b[1]) < 0.005 }
	testsupport.Eventually(b.t, fmt.Sprint(want), func() bool {
		var file struct {
			Cameras []struct{ Detect detect.Config }
		}
		testsupport.Must(b.t, yaml.Unmarshal([]byte(b.text("pre")), &file))
		got := append([]detect.Polygon{file.Cameras[0].Detect.ROI}, file.Cameras[0].Detect.Masks...)
		return slices.EqualFunc(got, want, func(a, b detect.Polygon) bool { return slices.EqualFunc(a, b, near) })
	})
}

// openRegions opens the editor of regions on a page that may save them.
func openRegions(t *testing.T) (*controlledPage, *browser) {
	t.Helper()
	p := newControlledPage(t)
	p.film(t)
	b := openBrowser(t)
	b.device(1200, 1000, "light")
	b.run(chromedp.Navigate(p.base + "/?token=" + p.token))
	b.awaitText(".caption", "640 × 480 pixels")
	b.press("Region and masks")
	return p, b
}

// A region is drawn with the pointer or with fields, shown as YAML, saved and undone.
func TestBrowserRegions(t *testing.T) {
	t.Parallel()
	p, b := openRegions(t)

	b.press("Draw the region of interest")
	for _, corner := range [][2]float64{{0.1, 0.1}, {0.5, 0.1}, {0.9, 0.1}, {0.9, 0.8}, {0.2, 0.3}} {
		b.click(corner[0], corner[1])
	}
	b.awaitText("[role=status]", "(5 so far)")
	b.run(chromedp.KeyEvent("\b"))
	b.awaitText("[role=status]", "(4 so far)")
	b.screenshot("live-drawing")
	b.run(chromedp.KeyEvent("\r"))
	roi := detect.Polygon{{0.1, 0.1}, {0.5, 0.1}, {0.9, 0.1}, {0.9, 0.8}}
	b.awaitRegions(roi)

	b.press("Draw a mask")
	b.click(0.5, 0.5)
	b.run(chromedp.KeyEvent("\x1b"))
	b.awaitRegions(roi)
	b.press("Draw a mask")
	b.click(0.3, 0.5)
	b.click(0.4, 0.5)
	x, y := b.at(0.4, 0.7)
	b.run(chromedp.MouseClickXY(x, y), chromedp.MouseClickXY(x, y, chromedp.ClickCount(2))) // a double click
	b.awaitRegions(roi, detect.Polygon{{0.3, 0.5}, {0.4, 0.5}, {0.4, 0.7}})

	x, y = b.at(0.3, 0.5)
	toX, toY := b.at(0.3, 0.9)
	b.run(chromedp.MouseEvent("mousePressed", x, y, chromedp.ButtonLeft), chromedp.MouseEvent("mouseMoved", toX, toY, chromedp.ButtonLeft),
		chromedp.MouseEvent("mouseReleased", toX, toY, chromedp.ButtonLeft))
	b.awaitRegions(roi, detect.Polygon{{0.3, 0.9}, {0.4, 0.5}, {0.4, 0.7}})
	b.run(chromedp.Focus(chromedp.CSS("[aria-label='Mask 1, corner 3, from the left']")))
	evaluate[any](b, "document.activeElement.select()")
	b.run(chromedp.KeyEvent("6"), chromedp.KeyEvent("0"), chromedp.KeyEvent("."), chromedp.KeyEvent("5"))
	b.awaitRegions(roi, detect.Polygon{{0.3, 0.9}, {0.4, 0.5}, {0.605, 0.7}})
	b.screenshot("live-regions")

	b.press("Save")
	b.awaitText(".saving output", "Saved on the device.")
	if cfg := p.regions(); len(cfg.ROI) != 4 || len(cfg.Masks) != 1 || cfg.Masks[0][2][0] != 0.605 {
		t.Errorf("saved %+v, %+v", cfg.ROI, cfg.Masks)
	}
	b.press("Undo the last saved change")
	b.awaitText(".saving output", "The last saved change is undone.")
	if cfg := p.regions(); len(cfg.ROI) != 0 || len(cfg.Masks) != 0 {
		t.Errorf("after undo %+v, %+v", cfg.ROI, cfg.Masks)
	}
	b.awaitText("pre", "roi: []")
	b.device(360, 740, "dark")
	b.fits("the editor")
	b.screenshot("phone-regions")
	b.noFaults()
}

// A region that the device refuses is not lost: the page shows why.
func TestBrowserRegionIsRefused(t *testing.T) {
	t.Parallel()
	p, b := openRegions(t)
	b.press("Draw a mask")
	for range 3 {
		b.click(0.2, 0.5)
	}
	b.press("Close")
	b.press("Save")
	b.awaitText("output.bad", "has no area; its corners are on one line")
	b.awaitRegions(nil, detect.Polygon{{0.2, 0.5}, {0.2, 0.5}, {0.2, 0.5}})
	if cfg := p.regions(); len(cfg.Masks) != 0 {
		t.Errorf("saved %+v", cfg.Masks)
	}
}

// Where control is off, the page shows the YAML, and how saving is allowed.
func TestBrowserRegionsWithoutControl(t *testing.T) {
	t.Parallel()
	p := newFilledPage(t)
	b := openBrowser(t)
	b.run(chromedp.Navigate(p.base + "/?token=" + p.token))
	b.awaitText(".caption", "640 × 480 pixels")
	b.press("Region and masks")
	b.press("Add a mask to edit by numbers")
	b.awaitText("pre", "[[0.25, 0.25], [0.75, 0.25], [0.75, 0.75], [0.25, 0.75]]")
	b.awaitText(".tool", "The page cannot save: set web.control: true")
	if evaluate[bool](b, "[...document.querySelectorAll('button')].some(b => b.textContent === 'Save')") {
		t.Error("there is a button to save")
	}
	b.noFaults()
}

// A camera that goes away is shown as such, with its error, and its picture comes back.
func TestBrowserCameraGoes(t *testing.T) {
	t.Parallel()
	p := newFilledPage(t)
	b := openBrowser(t)
	b.run(chromedp.Navigate(p.base + "/?token=" + p.token))
	b.awaitText(".caption", "640 × 480 pixels")
	gone := testState()
	gone.Cameras[0].State, gone.Cameras[0].Error = gone.Cameras[1].State, "no frames for 5s"
	p.shown.Store(gone)
	b.awaitText(".fault", "reconnecting: no frames for 5s")
	p.shown.Store(testState())
	testsupport.Eventually(t, "no fault", func() bool { return evaluate[bool](b, "document.querySelector('.fault') === null") })
	removed := testState()
	removed.Cameras, removed.InForce.Cameras = removed.Cameras[1:], removed.InForce.Cameras[1:]
	p.shown.Store(removed)
	b.awaitText(".fault", "reconnecting: connection refused") // the view of the camera that is left
	b.noFaults()
}
