package web

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"slices"
	"text/template"
	"time"

	"facesieve/cmd/facesieve/internal/config"
	"facesieve/cmd/facesieve/internal/feedback"
	"facesieve/models"
)

//go:embed report.html
var reportPage string //nolint:gochecknoglobals // embed needs a global

// The views of a report.
const (
	ViewVisits    = "visits"
	ViewCalibrate = "calibrate"
)

// Report describes a self-contained HTML file with the views of the page that need no daemon. It shows what a recorder
// of ReportBounds has, makes no request, and can be opened without a server.
type Report struct {
	Title      string            // what was seen, for example the name of a recording
	Program    string            // version
	Cameras    []config.Camera   // whose settings the faces were judged with
	Networks   []models.Manifest // in use
	Recordings []Recording       // in the order of time; empty: there are none, or only one
	// Feedback is what was learned from recognisers, by camera; nil: nothing.
	Feedback map[string]*feedback.Snapshot
	View     string // that is shown first: ViewVisits or ViewCalibrate
}

// Recording is one of the recordings of a camera.
type Recording struct {
	Name  string    `json:"name"`
	Start time.Time `json:"start"` // of its first frame
}

// reportJSON is the data of a report. The answers are those of the server.
type reportJSON struct {
	Title        string             `json:"title"`
	Program      string             `json:"program"`
	View         string             `json:"view"`
	Cameras      []reportCameraJSON `json:"cameras"`
	Calibrations []Calibration      `json:"calibrations"` // of the cameras
	Recordings   []Recording        `json:"recordings"`
	Faces        int                `json:"faces"`    // that are recorded
	LeftOut      int                `json:"left_out"` // faces after them
	Visits       []visitDetail      `json:"visits"`
	Images       map[uint64][]byte  `json:"images"` // JPEGs by the number of the picture
}

type reportCameraJSON struct {
	Name   string     `json:"name"`
	Limits limitsJSON `json:"limits"`
}

// Report returns the HTML of a report.
func (r *Recorder) Report(report Report) ([]byte, error) {
	data, err := r.report(report)
	if err != nil {
		return nil, err
	}
	return reportText(report.Title, data)
}

// Recorded returns the number of visits and of faces that a report has, and of the faces that are left out of it.
func (r *Recorder) Recorded() (visits, faces, leftOut int) {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	return len(r.visits), r.faces, r.leftOut
}

// report returns what the recorder has.
func (r *Recorder) report(report Report) (reportJSON, error) {
	calibrations := []Calibration{}
	for _, camera := range report.Cameras {
		calibration := r.Calibration(camera, report.Networks)
		calibration.Feedback = report.Feedback[camera.Name]
		calibrations = append(calibrations, calibration)
	}
	r.mutex.Lock()
	defer r.mutex.Unlock()
	data := reportJSON{
		Title: report.Title, Program: report.Program, View: report.View, Cameras: []reportCameraJSON{},
		Calibrations: calibrations, Recordings: append([]Recording{}, report.Recordings...), Faces: r.faces,
		LeftOut: r.leftOut, Visits: []visitDetail{}, Images: map[uint64][]byte{},
	}
	if r.err != nil {
		return data, fmt.Errorf("collect faces for the report: %w", r.err)
	}
	for _, camera := range report.Cameras {
		data.Cameras = append(data.Cameras, reportCameraJSON{camera.Name, limitsView(camera)})
	}
	for _, v := range r.ordered() {
		data.Visits = append(data.Visits, v.detail())
		for _, p := range v.allPictures() {
			data.Images[p.number] = p.jpeg
		}
	}
	slices.SortFunc(data.Visits, func(a, b visitDetail) int {
		return cmp.Or(a.First.Compare(b.First), cmp.Compare(a.Number, b.Number))
	})
	return data, nil
}

// reportText returns the HTML of a report.
func reportText(title string, data reportJSON) ([]byte, error) {
	encoded, err := json.Marshal(data) // escapes < and >, so that no text ends the script element
	if err != nil {
		return nil, fmt.Errorf("encode the report: %w", err)
	}
	parts := map[string][]byte{}
	for _, name := range []string{"app.css", "report.js", "icon.svg"} {
		if parts[name], err = bundle.ReadFile("dist/" + name); err != nil {
			return nil, err
		}
	}
	page, err := template.New("report").Parse(reportPage)
	if err != nil {
		return nil, err
	}
	const policy = "default-src 'none'; img-src data:; script-src %s; style-src %s; base-uri 'none'; form-action 'none'"
	var text bytes.Buffer
	err = page.Execute(&text, map[string]string{
		"Title": "facesieve: " + title, "Icon": base64.StdEncoding.EncodeToString(parts["icon.svg"]),
		"Style": string(parts["app.css"]), "Script": string(parts["report.js"]), "Data": string(encoded),
		"Policy": fmt.Sprintf(policy, sourceHash(parts["report.js"]), sourceHash(parts["app.css"])),
	})
	return text.Bytes(), err
}

// sourceHash returns the source expression of Content-Security-Policy that allows an inline element with this text.
func sourceHash(text []byte) string {
	sum := sha256.Sum256(text)
	return "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
}
