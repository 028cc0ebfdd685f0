package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"facesieve/cmd/facesieve/internal/testsupport"
	"facesieve/publish"
)

// replayEvents replays a recording with the built-in configuration and more of it, and returns its events and the bytes
// of their file.
func replayEvents(t *testing.T, video, configuration string) ([]publish.Event, []byte) {
	t.Helper()
	out := t.TempDir()
	config := testsupport.WriteFile(t, "facesieve.yaml", configuration+"\ncameras: [{name: test, url: test.mp4}]\n")
	mustInvoke(t, "replay", "--config", config, "--out", out, video)
	lines, err := os.ReadFile(filepath.Join(out, "events.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	events := testsupport.DecodeLines(t, lines)
	pictures, err := filepath.Glob(filepath.Join(out, "faces", "*"))
	if err != nil || len(pictures) != len(events) {
		t.Errorf("%d pictures for %d events, %v", len(pictures), len(events), err)
	}
	if page, err := os.ReadFile(filepath.Join(out, "index.html")); err != nil || !strings.Contains(string(page), "Faces seen") {
		t.Errorf("no page: %v", err)
	}
	return events, lines
}

func TestReplayOfOnePerson(t *testing.T) {
	video := testsupport.SharedVideo(t, "corridor.mp4")
	all, _ := replayEvents(t, video, "quality: {policy: all, threshold: 0}")
	best, first := replayEvents(t, video, "")
	_, second := replayEvents(t, video, "")
	if len(best) < 1 || len(best) > 2 {
		t.Fatalf("%d faces for one person, want one, at most two", len(best))
	}
	if !bytes.Equal(first, second) {
		t.Error("the same recording gave other events the second time")
	}
	chosen := best[0]
	for _, e := range best {
		if e.Quality.Score > chosen.Quality.Score {
			chosen = e
		}
	}
	whole, smaller, duller := 0, 0, 0
	for _, e := range all {
		if e.Box.Width > e.Box.Height { // a part of a face, at the edge of the frame
			continue
		}
		whole++
		if e.Box.Height <= chosen.Box.Height {
			smaller++
		}
		if e.Quality.Components.Sharpness <= chosen.Quality.Components.Sharpness {
			duller++
		}
	}
	if 3*smaller < 2*whole {
		t.Errorf("the face sent is larger than %d of %d faces only; want it among the largest", smaller, whole)
	}
	if 2*duller < whole {
		t.Errorf("the face sent is sharper than %d of %d faces only; want it among the sharper", duller, whole)
	}
}

func TestReplayOfTwoPeople(t *testing.T) {
	events, _ := replayEvents(t, testsupport.SharedVideo(t, "two_heads.mp4"), "quality: {threshold: 0}")
	if len(events) < 2 || len(events) > 3 {
		t.Errorf("%d faces for two people, want 2, at most 3", len(events))
	}
}

func TestReplayOfAnEmptyRoom(t *testing.T) {
	events, _ := replayEvents(t, testsupport.SharedVideo(t, "empty_room.mp4"), "")
	for _, e := range events {
		t.Errorf("a face at %v where nobody is, score %.1f", e.Box, e.Quality.Score)
	}
}

// everyFace is a configuration that forwards every face found.
const everyFace = `quality: {policy: all, threshold: 0, gates: {min_eye_distance: 0, min_sharpness: 0,
  max_yaw: 90, max_pitch: 90, max_roll: 180, max_residual: 112, edge_margin: -1}}`

func TestReplayOfAStreet(t *testing.T) {
	events, _ := replayEvents(t, testsupport.SharedVideo(t, "street_exit.mp4"), everyFace)
	tracks := map[uint64]bool{}
	for _, e := range events {
		if max(e.Box.Width, e.Box.Height) >= 24 {
			tracks[e.Track] = true
		}
	}
	if len(tracks) < 5 {
		t.Errorf("%d tracks with a face of 24 pixels or more, want 5", len(tracks))
	}
}

func TestReplayOfNothing(t *testing.T) {
	code, _, stderr := invoke(t.Context(), "replay", filepath.Join(t.TempDir(), "absent.mp4"))
	if code != exitFailure || !strings.Contains(stderr, "absent.mp4") {
		t.Errorf("exit code %d: %s", code, stderr)
	}
}
