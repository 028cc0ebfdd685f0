package pipeline

import (
	"fmt"
	"maps"
	"slices"

	"facesieve/cmd/facesieve/internal/config"
	"facesieve/publish/event"
	"facesieve/quality"
)

// Encoder makes events of candidates. All its fields but Identify are required.
type Encoder struct {
	Device, Camera, Model string
	Image                 config.Image
	// Identify returns the id of an event; nil: each event gets a new one.
	Identify func(c *Candidate) string
}

// Event returns the event of a face.
func (e Encoder) Event(c *Candidate) (event.Face, error) {
	data, err := EncodeAligned(e.Image, c.Pixels)
	if err != nil {
		return event.Face{}, err
	}
	face := event.Face{
		Schema: event.Version, Device: e.Device, Camera: e.Camera, Track: c.Track, Time: c.Time,
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

// Rejection returns the report of a track that ended without a face to send. c is its best face.
func (e Encoder) Rejection(c *Candidate, reason quality.Reason) event.Rejected {
	score := float64(event.NotAssessed)
	if c.Judgement.Scored {
		score = c.Judgement.Score.Value
	}
	return event.Rejected{
		Schema: event.Version, Device: e.Device, Camera: e.Camera, Track: c.Track, Time: c.Time,
		Frame: event.Size{Width: c.Width, Height: c.Height}, Box: event.NewBox(c.Judgement.Face.Box),
		Reasons: []string{string(reason)}, Score: score, Labels: c.Judgement.Score.Labels,
		Components: Components(c.Judgement.Assessment),
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
