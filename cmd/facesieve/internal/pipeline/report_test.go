package pipeline

import (
	"image"
	"math"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"facesieve/cmd/facesieve/internal/config"
	"facesieve/cmd/facesieve/internal/testsupport"
	"facesieve/detect"
	"facesieve/publish/event"
	"facesieve/quality"
)

// testCandidate returns a scored face of a visit.
func testCandidate() *Candidate {
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	return &Candidate{
		Camera: "door", Track: 7, Time: at, Width: 640, Height: 480, PolicyName: "best",
		Visit: quality.Visit{
			ID: "0195514e-3a43-7c3f-8000-0123456789ab", FirstSeen: at.Add(-time.Second), LastSeen: at.Add(2 * time.Second),
			Frames: 50, Faces: 40, Tracks: 2,
		},
		Judgement: Judgement{
			Face:       detect.Face{Box: [4]float32{100, 100, 50, 60}},
			Assessment: quality.NewAssessor().Unassessed(),
			Score:      quality.Score{Value: 18.04}, Scored: true,
		},
		Pixels: make([]byte, 3*quality.Size*quality.Size), Threshold: 20,
	}
}

func testEncoder() Encoder {
	return Encoder{
		Device: "gate", Camera: "door", Model: "test", Image: config.Image{Encoding: event.PNG},
		Identify: func(*Candidate) string { return "0195514e-3a43-7c3f-8000-ba9876543210" },
	}
}

