package detect

import (
	"image"
	"image/color"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"gocv.io/x/gocv"
)

// room draws a room with a floor, a door and furniture of many sizes; each seed gives a different room.
func room(t testing.TB, size image.Point, seed uint64) gocv.Mat {
	t.Helper()
	random := rand.New(rand.NewPCG(seed, 7))
	mat := newFrame(t, size, color.RGBA{R: 150, G: 155, B: 160})
	box := func(x, y, w, h float64, shade uint8) {
		at := func(v float64, side int) int { return int(v * float64(side)) }
		r := image.Rect(at(x, size.X), at(y, size.Y), at(x+w, size.X), at(y+h, size.Y))
		gocv.Rectangle(&mat, r, color.RGBA{R: shade, G: shade - shade/8, B: shade - shade/5}, -1)
	}
	box(0, 0.55+0.15*random.Float64(), 1, 1, uint8(70+random.IntN(50)))
	box(0.8*random.Float64(), 0.2, 0.12, 0.5, uint8(30+random.IntN(60)))
	for range 60 {
		w, h := 0.02+0.12*random.Float64(), 0.03+0.15*random.Float64()
		box(random.Float64()-w/2, random.Float64()-h/2, w, h, uint8(random.IntN(256)))
	}
	return mat
}

func newFrame(t testing.TB, size image.Point, shade color.RGBA) gocv.Mat {
	t.Helper()
	mat := gocv.NewMatWithSizeFromScalar(
		gocv.NewScalar(float64(shade.B), float64(shade.G), float64(shade.R), 0), size.Y, size.X, gocv.MatTypeCV8UC3)
	t.Cleanup(func() { _ = mat.Close() })
	return mat
}

// changed returns a copy of a frame with each byte changed; at is the position of its pixel, 0 to 1, and channel 0 to
// 2.
func changed(t testing.TB, frame gocv.Mat, change func(v float64, at [2]float64, channel int) float64) gocv.Mat {
	t.Helper()
	copied := frame.Clone()
	t.Cleanup(func() { _ = copied.Close() })
	pixels, err := copied.DataPtrUint8()
	if err != nil {
		t.Fatal(err)
	}
	for i, v := range pixels {
		at := [2]float64{float64(i/3%frame.Cols()) / float64(frame.Cols()), float64(i/3/frame.Cols()) / float64(frame.Rows())}
		pixels[i] = uint8(max(0, min(255, change(float64(v), at, i%3))))
	}
	return copied
}

// gained returns a copy with other brightness and contrast.
func gained(t testing.TB, frame gocv.Mat, gain, offset float64) gocv.Mat {
	return changed(t, frame, func(v float64, _ [2]float64, _ int) float64 { return gain*v + offset })
}

// grain returns normal noise with a deviation of 1. Each frame starts at a random position in it.
func grain(random *rand.Rand) []float64 {
	table := make([]float64, 1<<14)
	for i := range table {
		table[i] = random.NormFloat64()
	}
	return table
}

// noisy returns a copy with added noise of this deviation.
func noisy(t testing.TB, frame gocv.Mat, deviation float64, grain []float64, random *rand.Rand) gocv.Mat {
	i := random.IntN(len(grain))
	return changed(t, frame, func(v float64, _ [2]float64, _ int) float64 {
		if i++; i%1024 == 0 {
			i = random.IntN(len(grain))
		}
		return v + deviation*grain[i&(len(grain)-1)]
	})
}

// moved returns the view after a turn of the camera by x and y, as shares of the sides. The new area shows the frame
// beyond.
func moved(t testing.TB, frame, beyond gocv.Mat, x, y float64) gocv.Mat {
	t.Helper()
	size := image.Pt(frame.Cols(), frame.Rows())
	shift := image.Pt(int(math.Round(x*float64(size.X))), int(math.Round(y*float64(size.Y))))
	to := beyond.Clone()
	t.Cleanup(func() { _ = to.Close() })
	common := image.Rectangle{Max: size}.Intersect(image.Rectangle{Max: size}.Add(shift))
	from, into := frame.Region(common.Sub(shift)), to.Region(common)
	defer from.Close()
	defer into.Close()
	from.CopyTo(&into)
	return to
}

