package quality

import (
	"errors"
	"fmt"
	"math"
	"testing"

	"gocv.io/x/gocv"
)

// spots draws a bright round spot at every landmark of a black frame, wide as sigma pixels, centred between pixels
// exactly.
func spots(t *testing.T, width, height int, landmarks Landmarks, sigma float64) gocv.Mat {
	t.Helper()
	frame := gocv.NewMatWithSize(height, width, gocv.MatTypeCV8UC3)
	closeLater(t, &frame)
	pixels, err := frame.DataPtrUint8()
	if err != nil {
		t.Fatal(err)
	}
	clear(pixels)
	for _, p := range landmarks {
		reach := int(4*sigma) + 1
		for y := max(0, int(p[1])-reach); y < min(height, int(p[1])+reach); y++ {
			for x := max(0, int(p[0])-reach); x < min(width, int(p[0])+reach); x++ {
				dx, dy := float64(x)-float64(p[0]), float64(y)-float64(p[1])
				value := uint8(250 * math.Exp(-(dx*dx+dy*dy)/(2*sigma*sigma)))
				for c := range 3 {
					pixels[(y*width+x)*3+c] = max(pixels[(y*width+x)*3+c], value)
				}
			}
		}
	}
	return frame
}

// centreOfLight returns the centre of brightness within reach pixels of (x, y).
func centreOfLight(t *testing.T, image gocv.Mat, x, y float64, reach int) (float64, float64) {
	t.Helper()
	var sum, sumX, sumY float64
	for row := int(y) - reach; row <= int(y)+reach+1; row++ {
		for column := int(x) - reach; column <= int(x)+reach+1; column++ {
			value := float64(image.GetVecbAt(row, column)[0])
			sum, sumX, sumY = sum+value, sumX+value*float64(column), sumY+value*float64(row)
		}
	}
	return sumX / sum, sumY / sum
}

func TestAlignBringsLandmarksToTemplate(t *testing.T) {
	for _, c := range []struct{ degrees, scale, x, y float64 }{
		{0, 1, 100, 100},
		{0, 1.4, 200.3, 100.7},  // one sample a pixel
		{0, 2, 200.3, 100.7},    // two a side
		{25, 3.7, 700, 200},     // two
		{-40, 5.25, 300, 500.5}, // three
		{90, 2.6, 900, 100},
		{180, 0.6, 300, 300}, // enlarged
		{-15, 8, -100, 150},  // partly outside
	} {
		t.Run(fmt.Sprintf("%+v", c), func(t *testing.T) {
			landmarks := place(c.degrees, c.scale, c.x, c.y)
			frame := spots(t, 1283, 1021, landmarks, math.Max(0.8, 1.5*c.scale))
			aligned := align(t, frame, landmarks)
			if aligned.Rows() != Size || aligned.Cols() != Size || aligned.Type() != gocv.MatTypeCV8UC3 {
				t.Fatalf("aligned face of %dx%d, type %v", aligned.Cols(), aligned.Rows(), aligned.Type())
			}
			for i, p := range Template() {
				if lx, ly := landmarks[i][0], landmarks[i][1]; lx < 0 || ly < 0 || lx >= 1283 || ly >= 1021 {
					continue
				}
				x, y := centreOfLight(t, aligned, float64(p[0]), float64(p[1]), 6)
				if off := math.Hypot(x-float64(p[0]), y-float64(p[1])); !(off < 0.1) {
					t.Errorf("landmark %d comes to (%.3f, %.3f), %.3f pixels from %v", i, x, y, off, p)
				}
			}
		})
	}
}

// A pattern finer than the template can show becomes grey, not a coarser pattern.
func TestAlignDoesNotAlias(t *testing.T) {
	const width, height = 800, 800
	frame := gocv.NewMatWithSize(height, width, gocv.MatTypeCV8UC3)
	closeLater(t, &frame)
	pixels, err := frame.DataPtrUint8()
	if err != nil {
		t.Fatal(err)
	}
	for i := range pixels {
		x, y := i/3%width, i/3/width
		pixels[i] = uint8(255 * ((x + y) % 2))
	}
	for _, scale := range []float64{1.95, 2, 2.8, 5} {
		aligned := align(t, frame, place(7, scale, 400-56*scale, 400-70*scale))
		mean, deviation := newMat(t), newMat(t)
		gocv.MeanStdDev(aligned, &mean, &deviation)
		if m, d := mean.GetDoubleAt(0, 0), deviation.GetDoubleAt(0, 0); math.Abs(m-127.5) > 2 || d > 16 {
			t.Errorf("face %g times the template: mean %.1f, deviation %.1f; grey is 127.5 and 0", scale, m, d)
		}
	}
}

func TestAlignIsBlackOutsideTheFrame(t *testing.T) {
	for _, scale := range []float64{1, 3} {
		frame := gocv.NewMatWithSizeFromScalar(gocv.NewScalar(200, 200, 200, 0), 300, 300, gocv.MatTypeCV8UC3)
		closeLater(t, &frame)
		aligned := align(t, frame, place(0, scale, -56*scale, 0)) // the left half is outside
		if got := aligned.GetVecbAt(56, 20); got[0] != 0 || got[1] != 0 || got[2] != 0 {
			t.Errorf("scale %g: %v outside the frame, not black", scale, got)
		}
		if got := aligned.GetVecbAt(56, 90); got[0] != 200 {
			t.Errorf("scale %g: %v inside the frame, not 200", scale, got)
		}
	}
}

func TestAlignIsDeterministic(t *testing.T) {
	frame := portrait(t)
	first, second := align(t, frame, portraitLandmarks), align(t, frame, portraitLandmarks)
	if string(first.ToBytes()) != string(second.ToBytes()) {
		t.Error("the same face twice gives two images")
	}
}

func TestAlignErrors(t *testing.T) {
	aligner := NewAligner()
	frame := gocv.NewMatWithSize(100, 100, gocv.MatTypeCV8UC3)
	closeLater(t, &frame)
	grey := gocv.NewMatWithSize(100, 100, gocv.MatTypeCV8U)
	closeLater(t, &grey)
	empty, dst := newMat(t), newMat(t)

	for _, scale := range []float64{1, 3} {
		if _, err := aligner.Align(frame, place(0, scale, 5000, 0), &dst); !errors.Is(err, ErrOutside) {
			t.Errorf("scale %g, face far outside: %v", scale, err)
		}
		if _, err := aligner.Align(frame, place(0, scale, 0, -5000), &dst); !errors.Is(err, ErrOutside) {
			t.Errorf("scale %g, face far above: %v", scale, err)
		}
	}
	if _, err := aligner.Align(frame, Landmarks{}, &dst); !errors.Is(err, ErrLandmarks) {
		t.Errorf("landmarks in one spot: %v", err)
	}
	for name, bad := range map[string]gocv.Mat{"grey": grey, "empty": empty} {
		if _, err := aligner.Align(bad, Template(), &dst); err == nil {
			t.Errorf("%s frame is accepted", name)
		}
	}
	for range 2 {
		if err := aligner.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	}
	if _, err := aligner.Align(frame, Template(), &dst); err == nil {
		t.Error("a closed aligner aligns")
	}
}
