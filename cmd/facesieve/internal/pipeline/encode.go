package pipeline

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"time"

	"facesieve/cmd/facesieve/internal/config"
	"facesieve/publish/event"
	"facesieve/quality"
)

// Encoder makes events of candidates. All its fields but the functions are required.
type Encoder struct {
	Device, Camera, Model string
	Image                 config.Image
	// Identify returns the id of an event; nil: each event gets a new one.
	Identify func(c *Candidate) string
	// Now returns the present time, for the latency of an event. nil: the time of the decision on the clock of the frames,
	// so that a recording always gives the same events.
	Now func() time.Time
}

// Event returns the event of a face.
func (e Encoder) Event(c *Candidate) (event.Face, error) {
	data, err := EncodeAligned(e.Image, c.Pixels)
	if err != nil {
		return event.Face{}, err
	}
	face := event.Face{
		Schema: event.Version, Device: e.Device, Camera: e.Camera, Visit: visitOf(c), Track: c.Track, Time: c.Time,
		LatencyMS: e.latency(c).Milliseconds(),
		Frame:     event.Size{Width: c.Width, Height: c.Height},
		Box:       event.NewBox(c.Judgement.Face.Box),
		Landmarks: event.NewLandmarks(c.Judgement.Face.Landmarks),
		Transform: event.NewTransform(c.Judgement.Transform),
		Quality: event.Quality{
			Score: c.Judgement.Score.Value, Raw: c.Judgement.Score.Raw, Model: e.Model,
			Labels: c.Judgement.Score.Labels, Components: Components(c.Judgement.Assessment),
		},
		Policy: c.PolicyName,
		Image:  event.Image{Encoding: e.Image.Encoding, Width: quality.Size, Height: quality.Size, Data: data},
	}
	if e.Identify != nil {
		face.ID = e.Identify(c)
	}
	return face, nil
}

// latency returns the time since the frame was captured. It is 0 where the clock of the frames is ahead: a recording
// that is processed faster than it plays, or a clock that was set back.
func (e Encoder) latency(c *Candidate) time.Duration {
	now := c.DecidedAt
	if e.Now != nil {
		now = e.Now()
	}
	return max(0, now.Sub(c.Time))
}

// Rejection returns the report of a rejected visit. c is the face that it is about, and reason decided.
func (e Encoder) Rejection(c *Candidate, reason quality.Reason) event.Rejected {
	score := float64(event.NotAssessed)
	if c.Judgement.Scored {
		score = c.Judgement.Score.Value
	}
	return event.Rejected{
		Schema: event.Version, Device: e.Device, Camera: e.Camera, Visit: visitOf(c), Track: c.Track, Time: c.Time,
		Frame: event.Size{Width: c.Width, Height: c.Height}, Box: event.NewBox(c.Judgement.Face.Box),
		Reasons: Reasons(c, reason), Score: score, Labels: c.Judgement.Score.Labels,
		Components: Components(c.Judgement.Assessment),
	}
}

// Reasons returns why a face was rejected: first reason, which decided, then the other limits that it missed.
func Reasons(c *Candidate, reason quality.Reason) []event.Miss {
	misses := c.Judgement.Misses
	switch {
	case reason == quality.ReasonLowQuality:
		misses = slices.Insert(slices.Clone(misses), 0, quality.ScoreMiss(c.Judgement.Score.Value, c.Threshold))
	case reason == quality.ReasonStatic:
		misses = slices.Insert(slices.Clone(misses), 0, quality.StillMiss(c.Still, c.StillLimit))
	case len(misses) == 0 || misses[0].Reason != reason:
		misses = slices.Insert(slices.Clone(misses), 0, quality.Miss{Reason: reason, Measured: math.NaN()})
	}
	reasons := make([]event.Miss, len(misses))
	for i, m := range misses {
		reasons[i] = event.NewMiss(string(m.Reason), m.Measure, m.Measured, m.Limit, m.Unit)
	}
	return reasons
}

// ReasonsText returns the Reasons of a face for people, for example "sharpness 7, needs 10".
func ReasonsText(c *Candidate, reason quality.Reason) string {
	return event.MissesText(Reasons(c, reason))
}

func visitOf(c *Candidate) event.Visit {
	v := c.Visit
	return event.Visit{
		ID: v.ID, FirstSeen: v.FirstSeen, LastSeen: v.LastSeen, Frames: v.Frames, Faces: v.Faces, Tracks: v.Tracks,
	}
}

// Describe returns the score and the measures of a face as text.
func Describe(c *Candidate) string {
	j, a := c.Judgement, c.Judgement.Assessment
	text := fmt.Sprintf("%s: score %.1f", c.Time.Format("15:04:05.000"), j.Score.Value)
	for _, name := range slices.Sorted(maps.Keys(j.Score.Labels)) {
		text += fmt.Sprintf(", %s %.2f", name, j.Score.Labels[name])
	}
	native := func(name string) float64 { return a.Component(name).Native }
	return text + fmt.Sprintf("; %.0f pixels between the eyes, sharpness %.0f, yaw %.0f°, pitch %.0f°, roll %.0f°",
		native(quality.InterEyeDistance), a.Component(quality.Sharpness).Value,
		native(quality.HeadPoseYaw), native(quality.HeadPosePitch), native(quality.HeadPoseRoll))
}

// Components returns the components of an assessment in the form of events.
func Components(a quality.Assessment) event.Components {
	components := event.Components{}
	for _, m := range a.Components {
		components[m.Name] = m.Value
	}
	return components
}
