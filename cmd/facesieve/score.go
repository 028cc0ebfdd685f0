package main

import (
	"context"
	"encoding/json"
	"fmt"
	"image"
	"io"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/dustin/go-humanize/english"
	"gocv.io/x/gocv"

	"facesieve/capture"
	"facesieve/cmd/facesieve/internal/config"
	"facesieve/cmd/facesieve/internal/logging"
	"facesieve/cmd/facesieve/internal/pipeline"
	"facesieve/detect"
	"facesieve/publish/event"
	"facesieve/quality"
)

type scoreCommand struct {
	Aligned   bool       `help:"Treat the images as aligned faces of 112x112 pixels, without detection."`
	JSON      bool       `help:"Print one JSON object per line and face."`
	MaxPixels int        `default:"40000000" placeholder:"N" help:"Refuse images with more pixels, undecoded."`
	Config    filePath   `help:"Configuration file: networks, detector and gates. Default: the built-in one."`
	Paths     []filePath `arg:"" name:"file|dir" help:"Images, or directories that are searched recursively."`
}

// Validate checks the flags; kong calls it.
func (c *scoreCommand) Validate() error {
	if c.MaxPixels < 1 {
		return fmt.Errorf("--max-pixels=%d is less than 1", c.MaxPixels)
	}
	return nil
}

// scoredFace is one line of facesieve score --json: a face, or an image without one.
type scoredFace struct {
	File       string           `json:"file"`
	FileBytes  []byte           `json:"file_base64,omitempty"` // exact name, if it is not UTF-8
	Faces      *int             `json:"faces,omitempty"`       // number of faces in the image
	Face       *int             `json:"face,omitempty"`        // index in the image, from 0, best detection first
	Box        *[4]float32      `json:"box,omitempty"`         // x, y, width, height in pixels
	Landmarks  *[5][2]float32   `json:"landmarks,omitempty"`   // eyes, nose, mouth corners; right before left
	Score      *float64         `json:"score,omitempty"`       // 0..100
	Raw        *float64         `json:"raw,omitempty"`
	Labels     event.Labels     `json:"labels,omitempty"` // the parts of raw, each 0..1
	Components event.Components `json:"components,omitempty"`
	Error      string           `json:"error,omitempty"`
}

// Run scores every face of every image. It continues after an image that cannot be read, and returns an error at the
// end. An image without a face is not an error.
func (c *scoreCommand) Run(ctx context.Context, term console) error {
	cfg := config.Default()
	var err error
	if c.Config != "" {
		if cfg, err = config.Load(config.ForScore(), string(c.Config), config.Secret); err != nil {
			return err
		}
	}
	camera := cfg.NewCamera()
	networks, err := pipeline.OpenNetworks(cfg, camera)
	if err != nil {
		return err
	}
	log := logging.New(config.Log{Level: "warn", Format: "auto"}, term.err)
	e, err := pipeline.OpenEngine(networks, cfg, camera, log)
	if err != nil {
		return err
	}
	defer e.Close() //nolint:errcheck // only memory is freed
	return c.scoreAll(ctx, term, e, listImages(c.Paths))
}

func (c *scoreCommand) scoreAll(ctx context.Context, term console, e *pipeline.Engine, list *imageList) error {
	bar := newProgress(term.err, len(list.images), "images")
	var counts scoreCounts
	for _, file := range list.images {
		if ctx.Err() != nil {
			bar.finish()
			return fmt.Errorf("interrupted after %d of %d images", counts.images, len(list.images))
		}
		lines := c.scoreImage(ctx, e, file)
		counts.add(lines)
		bar.clear()
		for _, line := range lines {
			if err := c.print(term.out, line); err != nil {
				return fmt.Errorf("print the scores: %w", err)
			}
		}
		bar.add()
	}
	bar.finish()
	fmt.Fprintln(term.err, counts.summary(list))
	if counts.failed > 0 {
		return fmt.Errorf("%d of %d images could not be scored; each is named above", counts.failed, counts.images)
	}
	return nil
}

// scoreImage returns a line for each face of an image, or one line for an image without a face or with an error.
func (c *scoreCommand) scoreImage(ctx context.Context, e *pipeline.Engine, file listedImage) []scoredFace {
	var lines []scoredFace
	err := file.fault
	if err == nil {
		lines, err = c.scoreFile(ctx, e, file.path)
	}
	if err != nil {
		lines = []scoredFace{{File: file.path, Error: err.Error()}}
	}
	if !utf8.ValidString(file.path) {
		for i := range lines {
			lines[i].FileBytes = []byte(file.path)
		}
	}
	return lines
}