// An event has the visit of its face, and the time since its capture by the encoder's clock, or by that of the frames.
func TestEventHasVisitAndLatency(t *testing.T) {
	c, e := testCandidate(), testEncoder()
	for name, test := range map[string]struct {
		decided time.Duration // since the capture
		now     func() time.Time
		want    int64
	}{
		"clock of the frames":        {4567890 * time.Microsecond, nil, 4567},
		"unset":                      {-time.Hour, nil, 0},
		"clock of the program":       {time.Second, func() time.Time { return c.Time.Add(2999999 * time.Microsecond) }, 2999},
		"capture after the decision": {0, func() time.Time { return c.Time.Add(-time.Minute) }, 0},
	} {
		c.DecidedAt, e.Now = c.Time.Add(test.decided), test.now
		face, err := e.Event(c)
		testsupport.Must(t, err)
		want := event.Visit{
			ID: c.Visit.ID, FirstSeen: c.Visit.FirstSeen, LastSeen: c.Visit.LastSeen, Frames: 50, Faces: 40, Tracks: 2,
		}
		if face.LatencyMS != test.want || face.Visit != want {
			t.Errorf("%s: %d ms, want %d; visit %+v", name, face.LatencyMS, test.want, face.Visit)
		}
		if _, err := event.EncodeFace(face); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A report has the reason that decided first, and each limit that was missed, also where nothing could be measured.
func TestReasonsOfARejection(t *testing.T) {
	yaw := quality.Miss{Reason: quality.ReasonPose, Measure: quality.HeadPoseYaw, Measured: 61.23, Limit: 60, Unit: "deg"}
	residual := quality.Miss{Reason: quality.ReasonPose, Measure: quality.MeasureLandmarkResidual, Measured: math.NaN()}
	for name, test := range map[string]struct {
		misses []quality.Miss
		reason quality.Reason
		want   []event.Miss
		text   string
	}{
		"gates": {
			[]quality.Miss{yaw, residual},
			quality.ReasonPose,
			[]event.Miss{{Reason: "pose", Measure: "HeadPoseYaw", Measured: 61.2, Limit: 60, Unit: "deg"}, {Reason: "pose"}},
			"yaw 61°, limit 60°; pose",
		},
		"score": {
			nil, quality.ReasonLowQuality,
			[]event.Miss{{Reason: "low_quality", Measure: "Score", Measured: 18, Limit: 20}},
			"score 18, needs 20",
		},
		"static and pose": {
			[]quality.Miss{yaw},
			quality.ReasonStatic,
			[]event.Miss{
				{Reason: "static", Measure: "StillTime", Measured: 121.5, Limit: 120, Unit: "s"},
				{Reason: "pose", Measure: "HeadPoseYaw", Measured: 61.2, Limit: 60, Unit: "deg"},
			},
			"did not move for 2m2s, limit 2m0s; yaw 61°, limit 60°",
		},
		"impossible landmarks": {
			nil, quality.ReasonPose, []event.Miss{{Reason: "pose"}}, "pose",
		},
	} {
		c := testCandidate()
		c.Judgement.Misses, c.Still, c.StillLimit = test.misses, 121500*time.Millisecond, 2*time.Minute
		report := testEncoder().Rejection(c, test.reason)
		if !reflect.DeepEqual(report.Reasons, test.want) || ReasonsText(c, test.reason) != test.text {
			t.Errorf("%s: %+v, %q", name, report.Reasons, ReasonsText(c, test.reason))
		}
		if _, err := event.EncodeRejected(report); err != nil || report.Visit.ID != c.Visit.ID {
			t.Errorf("%s: %v", name, err)
		}
		if len(test.misses) != len(c.Judgement.Misses) {
			t.Errorf("%s: the judgement was changed", name)
		}
	}
}

// Events have a text of their own for each measure of a gate, and accept each report of one. The guide has each measure.
func TestEachGateHasAText(t *testing.T) {
	guide, err := os.ReadFile(testsupport.RepositoryPath(t, "publish", "README.md"))
	testsupport.Must(t, err)
	worst := quality.NewAssessor().Unassessed()
	worst.Residual = 50
	for i := range worst.Components {
		worst.Components[i].Value, worst.Components[i].Native = 0, 89
	}
	gates := quality.Gates{MinEyeDistance: 100, MinSharpness: 10}
	misses := gates.Misses(image.Pt(640, 480), [4]float32{-10, 0, 50, 50}, worst)
	if len(misses) != 7 {
		t.Errorf("%d gates", len(misses))
	}
	c := testCandidate()
	c.Judgement.Misses = misses
	for _, m := range Reasons(c, misses[0].Reason) {
		if text := m.Text(); strings.Contains(text, m.Measure) {
			t.Errorf("no text for %+v: %s", m, text)
		}
		if !strings.Contains(string(guide), "`"+m.Measure+"`") || !strings.Contains(string(guide), "| `"+m.Reason+"` |") {
			t.Errorf("publish/README.md does not describe %+v", m)
		}
	}
	if _, err := event.EncodeRejected(testEncoder().Rejection(c, misses[0].Reason)); err != nil {
		t.Error(err)
	}
}

// The limits that a face misses do not depend on whether it is scored all the same.
func TestMissesDoNotDependOnScoreAll(t *testing.T) {
	for name, change := range map[string]func(e *Engine, face *detect.Face){
		"coarse": func(e *Engine, _ *detect.Face) {
			e.gates.MinEyeDistance = 500
			e.coarse = e.gates.Coarse()
		},
		"geometry": func(e *Engine, _ *detect.Face) { e.gates.MaxRoll, e.gates.MinSharpness = 0, 101 },
		"pixels":   func(e *Engine, _ *detect.Face) { e.gates.MinSharpness = 101 },
	} {
		_, alone := judged(t, change, false)
		_, all := judged(t, change, true)
		if len(alone.Misses) != 1 || !reflect.DeepEqual(alone.Misses, all.Misses) || alone.Misses[0].Reason != alone.Reason {
			t.Errorf("%s: %+v, and %+v with all scored", name, alone.Misses, all.Misses)
		}
	}
}

// uplinkStub records what it receives.
type uplinkStub struct {
	faces    []event.Face
	rejected []event.Rejected
}

func (u *uplinkStub) Publish(e event.Face) error {
	u.faces = append(u.faces, e)
	return nil
}

func (u *uplinkStub) Reject(r event.Rejected) error {
	u.rejected = append(u.rejected, r)
	return nil
}

// The log names the visit of each decision, and why a visit was rejected.
func TestSinkLogsVisitAndReason(t *testing.T) {
	var log strings.Builder
	uplink := &uplinkStub{}
	sink := EventSink{Uplink: uplink, Encoder: testEncoder(), Log: zerolog.New(&log)}
	c := testCandidate()
	testsupport.Must(t, sink.Face(c), sink.Rejected(c, quality.ReasonLowQuality))
	for _, want := range []string{
		`"visit":"0195514e-3a43-7c3f-8000-0123456789ab","track":7,"score":18,"message":"face forwarded"`,
		`"visit":"0195514e-3a43-7c3f-8000-0123456789ab","track":7,"reason":"low_quality","missed":"score 18, needs 20"`,
	} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("%s is not in %s", want, log.String())
		}
	}
	if len(uplink.faces) != 1 || len(uplink.rejected) != 1 {
		t.Errorf("%d faces, %d reports", len(uplink.faces), len(uplink.rejected))
	}
}
