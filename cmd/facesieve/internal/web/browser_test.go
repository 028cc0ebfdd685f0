package web

import (
	"context"
	"iter"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"

	"facesieve/cmd/facesieve/internal/testsupport"
	"facesieve/quality"
)

// browser is a real browser with one tab.
type browser struct {
	context.Context
	t      *testing.T
	mutex  sync.Mutex
	faults []string // messages of its console that are errors
}

// openBrowser starts Chromium. It skips the test where there is none, but not in CI.
func openBrowser(t *testing.T) *browser {
	t.Helper()
	path, err := exec.LookPath("chromium")
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("chromium is missing, and CI must have it: .setup/system --test installs it")
		}
		t.Skip("chromium is missing: .setup/system --test installs it")
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(path), chromedp.NoSandbox, chromedp.DisableGPU,
		chromedp.NoFirstRun, chromedp.Flag("disable-background-networking", true), chromedp.Flag("hide-scrollbars", true),
		chromedp.WSURLReadTimeout(testsupport.Timeout))
	allocator, cancel := chromedp.NewExecAllocator(t.Context(), options...)
	t.Cleanup(cancel)
	ctx, cancelTab := chromedp.NewContext(allocator)
	t.Cleanup(cancelTab)
	limited, cancelTime := context.WithTimeout(ctx, 8*testsupport.Timeout)
	t.Cleanup(cancelTime)
	b := &browser{Context: limited, t: t}
	go b.collect(chromedp.Console(limited))
	return b
}

// collect keeps the errors of the console until the browser ends.
func (b *browser) collect(console iter.Seq2[chromedp.ConsoleMessage, error]) {
	for message, err := range console {
		if err != nil {
			return
		}
		if message.Type == chromedp.ConsoleException || message.Type == "error" {
			b.mutex.Lock()
			b.faults = append(b.faults, message.Text+" "+message.URL)
			b.mutex.Unlock()
		}
	}
}

// noFaults fails the test if the console has errors.
func (b *browser) noFaults() {
	b.t.Helper()
	b.mutex.Lock()
	defer b.mutex.Unlock()
	for _, fault := range b.faults {
		b.t.Errorf("console: %s", fault)
	}
	b.faults = nil
}

func (b *browser) run(steps ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	if err := chromedp.Do(b, steps...); err != nil {
		b.t.Fatal(err)
	}
}

// result returns the result of an action.
func result[T any](b *browser, action chromedp.Action[T]) T {
	b.t.Helper()
	value, err := chromedp.Run(b, action)
	if err != nil {
		b.t.Fatal(err)
	}
	return value
}

// text waits until the page shows an element, and returns its text.
func (b *browser) text(selector chromedp.CSS) string {
	b.t.Helper()
	text, err := chromedp.Run(b, chromedp.Text(selector, chromedp.NodeVisible))
	if err != nil {
		b.t.Fatalf("%s: %v", selector, err)
	}
	return text
}

// awaitText waits until an element contains a text.
func (b *browser) awaitText(selector chromedp.CSS, want string) {
	b.t.Helper()
	testsupport.Eventually(b.t, want+" in "+string(selector), func() bool { return strings.Contains(b.text(selector), want) })
}

// evaluate returns the value of an expression.
func evaluate[T any](b *browser, expression string) T {
	b.t.Helper()
	return result(b, chromedp.Evaluate[T](expression))
}

// screenshot writes the page into the directory of FACESIEVE_SCREENSHOTS, if that is set.
func (b *browser) screenshot(name string) {
	directory := os.Getenv("FACESIEVE_SCREENSHOTS")
	if directory == "" {
		return
	}
	b.t.Helper()
	png := result(b, chromedp.FullScreenshot(100))
	testsupport.Must(b.t, os.WriteFile(filepath.Join(directory, name+".png"), png, 0o600))
}

