package detect

import (
	"image"
	"image/color"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"gocv.io/x/gocv"
)

// camera returns frames of a textured scene with noise.
type camera struct {
	scene, frame gocv.Mat
	random       *rand.Rand
	noise        float64 // deviation, grey levels
	grain        []int8
}

func newCamera(t testing.TB, width, height int, noise float64) *camera {
	c := &camera{
		scene: gocv.NewMatWithSize(height, width, gocv.MatTypeCV8UC3), frame: gocv.NewMat(),
		random: rand.New(rand.NewPCG(9, 10)), noise: noise,
	}
	t.Cleanup(func() {
		if err := c.scene.Close(); err != nil {
			t.Error(err)
		}
		if err := c.frame.Close(); err != nil {
			t.Error(err)
		}
	})
	pixels, err := c.scene.DataPtrUint8()
	if err != nil {
		t.Fatal(err)
	}
	for i := range pixels {
		x, y := i/3%width, i/3/width
		pixels[i] = byte(110 + 50*math.Sin(float64(x)/40) + 40*math.Cos(float64(y)/25) + float64(i%3)*10)
	}
	// A table that is read from random positions is faster than drawing normal noise, and as good here.
	c.grain = make([]int8, 1<<16)
	for i := range c.grain {
		c.grain[i] = int8(max(-127, min(127, c.random.NormFloat64()*noise)))
	}
	return c
}

// shoot returns a frame: the scene, a person as a dark rectangle, unless it is empty, added brightness, and noise.
func (c *camera) shoot(t testing.TB, person image.Rectangle, brightness int) gocv.Mat {
	c.scene.CopyTo(&c.frame)
	if !person.Empty() {
		gocv.Rectangle(&c.frame, person, color.RGBA{R: 60, G: 40, B: 50}, -1)
	}
	pixels, err := c.frame.DataPtrUint8()
	if err != nil {
		t.Fatal(err)
	}
	from := c.random.IntN(len(c.grain))
	for i := range pixels {
		if i%4096 == 0 {
			from = c.random.IntN(len(c.grain))
		}
		v := int(pixels[i]) + brightness + int(c.grain[(from+i)&(len(c.grain)-1)])
		pixels[i] = byte(max(0, min(255, v)))
	}
	return c.frame
}

// gateConfig returns a configuration whose gate selects frames with motion only.
func gateConfig() Config {
	cfg := Default()
	cfg.Motion.Every, cfg.Motion.Hold = time.Hour, time.Second
	return cfg
}

// TestMotionNoise: frames of an empty scene are selected at the start of the gate only, at any noise of the camera.
func TestMotionNoise(t *testing.T) {
	for _, size := range []image.Point{{640, 360}, {270, 480}} {
		for _, noise := range []float64{0, 4, 12} {
			c, gate := newCamera(t, size.X, size.Y, noise), NewMotion(gateConfig())
			for i := range 50 {
				// The light changes slowly, as the sun does.
				moved := gate.Selects(seconds(float64(i)*0.2), c.shoot(t, image.Rectangle{}, i/12))
				if i == 0 && !moved {
					t.Errorf("%v, noise %g: the first frame is not selected", size, noise)
				}
				if i > 25 && moved {
					t.Fatalf("%v, noise %g: motion in frame %d, estimated noise %g", size, noise, i, gate.noise)
				}
			}
		}
	}
}

// TestMotionPerson: the frames of a person who walks in are selected at once, for each size and noise.
func TestMotionPerson(t *testing.T) {
	for _, size := range []image.Point{{640, 360}, {270, 480}} {
		for _, noise := range []float64{0, 4, 12} {
			c, gate := newCamera(t, size.X, size.Y, noise), NewMotion(gateConfig())
			for i := range 40 {
				gate.Selects(seconds(float64(i)*0.2), c.shoot(t, image.Rectangle{}, 0))
			}
			if gate.Selects(seconds(8), c.shoot(t, image.Rectangle{}, 0)) || !gate.Moved().Empty() {
				t.Fatalf("%v, noise %g: motion in an empty scene", size, noise)
			}
			// A tenth of the frame's width and a third of its height: a person at ten metres.
			person := image.Rect(0, size.Y/2, size.X/10, size.Y/2+size.Y/3).Add(image.Pt(size.X/3, 0))
			for i := range 10 {
				walk := person.Add(image.Pt(i*size.X/60, 0))
				if !gate.Selects(seconds(8.2+float64(i)*0.2), c.shoot(t, walk, 0)) {
					t.Errorf("%v, noise %g: step %d is not selected", size, noise, i)
				}
				around := image.Rect(0, size.Y/3, size.X*2/3, size.Y)
				if part := gate.Moved(); part.Intersect(walk).Empty() || !part.In(around) {
					t.Errorf("%v, noise %g: %v moved, the person is at %v", size, noise, part, walk)
				}
			}
		}
	}
}

