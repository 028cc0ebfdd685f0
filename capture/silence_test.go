package capture

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rs/zerolog"
	"gocv.io/x/gocv"

	"facesieve/capture/cameratest"
)

// noisy is set in the environment of the child process.
const noisy = "FACESIEVE_TEST_NOISY"

// OpenCV and FFmpeg can write URLs with passwords to stdout and stderr, and so to the system's log. They must write
// nothing. (GLib writes messages about itself.) The test runs in a child process, whose output it reads.
func TestTheLibrariesAreSilent(t *testing.T) {
	if os.Getenv(noisy) != "" {
		makeNoise(t)
		return
	}
	t.Parallel()
	command := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$")
	command.Env = append(os.Environ(), noisy+"=1")
	out, err := command.CombinedOutput()
	if err != nil {
		t.Error(err)
	}
	for _, mark := range []string{
		"joe", "secret", "WARN:", "ERROR:", "OpenCV", "OPENCV", " @ 0x", "JPEG", "libpng", "imread",
	} {
		if strings.Contains(string(out), mark) {
			t.Errorf("%q in:\n%s", mark, out)
		}
	}
}

// makeNoise causes errors about which the libraries would write messages.
func makeNoise(t *testing.T) {
	bad := filepath.Join(t.TempDir(), "bad.mp4")
	if err := os.WriteFile(bad, []byte("\x00\x00\x00\x18ftypmp42"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(fast(bad), zerolog.Nop()); err == nil {
		t.Error("opened a bad file")
	}
	makeDamage(t)
	address := cameratest.Serve(t, cameratest.Answer("RTSP/1.0 401 Unauthorized\r\nCSeq: 1\r\n\r\n", "", 0))
	for _, url := range []string{
		"rtsp://joe:secret@" + address + "/x",
		"http://joe:secret@" + address + "/x?token=secret",
		"gst:rtspsrc location=rtsp://joe:secret@h user-pw=secret ! appsink",
		"gst:fakesrc nonesuch=secret ! fakesink name=appsink",
	} {
		s, err := Open(quick(url), zerolog.Nop())
		if err != nil {
			t.Fatal(err)
		}
		eventually(t, "reconnecting", func() bool { return s.State() == Reconnecting })
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
}

// makeDamage decodes damaged images, for which decoders may print warnings.
func makeDamage(t *testing.T) {
	m := noise(t, 96, 64)
	directory := t.TempDir()
	for _, extension := range []gocv.FileExt{gocv.JPEGFileExt, gocv.PNGFileExt, ".bmp", ".webp"} {
		file := encode(t, m, extension)
		for name, data := range map[string][]byte{"cut": file[:len(file)/2], "overwritten": overwritten(file, 0xff, 200)} {
			if err := os.WriteFile(filepath.Join(directory, name+string(extension)), data, 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	if s, err := Open(fast(directory), zerolog.Nop()); err == nil { // BMP has no checksum
		all(t, s, identify)
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
}
