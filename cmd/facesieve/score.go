package main

import (
	"context"
	"encoding/json"
	"fmt"
	"image"
	"io"
	"slices"
	"unicode/utf8"

	"gocv.io/x/gocv"

	"facesieve/capture"
	"facesieve/cmd/facesieve/internal/config"
	"facesieve/cmd/facesieve/internal/logging"
	"facesieve/cmd/facesieve/internal/pipeline"
	"facesieve/detect"
	"facesieve/publish"
	"facesieve/quality"
)

type scoreCommand struct {
	Aligned   bool       `help:"Treat the pictures as aligned faces of 112x112 pixels, without detection."`
	JSON      bool       `help:"Print one JSON object per line and face."`
	MaxPixels int        `default:"40000000" placeholder:"N" help:"Refuse pictures with more pixels, undecoded."`
	Config    filePath   `help:"Configuration file: networks, detector and gates. Default: the built-in one."`
	Paths     []filePath `arg:"" name:"file|dir" help:"Pictures, or directories that are searched recursively."`
}

// Validate checks the flags; kong calls it.
func (c *scoreCommand) Validate() error {
	if c.MaxPixels < 1 {
		return fmt.Errorf("--max-pixels=%d is less than 1", c.MaxPixels)
	}
	return nil
}

// scoredFace is one line of facesieve score --json: a face, or a picture without one.
type scoredFace struct {
	File       string              `json:"file"`
	FileBytes  []byte              `json:"file_base64,omitempty"` // exact name, if it is not UTF-8
	Faces      *int                `json:"faces,omitempty"`       // number of faces in the picture
	Face       *int                `json:"face,omitempty"`        // index in the picture, from 0, best detection first
	Box        *[4]float32         `json:"box,omitempty"`         // x, y, width, height in pixels
	Landmarks  *[5][2]float32      `json:"landmarks,omitempty"`   // eyes, nose, mouth corners; right before left
	Score      *float64            `json:"score,omitempty"`       // 0..100
	Raw        *float64            `json:"raw,omitempty"`
	Labels     publish.Labels      `json:"labels,omitempty"` // what raw is made of, each 0..1
	Components *publish.Components `json:"components,omitempty"`
	Error      string              `json:"error,omitempty"`
}

// Run scores every face of every picture. It continues after a picture that cannot be read, and then returns an error
// at the end. A picture without a face is not an error.
func (c *scoreCommand) Run(ctx context.Context, term console) error {
	cfg := config.Default()
	var err error
	if c.Config != "" {
		if cfg, err = config.Load(config.ForScore(), string(c.Config), config.Secret); err != nil {
			return err
		}
	}
	networks, err := pipeline.OpenNetworks(cfg)
	if err != nil {
		return err
	}
	log := logging.New(config.Log{Level: "warn", Format: "auto"}, term.err)
	e, err := pipeline.OpenEngine(networks, cfg, cfg.NewCamera(), log)
	if err != nil {
		return err
	}
	defer e.Close() //nolint:errcheck // only memory is freed
	return c.scoreAll(ctx, term, e, listPictures(c.Paths))
}

func (c *scoreCommand) scoreAll(ctx context.Context, term console, e *pipeline.Engine, list *pictureList) error {
	bar := newProgress(term.err, len(list.pictures), "pictures")
	var counts scoreCounts
	for _, picture := range list.pictures {
		if ctx.Err() != nil {
			bar.finish()
			return fmt.Errorf("interrupted after %d of %d pictures", counts.pictures, len(list.pictures))
		}
		lines := c.scorePicture(ctx, e, picture)
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
		return fmt.Errorf("%d of %d pictures could not be scored; each is named above", counts.failed, counts.pictures)
	}
	return nil
}

// scorePicture returns a line for each face of a picture, or one line for a picture without a face or with an error.
func (c *scoreCommand) scorePicture(ctx context.Context, e *pipeline.Engine, picture listedPicture) []scoredFace {
	var lines []scoredFace
	err := picture.fault
	if err == nil {
		lines, err = c.scoreFile(ctx, e, picture.path)
	}
	if err != nil {
		lines = []scoredFace{{File: picture.path, Error: err.Error()}}
	}
	if !utf8.ValidString(picture.path) {
		for i := range lines {
			lines[i].FileBytes = []byte(picture.path)
		}
	}
	return lines
}

// scoreFile returns a line for each face of the picture in file. It ignores detections that could only continue a track.
func (c *scoreCommand) scoreFile(ctx context.Context, e *pipeline.Engine, file string) ([]scoredFace, error) {
	picture := gocv.NewMat()
	defer picture.Close()
	if err := capture.ReadImage(file, c.MaxPixels, &picture); err != nil {
		return nil, err
	}
	if err := e.Acquire(ctx, image.Pt(picture.Cols(), picture.Rows())); err != nil {
		return nil, err
	}
	defer e.Release()
	if c.Aligned {
		return scoreAligned(e, file, picture)
	}
	found, err := e.Find(picture)
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
		j, err := e.Judge(picture, face, true)
		if err != nil {
			return nil, err
		}
		lines = append(lines, scoredFace{
			File: file, Faces: &count, Face: &i, Box: &face.Box, Landmarks: &j.Face.Landmarks,
			Score: &j.Score.Value, Raw: &j.Score.Raw, Labels: j.Labels, Components: pipeline.Components(j.Assessment),
		})
	}
	return lines, nil
}

// scoreAligned scores a picture that is a face on the template already.
func scoreAligned(e *pipeline.Engine, file string, picture gocv.Mat) ([]scoredFace, error) {
	if picture.Cols() != quality.Size || picture.Rows() != quality.Size {
		return nil, fmt.Errorf("%dx%d pixels; an aligned face has %dx%d, and without --aligned the face is looked for",
			picture.Cols(), picture.Rows(), quality.Size, quality.Size)
	}
	j, err := e.ScoreAligned(picture)
	if err != nil {
		return nil, err
	}
	first, count := 0, 1
	return []scoredFace{{
		File: file, Faces: &count, Face: &first, Score: &j.Score.Value, Raw: &j.Score.Raw, Labels: j.Labels,
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
