package quality

import (
	"image"
	"math"
	"reflect"
	"testing"

	"gocv.io/x/gocv"
)

// assess measures the components of the image alone.
func assess(t testing.TB, aligned gocv.Mat) Assessment {
	t.Helper()
	assessor := NewAssessor()
	result := assessor.Unassessed()
	if err := assessor.Pixels(aligned, &result); err != nil {
		t.Fatal(err)
	}
	return result
}

// value returns the value of a component, 0..100.
func value(a Assessment, component string) float64 { return a.Component(component).Value }

// decreasing fails unless each value is lower than the one before by at least step.
func decreasing(t *testing.T, what string, step float64, values []float64) {
	t.Helper()
	for i := 1; i < len(values); i++ {
		if values[i] > values[i-1]-step {
			t.Errorf("%s does not fall: %.3f", what, values)
			return
		}
	}
}

func TestPortraitIsGood(t *testing.T) {
	frame := portrait(t)
	assessor, aligned := NewAssessor(), align(t, frame, portraitLandmarks)
	result, err := assessor.Geometry(portraitLandmarks)
	if err != nil {
		t.Fatal(err)
	}
	if err := assessor.Pixels(aligned, &result); err != nil {
		t.Fatal(err)
	}
	t.Logf("%+v", result)
	for _, c := range result.Components {
		if c.Value < 85 || c.Value > 100 {
			t.Errorf("%s of a good portrait: %.1f", c.Name, c.Value)
		}
	}
	if reason := Default().Gates.Check(image.Pt(640, 480), [4]float32{272, 147, 167, 243}, result); reason != "" {
		t.Errorf("a good portrait is rejected: %s", reason)
	}
}

func TestSharpnessFallsWithBlur(t *testing.T) {
	aligned, blurred := alignedPortrait(t), newMat(t)
	values := []float64{value(assess(t, aligned), Sharpness)}
	for _, sigma := range []float64{0.7, 1, 1.5, 2, 3, 4} {
		gocv.GaussianBlur(aligned, &blurred, image.Point{}, sigma, sigma, gocv.BorderReplicate)
		values = append(values, value(assess(t, blurred), Sharpness))
	}
	decreasing(t, "sharpness with Gaussian blur", 1e-3, values)
	if values[0] < 85 || values[5] > 20 {
		t.Errorf("sharpness with blur of 0, .7, 1, 1.5, 2, 3, 4: %.1f", values)
	}
}

func TestSharpnessFallsWithMotionInAnyDirection(t *testing.T) {
	aligned, blurred := alignedPortrait(t), newMat(t)
	for name, size := range map[string]func(n int) image.Point{
		"horizontal": func(n int) image.Point { return image.Pt(n, 1) },
		"vertical":   func(n int) image.Point { return image.Pt(1, n) },
	} {
		values := []float64{value(assess(t, aligned), Sharpness)}
		for _, n := range []int{5, 9, 15} {
			gocv.Blur(aligned, &blurred, size(n))
			values = append(values, value(assess(t, blurred), Sharpness))
		}
		decreasing(t, "sharpness with "+name+" motion", 1, values)
		if last := values[len(values)-1]; last > 50 {
			t.Errorf("%s motion of 15 pixels: sharpness %.1f", name, last)
		}
	}
}

// The fewer pixels the frame has of a face, the less detail the aligned face has, however much it is enlarged.
func TestSharpnessFallsWithDistance(t *testing.T) {
	frame, small := portrait(t), newMat(t)
	var values []float64
	for _, scale := range []float64{1, 0.4, 0.25, 0.15, 0.08} {
		gocv.Resize(frame, &small, image.Point{}, scale, scale, gocv.InterpolationArea)
		values = append(values, value(assess(t, align(t, small, move(portraitLandmarks, 0, scale, 0, 0))), Sharpness))
	}
	decreasing(t, "sharpness with distance", 0.5, values[1:])
	if values[0] < 85 || values[4] > 25 {
		t.Errorf("sharpness at 80, 32, 20, 12 and 6 pixels between the eyes: %.1f", values)
	}
}

