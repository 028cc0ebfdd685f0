package capture

import (
	"errors"
	"io"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"gocv.io/x/gocv"

	"facesieve/capture/cameratest"
)

// decodeWith decodes a clip with candidates for hardware decoders, and returns the numbers of the frames, and what decoded
// them at the end.
func decodeWith(t *testing.T, path string, options mediaOptions) ([]int, decoderUse) {
	t.Helper()
	options.maxPixels, options.paced = 1<<20, true
	r, err := newReader(options)
	if err != nil {
		t.Fatal(err)
	}
	defer r.close()
	if err := r.openFile(path); err != nil {
		t.Fatal(err)
	}
	mat := gocv.NewMat()
	defer func() { _ = mat.Close() }()
	var numbers []int
	for {
		if _, err := r.next(wanted{}); errors.Is(err, io.EOF) {
			return numbers, r.used
		} else if err != nil {
			t.Fatal(err)
		}
		convert(t, r, &mat)
		numbers = append(numbers, number(mat))
	}
}

// A hardware decoder is used once its frames are those of software, and refused otherwise. No frame is lost or delivered
// twice. Other decoders of FFmpeg take the place of the hardware here.
func TestAHardwareDecoderIsTried(t *testing.T) {
	t.Parallel()
	const frames = 250 // enough for a trial and a restart with several threads after it
	vp8 := clip(t, "a.webm", strconv.Itoa(frames), "-c:v", "libvpx", "-b:v", "1M", "-auto-alt-ref", "0")
	h264 := clip(t, "a.mp4", strconv.Itoa(frames), "-c:v", "libx264", "-bf", "2", "-g", "25")
	jpeg := clip(t, "a.avi", strconv.Itoa(frames), "-s", "64x64", "-c:v", "mjpeg", "-q:v", "2", "-vf", "pad=64:64:0:0")
	for _, c := range []struct {
		name, path string
		options    mediaOptions
		used       string
		refusals   string
	}{
		{"equal", vp8, mediaOptions{hardware: []string{"libvpx"}, maxCost: 1000}, "libvpx", ""},
		{
			"the second one", vp8,
			mediaOptions{hardware: []string{"nonesuch", "libvpx"}, maxCost: 1000},
			"libvpx",
			"nonesuch: this FFmpeg has no such decoder for vp8",
		},
		{"no gain", vp8, mediaOptions{hardware: []string{"libvpx"}}, "", "libvpx: it takes as much CPU time as software"},
		{"no pictures", h264, mediaOptions{hardware: []string{"mpeg4"}, maxCost: 1000}, "", "mpeg4: it delivered no pictures"},
		{
			"other pictures", jpeg,
			mediaOptions{hardware: []string{"amv"}, maxCost: 1000},
			"",
			"amv: its pictures are not those of software",
		},
		{"no device", h264, mediaOptions{hardware: HWAuto.decoders(), maxCost: 1}, "", "v4l2m2m: "},
	} {
		got, used := decodeWith(t, c.path, c.options)
		want := make([]int, frames)
		for i := range want {
			want[i] = i % greys
		}
		if c.path == jpeg {
			want = got // the border changes the grey
		}
		if !slices.Equal(got, want) || len(got) != frames {
			t.Errorf("%s: %d frames: %v", c.name, len(got), got)
		}
		if used.hardware != c.used || !strings.Contains(used.refusals, c.refusals) || c.refusals == "" && used.refusals != "" {
			t.Errorf("%s: %+v", c.name, used)
		}
	}
}

// NV12, the format of hardware decoders, becomes the same picture as separate planes.
func TestNV12IsConverted(t *testing.T) {
	t.Parallel()
	pictures := map[string][]gocv.Mat{}
	for _, format := range []string{"nv12", "yuv420p"} {
		path := filepath.Join(t.TempDir(), "a.nut")
		run(t, cameratest.FFmpeg(t), "-v", "error", "-f", "lavfi", "-i", "testsrc2=size=64x48", "-frames:v", "2",
			"-pix_fmt", format, "-c:v", "rawvideo", path)
		s := open(t, fast(path))
		pictures[format] = all(t, s, func(f Frame) gocv.Mat { return f.Mat.Clone() })
	}
	for i, want := range pictures["yuv420p"] {
		got := pictures["nv12"][i]
		if gocv.Norm(want, gocv.NormInf) == 0 || !slices.Equal(got.ToBytes(), want.ToBytes()) {
			t.Errorf("frame %d is different", i)
		}
		_, _ = got.Close(), want.Close() // always nil
	}
}
