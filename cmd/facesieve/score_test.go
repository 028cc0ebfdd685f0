package main

import (
	"bytes"
	"encoding/json"
	"image"
	"image/png"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"facesieve/cmd/facesieve/internal/testsupport"
)

func TestScoreFindsTheFace(t *testing.T) {
	stdout, _ := mustInvoke(t, "score", "--json", testsupport.FaceImage(t))
	var face scoredFace
	if err := json.Unmarshal([]byte(stdout), &face); err != nil {
		t.Fatalf("%v: %s", err, stdout)
	}
	if *face.Score < 0 || *face.Score > 100 || face.Components["Sharpness"] < 0 || face.Labels["agreement"] <= 0 {
		t.Errorf("score %v, labels %v, components %+v", *face.Score, face.Labels, face.Components)
	}
	// The face's centre in this image, within a third of the face's size.
	box := *face.Box
	if x, y := box[0]+box[2]/2, box[1]+box[3]/2; x < 290 || x > 420 || y < 190 || y > 340 {
		t.Errorf("the face's centre is at %.0f,%.0f", x, y)
	}
}

func TestScoreContinuesAfterAnInvalidImage(t *testing.T) {
	directory := t.TempDir()
	content, err := os.ReadFile(testsupport.FaceImage(t))
	if err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string][]byte{"a.jpg": []byte("not an image"), "b.jpg": content, "c.txt": nil} {
		if err := os.WriteFile(filepath.Join(directory, name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	code, stdout, stderr := invoke(t.Context(), "score", "--json", directory)
	lines := strings.Split(strings.TrimSpace(stdout), "\n")
	if code != exitFailure || len(lines) != 2 || !strings.Contains(stderr, "1 of 2 images") {
		t.Fatalf("exit code %d\n%s%s", code, stdout, stderr)
	}
	if !strings.Contains(lines[0], `"error":"not an image: `) || !strings.Contains(lines[1], `"score":`) {
		t.Errorf("lines\n%s", stdout)
	}
}

func TestScoreAlignedRequiresTheSize(t *testing.T) {
	code, stdout, _ := invoke(t.Context(), "score", "--aligned", testsupport.FaceImage(t))
	if code != exitFailure || !strings.Contains(stdout, "640x480 pixels; an aligned face has 112x112") {
		t.Errorf("exit code %d: %s", code, stdout)
	}
}

func TestScoreOfAnEmptyDirectory(t *testing.T) {
	code, stdout, stderr := invoke(t.Context(), "score", t.TempDir())
	if code != exitFailure || !strings.Contains(stdout, "no image in this directory") {
		t.Errorf("exit code %d: %s%s", code, stdout, stderr)
	}
}

func TestScoreOfAnImageWithoutAFace(t *testing.T) {
	path := filepath.Join(t.TempDir(), "grey.png")
	testsupport.Must(t, os.WriteFile(path, greyPNG(t), 0o600))
	stdout, stderr := mustInvoke(t, "score", path)
	if !strings.Contains(stdout, "no face found") || !strings.Contains(stderr, "1 without a face") {
		t.Errorf("%s%s", stdout, stderr)
	}
	if stdout, _ := mustInvoke(t, "score", "--json", path); !strings.HasSuffix(stdout, `grey.png","faces":0}`+"\n") {
		t.Error(stdout)
	}
}

func greyPNG(t *testing.T) []byte {
	t.Helper()
	var file bytes.Buffer
	testsupport.Must(t, png.Encode(&file, image.NewGray(image.Rect(0, 0, 64, 48))))
	return file.Bytes()
}

// In a directory with files and links of all kinds, each file with the name of an image has a line. The others are
// counted.
func TestScoreOfADirectoryWithAllKindsOfFiles(t *testing.T) {
	directory := t.TempDir()
	face := testsupport.FaceImage(t)
	content, err := os.ReadFile(face)
	testsupport.Must(t, err)
	in := func(name string) string { return filepath.Join(directory, name) }
	testsupport.Must(t, os.MkdirAll(in("a/b"), 0o700))
	for name, content := range map[string][]byte{
		"a/b/PICTURE.JPG": content, "x.jfif": content, "y.jpe": content, "noname": content, ".hidden.jpg": content,
		"cut.jpg": content[:len(content)/2], "empty.png": nil, "c.heic": []byte("x"), "d.gif": []byte("GIF89a"),
		"notes.txt":   []byte("x"),
		"caf\xe9.jpg": content, "new\nline\x1b[31m\u202e.jpg": content,
	} {
		testsupport.Must(t, os.WriteFile(in(name), content, 0o600))
	}
	testsupport.Must(t, os.Symlink(face, in("link.jpg")))
	testsupport.Must(t, os.Symlink("nowhere", in("lost.jpg")))
	testsupport.Must(t, os.Symlink("..", in("a/circle")))
	testsupport.Must(t, syscall.Mkfifo(in("pipe.jpg"), 0o600))
	code, stdout, stderr := invoke(t.Context(), "score", directory)
	if code != exitFailure {
		t.Errorf("exit code %d", code)
	}
	for _, want := range []string{
		in("a/b/PICTURE.JPG") + "  face", in("x.jfif") + "  face", in("y.jpe") + "  face", in("noname") + "  face",
		in("link.jpg") + "  face", in("cut.jpg") + ": damaged JPEG: ", in("empty.png") + ": the file is empty",
		in("c.heic") + ": HEIC is not supported: convert", in("d.gif") + ": GIF is not supported: convert",
		in("lost.jpg") + ": cannot be read: no such file", in("pipe.jpg") + ": a pipe, not a file",
		`"` + in(`caf\xe9.jpg"`) + "  face", `"` + in(`new\nline\x1b[31m\u202e.jpg"`) + "  face",
	} {
		if !strings.Contains(stdout, want) {
			t.Errorf("no %q in\n%s", want, stdout)
		}
	}
	summary := "13 images: 7 scored, with 7 faces; 6 could not be scored; " +
		"left out: 1 hidden, 1 other file, 1 link to directories already listed\n"
	if lines := strings.Count(stdout, "\n"); lines != 13 || !strings.HasPrefix(stderr, summary) {
		t.Errorf("%d lines\n%s", lines, stderr)
	}
}

// --json prints names exactly, and also in base64 if JSON cannot represent them.
func TestScoreNamesTheFileExactly(t *testing.T) {
	t.Parallel()
	content := greyPNG(t)
	hidden := func(r rune) bool { return !strconv.IsPrint(r) }
	for _, name := range []string{
		"plain.png", "new\nline.png", "caf\xe9.png", "\x1b[31m.png", "a\u202egnp.png", "\U000e0001.png", "\u009b.png",
	} {
		path := filepath.Join(t.TempDir(), name)
		testsupport.Must(t, os.WriteFile(path, content, 0o600))
		link := filepath.Join(t.TempDir(), "link")
		testsupport.Must(t, os.Symlink(filepath.Dir(path), link))
		for _, argument := range []string{path, link} {
			stdout, _ := mustInvoke(t, "score", "--json", argument)
			var face scoredFace
			if err := json.Unmarshal([]byte(stdout), &face); err != nil {
				t.Fatalf("%v: %s", err, stdout)
			}
			got := face.File
			if face.FileBytes != nil {
				got = string(face.FileBytes)
			}
			if filepath.Base(got) != name || strings.ContainsFunc(strings.TrimSuffix(stdout, "\n"), hidden) {
				t.Errorf("%q: %q in %q", name, got, stdout)
			}
		}
	}
}

func TestScoreRefusesTooManyPixels(t *testing.T) {
	code, stdout, _ := invoke(t.Context(), "score", "--max-pixels", "1000", testsupport.FaceImage(t))
	if code != exitFailure || !strings.Contains(stdout, "640x480 pixels are more than the limit of 1000 (max_pixels)") {
		t.Errorf("exit code %d: %s", code, stdout)
	}
	if code, _, _ := invoke(t.Context(), "score", "--max-pixels", "0", testsupport.FaceImage(t)); code != exitUsage {
		t.Errorf("exit code %d for --max-pixels 0", code)
	}
}