func TestSharpnessIgnoresContrast(t *testing.T) {
	aligned, faint := alignedPortrait(t), newMat(t)
	aligned.ConvertToWithParams(&faint, gocv.MatTypeCV8UC3, 0.4, 60)
	sharp, pale := assess(t, aligned).Component(Sharpness).Native, assess(t, faint).Component(Sharpness).Native
	if math.Abs(sharp-pale) > 0.06 {
		t.Errorf("sharpness %.3f, with 40 %% of the contrast %.3f", sharp, pale)
	}
}

func TestFlatImageIsNotSharp(t *testing.T) {
	for _, level := range []float64{0, 128, 255} {
		flat := gocv.NewMatWithSizeFromScalar(gocv.NewScalar(level, level, level, 0), Size, Size, gocv.MatTypeCV8UC3)
		closeLater(t, &flat)
		if got := assess(t, flat).Component(Sharpness); got.Native != 0 || got.Value > 1 {
			t.Errorf("level %g: %+v", level, got)
		}
	}
}

func TestExposureFalls(t *testing.T) {
	aligned, changed := alignedPortrait(t), newMat(t)
	var under, over []float64
	for _, factor := range []float32{1, 0.3, 0.2, 0.12, 0.05} {
		aligned.ConvertToWithParams(&changed, gocv.MatTypeCV8UC3, factor, 0)
		under = append(under, value(assess(t, changed), "UnderExposurePrevention"))
	}
	for _, factor := range []float32{1, 1.5, 1.8, 2.5, 4} {
		aligned.ConvertToWithParams(&changed, gocv.MatTypeCV8UC3, factor, 0)
		over = append(over, value(assess(t, changed), "OverExposurePrevention"))
	}
	t.Logf("darker: %.1f; brighter: %.1f", under, over)
	decreasing(t, "UnderExposurePrevention in growing darkness", 0, under)
	decreasing(t, "OverExposurePrevention in growing light", 0, over)
	if under[0] < 90 || under[4] > 5 || over[0] < 90 || over[4] > 5 {
		t.Errorf("darker: %.1f; brighter: %.1f", under, over)
	}
}

// Black and white pixels in known numbers; hair, background and corners do not count.
func TestExposureSharesOfTheFace(t *testing.T) {
	spans := faceSpans()
	var l luma
	for i := range l {
		l[i] = 128
	}
	area := 0
	for y, s := range spans {
		area += s.to - s.from
		for x := range Size {
			if x < s.from || x >= s.to {
				l[y*Size+x] = 0 // around the face
			} else if y < faceCentreY {
				l[y*Size+x] = blackest
			} else if y > faceCentreY {
				l[y*Size+x] = whitest
			}
		}
	}
	p := pixels{levels: l.histogram(&spans)}
	middle := float64(2*faceRadiusX+1) / float64(area)
	for name, got := range map[string]float64{
		"black": underExposurePrevention().fromPixels(&p), "white": overExposurePrevention().fromPixels(&p),
	} {
		if math.Abs(got-(1-middle)/2) > 1e-9 {
			t.Errorf("%s: %g of the face, expected %g", name, got, (1-middle)/2)
		}
	}
	if want := math.Pi * faceRadiusX * faceRadiusY; math.Abs(float64(area)-want) > 0.03*want {
		t.Errorf("the face has %d pixels, its ellipse %.0f", area, want)
	}
}

func TestLumaIsThatOfOpenCV(t *testing.T) {
	aligned, grey := alignedPortrait(t), newMat(t)
	gocv.CvtColor(aligned, &grey, gocv.ColorBGRToGray)
	var p pixels
	if err := p.fill(aligned); err != nil {
		t.Fatal(err)
	}
	for i, want := range grey.ToBytes() {
		x, y := i%Size, i/Size
		measured := x >= measuredLeft && x <= measuredRight && y >= measuredTop && y <= measuredBottom
		if measured && math.Abs(float64(p.luma[i])-float64(want)) > 1 {
			t.Fatalf("pixel %d: %d, OpenCV has %d", i, p.luma[i], want)
		}
	}
}