// TestMotionHold: frames are selected for Hold after the last motion.
func TestMotionHold(t *testing.T) {
	c, gate := newCamera(t, 480, 270, 2), NewMotion(gateConfig())
	closed := 0.0
	for now := 0.0; now < 10; now += 0.1 {
		person := image.Rectangle{}
		if now > 3 && now < 3.35 {
			person = image.Rect(100, 100, 150, 200)
		}
		moved := gate.Selects(seconds(now), c.shoot(t, person, 0))
		switch {
		case now < 1 || now > 3.05 && now < 4.25:
			if !moved {
				t.Errorf("closed at %g s", now)
			}
		case moved:
			if now > 3 {
				closed = now
			} else if now > 1.15 {
				t.Errorf("open at %g s", now)
			}
		}
	}
	if closed > 6.2 {
		t.Errorf("open until %g s", closed)
	}
}

// TestMotionEvery: without motion one frame per interval Every is selected.
func TestMotionEvery(t *testing.T) {
	cfg := gateConfig()
	cfg.Motion.Every, cfg.Motion.Hold = 3*time.Second, 0
	c, gate := newCamera(t, 480, 270, 2), NewMotion(cfg)
	var selected []int
	for i := range 100 {
		if gate.Selects(seconds(float64(i)*0.1), c.shoot(t, image.Rectangle{}, 0)) {
			selected = append(selected, i)
		}
	}
	if len(selected) != 4 || selected[0] != 0 || selected[1] != 30 || selected[3] != 90 {
		t.Errorf("selected frames %v", selected)
	}
}

// TestMotionMask: changes in a mask or outside the region of interest are not motion.
func TestMotionMask(t *testing.T) {
	left, right := Polygon{{0, 0}, {0.5, 0}, {0.5, 1}, {0, 1}}, Polygon{{0.5, 0}, {1, 0}, {1, 1}, {0.5, 1}}
	for name, change := range map[string]func(c *Config){
		"mask": func(c *Config) { c.Masks = []Polygon{right} },
		"roi":  func(c *Config) { c.ROI = left },
	} {
		cfg := gateConfig()
		cfg.Motion.Hold = 0
		change(&cfg)
		c, gate := newCamera(t, 640, 360, 2), NewMotion(cfg)
		for i := range 20 {
			outside := image.Rect(400+i*5, 100, 460+i*5, 250)
			if gate.Selects(seconds(float64(i)*0.2), c.shoot(t, outside, 0)) && i > 0 {
				t.Errorf("%s: motion outside in frame %d", name, i)
			}
		}
		if !gate.Selects(seconds(5), c.shoot(t, image.Rect(100, 100, 160, 250), 0)) {
			t.Errorf("%s: no motion inside", name)
		}
	}
}

// TestMotionRestarts: the gate restarts with another frame size and when the clock is set back. A disabled gate selects
// all frames.
func TestMotionRestarts(t *testing.T) {
	small, large, gate := newCamera(t, 320, 180, 2), newCamera(t, 640, 360, 2), NewMotion(gateConfig())
	for i := range 30 {
		gate.Selects(seconds(float64(i)*0.2), small.shoot(t, image.Rectangle{}, 0))
	}
	if gate.Selects(seconds(6), small.shoot(t, image.Rectangle{}, 0)) {
		t.Error("motion in an empty scene")
	}
	if !gate.Selects(seconds(6.2), large.shoot(t, image.Rectangle{}, 0)) {
		t.Error("the first frame of another size is not selected")
	}
	if !gate.Selects(seconds(1), large.shoot(t, image.Rectangle{}, 0)) {
		t.Error("the first frame after the clock was set back is not selected")
	}
	cfg := gateConfig()
	cfg.Motion.Enabled = false
	off := NewMotion(cfg)
	for i := range 30 {
		if !off.Selects(seconds(float64(i)), small.frame) {
			t.Error("a disabled gate skips a frame")
		}
	}
}

// TestMotionRestart tests that after a restart the new scene is the background, and its frames are processed for Hold.
func TestMotionRestart(t *testing.T) {
	first, second, gate := newCamera(t, 320, 180, 2), newCamera(t, 320, 180, 2), NewMotion(gateConfig())
	for i := range 30 {
		gate.Selects(seconds(float64(i)*0.2), first.shoot(t, image.Rectangle{}, 0))
	}
	other := func() gocv.Mat { return second.shoot(t, image.Rect(0, 0, 200, 180), 0) }
	gate.Restart(seconds(6), other())
	for now := 6.2; now < 9; now += 0.2 {
		if moved := gate.Selects(seconds(now), other()); moved != (now < 7.05) {
			t.Errorf("moved is %v at %.1f s", moved, now)
		}
	}
}

// BenchmarkMotion measures one frame of 1080p.
func BenchmarkMotion(b *testing.B) {
	c, gate := newCamera(b, 1920, 1080, 4), NewMotion(Default())
	frame, i := c.shoot(b, image.Rectangle{}, 0), 0
	for b.Loop() {
		gate.Selects(seconds(float64(i)*0.04), frame)
		i++
	}
}