// passed returns a copy with a person in dark clothes; x and width are shares of the width of the frame.
func passed(t testing.TB, frame gocv.Mat, x, width float64) gocv.Mat {
	return changed(t, frame, func(v float64, at [2]float64, channel int) float64 {
		if math.Abs(at[0]-x) > width/2 || at[1] < 0.1 {
			return v
		}
		return 40 + 20*math.Sin(at[1]*25) + float64(channel)*8
	})
}

// approached returns a copy with a person, which shows the content of another frame, scaled by its height; x and height
// are shares of the sides of the frame.
func approached(t testing.TB, frame, person gocv.Mat, x, height float64) gocv.Mat {
	t.Helper()
	copied := frame.Clone()
	t.Cleanup(func() { _ = copied.Close() })
	high := int(height * float64(frame.Rows()))
	to := image.Rect(0, 0, high/2, high).Add(image.Pt(int(x*float64(frame.Cols())), frame.Rows()-high))
	to = to.Intersect(image.Rect(0, 0, frame.Cols(), frame.Rows()))
	into := copied.Region(to)
	defer into.Close()
	gocv.Resize(person, &into, to.Size(), 0, 0, gocv.InterpolationArea)
	return copied
}

// night returns the frame as a camera without its infrared filter shows it: grey, bright clothes and plants, dark
// corners.
func night(t testing.TB, frame gocv.Mat) gocv.Mat {
	return changed(t, frame, func(v float64, at [2]float64, _ int) float64 {
		distance := math.Hypot(at[0]-0.5, at[1]-0.5)
		light := 1.2 - 1.4*distance*distance
		if at[0] > 0.6 && at[1] > 0.5 {
			v = 255 - v
		}
		return light * (40 + 0.6*v)
	})
}

// cutsIn returns the numbers of the frames that are cuts.
func cutsIn(frames []gocv.Mat) (cuts []int) {
	c := NewCuts()
	for i, frame := range frames {
		if c.Cut(frame) {
			cuts = append(cuts, i)
		}
	}
	return cuts
}

// turning returns the frames of a camera that turns from one scene to another, by this share of the frame per frame.
func turning(t testing.TB, from, to gocv.Mat, step float64) (frames []gocv.Mat) {
	for x := 0.0; x < 1; x += step {
		frames = append(frames, moved(t, from, moved(t, to, to, x-1, 0), x, 0))
	}
	return append(frames, to, to)
}

// shaking returns the frames of a camera on a pole in the wind.
func shaking(t testing.TB, scene gocv.Mat, random *rand.Rand) (frames []gocv.Mat) {
	for range 12 {
		frames = append(frames, moved(t, scene, scene, 0.06*random.Float64()-0.03, 0.06*random.Float64()-0.03))
	}
	return frames
}

