package event_test

import (
	"fmt"
	"os"
	"time"

	"facesieve/publish/event"
)

// A subscriber in Go decodes the payload of <root>/<camera>/face.
func ExampleDecodeFace() {
	payload, err := os.ReadFile("testdata/face.json")
	if err != nil {
		panic(err)
	}
	face, err := event.DecodeFace(payload)
	if err != nil {
		panic(err)
	}
	fmt.Println(face.Device, face.Camera, face.Track, face.Time.Format(time.RFC3339))
	fmt.Println(face.Visit.ID, face.Visit.Frames, face.LatencyMS)
	fmt.Println(face.Quality.Score, face.Landmarks.RightEye, face.Replayed)
	fmt.Println(face.Image.Encoding, face.Image.Width, face.Image.Height)
	// Output:
	// gate door 7 2025-03-01T11:30:05Z
	// 01955178-6c9b-7d12-9a41-3f0c6a5b1e27 88 3012
	// 71.5 [838 50] false
	// jpeg 112 112
}
