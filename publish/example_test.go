package publish

import (
	"fmt"
	"os"
	"time"
)

// A reader in Go decodes what it gets from <root>/<camera>/face.
func ExampleDecodeEvent() {
	payload, err := os.ReadFile("testdata/event.json")
	if err != nil {
		panic(err)
	}
	event, err := DecodeEvent(payload)
	if err != nil {
		panic(err)
	}
	fmt.Println(event.Device, event.Camera, event.Track, event.Time.Format(time.RFC3339))
	fmt.Println(event.Quality.Score, event.Landmarks.RightEye, event.Replayed)
	fmt.Println(event.Image.Encoding, event.Image.Width, event.Image.Height)
	// Output:
	// gate door 7 2025-03-01T11:30:05Z
	// 71.5 [838 50] false
	// jpeg 112 112
}
