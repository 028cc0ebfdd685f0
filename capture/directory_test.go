package capture

import (
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"gocv.io/x/gocv"
)

// paint writes an image of one grey.
func paint(t testing.TB, path string, width, height int, value float64) {
	t.Helper()
	m := gocv.NewMatWithSizeFromScalar(gocv.NewScalar(value, value, value, 0), height, width, gocv.MatTypeCV8UC3)
	defer func() { _ = m.Close() }()
	if !gocv.IMWrite(path, m) {
		t.Fatalf("cannot write %s", path)
	}
}

func TestDirectoryInNaturalOrder(t *testing.T) {
	directory := t.TempDir()
	for i, name := range []string{"2.jpg", "10.PNG", "b1.jpeg", "b02.bmp", "b10.webp"} {
		paint(t, filepath.Join(directory, name), 20+i, 10, float64(40*i+20))
	}
	for _, name := range []string{"b3.jpg", "notes.txt", "video.mp4"} {
		if err := os.WriteFile(filepath.Join(directory, name), []byte("no image"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(filepath.Join(directory, "b4.jpg"), 0o700); err != nil {
		t.Fatal(err)
	}
	cfg := fast(directory)
	cfg.Pace = Native // has no effect: all images are returned
	s := open(t, cfg)
	type seen struct {
		width    int
		grey     int
		sequence uint64
		position time.Duration
	}
	got := all(t, s, func(f Frame) seen {
		return seen{f.Mat.Cols(), int(f.Mat.Mean().Val1+10) / 40, f.Sequence, f.Position}
	})
	// The damaged b3.jpg has a position.
	want := []seen{{20, 0, 1, 0}, {21, 1, 2, 40e6}, {22, 2, 3, 80e6}, {23, 3, 4, 120e6}, {24, 4, 5, 200e6}}
	if !slices.Equal(got, want) {
		t.Errorf("got %v\nwant %v", got, want)
	}
	const fault = "b3.jpg: not a readable image: "
	if got := s.Stats(); got.Skipped != 1 || got.Frames != 5 || !strings.HasPrefix(got.LastError, fault) {
		t.Errorf("%+v", got)
	}
}

func TestOneImage(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.png")
	paint(t, path, 30, 20, 77)
	for _, url := range []string{path, "file://" + path} {
		got := all(t, open(t, fast(url)), func(f Frame) int { return int(f.Mat.Mean().Val2) })
		if !slices.Equal(got, []int{77}) {
			t.Errorf("%s: %v", url, got)
		}
	}
	cfg := fast(path)
	cfg.Loop = true
	s := open(t, cfg)
	f := newFrame(t)
	for i := range 3 {
		next(t, s, f)
		if f.Position != time.Duration(i)*imagePeriod {
			t.Errorf("round %d at %v", i, f.Position)
		}
	}
}

// A header may declare an image that is larger than the memory.
func TestAnImageOfImplausibleSizeIsSkipped(t *testing.T) {
	directory := t.TempDir()
	paint(t, filepath.Join(directory, "b.bmp"), 8, 8, 50)
	data, err := os.ReadFile(filepath.Join(directory, "b.bmp"))
	if err != nil {
		t.Fatal(err)
	}
	copy(data[18:26], []byte{0xff, 0xff, 0xff, 0, 0xff, 0xff, 0xff, 0}) // width and height
	if err := os.WriteFile(filepath.Join(directory, "a.bmp"), data, 0o600); err != nil {
		t.Fatal(err)
	}
	s := open(t, fast(directory))
	if got := all(t, s, identify); len(got) != 1 || s.Stats().Skipped != 1 {
		t.Errorf("%v, %+v", got, s.Stats())
	}
}

func TestNaturalOrder(t *testing.T) {
	want := []string{
		"", "0", "00", "01", "1", "2", "10", "99999999999999999999998", "99999999999999999999999",
		"a", "a0", "a1", "a1b", "a01b2", "a1b10", "a2", "a10", "a10.jpg", "b",
	}
	for range 20 {
		got := slices.Clone(want)
		rand.Shuffle(len(got), func(i, j int) { got[i], got[j] = got[j], got[i] })
		slices.SortFunc(got, compareNatural)
		if !slices.Equal(got, want) {
			t.Fatalf("got %q\nwant %q", got, want)
		}
	}
}
