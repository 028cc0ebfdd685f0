package web

import (
	"fmt"
	"image"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"facesieve/cmd/facesieve/internal/pipeline"
	"facesieve/cmd/facesieve/internal/testsupport"
	"facesieve/quality"
)

// fillCalibration gives a recorder 70 visits of the camera gate in two hours: 60 whose best faces score 0.5, 1.5, to
// 59.5, of which every sixth is at night, and 10 with faces that are too small and have no score. The threshold in force
// is 20, so 40 are sent.
func fillCalibration(t *testing.T, r *Recorder) {
	t.Helper()
	frame := newFrame(t, 16, 16)
	second := 0
	until := func(end int) {
		for ; second < end; second++ {
			r.Frame(pipeline.FrameReport{Camera: "gate", Time: start.Add(time.Duration(second) * time.Second), Image: frame})
		}
	}
	for i := range 60 {
		until(i * 60)
		for k := range 3 {
			judgeByScore(r, measuredFace(i, 200*k, 0.3*float64(k)*float64(i)))
		}
		best := measuredFace(i, 700, 0.5+float64(i))
		judgeByScore(r, best)
		if best.Judgement.Score.Value >= 20 {
			send(r, best)
		} else {
			reject(r, best, quality.ReasonLowQuality)
		}
		encoded(t, r)
	}
	for i := 60; i < 70; i++ {
		until(i * 60)
		small := measuredFace(i, 0, -1)
		small.Judgement.Assessment.Components[3].Native = 7
		judge(r, small, quality.ReasonTooSmall)
		small.Judgement.Misses = quality.Default().Gates.Misses(image.Pt(640, 480), small.Judgement.Face.Box, small.Judgement.Assessment)
		reject(r, small, quality.ReasonTooSmall)
	}
	until(2 * 3600)
}

// measuredFace returns a face that passes the gates, at ms after the beginning of visit i, which is at minute i.
func measuredFace(i, ms int, score float64) *pipeline.Candidate {
	at := time.Duration(i)*time.Minute + time.Duration(ms)*time.Millisecond
	c := newFace("gate", fmt.Sprint("visit ", i), uint64(i), at, score)
	c.Judgement.Assessment = quality.NewAssessor().Unassessed()
	native := map[string]float64{
		quality.Sharpness: 60, quality.InterEyeDistance: 30, quality.HeadPoseYaw: 10, quality.HeadPosePitch: 5, quality.HeadPoseRoll: 2,
	}
	for k := range c.Judgement.Assessment.Components {
		m := &c.Judgement.Assessment.Components[k]
		if value, ok := native[m.Name]; ok {
			m.Native, m.Value = value, 60
		}
	}
	for k := range c.Pixels {
		x, y, channel := k/3%quality.Size, k/3/quality.Size, k%3
		c.Pixels[k] = byte(60 + i + (x-56)*(x-56)/40 + (y-60)*(y-60)/60)
		if i%6 != 0 {
			c.Pixels[k] += byte(18 * channel)
		}
	}
	return c
}

func judgeByScore(r *Recorder, c *pipeline.Candidate) {
	var reason quality.Reason
	if c.Judgement.Score.Value < c.Threshold {
		reason = quality.ReasonLowQuality
	}
	judge(r, c, reason)
}

// figure returns the number of the page with this name.
func (b *browser) figure(name string) string {
	b.t.Helper()
	return evaluate[string](b, fmt.Sprintf(
		`[...document.querySelectorAll(".figure")].find(f => f.querySelector(".name").textContent === %q)?.querySelector("output").textContent`, name))
}

// set types a number into the field with this label.
func (b *browser) set(label, number string) {
	b.t.Helper()
	evaluate[any](b, fmt.Sprintf(`{
		const label = [...document.querySelectorAll("label")].find(l => l.textContent.includes(%q))
		const field = label.control ?? document.getElementById(label.htmlFor)
		field.focus(); field.value = %q
		field.dispatchEvent(new Event("input", {bubbles: true})); field.blur()
	}`, label, number))
}

// press clicks the button with this text.
func (b *browser) press(text string) {
	b.t.Helper()
	result(b, chromedp.Poll[bool](fmt.Sprintf(`(() => {
		const button = [...document.querySelectorAll("button")].find(b => b.textContent.trim() === %q && !b.disabled)
		button?.click()
		return button !== undefined
	})()`, text)))
}

