package main

import (
	"bytes"
	"fmt"
	"maps"
	"slices"

	"gocv.io/x/gocv"

	"facesieve/publish"
	"facesieve/quality"
)

// pngCompression is OpenCV's own default. gocv panics when it is given no parameters.
const pngCompression = 3

// encoder turns candidates into what is published.
type encoder struct {
	device, camera, model string
	image                 ImageConfig
	// identify gives an event its id; nil: it gets a new one.
	identify func(c *candidate) string
}

// event returns the face event of c.
func (e encoder) event(c *candidate) (publish.Event, error) {
	picture, err := encodeAligned(e.image, c.Pixels)
	if err != nil {
		return publish.Event{}, err
	}
	event := publish.Event{
		Schema: publish.SchemaVersion, Device: e.device, Camera: e.camera, Track: c.Track, Time: c.Time,
		Frame:     publish.Size{Width: c.Width, Height: c.Height},
		Box:       publish.NewBox(c.Judgement.Face.Box),
		Landmarks: publish.NewLandmarks(c.Judgement.Face.Landmarks),
		Transform: publish.NewTransform(c.Judgement.Transform),
		Quality: publish.Quality{
			Score: c.Judgement.Score.Value, Raw: c.Judgement.Score.Raw, Model: e.model,
			Labels: c.Judgement.Labels, Components: *components(c.Judgement.Assessment),
		},
		Policy: c.PolicyName,
		Image:  publish.Image{Encoding: e.image.Encoding, Width: quality.Size, Height: quality.Size, Data: picture},
	}
	if e.identify != nil {
		event.ID = e.identify(c)
	}
	return event, nil
}

// rejection returns the report of a track that ended without a face that could be sent; c is the best of it.
func (e encoder) rejection(c *candidate, reason quality.Reason) publish.Rejected {
	score := float64(publish.NotAssessed)
	if c.Judgement.Scored {
		score = c.Judgement.Score.Value
	}
	return publish.Rejected{
		Schema: publish.SchemaVersion, Device: e.device, Camera: e.camera, Track: c.Track, Time: c.Time,
		Frame: publish.Size{Width: c.Width, Height: c.Height}, Box: publish.NewBox(c.Judgement.Face.Box),
		Reasons: []string{string(reason)}, Score: score, Labels: c.Judgement.Labels,
		Components: *components(c.Judgement.Assessment),
	}
}

// encodeAligned encodes an aligned face, 112x112 BGR bytes, as cfg says.
func encodeAligned(cfg ImageConfig, pixels []byte) ([]byte, error) {
	mat, err := gocv.NewMatFromBytes(quality.Size, quality.Size, gocv.MatTypeCV8UC3, pixels)
	if err != nil {
		return nil, fmt.Errorf("encode face: %w", err)
	}
	defer mat.Close()
	return encodeImage(cfg, mat)
}

// encodeImage encodes an 8-bit BGR Mat as JPEG or PNG.
func encodeImage(cfg ImageConfig, mat gocv.Mat) ([]byte, error) {
	extension, params := gocv.JPEGFileExt, []int{gocv.IMWriteJpegQuality, cfg.Quality}
	if cfg.Encoding == publish.PNG {
		extension, params = gocv.PNGFileExt, []int{gocv.IMWritePngCompression, pngCompression}
	}
	buffer, err := gocv.IMEncodeWithParams(extension, mat, params)
	if err != nil {
		return nil, fmt.Errorf("encode face as %s: %w", cfg.Encoding, err)
	}
	defer buffer.Close()
	return bytes.Clone(buffer.GetBytes()), nil
}

// describe tells a person what was measured of a face.
func describe(c *candidate) string {
	j, a := c.Judgement, c.Judgement.Assessment
	text := fmt.Sprintf("%s: score %.1f", c.Time.Format("15:04:05.000"), j.Score.Value)
	for _, name := range slices.Sorted(maps.Keys(j.Labels)) {
		text += fmt.Sprintf(", %s %.2f", name, j.Labels[name])
	}
	native := func(name string) float64 { return a.Component(name).Native }
	return text + fmt.Sprintf("; %.0f pixels between the eyes, sharpness %.0f, yaw %.0f°, pitch %.0f°, roll %.0f°",
		native(quality.InterEyeDistance), a.Component(quality.Sharpness).Value,
		native(quality.HeadPoseYaw), native(quality.HeadPosePitch), native(quality.HeadPoseRoll))
}
