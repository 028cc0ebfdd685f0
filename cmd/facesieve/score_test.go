package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestScoreFindsTheFace(t *testing.T) {
	stdout, _ := mustInvoke(t, "score", "--json", facePicture(t))
	var face scoredFace
	if err := json.Unmarshal([]byte(stdout), &face); err != nil {
		t.Fatalf("%v: %s", err, stdout)
	}
	if *face.Score < 0 || *face.Score > 100 || face.Components.Sharpness < 0 || face.Labels["agreement"] <= 0 {
		t.Errorf("score %v, labels %v, components %+v", *face.Score, face.Labels, face.Components)
	}
	// Where the face of that picture is, within a third of its size.
	box := *face.Box
	if x, y := box[0]+box[2]/2, box[1]+box[3]/2; x < 290 || x > 420 || y < 190 || y > 340 {
		t.Errorf("the face's centre is at %.0f,%.0f", x, y)
	}
}

func TestScoreGoesOnAfterABrokenPicture(t *testing.T) {
	folder := t.TempDir()
	picture, err := os.ReadFile(facePicture(t))
	if err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string][]byte{"a.jpg": []byte("no picture"), "b.jpg": picture, "c.txt": nil} {
		if err := os.WriteFile(filepath.Join(folder, name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	code, stdout, stderr := invoke(t.Context(), "score", "--json", folder)
	lines := strings.Split(strings.TrimSpace(stdout), "\n")
	if code != exitFailure || len(lines) != 2 || !strings.Contains(stderr, "1 of 2 pictures") {
		t.Fatalf("exit code %d\n%s%s", code, stdout, stderr)
	}
	if !strings.Contains(lines[0], `"error":"not a picture`) || !strings.Contains(lines[1], `"score":`) {
		t.Errorf("lines\n%s", stdout)
	}
}

func TestScoreAlignedWantsTheSize(t *testing.T) {
	code, stdout, _ := invoke(t.Context(), "score", "--aligned", facePicture(t))
	if code != exitFailure || !strings.Contains(stdout, "640x480 pixels; an aligned face has 112x112") {
		t.Errorf("exit code %d: %s", code, stdout)
	}
}

func TestScoreOfAnEmptyFolder(t *testing.T) {
	code, _, stderr := invoke(t.Context(), "score", t.TempDir())
	if code != exitFailure || !strings.Contains(stderr, "no picture in this folder") {
		t.Errorf("exit code %d: %s", code, stderr)
	}
}