func TestInterEyeDistance(t *testing.T) {
	assessor := NewAssessor()
	var values []float64
	for _, pixels := range []float64{200, 90, 60, 35, 20, 10} {
		landmarks := ownHead().project(0, 0, 0, 0)
		result, err := assessor.Geometry(move(landmarks, 40, pixels/100, 0, 0))
		if err != nil {
			t.Fatal(err)
		}
		got := result.Component(InterEyeDistance)
		if math.Abs(got.Native-pixels) > 0.01*pixels {
			t.Errorf("%g pixels between the eyes measured as %.2f", pixels, got.Native)
		}
		values = append(values, got.Value)
	}
	if values[0] != 100 || values[1] != 100 || values[5] > 10 {
		t.Errorf("200, 90, 60, 35, 20, 10 pixels: %.1f", values)
	}
	decreasing(t, "InterEyeDistance", 1, values[1:])
}

// A turned head has its eyes nearer to each other in the image, but the same resolution.
func TestInterEyeDistanceIsCorrectedForYaw(t *testing.T) {
	result, err := NewAssessor().Geometry(ownHead().project(50, 0, 0, 0))
	if err != nil {
		t.Fatal(err)
	}
	if got := result.Component(InterEyeDistance).Native; math.Abs(got-100) > 2 {
		t.Errorf("100 pixels between the eyes, seen at 50 degrees: %.1f", got)
	}
}

func TestGeometryOfTurnedHead(t *testing.T) {
	result, err := NewAssessor().Geometry(ownHead().project(30, -20, 45, 0))
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]float64{HeadPoseYaw: 75, HeadPosePitch: 88.3, HeadPoseRoll: 50} {
		if got := value(result, name); math.Abs(got-want) > 0.5 {
			t.Errorf("%s: %.1f, 100 cos² is %.1f", name, got, want)
		}
	}
	for _, name := range []string{Sharpness, "UnderExposurePrevention", "OverExposurePrevention"} {
		if got := result.Component(name); got.Assessed() {
			t.Errorf("a component of the image is assessed without an image: %+v", got)
		}
	}
}

func TestAssessErrors(t *testing.T) {
	assessor := NewAssessor()
	aligned, small := alignedPortrait(t), newMat(t)
	gocv.Resize(aligned, &small, image.Pt(96, 96), 0, 0, gocv.InterpolationLinear)
	result := assessor.Unassessed()
	if err := assessor.Pixels(small, &result); err == nil || !reflect.DeepEqual(result, assessor.Unassessed()) {
		t.Errorf("96x96 pixels: error %v, assessment %+v", err, result)
	}
	frame := portrait(t)
	part := frame.Region(image.Rect(0, 0, Size, Size))
	closeLater(t, &part)
	if err := assessor.Pixels(part, &result); err == nil {
		t.Error("an image with gaps between its rows is accepted")
	}
	if result, err := assessor.Geometry(Landmarks{}); err == nil || !reflect.DeepEqual(result, assessor.Unassessed()) {
		t.Errorf("landmarks in one spot: error %v, assessment %+v", err, result)
	}
}

func TestMappings(t *testing.T) {
	for _, c := range Components() {
		m, ok := c.mapping.(logistic)
		if !ok {
			continue // cosineSquared, see TestGeometryOfTurnedHead
		}
		if m.value(m.best) != 100 {
			t.Errorf("%s: %g at its best", c.Name, m.value(m.best))
		}
		if got := m.value(m.centre); got < 49.9 || got > 55 {
			t.Errorf("%s: %g at its centre", c.Name, got)
		}
		if better := m.value(m.best + m.width); better != 100 {
			t.Errorf("%s: %g beyond its best", c.Name, better)
		}
		if worst := m.value(m.centre - 10*m.width); worst > 0.1 {
			t.Errorf("%s: %g at its worst", c.Name, worst)
		}
	}
}

// Every entry is complete, measured from landmarks or from pixels, and has a name of its own.
func TestComponents(t *testing.T) {
	names := map[string]bool{}
	for _, c := range Components() {
		if c.Name == "" || c.Unit == "" || c.Doc == "" || c.mapping == nil || names[c.Name] {
			t.Errorf("entry %+v", c)
		}
		if (c.fromLandmarks == nil) == (c.fromPixels == nil) {
			t.Errorf("%s: exactly one measure is expected", c.Name)
		}
		names[c.Name] = true
	}
}
