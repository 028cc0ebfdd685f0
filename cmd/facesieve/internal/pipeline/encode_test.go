package pipeline

import (
	"bytes"
	"image/png"
	"slices"
	"testing"

	"gocv.io/x/gocv"

	"facesieve/cmd/facesieve/internal/config"
	"facesieve/publish/event"
	"facesieve/quality"
)

// PNG encoding is lossless.
func TestFacesAsPNG(t *testing.T) {
	data, err := EncodeAligned(config.Image{Encoding: event.PNG}, bytes.Repeat([]byte{10, 20, 30}, 112*112))
	if err != nil {
		t.Fatal(err)
	}
	decoded, err := png.Decode(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	if r, g, b, _ := decoded.At(5, 5).RGBA(); r>>8 != 30 || g>>8 != 20 || b>>8 != 10 {
		t.Errorf("red %d, green %d, blue %d", r>>8, g>>8, b>>8)
	}
}

// A JPEG has the bytes of OpenCV's encoder, which also uses libjpeg, at each quality and whatever the pixels.
func TestFacesAsJPEG(t *testing.T) {
	mat := gocv.NewMatWithSize(112, 112, gocv.MatTypeCV8UC3)
	defer mat.Close()
	gocv.RandU(&mat, gocv.NewScalar(0, 0, 0, 0), gocv.NewScalar(256, 256, 256, 0))
	pixels := mat.ToBytes()
	for _, jpegQuality := range []int{1, 85, 95, 100} {
		data, err := EncodeAligned(config.Image{Encoding: event.JPEG, Quality: jpegQuality}, pixels)
		if err != nil {
			t.Fatal(err)
		}
		want, err := gocv.IMEncodeWithParams(gocv.JPEGFileExt, mat, []int{gocv.IMWriteJpegQuality, jpegQuality})
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(data, want.GetBytes()) {
			t.Errorf("quality %d: %d bytes, OpenCV has %d", jpegQuality, len(data), want.Len())
		}
		want.Close()
	}
}

// An event has every component that quality assesses, in the same order, with its value.
func TestEventsHaveEveryComponent(t *testing.T) {
	assessment := quality.NewAssessor().Unassessed()
	var names []string
	for i := range assessment.Components {
		names = append(names, assessment.Components[i].Name)
		assessment.Components[i].Value = float64(i + 1)
	}
	if !slices.Equal(names, event.ComponentNames()) {
		t.Errorf("quality assesses the components %q, events have %q", names, event.ComponentNames())
	}
	components := Components(assessment)
	for i, name := range names {
		if components[name] != float64(i+1) {
			t.Errorf("an event has %g for %s, expected %d", components[name], name, i+1)
		}
	}
}
