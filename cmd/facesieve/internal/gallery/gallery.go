// Package gallery is an observer that collects every scored face and writes one HTML page with all of them, for a
// person who checks a camera or the threshold.
package gallery

import (
	"bytes"
	"cmp"
	_ "embed"
	"encoding/base64"
	"fmt"
	"html/template"
	"path/filepath"
	"sort"
	"strings"
	"sync"
	"time"

	"github.com/google/renameio/v2"
	"gocv.io/x/gocv"

	"facesieve/cmd/facesieve/internal/config"
	"facesieve/cmd/facesieve/internal/pipeline"
	"facesieve/publish/event"
	"facesieve/quality"
)

// maxFaces bounds the page, about 5 kB a face. Later faces are counted and left out.
const maxFaces = 3000

//go:embed gallery.html
var pageText string

// face is one face of one frame.
type face struct {
	key
	Visit  string // ID
	Score  float64
	Reason string // why it could not be sent; empty if it could
	Detail string // measures, for the tooltip
	JPEG   []byte // the aligned face
	Sent   bool
}

// key identifies a face: a track has one face in a frame.
type key struct {
	Camera string
	Track  uint64
	Time   time.Time
}

func keyOf(c *pipeline.Candidate) key { return key{c.Camera, c.Track, c.Time} }

// ReasonText returns the reason with spaces.
func (f *face) ReasonText() string { return strings.ReplaceAll(f.Reason, "_", " ") }

// Gallery collects scored faces. The zero value is ready. It is safe for concurrent use. Its pipelines need
// pipeline.Options.ScoreAll, or faces that a gate rules out are missing.
type Gallery struct {
	pipeline.NoObserver
	mutex sync.Mutex
	faces []*face
	index map[key]*face
	more  int   // faces that were left out
	err   error // the first that occurred
}

// Judged adds a scored face.
func (g *Gallery) Judged(c *pipeline.Candidate, aligned gocv.Mat, reason quality.Reason) {
	if !c.Judgement.Scored {
		return
	}
	pixels, err := aligned.DataPtrUint8()
	var jpeg []byte
	if err == nil {
		jpeg, err = pipeline.EncodeAligned(config.Image{Encoding: event.JPEG, Quality: 85}, pixels)
	}
	g.mutex.Lock()
	defer g.mutex.Unlock()
	switch {
	case err != nil:
		g.err = cmp.Or(g.err, err)
	case len(g.faces) >= maxFaces:
		g.more++
	default:
		f := &face{
			key: keyOf(c), Visit: c.Visit.ID, Score: c.Judgement.Score.Value, Reason: string(reason), Detail: pipeline.Describe(c), JPEG: jpeg,
		}
		if g.index == nil {
			g.index = map[key]*face{}
		}
		g.faces, g.index[f.key] = append(g.faces, f), f
	}
}

// Moved moves faces to another visit.
func (g *Gallery) Moved(camera string, m quality.Move) {
	g.mutex.Lock()
	defer g.mutex.Unlock()
	for _, f := range g.faces {
		if f.Camera == camera && f.Track == m.Track && !f.Time.Before(m.Since) {
			f.Visit = m.Visit
		}
	}
}

// Decided marks a face that is sent.
func (g *Gallery) Decided(d pipeline.Decision) {
	g.mutex.Lock()
	defer g.mutex.Unlock()
	if f := g.index[keyOf(d.Face)]; f != nil && d.Send {
		f.Sent = true
	}
}

// visit is one visit in the page.
type visit struct {
	Number      int // in the page, from 1
	Camera      string
	First, Last time.Time
	Faces       []shownFace
	Best        float64
	Sent        int
}

// shownFace is one face in the page.
type shownFace struct {
	*face
	Image template.URL
	Left  float64 // position in the chart, per cent of the visit's time
}

// visits groups the faces by visit, in the order in which they began.
func (g *Gallery) visits() []*visit {
	index := map[string]*visit{} // by ID
	var all []*visit
	for _, f := range g.faces {
		v := index[f.Visit]
		if v == nil {
			v = &visit{Camera: f.Camera, First: f.Time}
			index[f.Visit] = v
			all = append(all, v)
		}
		v.add(f)
	}
	for _, v := range all {
		v.spread()
	}
	sort.SliceStable(all, func(i, j int) bool { return all[i].First.Before(all[j].First) })
	for i, v := range all {
		v.Number = i + 1
	}
	return all
}

func (v *visit) add(f *face) {
	v.Last = f.Time
	v.Best = max(v.Best, f.Score)
	if f.Sent {
		v.Sent++
	}
	encoded := base64.StdEncoding.EncodeToString(f.JPEG)
	v.Faces = append(v.Faces, shownFace{
		face:  f,
		Image: template.URL("data:image/jpeg;base64," + encoded), //nolint:gosec // encoded here
	})
}

// spread distributes the faces over the chart by their time.
func (v *visit) spread() {
	span := v.Last.Sub(v.First).Seconds()
	for i := range v.Faces {
		if span > 0 {
			v.Faces[i].Left = 100 * v.Faces[i].Time.Sub(v.First).Seconds() / span
		}
	}
}

// Seconds returns how long the visit lasted.
func (v *visit) Seconds() string { return fmt.Sprintf("%.1f s", v.Last.Sub(v.First).Seconds()) }

// Write writes index.html into directory. Threshold is that of the scores, 0..100, and is drawn into the charts.
func (g *Gallery) Write(directory string, threshold float64) error {
	g.mutex.Lock()
	defer g.mutex.Unlock()
	if g.err != nil {
		return fmt.Errorf("collect faces for the gallery page: %w", g.err)
	}
	page, err := template.New("gallery").Parse(pageText)
	if err != nil {
		return fmt.Errorf("parse gallery page: %w", err)
	}
	var text bytes.Buffer
	if err := page.Execute(&text, map[string]any{
		"Visits": g.visits(), "Faces": len(g.faces), "More": g.more, "Threshold": threshold,
	}); err != nil {
		return fmt.Errorf("write gallery page: %w", err)
	}
	path := filepath.Join(directory, "index.html")
	if err := renameio.WriteFile(path, text.Bytes(), 0o600, renameio.WithTempDir(directory)); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return nil
}
