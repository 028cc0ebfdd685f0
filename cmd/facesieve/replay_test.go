package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"facesieve/cmd/facesieve/internal/testsupport"
	"facesieve/publish/event"
)

// replayEvents replays a recording with a configuration, and returns its events and the bytes of events.jsonl.
func replayEvents(t *testing.T, video, configuration string) ([]event.Face, []byte) {
	t.Helper()
	out := t.TempDir()
	config := testsupport.WriteFile(t, "facesieve.yaml", configuration+"\ncameras: [{name: test, url: test.mp4}]\n")
	mustInvoke(t, "replay", "--config", config, "--out", out, video)
	lines, err := os.ReadFile(filepath.Join(out, "events.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	events := testsupport.DecodeLines(t, lines)
	images, err := filepath.Glob(filepath.Join(out, "faces", "*"))
	if err != nil || len(images) != len(events) {
		t.Errorf("%d images for %d events, %v", len(images), len(events), err)
	}
	page, err := os.ReadFile(filepath.Join(out, "index.html"))
	if err != nil || !strings.Contains(string(page), `id="report"`) {
		t.Errorf("no page: %v", err)
	}
	return events, lines
}

func TestReplayOfOnePerson(t *testing.T) {
	t.Parallel()
	video := testsupport.SharedVideo(t, "corridor.mp4")
	all, _ := replayEvents(t, video, "quality: {policy: all, threshold: 0}")
	best, first := replayEvents(t, video, "")
	_, second := replayEvents(t, video, "")
	if len(best) < 1 || len(best) > 2 {
		t.Fatalf("%d faces for one person, want one, at most two", len(best))
	}
	if !bytes.Equal(first, second) {
		t.Error("two replays of a recording gave different events")
	}
	chosen := best[0]
	for _, e := range best {
		v := e.Visit
		if v.FirstSeen.After(e.Time) || v.LastSeen.Before(e.Time) || v.Frames < v.Faces || v.Faces < 1 || v.Tracks < 1 {
			t.Errorf("visit %+v of a face at %v", v, e.Time)
		}
		if waited := v.LastSeen.Sub(e.Time).Milliseconds(); e.LatencyMS < waited || e.LatencyMS > waited+60000 {
			t.Errorf("latency %d ms, the visit was longer by %d ms", e.LatencyMS, waited)
		}
		if e.Quality.Score > chosen.Quality.Score {
			chosen = e
		}
	}
	whole, smaller, blurred := 0, 0, 0
	for _, e := range all {
		if e.Box.Width > e.Box.Height { // a part of a face, at the edge of the frame
			continue
		}
		whole++
		if e.Box.Height <= chosen.Box.Height {
			smaller++
		}
		if e.Quality.Components["Sharpness"] <= chosen.Quality.Components["Sharpness"] {
			blurred++
		}
	}
	if 3*smaller < 2*whole {
		t.Errorf("%d of %d faces are not larger than the face sent; want two thirds", smaller, whole)
	}
	if 2*blurred < whole {
		t.Errorf("%d of %d faces are not sharper than the face sent; want half", blurred, whole)
	}
}

func TestReplayOfTwoPeople(t *testing.T) {
	t.Parallel()
	events, _ := replayEvents(t, testsupport.SharedVideo(t, "two_heads.mp4"), "quality: {threshold: 0}")
	if len(events) < 2 || len(events) > 3 {
		t.Errorf("%d faces for two people, want 2, at most 3", len(events))
	}
}

func TestReplayOfAnEmptyRoom(t *testing.T) {
	t.Parallel()
	events, _ := replayEvents(t, testsupport.SharedVideo(t, "empty_room.mp4"), "")
	for _, e := range events {
		t.Errorf("a face at %v in an empty room, score %.1f", e.Box, e.Quality.Score)
	}
}

// everyFace is a configuration that forwards every face.
const everyFace = `quality: {policy: all, threshold: 0, gates: {min_eye_distance: 0, min_sharpness: 0,
  max_yaw: 90, max_pitch: 90, max_roll: 180, max_residual: 112, edge_margin: -1}}`

func TestReplayOfAStreet(t *testing.T) {
	t.Parallel()
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

func TestReplayOfAMissingFile(t *testing.T) {
	code, _, stderr := invoke(t.Context(), "replay", filepath.Join(t.TempDir(), "absent.mp4"))
	if code != exitFailure || !strings.Contains(stderr, "absent.mp4") {
		t.Errorf("exit code %d: %s", code, stderr)
	}
}
