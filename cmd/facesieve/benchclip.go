package main

import (
	"context"
	"errors"
	"fmt"
	"image"
	"image/color"
	"math"

	"gocv.io/x/gocv"
)

// The generated clip: twelve seconds in which a drawn face crosses the image twice, and then an empty, still room for
// three. OpenCV writes it as MJPEG, the only codec that it always has.
const (
	clipWidth  = 1280
	clipHeight = 720
	clipFPS    = 15
	clipFrames = 15 * clipFPS
	faceFrames = 12 * clipFPS
	faceSide   = 260 // of the drawn picture, pixels; the head is about half as wide
)

// writeClip writes the generated clip to path, an AVI file.
func writeClip(ctx context.Context, path string) error {
	writer, err := gocv.VideoWriterFile(path, "MJPG", clipFPS, clipWidth, clipHeight, true)
	if err != nil {
		return fmt.Errorf("open %s for writing: %w", path, err)
	}
	defer writer.Close() //nolint:errcheck // OpenCV's writer reports nothing on close
	face := gocv.NewMatWithSizeFromScalar(gocv.NewScalar(125, 125, 120, 0), faceSide, faceSide, gocv.MatTypeCV8UC3)
	defer face.Close()
	if err := drawFace(&face); err != nil {
		return fmt.Errorf("draw a face: %w", err)
	}
	frame := gocv.NewMatWithSize(clipHeight, clipWidth, gocv.MatTypeCV8UC3)
	defer frame.Close()
	for i := range clipFrames {
		if ctx.Err() != nil {
			return errors.New("interrupted while the clip was generated")
		}
		frame.SetTo(gocv.NewScalar(125, 125, 120, 0))
		if i < faceFrames {
			place := frame.Region(facePlace(i))
			err := face.CopyTo(&place)
			place.Close()
			if err != nil {
				return fmt.Errorf("draw a frame: %w", err)
			}
		}
		if err := writer.Write(frame); err != nil {
			return fmt.Errorf("write %s: %w", path, err)
		}
	}
	return nil
}

// facePlace returns where the face is in frame i: it sways from side to side.
func facePlace(i int) image.Rectangle {
	phase := 4 * math.Pi * float64(i) / faceFrames
	x := int((1 + math.Sin(phase)) / 2 * (clipWidth - faceSide))
	y := int((1 + math.Cos(3*phase)) / 2 * (clipHeight - faceSide))
	return image.Rect(x, y, x+faceSide, y+faceSide)
}

// shape is an ellipse of the drawn face. Lengths are in units of a 300th of the side of the picture, from its centre.
type shape struct {
	x, y, a, b float64 // centre and half axes
	colour     color.RGBA
}

// drawFace draws a face that the detector finds and the gates accept.
func drawFace(picture *gocv.Mat) error {
	unit := float64(picture.Cols()) / 400
	for _, s := range faceShapes() {
		centre := image.Pt(picture.Cols()/2+int(s.x*unit), picture.Rows()/2+int(s.y*unit))
		axes := image.Pt(max(1, int(s.a*unit)), max(1, int(s.b*unit)))
		if err := gocv.Ellipse(picture, centre, axes, 0, 0, 360, s.colour, -1); err != nil {
			return err
		}
	}
	return gocv.GaussianBlur(*picture, picture, image.Pt(0, 0), 2*unit, 2*unit, gocv.BorderDefault)
}

// faceShapes returns the ellipses of the face, from back to front.
func faceShapes() []shape {
	rgb := func(r, g, b uint8) color.RGBA { return color.RGBA{r, g, b, 0} }
	skin, shade, light, dark := rgb(215, 170, 140), rgb(190, 145, 118), rgb(228, 190, 160), rgb(45, 35, 30)
	all := []shape{
		{0, 190, 170, 90, rgb(50, 60, 90)}, // clothes
		{0, -25, 105, 130, dark},           // hair
		{0, 130, 45, 60, shade},            // neck
		{0, 10, 88, 118, skin},             // head
	}
	for _, side := range []float64{-1, 1} {
		all = append(all,
			shape{side * 36, -12, 24, 16, shade},             // eye socket
			shape{side * 36, -14, 17, 8, rgb(235, 235, 235)}, // white of the eye
			shape{side * 36, -14, 7, 7, dark},                // iris
			shape{side * 37, -38, 24, 5, dark},               // brow
			shape{side * 50, 40, 22, 26, rgb(212, 160, 130)}, // cheek
		)
	}
	all = append(all, shape{0, 20, 9, 30, light}, shape{0, 45, 16, 8, shade}) // nose
	for _, side := range []float64{-1, 1} {
		all = append(all, shape{side * 11, 46, 5, 3, rgb(140, 100, 80)}) // nostril
	}
	return append(all, shape{0, 78, 33, 10, rgb(185, 100, 95)}, shape{0, 77, 31, 2, rgb(100, 50, 50)}) // mouth
}
