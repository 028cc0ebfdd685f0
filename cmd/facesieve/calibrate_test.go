package main

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"facesieve/cmd/facesieve/internal/testsupport"
)

// reportData is a part of the data of a report.
type reportData struct {
	View         string
	Faces        int
	LeftOut      int `json:"left_out"`
	Visits       []struct{ State string }
	Images       map[string]string
	Calibrations []struct {
		Camera string
		Visits []struct{ State string }
		Curve  *struct{ Set string }
	}
}

// readReport returns the data of a report.
func readReport(t *testing.T, path string) (data reportData) {
	t.Helper()
	text, err := os.ReadFile(path)
	testsupport.Must(t, err)
	match := regexp.MustCompile(`<script type="application/json" id="report">(.*)</script>`).FindSubmatch(text)
	if match == nil {
		t.Fatalf("no data in %s", path)
	}
	testsupport.Must(t, json.Unmarshal(match[1], &data))
	return data
}

// calibrate writes a report that opens at the Calibrate view, with each scored face and what the settings did.
func TestCalibrate(t *testing.T) {
	t.Parallel()
	config := testsupport.WriteFile(t, "facesieve.yaml", "cameras: [{name: door, url: x}, {name: yard, url: y}]\n")
	out := filepath.Join(t.TempDir(), "report.html")
	stdout, _ := mustInvoke(t, "calibrate", "--config", config, "--camera", "yard", "--out", out, testsupport.SharedVideo(t, "two_heads.mp4"))
	if !strings.HasPrefix(stdout, "2 visits with ") || !strings.HasSuffix(stdout, " faces of 1 recording; open in a browser: "+out+"\n") {
		t.Errorf("printed %q", stdout)
	}
	data := readReport(t, out)
	if data.View != "calibrate" || len(data.Visits) != 2 || data.Faces < 50 || len(data.Images) != data.Faces || data.LeftOut != 0 {
		t.Errorf("view %s, %d visits, %d faces, %d images", data.View, len(data.Visits), data.Faces, len(data.Images))
	}
	if n := len(data.Calibrations); n != 1 {
		t.Fatalf("%d calibrations", n)
	}
	if c := data.Calibrations[0]; c.Camera != "yard" || len(c.Visits) != 2 || c.Visits[0].State != "sent" || c.Curve == nil {
		t.Errorf("calibration %+v", c)
	}
}

// A directory is one of recordings, or of images. A recording that cannot be read is named, and the others are in the
// report.
func TestCalibrateOfADirectory(t *testing.T) {
	t.Parallel()
	directory, out := t.TempDir(), filepath.Join(t.TempDir(), "report.html")
	for name, video := range map[string]string{"a.mp4": "two_heads.mp4", "c.MP4": "empty_room.mp4"} {
		testsupport.Must(t, os.Symlink(testsupport.SharedVideo(t, video), filepath.Join(directory, name)))
	}
	for _, name := range []string{"b.mkv", "notes.txt", ".hidden.mp4"} {
		testsupport.Must(t, os.WriteFile(filepath.Join(directory, name), []byte("no video"), 0o600))
	}
	code, stdout, stderr := invoke(t.Context(), "calibrate", "--out", out, directory)
	if code != exitFailure || !strings.Contains(stderr, "b.mkv") || !strings.Contains(stdout, "of 2 recordings") {
		t.Errorf("exit code %d\n%s%s", code, stdout, stderr)
	}
	if data := readReport(t, out); len(data.Visits) != 2 {
		t.Errorf("%d visits", len(data.Visits))
	}
	images, _ := mustInvoke(t, "calibrate", "--out", out, clipOfOneFace(t))
	if data := readReport(t, out); data.Faces < 2 || len(data.Visits) != 1 || !strings.HasPrefix(images, "1 visit with ") {
		t.Errorf("of images: %d faces, %d visits, %q", data.Faces, len(data.Visits), images)
	}
}

// What cannot be done is known before the recording is run, and the file that is there stays as it is.
func TestCalibrateFails(t *testing.T) {
	t.Parallel()
	out := testsupport.WriteFile(t, "report.html", "former")
	clip, empty := clipOfOneFace(t), t.TempDir()
	for name, test := range map[string]struct {
		args []string
		code int
		want string
	}{
		"missing file":  {[]string{"--out", out, filepath.Join(empty, "absent.mp4")}, exitFailure, "absent.mp4 cannot be read: no such file"},
		"empty":         {[]string{"--out", out, empty}, exitFailure, "has no recording (.3gp .asf "},
		"no video":      {[]string{"--out", out, testsupport.WriteFile(t, "a.mp4", "no video")}, exitFailure, "a.mp4"},
		"to directory":  {[]string{"--out", empty, clip}, exitFailure, "is a directory; name a file with --out"},
		"no directory":  {[]string{"--out", filepath.Join(empty, "a", "b.html"), clip}, exitFailure, "name another file with --out"},
		"unknown":       {[]string{"--out", out, "--config", testsupport.WriteFile(t, "f.yaml", "cameras: [{name: a, url: b}]\n"), "--camera", "c", clip}, exitFailure, "no camera is named \"c\"; the configuration has a"},
		"configuration": {[]string{"--out", out, "--config", filepath.Join(empty, "f.yaml"), clip}, exitConfig, "no such file"},
	} {
		code, stdout, stderr := invoke(t.Context(), append([]string{"calibrate"}, test.args...)...)
		if code != test.code || !strings.Contains(stderr, test.want) || stdout != "" {
			t.Errorf("%s: exit code %d, want %d with %q:\n%s%s", name, code, test.code, test.want, stdout, stderr)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if code, _, stderr := invoke(ctx, "calibrate", "--out", out, clip); code != exitFailure || !strings.Contains(stderr, "interrupted") {
		t.Errorf("interrupted: exit code %d: %s", code, stderr)
	}
	if text, err := os.ReadFile(out); err != nil || string(text) != "former" {
		t.Errorf("the former report is %q, %v", text, err)
	}
	if left, err := os.ReadDir(filepath.Dir(out)); err != nil || len(left) != 1 {
		t.Errorf("%d files, %v", len(left), err)
	}
}