// The slider moves the three numbers and the difference; what is saved is in force, and can be undone.
func TestCalibrateView(t *testing.T) {
	t.Parallel()
	p := newControlledPage(t)
	fillCalibration(t, p.recorder)
	b := openBrowser(t)
	b.device(1280, 900, "light")
	b.run(chromedp.Navigate(p.base + "/?token=" + p.token))
	b.run(chromedp.Navigate(p.base + "/#calibrate/gate"))
	b.awaitText(".calibrate > .caption", "70 visits of gate in 120 min of video")
	expect := func(what string, want map[string]string) {
		t.Helper()
		for name, number := range want {
			if got := b.figure(name); got != number {
				t.Errorf("%s: %s: %s, want %s", what, name, got, number)
			}
		}
	}
	const sent, none, missed = "visits a day sent", "visits a day without a face", "expected false-non-match rate"
	expect("in force", map[string]string{sent: "480", none: "360", missed: "29.8 %"})
	b.screenshot("calibrate-in-force")

	b.set("Threshold", "29")
	b.run(chromedp.Focus(chromedp.CSS(".threshold-field input[type=range]")), chromedp.KeyEvent(kb.ArrowRight+kb.ArrowRight))
	b.awaitText(".difference h2", "gains 0, loses 10")
	expect("threshold 30", map[string]string{sent: "360", none: "480", missed: "16.1 %"})
	if n := evaluate[int](b, "document.querySelectorAll('.difference li').length"); n != 10 {
		t.Errorf("%d lost faces are shown", n)
	}
	b.set("Between the eyes", "31")
	b.awaitText(".difference h2", "gains 0, loses 40")
	b.set("Between the eyes", "5")
	b.awaitText(".gate.changed", "10 faces were not scored, because a gate in force ruled them out")
	b.awaitText(".hints", "below the threshold")
	b.set("Between the eyes", "10")
	b.set("Threshold", "15.5")
	b.awaitText(".difference h2", "gains 5, loses 0")
	b.awaitText(".yaml pre", "  - name: gate\n    quality:\n      threshold: 15.5")
	result(b, chromedp.Poll[bool]("[...document.images].every(i => i.complete)"))
	b.screenshot("calibrate")

	b.press("Save for gate")
	b.awaitText(".result", "in force")
	expect("saved", map[string]string{sent: "540", none: "300"})
	if camera, err := p.inForce().Camera("gate"); err != nil || camera.Quality.Threshold != 15.5 {
		t.Errorf("threshold %g, %v", camera.Quality.Threshold, err)
	}
	b.press("Undo the last save")
	b.awaitText(".result", "undone")
	testsupport.Eventually(t, "the former numbers", func() bool { return b.figure(sent) == "480" })

	b.set("Threshold", "22")
	b.noFaults()
	b.device(360, 740, "dark")
	b.fits("the Calibrate view")
	b.screenshot("phone-calibrate")
	b.device(1280, 900, "dark")
	b.screenshot("calibrate-dark")
	b.noFaults()
}

// Without web.control the view works, and says how to save; a camera without visits has no figures to trust.
func TestCalibrateViewWithoutControl(t *testing.T) {
	t.Parallel()
	p := newTestPage(t)
	fillCalibration(t, p.recorder)
	b := openBrowser(t)
	b.run(chromedp.Navigate(p.base + "/?token=" + p.token))
	b.run(chromedp.Navigate(p.base + "/#calibrate/gate"))
	b.awaitText(".save", "set web.control: true in the configuration file, and restart facesieve")
	b.set("Threshold", "30")
	b.awaitText(".yaml pre", "threshold: 30")
	if buttons := evaluate[string](b, "[...document.querySelectorAll('.buttons button')].map(b => b.textContent.trim()).join()"); buttons != "Back to the settings in force" {
		t.Errorf("buttons %s", buttons)
	}
	b.press("Back to the settings in force")
	testsupport.Eventually(t, "no difference", func() bool { return !strings.Contains(b.text("main"), "Against the settings") })
	b.run(chromedp.Navigate(p.base + "/#calibrate/yard"))
	b.awaitText(".calibrate .warning", "There is no visit yet. Wait for 20 or more.")
	b.noFaults()
}
