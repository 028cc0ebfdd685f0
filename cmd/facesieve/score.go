package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"image"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/rs/zerolog"
	"gocv.io/x/gocv"

	"facesieve/capture"
	"facesieve/detect"
	"facesieve/publish"
	"facesieve/quality"
)

type scoreCommand struct {
	Aligned bool     `help:"Take the pictures as aligned faces of 112x112 pixels; find none."`
	JSON    bool     `help:"Print one JSON object a face and line."`
	Config  string   `type:"path" help:"Configuration file: networks, detector and gates. Default: the built-in one."`
	Paths   []string `arg:"" name:"file|dir" type:"path" help:"Pictures, or folders of pictures (with those below)."`
}

// scoredFace is one line of facesieve score --json.
type scoredFace struct {
	File       string              `json:"file"`
	Face       *int                `json:"face,omitempty"`      // number of the face in the picture, from 0, best detection first
	Box        *[4]float32         `json:"box,omitempty"`       // x, y, width, height in pixels
	Landmarks  *[5][2]float32      `json:"landmarks,omitempty"` // right eye, left eye, nose, right and left mouth corner
	Score      *float64            `json:"score,omitempty"`     // 0..100
	Raw        *float64            `json:"raw,omitempty"`
	Labels     publish.Labels      `json:"labels,omitempty"` // what raw is made of, each 0..1
	Components *publish.Components `json:"components,omitempty"`
	Error      string              `json:"error,omitempty"`
}

// Run scores every face of every picture. It goes on after a picture that cannot be read, and fails at the end.
func (c *scoreCommand) Run(ctx context.Context, term console) error {
	cfg := DefaultConfig()
	var err error
	if c.Config != "" {
		if cfg, err = LoadConfig(c.Config, secrets); err != nil {
			return err
		}
	}
	files, err := pictureFiles(c.Paths)
	if err != nil {
		return err
	}
	nets, err := openModels(cfg)
	if err != nil {
		return err
	}
	scores, err := newLoneEngine(nets, cfg.Runtime, cfg.Detect, cfg.Quality, zerolog.Nop())
	if err != nil {
		return err
	}
	defer scores.Close() //nolint:errcheck // only memory is freed
	return c.scoreAll(ctx, term, scores, files, float32(scores.detector.Config().Score))
}

func (c *scoreCommand) scoreAll(ctx context.Context, term console, scores *engine, files []string, least float32) error {
	bar := newProgress(term.err, len(files), "pictures")
	failed := 0
	for _, file := range files {
		if err := ctx.Err(); err != nil {
			return errors.New("interrupted")
		}
		faces, err := c.scoreFile(scores, file, least)
		if err != nil {
			failed++
			faces = []scoredFace{{File: file, Error: err.Error()}}
		}
		for _, face := range faces {
			if err := c.print(term.out, face); err != nil {
				return fmt.Errorf("print the scores: %w", err)
			}
		}
		bar.add()
	}
	bar.finish()
	if failed > 0 {
		return fmt.Errorf("%d of %d pictures could not be scored; each is named above", failed, len(files))
	}
	return nil
}

// scoreFile returns a line for each face of the picture in file. One that is less sure than least does not count: it could
// only continue a track.
func (c *scoreCommand) scoreFile(e *engine, file string, least float32) ([]scoredFace, error) {
	picture := gocv.NewMat()
	defer picture.Close()
	if !capture.ReadPicture(file, &picture) {
		return nil, errors.New("not a picture that can be read; JPEG, PNG, WebP, BMP and TIFF can")
	}
	e.borrow(image.Pt(picture.Cols(), picture.Rows()))
	defer e.giveBack()
	if c.Aligned {
		return scoreAligned(e, file, picture)
	}
	found, err := e.find(picture)
	if err != nil {
		return nil, err
	}
	found = slices.DeleteFunc(found, func(face detect.Face) bool { return face.Score < least })
	if len(found) == 0 {
		return nil, errors.New("no face found; with --aligned a picture is taken as a face")
	}
	var lines []scoredFace
	for i, face := range found {
		j, err := e.judge(picture, face, true)
		if err != nil {
			return nil, err
		}
		lines = append(lines, scoredFace{
			File: file, Face: &i, Box: &face.Box, Landmarks: &j.Face.Landmarks,
			Score: &j.Score.Value, Raw: &j.Score.Raw, Labels: j.Labels, Components: components(j.Assessment),
		})
	}
	return lines, nil
}

// scoreAligned scores a picture that is a face on the template already.
func scoreAligned(e *engine, file string, picture gocv.Mat) ([]scoredFace, error) {
	if picture.Cols() != quality.Size || picture.Rows() != quality.Size {
		return nil, fmt.Errorf("%dx%d pixels; an aligned face has %dx%d, and without --aligned the face is looked for",
			picture.Cols(), picture.Rows(), quality.Size, quality.Size)
	}
	score, err := e.scorer.Score(picture)
	if err != nil {
		return nil, fmt.Errorf("score: %w", err)
	}
	measures := quality.Unassessed() // size and pose that the face had are not known any more
	if err := e.assessor.Pixels(picture, &measures); err != nil {
		return nil, fmt.Errorf("measure: %w", err)
	}
	first := 0
	return []scoredFace{{
		File: file, Face: &first, Score: &score.Value, Raw: &score.Raw, Labels: e.scorer.Named(score),
		Components: components(measures),
	}}, nil
}

// print writes one line: JSON, or score, box and file for a person.
func (c *scoreCommand) print(w io.Writer, face scoredFace) error {
	if c.JSON {
		return json.NewEncoder(w).Encode(face)
	}
	if face.Error != "" {
		_, err := fmt.Fprintf(w, "    -  %s: %s\n", face.File, face.Error)
		return err
	}
	where := ""
	if box := face.Box; box != nil {
		where = fmt.Sprintf("  face %d, %.0fx%.0f at %.0f,%.0f", *face.Face, box[2], box[3], box[0], box[1])
	}
	_, err := fmt.Fprintf(w, "%5.1f  %s%s\n", *face.Score, face.File, where)
	return err
}

// pictureFiles replaces each folder among paths by the pictures in it and below, in lexical order.
func pictureFiles(paths []string) ([]string, error) {
	var files []string
	for _, path := range paths {
		info, err := os.Stat(path)
		if err != nil {
			return nil, err
		}
		if !info.IsDir() {
			files = append(files, path)
			continue
		}
		before := len(files)
		err = filepath.WalkDir(path, func(name string, entry os.DirEntry, err error) error {
			if err == nil && entry.Type().IsRegular() && isPicture(name) {
				files = append(files, name)
			}
			return err
		})
		if err != nil {
			return nil, err
		}
		if len(files) == before {
			return nil, fmt.Errorf("%s: no picture in this folder (.jpg, .jpeg, .png, .webp, .bmp, .tif, .tiff)", path)
		}
	}
	return files, nil
}

// isPicture goes by the ending of the name.
func isPicture(name string) bool {
	switch strings.ToLower(filepath.Ext(name)) {
	case ".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff":
		return true
	}
	return false
}

// components is the form of an assessment in events and scores.
func components(a quality.Assessment) *publish.Components {
	c := publish.Components(a.Components)
	return &c
}