// device sets the size of the window and the colour scheme.
func (b *browser) device(width, height int64, scheme string) {
	b.t.Helper()
	b.run(chromedp.EmulateViewport(width, height))
	_, err := chromedp.Call(b, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
		Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}},
	})
	testsupport.Must(b.t, err)
}

// fits fails the test if the page is wider than the window.
func (b *browser) fits(what string) {
	b.t.Helper()
	if more := evaluate[int](b, "document.documentElement.scrollWidth - innerWidth"); more > 0 {
		b.t.Errorf("%s is %d pixels wider than the window", what, more)
	}
}

// newFilledPage is a page with visits and with frames that arrive.
func newFilledPage(t *testing.T) *testPage {
	t.Helper()
	p := newTestPage(t)
	fill(t, p.recorder)
	encoded(t, p.recorder)
	p.film(t)
	return p
}

// fill adds a visit of gate with 20 faces, one of them sent, and a rejected visit of yard.
func fill(t *testing.T, r *Recorder) {
	t.Helper()
	for i := range 20 {
		judge(r, newFace("gate", "a", 1, time.Duration(i)*200*time.Millisecond, float64(20+3*i)), "")
	}
	send(r, newFace("gate", "a", 1, 3800*time.Millisecond, 77))
	small := newFace("yard", "b", 2, 5*time.Second, -1)
	judge(r, small, quality.ReasonTooSmall)
	reject(r, small, quality.ReasonTooSmall)
}

// film shows frames with two faces until the test ends.
func (p *testPage) film(t *testing.T) {
	t.Helper()
	frame := newFrame(t, 640, 480)
	var camera sync.WaitGroup
	stop := make(chan struct{})
	camera.Go(func() {
		for tick := time.NewTicker(50 * time.Millisecond); ; {
			select {
			case <-stop:
				tick.Stop()
				return
			case <-tick.C:
				p.judge(newFace("gate", "c", 3, 6*time.Second, 35), "")
				p.judge(newFace("gate", "d", 4, 6*time.Second, -1), quality.ReasonTooSmall)
				show(p.recorder, "gate", frame)
			}
		}
	})
	t.Cleanup(func() {
		close(stop)
		camera.Wait()
	})
}

// Every view in a real browser: it shows what the recorder has, and the console has no error.
func TestBrowser(t *testing.T) {
	t.Parallel()
	p := newFilledPage(t)
	b := openBrowser(t)
	b.device(1200, 800, "light")
	b.run(chromedp.Navigate(p.base + "/?token=" + p.token))
	t.Run("live", func(t *testing.T) {
		b.t = t
		b.awaitText(".caption", "640 × 480 pixels")
		b.awaitText("table", "7 px between the eyes, needs 10")
		if address := evaluate[string](b, "location.href"); address != p.base+"/" {
			t.Errorf("the address is %s", address)
		}
		if n := evaluate[int](b, "document.querySelectorAll('.picture .face').length"); n != 2 {
			t.Errorf("%d faces are drawn", n)
		}
		b.measure()
		b.screenshot("live")
		b.run(chromedp.Navigate(p.base + "/#live/yard"))
		b.awaitText(".fault", "reconnecting: connection refused")
		b.noFaults()
	})
	t.Run("visits", func(t *testing.T) {
		b.t = t
		b.run(chromedp.Navigate(p.base + "/#visits"))
		b.awaitText(".visits", "7 px between the eyes, needs 10")
		b.awaitText(".caption", "3 events wait in the outbox")
		b.screenshot("visits")
		b.choose("State", "rejected")
		if n := evaluate[int](b, "document.querySelectorAll('.visit').length"); n != 1 {
			t.Errorf("%d rejected visits", n)
		}
		b.choose("State", "sent")
		b.run(chromedp.Focus(chromedp.CSS(".visit")), chromedp.KeyEvent("\r"))
		b.awaitText("h2", "Visit 1, gate")
		b.awaitText("dl", "sent")
		if n := evaluate[int](b, "document.querySelectorAll('.curve circle:not(.sent)').length"); n != 20 {
			t.Errorf("%d points in the curve", n)
		}
		result(b, chromedp.Poll[bool]("[...document.images].length > 4 && [...document.images].every(i => i.complete && i.naturalWidth === 112)"))
		b.screenshot("visit")
		b.noFaults()
	})
	t.Run("state", func(t *testing.T) {
		b.t = t
		b.run(chromedp.Navigate(p.base + "/#state"))
		b.awaitText("main", "connection refused")
		b.awaitText("main", "25.00 ms")
		b.awaitText("main", "max_fps: 2000 is outside 0..1000")
		b.run(chromedp.Focus(chromedp.CSS("summary")), chromedp.KeyEvent("\r"))
		b.awaitText("pre", "max_fps: 10")
		if text := b.text("pre"); strings.Contains(text, "S3cret") {
			t.Errorf("a secret is in %s", text)
		}
		b.screenshot("state")
		b.noFaults()
	})
	t.Run("phone", func(t *testing.T) {
		b.t = t
		b.device(360, 740, "dark")
		for _, view := range []string{"live/gate", "visits", "visits/1", "state"} {
			b.run(chromedp.Navigate(p.base+"/#"+view), chromedp.WaitVisible(chromedp.CSS("main .caption, main dl")))
			b.fits(view)
			b.screenshot("phone-" + strings.ReplaceAll(view, "/", "-"))
		}
		if back := evaluate[string](b, "getComputedStyle(document.body).backgroundColor"); back != "rgb(19, 24, 23)" {
			t.Errorf("dark background %s", back)
		}
		b.noFaults()
	})
}