// Each case has one or more scenes with some disturbance, and the numbers of the frames that are cuts.
func TestCuts(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	grains := grain(random)
	size := image.Pt(192, 108)
	a, b, c := room(t, size, 1), room(t, size, 2), room(t, size, 3)
	black, white := newFrame(t, size, color.RGBA{}), newFrame(t, size, color.RGBA{R: 255, G: 255, B: 255})
	dark, lit := gained(t, a, 0.12, 4), gained(t, a, 1.5, 10)
	wall := newFrame(t, size, color.RGBA{R: 150, G: 155, B: 160})
	far, near := approached(t, wall, b, 0.35, 0.75), approached(t, wall, b, 0.3, 0.95)
	window := changed(t, a, func(v float64, at [2]float64, _ int) float64 {
		return v*0.3 + 150*max(0, 0.6-at[0])*v/100
	})
	glare := changed(t, a, func(v float64, at [2]float64, _ int) float64 {
		return v + 400*max(0, 1-2*math.Hypot(at[0]-0.5, at[1]-0.4))
	})
	corrupt := changed(t, a, func(v float64, at [2]float64, _ int) float64 {
		if at[1] > 0.4 {
			return 128
		}
		return v
	})
	caption := func(frame gocv.Mat) gocv.Mat {
		return changed(t, frame, func(v float64, at [2]float64, _ int) float64 {
			if at[1] > 0.88 || at[1] < 0.08 && at[0] < 0.5 {
				return 255 * math.Round(0.5+0.5*math.Sin(at[0]*200))
			}
			return v
		})
	}
	for name, test := range map[string]struct {
		frames []gocv.Mat
		want   []int
	}{
		"cut":                           {[]gocv.Mat{a, a, a, b, b, a, c}, []int{3, 5, 6}},
		"cut at the second frame":       {[]gocv.Mat{a, b, b}, []int{1}},
		"cut from black":                {[]gocv.Mat{black, black, a, a}, nil},
		"cut through black":             {[]gocv.Mat{a, a, black, black, b, b}, []int{4}},
		"cut through white":             {[]gocv.Mat{a, a, white, b, b}, []int{3}},
		"cut with a caption that stays": {[]gocv.Mat{caption(a), caption(a), caption(b), caption(b)}, []int{2}},
		"cut to a darker scene":         {[]gocv.Mat{a, a, gained(t, b, 0.4, 5), gained(t, b, 0.4, 5)}, []int{2}},
		"cut at night":                  {[]gocv.Mat{night(t, a), night(t, a), night(t, b), night(t, b)}, []int{2}},
		"preset":                        {[]gocv.Mat{a, a, moved(t, a, b, 0.7, 0), moved(t, a, b, 0.7, 0)}, []int{2}},
		"blinks":                        {[]gocv.Mat{a, black, a, white, a, black, a}, nil},
		"lights off and on":             {[]gocv.Mat{a, a, dark, dark, a, a, lit, lit, a}, nil},
		"light from another side":       {[]gocv.Mat{a, a, window, window, a, a}, nil},
		"glare of a lamp":               {[]gocv.Mat{a, a, glare, glare, a}, nil},
		"infrared filter":               {[]gocv.Mat{a, a, night(t, a), night(t, a), a, a}, nil},
		"exposure jumps": {[]gocv.Mat{
			a, gained(t, a, 0.6, 0), gained(t, a, 1.7, 0), gained(t, a, 1, 60), gained(t, a, 1, -60), a,
		}, nil},
		"flash": {[]gocv.Mat{a, gained(t, a, 1, 120), gained(t, a, 1, 240), a, a}, nil},
		"frozen": {
			append(slices.Repeat([]gocv.Mat{passed(t, a, 0.2, 0.15)}, 20), passed(t, a, 0.8, 0.3)), nil,
		},
		"person near the camera": {
			[]gocv.Mat{a, passed(t, a, 0, 0.5), passed(t, a, 0.3, 0.5), passed(t, a, 0.6, 0.5), a}, nil,
		},
		"lights off while a person approaches before a plain wall": {
			[]gocv.Mat{far, far, gained(t, far, 0.1, 4), gained(t, near, 0.1, 4), near, near}, nil,
		},
		"frames lost":    {[]gocv.Mat{passed(t, a, 0.2, 0.3), passed(t, a, 0.8, 0.3), a}, nil},
		"turning camera": {turning(t, a, b, 0.08), nil},
		"shaking camera": {shaking(t, a, random), nil},
		"corrupt image":  {[]gocv.Mat{a, corrupt, corrupt, a}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			if got := cutsIn(test.frames); !slices.Equal(got, test.want) {
				t.Errorf("cuts at %v, want %v", got, test.want)
			}
			var grainy []gocv.Mat
			for _, frame := range test.frames {
				grainy = append(grainy, noisy(t, frame, 6, grains, random))
			}
			if got := cutsIn(grainy); !slices.Equal(got, test.want) {
				t.Errorf("with noise cuts at %v, want %v", got, test.want)
			}
		})
	}
}

