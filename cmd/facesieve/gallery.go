package main

import (
	"bytes"
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
)

// maxGalleryFaces bounds the page, about 5 kB a face; later faces are counted and left out.
const maxGalleryFaces = 3000

//go:embed gallery.html
var galleryPage string

// seenFace is one face of one frame, as the gallery shows it.
type seenFace struct {
	Camera string
	Track  uint64
	Time   time.Time
	Score  float64
	Reason string // why it was not fit to be sent; empty if it was
	Detail string // measures, for the tooltip
	JPEG   []byte // the aligned face
	Sent   bool
}

// Words is the reason in plain words.
func (f *seenFace) Words() string { return strings.ReplaceAll(f.Reason, "_", " ") }

// gallery collects every face that the pipelines saw, for one page that a person looks at. A nil gallery collects
// nothing. It is safe for several goroutines.
type gallery struct {
	mutex sync.Mutex
	faces []*seenFace
	more  int
}

// add keeps face, and says whether there was room.
func (g *gallery) add(face *seenFace) {
	g.mutex.Lock()
	defer g.mutex.Unlock()
	if len(g.faces) >= maxGalleryFaces {
		g.more++
		return
	}
	g.faces = append(g.faces, face)
}

// markSent marks face as one that was forwarded.
func (g *gallery) markSent(face *seenFace) {
	g.mutex.Lock()
	defer g.mutex.Unlock()
	face.Sent = true
}

// visit is one track in the page.
type visit struct {
	Camera      string
	Track       uint64
	First, Last time.Time
	Faces       []shownFace
	Best        float64
	Sent        int
}

// shownFace is one face in the page.
type shownFace struct {
	*seenFace
	Image template.URL
	Left  float64 // place in the chart, per cent of the visit's time
}

// visits groups the faces by camera and track, in the order in which they began.
func (g *gallery) visits() []*visit {
	type key struct {
		camera string
		track  uint64
	}
	index := map[key]*visit{}
	var all []*visit
	for _, face := range g.faces {
		k := key{face.Camera, face.Track}
		v := index[k]
		if v == nil {
			v = &visit{Camera: face.Camera, Track: face.Track, First: face.Time}
			index[k] = v
			all = append(all, v)
		}
		v.add(face)
	}
	for _, v := range all {
		v.place()
	}
	sort.SliceStable(all, func(i, j int) bool { return all[i].First.Before(all[j].First) })
	return all
}

func (v *visit) add(face *seenFace) {
	v.Last = face.Time
	v.Best = max(v.Best, face.Score)
	if face.Sent {
		v.Sent++
	}
	encoded := base64.StdEncoding.EncodeToString(face.JPEG)
	v.Faces = append(v.Faces, shownFace{seenFace: face, Image: template.URL("data:image/jpeg;base64," + encoded)}) //nolint:gosec // our own bytes
}

// place spreads the faces over the chart by their time.
func (v *visit) place() {
	span := v.Last.Sub(v.First).Seconds()
	for i := range v.Faces {
		if span > 0 {
			v.Faces[i].Left = 100 * v.Faces[i].Time.Sub(v.First).Seconds() / span
		}
	}
}

// Seconds is how long the visit lasted.
func (v *visit) Seconds() string { return fmt.Sprintf("%.1f s", v.Last.Sub(v.First).Seconds()) }

// write writes index.html into folder.
func (g *gallery) write(folder string, threshold float64) error {
	g.mutex.Lock()
	defer g.mutex.Unlock()
	page, err := template.New("gallery").Parse(galleryPage)
	if err != nil {
		return fmt.Errorf("parse gallery page: %w", err)
	}
	var text bytes.Buffer
	if err := page.Execute(&text, map[string]any{
		"Visits": g.visits(), "Faces": len(g.faces), "More": g.more, "Threshold": threshold,
	}); err != nil {
		return fmt.Errorf("write gallery page: %w", err)
	}
	path := filepath.Join(folder, "index.html")
	if err := renameio.WriteFile(path, text.Bytes(), 0o600, renameio.WithTempDir(folder)); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return nil
}
