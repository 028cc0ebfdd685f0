package main

import (
	"bytes"
	"fmt"
	"image"
	"image/png"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/rs/zerolog"
	"gocv.io/x/gocv"

	"facesieve/cmd/facesieve/internal/testsupport"
	"facesieve/internal/freeport"
	"facesieve/models"
	"facesieve/publish/event"
	"facesieve/publish/publishtest"
	"facesieve/quality"
)

// privacySettings sends every face with exact pixels, and logs everything.
const privacySettings = `
device: pole
log: {level: trace, format: json}
image: {encoding: png}
max_fps: 0
detect: {motion: {enabled: false}}
quality: {policy: all, threshold: 0}
`

// Nothing that replay and score write or print contains an embedding.
func TestReplayWritesNoEmbedding(t *testing.T) {
	t.Parallel()
	clip, out := clipOfOneFace(t), t.TempDir()
	config := testsupport.WriteFile(t, "facesieve.yaml", privacySettings+"cameras: [{name: door, url: x}]\n")
	stdout, stderr := mustInvoke(t, "replay", "--config", config, "--out", out, clip)
	scores, summary := mustInvoke(t, "score", "--config", config, "--json", clip)
	written := filesBelow(t, out)
	written["stdout"], written["stderr"] = []byte(stdout), []byte(stderr)
	written["scores"] = []byte(scores + summary)
	faces := testsupport.DecodeLines(t, written["events.jsonl"])
	searchFor(t, embeddingsOf(t, faces), written)
}

// Nothing that the daemon sends, stores or logs contains an embedding: messages, outbox, log, page.
func TestRunSendsNoEmbedding(t *testing.T) {
	state := t.TempDir()
	t.Setenv("STATE_DIRECTORY", state)
	clip, gallery := clipOfOneFace(t), t.TempDir()
	broker := publishtest.StartAnonymous(t)
	runOn := func(url string) []byte {
		config := testsupport.WriteFile(t, "facesieve.yaml", privacySettings+fmt.Sprintf(`
cameras:
  - {name: door, url: %s, pace: fast}
  - {name: none, url: %s, pace: fast, quality: {threshold: 100}}
mqtt: {broker: %s, jpeg: true}
`, clip, clip, url))
		var printed publishtest.Log // several goroutines write to it
		if code := run(t.Context(), []string{"run", "--config", config, "--gallery", gallery}, &printed, &printed); code != exitOK {
			t.Fatalf("exit code %d\n%s", code, printed.String())
		}
		return []byte(printed.String())
	}
	written := map[string][]byte{"log": runOn("tcp://" + freeport.Address(t))} // without a broker
	for name, content := range filesBelow(t, state) {
		written["stored in "+name] = content
	}
	live := publishtest.Record(t, broker.URL(), "#")
	written["second log"] = runOn(broker.URL())
	testsupport.Eventually(t, "messages", func() bool {
		return len(live.On("facesieve/pole/door/face")) > 5 && len(live.On("facesieve/pole/none/rejected")) > 0
	})
	var faces []event.Face
	for i, m := range live.Messages() {
		written[fmt.Sprintf("message %d on %s", i, m.Topic())] = m.Payload()
		if filepath.Base(m.Topic()) == "face" {
			face, err := event.DecodeFace(m.Payload())
			testsupport.Must(t, err)
			faces = append(faces, face)
		}
	}
	for name, content := range filesBelow(t, gallery) {
		written[name] = content
	}
	if len(written["stored in outbox.db"]) == 0 || len(written["index.html"]) == 0 {
		t.Error("the outbox or the page is missing")
	}
	searchFor(t, embeddingsOf(t, faces), written)
}

// clipOfOneFace writes a recording, a directory of images, of a face that moves to the side.
func clipOfOneFace(t *testing.T) string {
	t.Helper()
	directory := t.TempDir()
	picture := gocv.IMRead(testsupport.FaceImage(t), gocv.IMReadColor)
	defer picture.Close()
	for i := range 8 {
		frame := picture.Region(image.Rect(2*i, 0, picture.Cols()-16+2*i, picture.Rows()))
		if !gocv.IMWrite(filepath.Join(directory, fmt.Sprintf("%02d.png", i)), frame) {
			t.Fatal("cannot write an image")
		}
		frame.Close()
	}
	return directory
}

// filesBelow returns the content of all files below a directory, by their path in it.
func filesBelow(t *testing.T, directory string) map[string][]byte {
	t.Helper()
	contents := map[string][]byte{}
	testsupport.Must(t, filepath.WalkDir(directory, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		name, err := filepath.Rel(directory, path)
		if err != nil {
			return err
		}
		contents[name], err = os.ReadFile(path)
		return err
	}))
	return contents
}

// embeddingsOf computes the embedding of each face from its pixels, as the program did.
func embeddingsOf(t *testing.T, faces []event.Face) []embeddingOutput {
	t.Helper()
	model, err := models.Embedded(models.TaskQuality)
	testsupport.Must(t, err)
	network, err := models.Start(model, models.DefaultRuntime(), zerolog.Nop())
	testsupport.Must(t, err)
	defer func() { testsupport.Must(t, network.Close()) }()
	scorer, err := quality.NewScorer(network)
	testsupport.Must(t, err)
	head := network.Manifest().Quality.Embedding
	var outputs []embeddingOutput
	for _, face := range faces {
		mat := matOf(t, face.Image.Data)
		score, err := scorer.Score(mat)
		mat.Close()
		testsupport.Must(t, err)
		if score.Raw != face.Quality.Raw {
			t.Fatalf("raw score %g, the event has %g: these are not the pixels that were scored", score.Raw, face.Quality.Raw)
		}
		tensor := network.Output(head.Output)
		outputs = append(outputs, newEmbeddingOutput(tensor.Data, tensor.ZeroPoint, tensor.Scale, head.Scale))
	}
	if len(outputs) < 4 {
		t.Fatalf("%d faces", len(outputs))
	}
	return outputs
}

// matOf returns the pixels of a PNG image, 8-bit BGR.
func matOf(t *testing.T, data []byte) gocv.Mat {
	t.Helper()
	picture, err := png.Decode(bytes.NewReader(data))
	testsupport.Must(t, err)
	var bgr []byte
	for y := range quality.Size {
		for x := range quality.Size {
			r, g, b, _ := picture.At(x, y).RGBA()
			bgr = append(bgr, byte(b>>8), byte(g>>8), byte(r>>8))
		}
	}
	mat, err := gocv.NewMatFromBytes(quality.Size, quality.Size, gocv.MatTypeCV8UC3, bgr)
	testsupport.Must(t, err)
	return mat
}