// Exactly the known cuts of the recordings are detected, at every frame rate.
func TestCutsOfRecordings(t *testing.T) {
	steps := []float64{0.1, 0.3}
	for name, want := range map[string][]float64{
		"cuts_1":   {23.12, 28.28, 32.32}, // the cut at 12.2 s is from a white page, which is not a scene
		"cuts_2":   {1.04, 4.76, 13.93, 17.41, 25.54, 29.94, 32.82},
		"corridor": nil, "two_heads": nil, "walk_in": nil, "night_ir": nil, "shop": nil,
	} {
		for i, got := range cutsOf(t, shared(t, "videos", name+".mp4"), steps) {
			near := func(a, b float64) bool { return b >= a-0.01 && b < a+steps[i]+0.01 }
			if !slices.EqualFunc(want, got, near) {
				t.Errorf("%s, a frame every %g s: cuts at %.2f, want %.2f", name, steps[i], got, want)
			}
		}
	}
}

// cutsOf returns the times of the cuts in a recording, for each interval between frames, seconds.
func cutsOf(t *testing.T, path string, steps []float64) [][]float64 {
	t.Helper()
	video, err := gocv.VideoCaptureFile(path)
	if err != nil {
		t.Fatal(err)
	}
	defer video.Close()
	frame := gocv.NewMat()
	defer frame.Close()
	cuts, due, detectors := make([][]float64, len(steps)), make([]float64, len(steps)), make([]Cuts, len(steps))
	fps := video.Get(gocv.VideoCaptureFPS)
	for i := 0; video.Read(&frame); i++ {
		now := float64(i) / fps
		for k, step := range steps {
			if now < due[k] {
				continue
			}
			due[k] = now + step - 0.01
			if detectors[k].Cut(frame) {
				cuts[k] = append(cuts[k], now)
			}
		}
	}
	return cuts
}

// The lights go out and the gain rises: flat areas become noise, but the scene is the same.
func TestNoCutWhenNoiseRises(t *testing.T) {
	random := rand.New(rand.NewPCG(5, 6))
	grains := grain(random)
	scene := room(t, image.Pt(192, 108), 1)
	dark := gained(t, scene, 0.25, 30)
	var frames []gocv.Mat
	for i := range 24 {
		frame, deviation := scene, 1.0
		if i >= 6 && i < 18 {
			frame, deviation = dark, 20
		}
		frames = append(frames, noisy(t, frame, deviation, grains, random))
	}
	if got := cutsIn(frames); len(got) > 0 {
		t.Errorf("cuts at %v", got)
	}
}

// A frame of another size is a cut, because positions in the two frames do not correspond. A Mat of another type is
// not.
func TestCutOfAnotherSize(t *testing.T) {
	small, large := room(t, image.Pt(320, 180), 1), room(t, image.Pt(640, 360), 1)
	if got := cutsIn([]gocv.Mat{small, small, large, large, small}); !slices.Equal(got, []int{2, 4}) {
		t.Errorf("cuts at %v", got)
	}
	grey := gocv.NewMatWithSize(4, 4, gocv.MatTypeCV8UC1)
	defer grey.Close()
	tiny := newFrame(t, image.Pt(1, 1), color.RGBA{})
	narrow := newFrame(t, image.Pt(3, 2000), color.RGBA{})
	if got := cutsIn([]gocv.Mat{grey, tiny, tiny, narrow}); !slices.Equal(got, []int{3}) {
		t.Errorf("cuts at %v", got)
	}
}

// BenchmarkCuts measures one frame of 1080p, and the motion gate for comparison.
func BenchmarkCuts(b *testing.B) {
	frame := room(b, image.Pt(1920, 1080), 1)
	cuts, motion := NewCuts(), NewMotion(Default())
	for name, process := range map[string]func(i int){
		"cuts":   func(int) { cuts.Cut(frame) },
		"motion": func(i int) { motion.Selects(seconds(float64(i)*0.04), frame) },
	} {
		b.Run(name, func(b *testing.B) {
			for i := 0; b.Loop(); i++ {
				process(i)
			}
		})
	}
}