// scoreFile returns a line for each face of the image in file. It ignores detections that could only continue a track.
func (c *scoreCommand) scoreFile(ctx context.Context, e *pipeline.Engine, file string) ([]scoredFace, error) {
	img := gocv.NewMat()
	defer img.Close()
	if err := capture.ReadImage(file, c.MaxPixels, &img); err != nil {
		return nil, err
	}
	if err := e.Acquire(ctx, image.Pt(img.Cols(), img.Rows())); err != nil {
		return nil, err
	}
	defer e.Release()
	if c.Aligned {
		return scoreAligned(e, file, img)
	}
	found, err := e.Find(img, nil)
	if err != nil {
		return nil, err
	}
	found = slices.DeleteFunc(found, func(face detect.Face) bool { return float64(face.Score) < e.MinScore() })
	count := len(found)
	if count == 0 {
		return []scoredFace{{File: file, Faces: &count}}, nil
	}
	var lines []scoredFace
	for i, face := range found {
		j, err := e.Judge(img, face, true)
		if err != nil {
			return nil, err
		}
		lines = append(lines, scoredFace{
			File: file, Faces: &count, Face: &i, Box: &face.Box, Landmarks: &j.Face.Landmarks,
			Score: &j.Score.Value, Raw: &j.Score.Raw, Labels: j.Score.Labels,
			Components: pipeline.Components(j.Assessment),
		})
	}
	return lines, nil
}

// scoreAligned scores an image that is an aligned face.
func scoreAligned(e *pipeline.Engine, file string, img gocv.Mat) ([]scoredFace, error) {
	if img.Cols() != quality.Size || img.Rows() != quality.Size {
		return nil, fmt.Errorf("%dx%d pixels; an aligned face has %dx%d, and without --aligned the face is detected",
			img.Cols(), img.Rows(), quality.Size, quality.Size)
	}
	j, err := e.ScoreAligned(img)
	if err != nil {
		return nil, err
	}
	first, count := 0, 1
	return []scoredFace{{
		File: file, Faces: &count, Face: &first, Score: &j.Score.Value, Raw: &j.Score.Raw, Labels: j.Score.Labels,
		Components: pipeline.Components(j.Assessment),
	}}, nil
}

// print writes one line: a JSON object, or a text with score, file and box.
func (c *scoreCommand) print(w io.Writer, face scoredFace) error {
	if c.JSON {
		line, err := json.Marshal(face)
		if err != nil {
			return err
		}
		_, err = w.Write(append(safeJSON(line), '\n'))
		return err
	}
	file := printablePath(face.File)
	switch {
	case face.Error != "":
		_, err := fmt.Fprintf(w, "    -  %s: %s\n", file, face.Error)
		return err
	case face.Score == nil:
		_, err := fmt.Fprintf(w, "    -  %s: no face found\n", file)
		return err
	}
	where := ""
	if box := face.Box; box != nil {
		where = fmt.Sprintf("  face %d, %.0fx%.0f at %.0f,%.0f", *face.Face, box[2], box[3], box[0], box[1])
	}
	_, err := fmt.Fprintf(w, "%5.1f  %s%s\n", *face.Score, file, where)
	return err
}

// scoreCounts counts the images by result, and the faces.
type scoreCounts struct{ images, scored, faces, empty, failed int }

// add counts the lines of an image.
func (n *scoreCounts) add(lines []scoredFace) {
	n.images++
	switch {
	case lines[0].Error != "":
		n.failed++
	case lines[0].Score == nil:
		n.empty++
	default:
		n.scored++
		n.faces += len(lines)
	}
}

// summary returns for example
// "3 images: 1 scored, with 2 faces; 1 without a face; 1 could not be scored; left out: 1 hidden".
func (n *scoreCounts) summary(list *imageList) string {
	parts := []string{
		fmt.Sprintf("%s: %d scored, with %s", english.Plural(n.images, "image", ""), n.scored,
			english.Plural(n.faces, "face", "")),
	}
	for _, part := range []struct {
		count int
		text  string
	}{{n.empty, "without a face"}, {n.failed, "could not be scored"}} {
		if part.count > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", part.count, part.text))
		}
	}
	var out []string
	if list.hidden > 0 {
		out = append(out, fmt.Sprintf("%d hidden", list.hidden))
	}
	if list.others > 0 {
		out = append(out, english.Plural(list.others, "other file", ""))
	}
	if list.repeated > 0 {
		out = append(out, english.Plural(list.repeated, "link", "")+" to directories already listed")
	}
	if len(out) > 0 {
		parts = append(parts, "left out: "+strings.Join(out, ", "))
	}
	return strings.Join(parts, "; ")
}
