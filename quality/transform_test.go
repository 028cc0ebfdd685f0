package quality

import (
	"errors"
	"math"
	"math/rand/v2"
	"testing"
)

// move rotates (clockwise in the image), scales and then shifts landmarks.
func move(landmarks Landmarks, degrees, scale, x, y float64) Landmarks {
	sin, cos := math.Sincos(degrees * math.Pi / 180)
	var out Landmarks
	for i, p := range landmarks {
		px, py := scale*float64(p[0]), scale*float64(p[1])
		out[i] = [2]float32{float32(cos*px - sin*py + x), float32(sin*px + cos*py + y)}
	}
	return out
}

func TestTransformUndoesSimilarity(t *testing.T) {
	for _, c := range []struct{ degrees, scale, x, y float64 }{
		{0, 1, 0, 0},
		{0, 4.5, 700, 300},
		{30, 0.3, 12, 900},
		{-90, 1.7, 200, 200},
		{179, 9, 1900, 1000},
	} {
		landmarks := place(c.degrees, c.scale, c.x, c.y)
		transform, err := EstimateTransform(landmarks)
		if err != nil {
			t.Fatalf("%+v: %v", c, err)
		}
		if got := transform.Residual(landmarks); got > 1e-3 {
			t.Errorf("%+v: residual %g", c, got)
		}
		if got := transform.Scale() * c.scale; math.Abs(got-1) > 1e-5 {
			t.Errorf("%+v: scale %g times too large", c, got)
		}
		for i, p := range Template() {
			x, y := transform.Apply(float64(landmarks[i][0]), float64(landmarks[i][1]))
			if math.Hypot(x-float64(p[0]), y-float64(p[1])) > 1e-3 {
				t.Errorf("%+v: landmark %d comes to (%g, %g), not %v", c, i, x, y, p)
			}
		}
	}
}

func TestTransformIsLeastSquares(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for range 200 {
		landmarks := noisy(place(random.Float64()*360, 0.2+5*random.Float64(), 100, 100), 5, random)
		best, err := EstimateTransform(landmarks)
		if err != nil {
			t.Fatal(err)
		}
		residual := best.Residual(landmarks)
		for range 20 {
			turn, grow := 1+0.1*(random.Float64()-0.5), 0.1*(random.Float64()-0.5)
			other := Transform{
				best[0]*turn - best[3]*grow, best[1]*turn - best[4]*grow, best[2] + random.NormFloat64(),
				best[3]*turn + best[0]*grow, best[4]*turn + best[1]*grow, best[5] + random.NormFloat64(),
			}
			if got := other.Residual(landmarks); got < residual {
				t.Fatalf("landmarks %v: %v leaves %g, the estimate %v leaves %g", landmarks, other, got, best, residual)
			}
		}
	}
}

func noisy(landmarks Landmarks, pixels float64, random *rand.Rand) Landmarks {
	for i := range landmarks {
		landmarks[i][0] += float32(pixels * random.NormFloat64())
		landmarks[i][1] += float32(pixels * random.NormFloat64())
	}
	return landmarks
}

func TestTransformInverse(t *testing.T) {
	transform, err := EstimateTransform(place(33, 2.5, 40, -7))
	if err != nil {
		t.Fatal(err)
	}
	x, y := transform.Inverse().Apply(transform.Apply(123, 45))
	if math.Hypot(x-123, y-45) > 1e-9 {
		t.Errorf("there and back: (%g, %g)", x, y)
	}
}

// Landmarks in the wrong order, or of a mirrored image, have a large residual, because a transform never mirrors.
func TestResidualShowsWrongLandmarks(t *testing.T) {
	p := place(10, 3, 500, 300)
	limit := Default().Gates.MaxResidual
	mirrored := p
	for i := range mirrored {
		mirrored[i][0] = -mirrored[i][0]
	}
	for name, wrong := range map[string]Landmarks{
		"mirrored":                 mirrored,
		"eyes exchanged":           {p[1], p[0], p[2], p[3], p[4]},
		"left and right exchanged": {p[1], p[0], p[2], p[4], p[3]},
		"mouth exchanged":          {p[0], p[1], p[2], p[4], p[3]},
		"eyes and mouth exchanged": {p[3], p[4], p[2], p[0], p[1]},
		"nose and eye exchanged":   {p[2], p[1], p[0], p[3], p[4]},
	} {
		transform, err := EstimateTransform(wrong)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if got := transform.Residual(wrong); got <= limit {
			t.Errorf("%s: residual %.1f, the gate lets pass %g", name, got, limit)
		}
		if determinant := transform[0]*transform[4] - transform[1]*transform[3]; determinant <= 0 {
			t.Errorf("%s: the transform mirrors", name)
		}
	}
}

func TestTransformRefusesImpossibleLandmarks(t *testing.T) {
	nan, inf := float32(math.NaN()), float32(math.Inf(1))
	for name, landmarks := range map[string]Landmarks{
		"one spot":       {{50, 50}, {50, 50}, {50, 50}, {50, 50}, {50, 50}},
		"nearly there":   {{50, 50}, {50.5, 50}, {50.2, 50.2}, {50, 50.6}, {50.5, 50.6}},
		"not a number":   {{nan, 50}, {60, 50}, {55, 60}, {50, 70}, {60, 70}},
		"infinite":       {{inf, 50}, {60, 50}, {55, 60}, {50, 70}, {60, 70}},
		"all infinities": {{inf, inf}, {inf, inf}, {inf, inf}, {inf, inf}, {inf, inf}},
	} {
		if transform, err := EstimateTransform(landmarks); !errors.Is(err, ErrLandmarks) {
			t.Errorf("%s: %v, error %v", name, transform, err)
		}
	}
}
