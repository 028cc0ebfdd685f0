package capture

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"gocv.io/x/gocv"
)

// readFeed reads a file as a live stream, as fast as possible, and returns the numbers of its frames.
func readFeed(t *testing.T, path string) []int {
	t.Helper()
	data, err := os.ReadFile(filepath.Clean(path))
	if err != nil {
		t.Fatal(err)
	}
	r, err := newReader(mediaOptions{maxPixels: 1 << 20, live: true})
	if err != nil {
		t.Fatal(err)
	}
	defer r.close()
	if err := r.openFeed(&feed{body: io.NopCloser(bytes.NewReader(data))}, "http://cam/x", ""); err != nil {
		t.Fatal(err)
	}
	mat := gocv.NewMat()
	defer func() { _ = mat.Close() }()
	var numbers []int
	for {
		info, err := r.next(wanted{})
		if errors.Is(err, io.EOF) {
			return numbers
		}
		if err != nil || info.width != 64 || info.height != 48 {
			t.Fatalf("%+v, %v", info, err)
		}
		convert(t, r, &mat)
		numbers = append(numbers, number(mat))
	}
}

// convert fills mat with the frame that a reader decoded last.
func convert(t testing.TB, r *reader, mat *gocv.Mat) {
	t.Helper()
	p, err := r.picture()
	if err != nil {
		t.Fatal(err)
	}
	defer p.close()
	if _, err := p.convert(mat); err != nil {
		t.Fatal(err)
	}
}

// A decoder that is too slow for a live stream continues with several threads, without a gap: it returns the frames that
// it holds before. Here every load is too much.
func TestLiveFramesAreInOrderUnderLoad(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"a.ts", "a.flv", "a.mkv"} {
		numbers := readFeed(t, clip(t, name, "250", "-c:v", "libx264", "-bf", "2", "-g", "25"))
		want := make([]int, 250)
		for i := range want {
			want[i] = i % greys
		}
		if !slices.Equal(numbers, want) {
			t.Errorf("%s: %d frames: %v", name, len(numbers), numbers)
		}
	}
}

// A call into FFmpeg ends when it is interrupted, even if the feed has no end.
func TestInterruptedReadsEnd(t *testing.T) {
	t.Parallel()
	r, err := newReader(mediaOptions{maxPixels: 1 << 20, live: true})
	if err != nil {
		t.Fatal(err)
	}
	defer r.close()
	time.AfterFunc(100*time.Millisecond, r.interrupt)
	if err := r.openFeed(&feed{body: io.NopCloser(zeros{})}, "http://cam/x", "mpjpeg"); err == nil {
		t.Error("opened a stream of zeros")
	}
	r.interrupt()
}

// zeros is an endless stream.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return min(len(p), 16), nil
}

// A picture stays as it is while its decoder continues, and after the decoder was freed.
func TestAPictureOutlivesItsDecoder(t *testing.T) {
	t.Parallel()
	r := newTestReader(t, clip(t, "a.mp4", "40", "-c:v", "libx264", "-bf", "0"))
	var pictures []*picture
	for range 20 {
		if _, err := r.next(wanted{}); err != nil {
			t.Fatal(err)
		}
		p, err := r.picture()
		if err != nil || p.width != 64 || p.height != 48 {
			t.Fatalf("%+v, %v", p, err)
		}
		pictures = append(pictures, p)
	}
	r.close()
	mat := gocv.NewMat()
	defer func() { _ = mat.Close() }()
	for i, p := range pictures {
		if _, err := p.convert(&mat); err != nil || number(mat) != i {
			t.Errorf("picture %d: number %d, %v", i, number(mat), err)
		}
		p.close()
	}
}
