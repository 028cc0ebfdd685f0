package event_test

import (
	"math"
	"testing"

	"facesieve/publish/event"
)

func TestTextOfAMiss(t *testing.T) {
	for want, m := range map[string]event.Miss{
		"sharpness 7, needs 10":                                 event.NewMiss("too_blurred", "Sharpness", 7.23, 10, ""),
		"sharpness 9.96, needs 10":                              event.NewMiss("too_blurred", "Sharpness", 9.96, 10, ""),
		"sharpness 9.9999999, needs 10":                         event.NewMiss("too_blurred", "Sharpness", 9.9999999, 10, ""),
		"21 px between the eyes, needs 30":                      event.NewMiss("too_small", "InterEyeDistance", 21.2, 30, "px"),
		"yaw -61°, limit 60°":                                   event.NewMiss("pose", "HeadPoseYaw", -61.2, 60, "deg"),
		"yaw -60.04°, limit 60°":                                event.NewMiss("pose", "HeadPoseYaw", -60.04, 60, "deg"),
		"pitch 46°, limit 45°":                                  event.NewMiss("pose", "HeadPosePitch", 46, 45, "deg"),
		"landmarks 15 px from those of a face, limit 14":        event.NewMiss("pose", "LandmarkResidual", 15.2, 14, "px"),
		"-3 % of its size from the border, needs more than 0 %": event.NewMiss("edge", "BorderDistance", -3.1, 0, "%"),
		"0 % of its size from the border, needs more than 7 %":  event.NewMiss("edge", "BorderDistance", -0.1, 100*0.07, "%"),
		"score 18, needs 20":                                    event.NewMiss("low_quality", "Score", 18.1, 20, ""),
		"did not move for 2m1s, limit 2m0s":                     event.NewMiss("static", "StillTime", 121.4, 120, "s"),
		"pose":                                                  event.NewMiss("pose", "LandmarkResidual", math.Inf(1), 14, "px"),
		"low quality":                                           event.NewMiss("low_quality", "Score", math.NaN(), 20, ""),
		"too dark: Brightness 3.2lx, limit 10.5lx":              {Reason: "too_dark", Measure: "Brightness", Measured: 3.2, Limit: 10.5, Unit: "lx"},
		"did not move for 1193046h28m16s, limit 0s": {
			Reason: "static", Measure: "StillTime", Measured: math.MaxFloat64, Unit: "s",
		},
	} {
		if got := m.Text(); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

// Figures have one decimal, and more where one would hide that the limit is missed.
func TestMissIsRounded(t *testing.T) {
	for _, c := range []struct{ measured, limit, want, wantLimit float64 }{
		{7.2345, 10, 7.2, 10},
		{9.97, 10, 9.97, 10},
		{-60.04, 60, -60.04, 60},
		{-0.04, 0, -0.04, 0},
		{-0.04, 0.5, 0, 0.5},
		{0, 0, 0, 0},
		{100 * -0.28, 100 * 0.07, -28, 7},
		{math.MaxFloat64, 1, math.MaxFloat64, 1},
	} {
		m := event.NewMiss("edge", "BorderDistance", c.measured, c.limit, "%")
		if m.Measured != c.want || m.Limit != c.wantLimit || math.Signbit(m.Measured) && m.Measured == 0 {
			t.Errorf("%g and %g give %g and %g", c.measured, c.limit, m.Measured, m.Limit)
		}
	}
	for _, v := range []float64{math.NaN(), math.Inf(1), math.Inf(-1)} {
		for _, m := range []event.Miss{
			event.NewMiss("pose", "HeadPoseYaw", v, 60, "deg"), event.NewMiss("pose", "HeadPoseYaw", 61, v, "deg"),
		} {
			if m != (event.Miss{Reason: "pose"}) {
				t.Errorf("%g: %+v", v, m)
			}
		}
	}
}
