package pipeline

import (
	"bytes"
	"image/png"
	"testing"

	"gocv.io/x/gocv"

	"facesieve/cmd/facesieve/internal/config"
	"facesieve/publish"
)

// A PNG holds the very pixels.
func TestFacesAsPNG(t *testing.T) {
	mat := gocv.NewMatWithSizeFromScalar(gocv.NewScalar(10, 20, 30, 0), 112, 112, gocv.MatTypeCV8UC3)
	defer mat.Close()
	data, err := EncodeImage(config.Image{Encoding: publish.PNG, Quality: 95}, mat)
	if err != nil {
		t.Fatal(err)
	}
	picture, err := png.Decode(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	if r, g, b, _ := picture.At(5, 5).RGBA(); r>>8 != 30 || g>>8 != 20 || b>>8 != 10 {
		t.Errorf("red %d, green %d, blue %d", r>>8, g>>8, b>>8)
	}
}
