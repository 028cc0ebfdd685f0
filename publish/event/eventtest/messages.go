// Package eventtest has messages for tests, and checks whether messages obey the contract of package event.
package eventtest

import (
	"bytes"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
	"time"

	"facesieve/publish/event"
)

// Face returns a face that lacks only what the publisher sets: schema, id and device.
func Face(camera string, track uint64) event.Face {
	at := time.Date(2025, 3, 1, 12, 30, 5, 123456789, time.FixedZone("", 3600))
	return event.Face{
		Camera: camera,
		Visit: event.Visit{
			ID: "01955178-6c9b-7d12-9a41-3f0c6a5b1e27", FirstSeen: at.Add(-2 * time.Second),
			LastSeen: at.Add(1500 * time.Millisecond), Frames: 88, Faces: 80, Tracks: 1,
		},
		Track:     track,
		Time:      at,
		LatencyMS: 3012,
		Frame:     event.Size{Width: 1920, Height: 1080},
		Box:       event.NewBox([4]float32{812.5, -3.25, 96, 128}),
		Landmarks: event.NewLandmarks([5][2]float32{{838, 50}, {880, 51}, {860, 75}, {841, 96}, {878, 97}}),
		Transform: event.NewTransform([6]float64{0.875, -0.02, -690, 0.02, 0.875, -8}),
		Quality: event.Quality{
			Score: 71.5, Raw: 0.6125, Model: "facesieve-quality-r32m-1",
			Labels: event.Labels{"agreement": 0.75, "norm": 0.475},
			Components: event.Components{
				"Sharpness": 88, "UnderExposurePrevention": 97.5, "OverExposurePrevention": 100, "InterEyeDistance": 42,
				"HeadPoseYaw": 91, "HeadPosePitch": 83, "HeadPoseRoll": 99,
			},
		},
		Policy: "best",
		Image:  event.Image{Encoding: event.JPEG, Width: 112, Height: 112, Data: JPEG()},
	}
}

// Rejected returns a rejected face that lacks only what the publisher sets.
func Rejected() event.Rejected {
	f := Face("door", 7)
	return event.Rejected{
		Camera: f.Camera, Visit: f.Visit, Track: f.Track, Time: f.Time, Frame: f.Frame, Box: f.Box,
		Reasons: []event.Miss{
			event.NewMiss("too_small", "InterEyeDistance", 9.42, 10, "px"),
			event.NewMiss("pose", "HeadPoseYaw", -61.5, 60, "deg"),
		},
		Score: event.NotAssessed, Labels: event.Labels{}, Components: f.Quality.Components,
	}
}

// JPEG returns an image of 112x112 pixels.
func JPEG() []byte {
	var b bytes.Buffer
	_ = jpeg.Encode(&b, pattern(), nil) // a buffer accepts everything
	return b.Bytes()
}

// PNG returns the same image as JPEG.
func PNG() []byte {
	var b bytes.Buffer
	_ = png.Encode(&b, pattern())
	return b.Bytes()
}

func pattern() image.Image {
	m := image.NewRGBA(image.Rect(0, 0, 112, 112))
	for i := range 112 * 112 {
		x, y := i%112, i/112
		m.Set(x, y, color.RGBA{R: uint8(x), G: uint8(y), B: uint8(x) ^ uint8(y), A: 255})
	}
	return m
}
