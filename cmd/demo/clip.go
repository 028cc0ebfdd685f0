package main

import (
	"context"
	"fmt"
	"image"
	"image/color"
	"io"
	"math"
	"os"
	"time"

	"github.com/mattn/go-isatty"
	"github.com/schollz/progressbar/v3"
	"gocv.io/x/gocv"
)

// The clip: ten seconds of 1280x720 at 15 frames a second.
const (
	clipWidth  = 1280
	clipHeight = 720
	clipFPS    = 15
	clipFrames = 10 * clipFPS
	// The person in the image: centre and half axes of an ellipse around head and shoulders, pixels.
	personX, personY, personA, personB = 355, 290, 150, 250
)

// renderClip writes an AVI in which the person of a picture walks up to the camera: first small and noisy, then blurred
// by motion, then dark, then large and sharp.
func renderClip(ctx context.Context, picture, path string, progress io.Writer) error {
	person := gocv.IMRead(picture, gocv.IMReadColor)
	defer person.Close()
	if person.Empty() {
		return fmt.Errorf("read image %q: not an image that OpenCV can read", picture)
	}
	stage := newStage(person)
	defer stage.close()
	writer, err := gocv.VideoWriterFile(path, "MJPG", clipFPS, clipWidth, clipHeight, true)
	if err != nil {
		return fmt.Errorf("open %s for writing: %w", path, err)
	}
	defer writer.Close() //nolint:errcheck // OpenCV's writer reports nothing on close
	if file, ok := progress.(*os.File); !ok || !isatty.IsTerminal(file.Fd()) {
		fmt.Fprintln(progress, "rendering", path)
		progress = io.Discard
	}
	bar := progressbar.NewOptions(clipFrames, progressbar.OptionSetWriter(progress),
		progressbar.OptionSetDescription("rendering "+path), progressbar.OptionThrottle(100*time.Millisecond),
		progressbar.OptionOnCompletion(func() { fmt.Fprintln(progress) }))
	for i := range clipFrames {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := writer.Write(stage.frame(i)); err != nil {
			return fmt.Errorf("write %s: %w", path, err)
		}
		_ = bar.Add(1)
	}
	return nil
}

// stage holds the parts of every frame.
type stage struct {
	person, mask, background gocv.Mat // 8-bit BGR; mask: 8-bit, 255 where the person is
	canvas, noise            gocv.Mat
}

func newStage(person gocv.Mat) *stage {
	s := &stage{person: person, canvas: gocv.NewMat(), noise: gocv.NewMatWithSize(clipHeight, clipWidth, gocv.MatTypeCV16SC3)}
	s.background = gocv.NewMat()
	room := person.Region(backgroundRegion())
	defer room.Close()
	must(gocv.Resize(room, &s.background, image.Pt(clipWidth, clipHeight), 0, 0, gocv.InterpolationCubic))
	must(gocv.GaussianBlur(s.background, &s.background, image.Pt(0, 0), 60, 60, gocv.BorderDefault))
	s.mask = gocv.Zeros(person.Rows(), person.Cols(), gocv.MatTypeCV8U)
	must(gocv.Ellipse(&s.mask, image.Pt(personX, personY), image.Pt(personA, personB), 0, 0, 360, color.RGBA{255, 255, 255, 0}, -1))
	must(gocv.GaussianBlur(s.mask, &s.mask, image.Pt(0, 0), 12, 12, gocv.BorderDefault))
	return s
}

// backgroundRegion returns a part of the picture without the person.
func backgroundRegion() image.Rectangle { return image.Rect(0, 0, personX-personA, personY) }

func (s *stage) close() {
	for _, mat := range []*gocv.Mat{&s.mask, &s.background, &s.canvas, &s.noise} {
		mat.Close()
	}
}

// frame renders frame i. The stage owns the Mat, which is valid until the next call.
func (s *stage) frame(i int) gocv.Mat {
	t := float64(i) / clipFrames
	must(s.background.CopyTo(&s.canvas))
	if t > 0.08 && t < 0.95 { // the room is empty before and after
		walk := (t - 0.08) / 0.87
		s.paste(0.12*math.Pow(14, walk), clipWidth/2+180*math.Sin(walk*9))
	}
	if t > 0.35 && t < 0.5 {
		blurMotion(&s.canvas, 23)
	}
	light, grain := 1.0, 4.0
	if t > 0.55 && t < 0.7 {
		light, grain = 0.18, 9
	}
	must(s.canvas.ConvertToWithParams(&s.canvas, gocv.MatTypeCV8UC3, float32(light), 0))
	s.addNoise(grain)
	return s.canvas
}

// paste draws the scaled person, centred at column x. The head stays at about the same height.
func (s *stage) paste(scale, x float64) {
	shift := gocv.NewMatWithSize(2, 3, gocv.MatTypeCV64F)
	defer shift.Close()
	shift.SetDoubleAt(0, 0, scale)
	shift.SetDoubleAt(1, 1, scale)
	shift.SetDoubleAt(0, 2, x-scale*personX)
	shift.SetDoubleAt(1, 2, clipHeight*0.45-scale*(personY-60))
	person, mask := gocv.NewMat(), gocv.NewMat()
	defer person.Close()
	defer mask.Close()
	size := image.Pt(clipWidth, clipHeight)
	must(gocv.WarpAffine(s.person, &person, shift, size))
	must(gocv.WarpAffine(s.mask, &mask, shift, size))
	s.blend(person, mask)
}

// blend draws person over the canvas with the opacity of mask, 0..255.
func (s *stage) blend(person, mask gocv.Mat) {
	canvas, over, alpha := pixels(s.canvas), pixels(person), pixels(mask)
	for i, a := range alpha {
		if a == 0 {
			continue
		}
		for c := 3 * i; c < 3*i+3; c++ {
			canvas[c] = uint8((int(over[c])*int(a) + int(canvas[c])*(255-int(a))) / 255) //nolint:gosec // 0..255
		}
	}
}

// pixels returns the bytes of an 8-bit Mat.
func pixels(mat gocv.Mat) []uint8 {
	data, err := mat.DataPtrUint8()
	must(err)
	return data
}

// must panics on an error of OpenCV, which cannot occur: sizes and types of all pictures here are fixed.
func must(err error) {
	if err != nil {
		panic(err)
	}
}

// blurMotion blurs mat along its rows, as a person who moves sideways is blurred.
func blurMotion(mat *gocv.Mat, length int) {
	must(gocv.Blur(*mat, mat, image.Pt(length, 1)))
}

// addNoise adds Gaussian noise of standard deviation sigma; OpenCV's generator starts from the same seed in every run.
func (s *stage) addNoise(sigma float64) {
	gocv.RandN(&s.noise, gocv.NewScalar(0, 0, 0, 0), gocv.NewScalar(sigma, sigma, sigma, 0))
	wide := gocv.NewMat()
	defer wide.Close()
	must(s.canvas.ConvertTo(&wide, gocv.MatTypeCV16SC3))
	must(gocv.Add(wide, s.noise, &wide))
	must(wide.ConvertTo(&s.canvas, gocv.MatTypeCV8UC3))
}
