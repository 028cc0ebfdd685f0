package web

import (
	"encoding/json"
	"fmt"
	"image"
	"net/http"
	"net/url"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"gocv.io/x/gocv"

	"facesieve/cmd/facesieve/internal/pipeline"
	"facesieve/cmd/facesieve/internal/testsupport"
	"facesieve/quality"
)

// The visits of one camera have their faces with score, colours, picture and measures; what was not measured is null.
func TestCalibrationData(t *testing.T) {
	p := newControlledPage(t)
	cookie := p.login(t)
	best := measuredFace(1, 0, 42.0019)
	best.Judgement.Assessment.Residual = 3.0001
	judge(p.recorder, best, "")
	send(p.recorder, best)
	night := measuredFace(6, 0, 15)
	judgeByScore(p.recorder, night)
	reject(p.recorder, night, quality.ReasonLowQuality)
	unlike := newFace("gate", "unlike", 3, 7*time.Minute, -1)
	unlike.Judgement.Reason = quality.ReasonPose
	p.recorder.Judged(unlike, newFrame(t, 1, 1), quality.ReasonPose)
	judge(p.recorder, newFace("yard", "other", 4, 0, 50), "")
	encoded(t, p.recorder)
	show := func(second int) {
		p.recorder.Frame(pipeline.FrameReport{Camera: "gate", Time: start.Add(time.Duration(second) * time.Second), Image: newFrame(t, 1, 1)})
	}
	for _, second := range []int{0, 4, 9, 60, 65} { // 51 s without a frame do not count
		show(second)
	}
	var answer struct {
		Revision string
		Data     Calibration
	}
	get := func(camera string) int {
		t.Helper()
		query := url.Values{"camera": {camera}, "revision": {answer.Revision}}.Encode()
		response := p.do(t, "GET", "/api/calibration?"+query, map[string]string{"Cookie": cookie.String()})
		if response.StatusCode == http.StatusOK {
			testsupport.Must(t, json.NewDecoder(response.Body).Decode(&answer))
		}
		return response.StatusCode
	}
	for _, camera := range []string{"", "absent"} {
		if code := get(camera); code != http.StatusNotFound {
			t.Errorf("camera %q: %d", camera, code)
		}
	}
	if code := get("gate"); code != http.StatusOK || len(answer.Data.Visits) != 3 || answer.Data.Watched != 14 {
		t.Fatalf("%d, %+v", code, answer.Data)
	}
	data := answer.Data
	if data.Settings.Threshold != 20 || fmt.Sprint(data.Settings.Gates) != "[0 10 60 45 60 14 10]" || data.Curve == nil || data.Curve.Pairs != 64890 {
		t.Errorf("settings %+v, curve %+v", data.Settings, data.Curve)
	}
	for i, want := range []string{
		"[420000 -1 2 0 1199 <nil> <nil> <nil> <nil> <nil> <nil>]",
		"[360000 15000 1 2 1199 30000 10000 5000 2000 0 60000]",
		"[60000 42001 0 1 1199 30000 10000 5000 2000 3001 60000]",
	} {
		if got := fmt.Sprint(data.Visits[i].Faces[0]...); strings.Join(strings.Fields(got), " ") != strings.Trim(want, "[]") {
			t.Errorf("face of visit %d: %s, want %s", i, got, want)
		}
	}
	if code := get("gate"); code != http.StatusNoContent {
		t.Errorf("the same revision: %d", code)
	}
	if code, text := p.post(t, cookie, "/api/overrides", `{"camera": "gate", "quality": {"gates": {"max_yaw": 30}}}`); code != http.StatusNoContent {
		t.Fatalf("%d %s", code, text)
	}
	if code := get("gate"); code != http.StatusOK || answer.Data.Settings.Gates[2] != 30 {
		t.Errorf("after a save: %d, %+v", code, answer.Data.Settings)
	}
}

// A face that a coarse measure ruled out keeps the measure that decided, also if a better one was measured later.
func TestMeasureThatDecided(t *testing.T) {
	c := measuredFace(1, 0, 50)
	a := &c.Judgement.Assessment
	yaw := slices.IndexFunc(a.Components, func(m quality.Measurement) bool { return m.Name == quality.HeadPoseYaw })
	a.Components[yaw].Native = -65
	c.Judgement.Reason = quality.ReasonPose
	c.Judgement.Misses = quality.Default().Gates.Misses(image.Pt(c.Width, c.Height), c.Judgement.Face.Box, *a)
	a.Components[yaw].Native = 40 // that of the network
	if got := measuresOf(c)[2]; got != 65_000 {
		t.Errorf("yaw %d", got)
	}
}

// A long visit keeps its best face that no gate ruled out with its picture, whatever comes before and after it.
func TestBestFaceOfALongVisitIsKept(t *testing.T) {
	r := newTestRecorder(t)
	for i := range 1700 {
		c := measuredFace(1, 100*i, float64(i%19))
		switch i {
		case 800:
			send(r, c)
			encoded(t, r)
		case 1234:
			c.Judgement.Score.Value = 31
			encoded(t, r)
		}
		reason := quality.Reason("")
		if i%7 == 0 {
			c.Judgement.Score.Value, reason = 60, quality.ReasonPose
		}
		judge(r, c, reason)
	}
	passed := 0.0
	v := r.visits["visit 1"]
	for _, p := range v.points {
		if p.passed {
			passed = max(passed, p.score)
		}
	}
	if v.top == nil || v.top.score != 31 {
		t.Errorf("best picture %+v", v.top)
	}
	if passed != 31 || len(v.points) > PageBounds().Points || len(v.points) < PageBounds().Points/2 {
		t.Errorf("best score %g of %d points", passed, len(v.points))
	}
}

// With all the visits that are kept the data is of bounded size. The test reports it, and the memory of the points.
func TestSizeOfCalibration(t *testing.T) {
	r := newTestRecorder(t)
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	face := measuredFace(0, 0, 19.123)
	face.Judgement.Scored = false // without pictures
	for i := range PageBounds().Visits + 10 {
		for k := range 2 * PageBounds().Points {
			c := *face
			c.Visit.ID, c.Time = fmt.Sprint(i), start.Add(time.Duration(i)*time.Minute+time.Duration(k)*70*time.Millisecond)
			r.Judged(&c, gocv.NewMat(), quality.ReasonLowQuality)
		}
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	camera, err := testState().InForce.Camera("gate")
	testsupport.Must(t, err)
	data := r.Calibration(camera, nil)
	text, err := json.Marshal(data)
	testsupport.Must(t, err)
	points := 0
	for _, v := range data.Visits {
		points += len(v.Faces)
	}
	t.Logf("%d visits with %d faces: %d KB of JSON, %d KB of memory", len(data.Visits), points, len(text)/1000,
		(after.HeapAlloc-before.HeapAlloc)/1000)
	if len(data.Visits) != PageBounds().Visits || points > PageBounds().Visits*PageBounds().Points || len(text) > 2_000_000 {
		t.Errorf("%d visits, %d faces, %d bytes", len(data.Visits), points, len(text))
	}
}
