package main

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"facesieve/cmd/facesieve/internal/testsupport"
)

// The generated clip has a face that is judged and sent, and a quiet end, which the motion gate skips.
func TestBenchOnTheGeneratedClip(t *testing.T) {
	stdout, _ := mustInvoke(t, "bench", "--json")
	var got benchReport
	if err := json.Unmarshal([]byte(stdout), &got); err != nil {
		t.Fatal(err)
	}
	if got.Frames != clipFrames || got.Width != clipWidth || got.Height != clipHeight || got.FPS != clipFPS {
		t.Errorf("the clip: %+v", got)
	}
	if got.Faces < 100 || got.Analysed < got.Faces || got.Analysed >= 150 { // of 225 frames, max_fps lets 150 through
		t.Errorf("%d faces in %d frames", got.Faces, got.Analysed)
	}
	if got.Decoding <= 0 || got.Pipeline <= 0 || got.Ratio <= 0 || got.Cameras <= 0 || len(got.Networks) != 3 {
		t.Errorf("figures: %+v", got)
	}
	var names []string
	share := 0.
	for _, stage := range got.Stages {
		names = append(names, stage.Name)
		share += stage.Share
		if stage.CPU <= 0 || stage.CPU > stage.MS {
			t.Errorf("stage %s: %v ms of CPU in %v ms", stage.Name, stage.CPU, stage.MS)
		}
	}
	if share <= 0.1 || share > 1 { // the rest is decoding, and the start
		t.Errorf("the stages have %v of the CPU time", share)
	}
	if want := []string{"motion gate", "cut", "detect", "follow", "track", "refine", "align", "measure", "score", "select"}; !slices.Equal(names, want) {
		t.Errorf("stages %q, want %q", names, want)
	}
}

// bench takes a recording, by default that of the camera, with the settings of the camera.
func TestBenchOnARecording(t *testing.T) {
	video := testsupport.SharedVideo(t, "empty_room.mp4")
	file := testsupport.WriteFile(t, "bench.yaml", fmt.Sprintf("cameras: [{name: door, url: %q, max_fps: 2}]\n", video))
	stdout, _ := mustInvoke(t, "bench", "--config", file)
	for _, want := range []string{video + ": h264, ", "at most 2 analysed (max_fps)", "motion gate ", "network ", "such cameras"} {
		if !strings.Contains(stdout, want) {
			t.Errorf("%q is not in\n%s", want, stdout)
		}
	}
	if code, _, stderr := invoke(t.Context(), "bench", "/absent.mp4"); code != exitFailure || !strings.Contains(stderr, "check the path") {
		t.Errorf("exit code %d, %s", code, stderr)
	}
}