// measure draws a box on the picture, and types another size.
func (b *browser) measure() {
	b.t.Helper()
	area := evaluate[struct{ X, Y, Width, Height float64 }](b, "document.querySelector('.picture svg').getBoundingClientRect().toJSON()")
	x, y := area.X+area.Width/4, area.Y+area.Height/4
	b.run(chromedp.MouseEvent("mousePressed", x, y, chromedp.ButtonLeft),
		chromedp.MouseEvent("mouseMoved", x+area.Width/10, y+area.Height/8, chromedp.ButtonLeft),
		chromedp.MouseEvent("mouseReleased", x+area.Width/10, y+area.Height/8, chromedp.ButtonLeft))
	b.awaitText("output", "64 × 60 pixels: a face of this size can pass")
	field := chromedp.CSS(".measure label:nth-of-type(1) input")
	b.run(chromedp.Focus(field))
	evaluate[any](b, "document.activeElement.select()")
	b.run(chromedp.KeyEvent("2"), chromedp.KeyEvent("1"))
	b.awaitText("output", "21 × 60 pixels: too small: about 9 pixels between the eyes, needs 10")
}

// choose selects a value of a filter.
func (b *browser) choose(label, value string) {
	b.t.Helper()
	evaluate[any](b, `{
		const select = [...document.querySelectorAll("label")].find(l => l.textContent.startsWith("`+label+`")).querySelector("select")
		select.value = "`+value+`"
		select.dispatchEvent(new Event("change", {bubbles: true}))
	}`)
	b.run(chromedp.Sleep(100 * time.Millisecond))
}

// A wrong token shows how to get the right one, and the form takes it.
func TestBrowserToken(t *testing.T) {
	t.Parallel()
	p := newFilledPage(t)
	b := openBrowser(t)
	b.run(chromedp.Navigate(p.base + "/?token=wrong"))
	b.awaitText("pre", "facesieve page")
	b.screenshot("token")
	b.run(chromedp.SendKeys(chromedp.CSS("input"), p.token+"\r"), chromedp.WaitVisible(chromedp.CSS(".caption")))
	if address := evaluate[string](b, "location.href"); address != p.base+"/" {
		t.Errorf("the address is %s", address)
	}
}
