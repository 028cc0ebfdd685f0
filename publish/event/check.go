package event

import (
	"bytes"
	"errors"
	"fmt"
	"image"
	// The encodings of Image, for image.DecodeConfig.
	_ "image/jpeg"
	_ "image/png"
	"math"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"
)

const (
	maxCount  = 1<<53 - 1 // above it, readers that keep numbers as float64 lose the last digits
	maxSide   = 65535     // pixels
	maxLabels = 8
	maxDetail = 512 // characters of State.Detail and Health.Detail
	maxUnit   = 16  // characters of Miss.Unit
	maxMisses = 16
	maxData   = 512 << 10 // bytes of an encoded image; a broker may close the connection over more
)

// faults collects the faults of a message by the JSON path of the field.
type faults []error

func (f *faults) add(path, format string, args ...any) {
	*f = append(*f, fmt.Errorf("%s: %w", path, fmt.Errorf(format, args...)))
}

func (f *faults) check(ok bool, path, format string, args ...any) {
	if !ok {
		f.add(path, format, args...)
	}
}

func (e *Face) check(sending bool) error {
	var f faults
	f.head(e.Schema, e.Device, e.Camera, sending)
	f.id("id", e.ID)
	if e.Schema > oldestVersion {
		f.visit(e.Visit)
		f.count("latency_ms", e.LatencyMS)
	}
	f.seen(e.Track, e.Time, e.Frame, e.Box)
	f.landmarks(e.Landmarks)
	f.finite("transform", e.Transform[0][:]...)
	f.finite("transform", e.Transform[1][:]...)
	f.score("quality.score", e.Quality.Score)
	f.finite("quality.raw", e.Quality.Raw)
	f.check(e.Quality.Model != "" && len(e.Quality.Model) <= MaxName,
		"quality.model", "%q must have 1 to %d bytes", e.Quality.Model, MaxName)
	f.labels("quality.labels", e.Quality.Labels, sending)
	f.components("quality.components", e.Quality.Components, sending)
	f.keyword("policy", e.Policy, Policies(), sending)
	f.image(e.Image)
	return errors.Join(f...)
}

func (r *Rejected) check(sending bool) error {
	var f faults
	f.head(r.Schema, r.Device, r.Camera, sending)
	if r.Schema > oldestVersion {
		f.visit(r.Visit)
	}
	f.seen(r.Track, r.Time, r.Frame, r.Box)
	f.misses("reasons", r.Reasons, sending)
	f.measure("score", r.Score)
	f.labels("labels", r.Labels, sending)
	f.components("components", r.Components, sending)
	return errors.Join(f...)
}

func (s *State) check(sending bool) error {
	var f faults
	f.head(s.Schema, s.Device, s.Camera, sending)
	states := []string{Running, Reconnecting, Stopped}
	f.check(slices.Contains(states, s.State), "state", "%q is none of %v", s.State, states)
	f.rate("fps", s.FPS)
	f.rate("faces_per_second", s.FacesPerSecond)
	f.time("since", s.Since)
	f.check(s.Reason == "" || isKeyword(s.Reason), "reason", "%q %s", s.Reason, noKeyword)
	f.detail("detail", s.Detail)
	if s.Health != (Health{}) {
		f.health(s.Health, sending)
	}
	f.counter("faces_last_hour", s.FacesLastHour)
	if s.LastFace != (LastFace{}) {
		f.time("last_face.time", s.LastFace.Time)
		f.score("last_face.score", s.LastFace.Score)
		f.count("last_face.latency_ms", s.LastFace.LatencyMS)
	}
	if s.Settings != (Settings{}) {
		f.score("settings.threshold", s.Settings.Threshold)
		f.keyword("settings.policy", s.Settings.Policy, Policies(), sending)
	}
	return errors.Join(f...)
}

func (d *Device) check(bool) error {
	var f faults
	f.check(d.Schema == Version, "schema", "%d is not %d", d.Schema, Version)
	f.name("device", d.Device)
	f.check(d.Version != "" && len(d.Version) <= MaxName, "version", "%q must have 1 to %d bytes", d.Version, MaxName)
	f.counter("outbox.waiting", d.Outbox.Waiting)
	f.counter("outbox.dropped", d.Outbox.Dropped)
	return errors.Join(f...)
}

func (r *Result) check(sending bool) error {
	var f faults
	f.check(r.Schema == Version, "schema", "%d is not %d", r.Schema, Version)
	f.name("device", r.Device)
	f.name("camera", r.Camera)
	f.name("setting", r.Setting)
	f.check(utf8.RuneCountInString(r.Value) <= maxValue, "value", "has more than %d characters", maxValue)
	f.detail("error", r.Error)
	f.check(!sending || r.Accepted == (r.Error == ""), "error", "%q of a command with accepted %v", r.Error, r.Accepted)
	f.time("time", r.Time)
	return errors.Join(f...)
}

func (f *faults) counter(path string, n uint64) {
	f.check(n <= maxCount, path, "%d is above 2^53-1", n)
}

func (f *faults) score(path string, v float64) {
	f.check(v >= 0 && v <= 100, path, "%v is not in 0..100", v)
}

func (f *faults) detail(path, text string) {
	f.check(utf8.RuneCountInString(text) <= maxDetail, path, "has more than %d characters", maxDetail)
}

func (f *faults) health(h Health, sending bool) {
	f.keyword("health.state", h.State, []string{HealthLearning, HealthOK, HealthDegraded}, sending)
	f.time("health.since", h.Since)
	f.check(h.Reason == "" || isKeyword(h.Reason), "health.reason", "%q %s", h.Reason, noKeyword)
	f.check(!sending || (h.Reason != "") == (h.State == HealthDegraded), "health.reason", "%q of state %q", h.Reason, h.State)
	f.check(h.Measure == "" || isMeasure(h.Measure), "health.measure", "%q is not a name of letters and digits", h.Measure)
	f.finite("health", h.Measured, h.Limit)
	f.check(utf8.RuneCountInString(h.Unit) <= maxUnit, "health.unit", "has more than %d characters", maxUnit)
	f.detail("health.detail", h.Detail)
}

func (f *faults) head(schema int, device, camera string, sending bool) {
	f.check(schema == Version || !sending, "schema", "%d is not %d", schema, Version)
	f.name("device", device)
	f.name("camera", camera)
}

func (f *faults) name(path, name string) {
	if err := checkLevel(name); err != nil {
		f.add(path, "%w", err)
	}
}

func (f *faults) seen(track uint64, at time.Time, frame Size, box Box) {
	f.counter("track", track)
	f.time("time", at)
	f.side("frame.width", frame.Width)
	f.side("frame.height", frame.Height)
	f.finite("box", float64(box.X), float64(box.Y), float64(box.Width), float64(box.Height))
	f.check(box.Width > 0 && box.Height > 0, "box", "%v x %v has no area", box.Width, box.Height)
}

func (f *faults) id(path, id string) {
	parsed, err := uuid.Parse(id)
	f.check(err == nil && parsed.Version() == 7 && parsed.Variant() == uuid.RFC4122 && parsed.String() == id,
		path, "%q is not a UUIDv7 in lower case with hyphens", id)
}

func (f *faults) count(path string, n int64) {
	f.check(n >= 0 && n <= maxCount, path, "%d is not in 0..2^53-1", n)
}

// visit accepts a LastSeen before FirstSeen: the clock may have been set back.
func (f *faults) visit(v Visit) {
	f.id("visit.id", v.ID)
	f.time("visit.first_seen", v.FirstSeen)
	f.time("visit.last_seen", v.LastSeen)
	f.count("visit.frames", int64(v.Frames))
	f.count("visit.faces", int64(v.Faces))
	f.count("visit.tracks", int64(v.Tracks))
}

func (f *faults) misses(path string, misses []Miss, sending bool) {
	f.check(len(misses) > 0, path, "there is none")
	f.check(!sending || len(misses) <= maxMisses, path, "there are %d, not 1 to %d", len(misses), maxMisses)
	reasons := []string{"too_small", "too_blurred", "pose", "low_quality", "edge", "duplicate", "static"}
	for i, m := range misses {
		f.keyword(path, m.Reason, reasons, sending)
		f.check(m.Measure == "" || isMeasure(m.Measure), path, "%q is not a name of letters and digits", m.Measure)
		f.finite(path, m.Measured, m.Limit)
		f.check(utf8.RuneCountInString(m.Unit) <= maxUnit, path, "%q has more than %d characters", m.Unit, maxUnit)
		same := func(other Miss) bool { return other.Reason == m.Reason && other.Measure == m.Measure }
		f.check(!sending || !slices.ContainsFunc(misses[:i], same), path, "%q appears twice", m.Reason)
	}
}

// isMeasure reports whether text begins with a letter and has at most 64 letters and digits of ASCII.
func isMeasure(text string) bool {
	letter := func(c rune) bool { return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' }
	other := func(c rune) bool { return !letter(c) && (c < '0' || c > '9') }
	return len(text) <= 64 && letter(rune(text[0])) && !strings.ContainsFunc(text, other)
}

// time requires a year of four digits. A time before 1970 is that of a field or a clock that was not set.
func (f *faults) time(path string, at time.Time) {
	year := at.UTC().Year()
	f.check(year >= 1970 && year <= 9999, path, "%s is not in the years 1970 to 9999", at.UTC().Format(time.RFC3339))
}

func (f *faults) landmarks(l Landmarks) {
	for _, p := range []Point{l.RightEye, l.LeftEye, l.Nose, l.RightMouth, l.LeftMouth} {
		f.finite("landmarks", float64(p[0]), float64(p[1]))
	}
}

// labels accepts any number of labels from a later program.
func (f *faults) labels(path string, l Labels, sending bool) {
	f.check(!sending || len(l) <= maxLabels, path, "there are %d, not 0 to %d", len(l), maxLabels)
	for name, v := range l {
		f.check(isKeyword(name), path, "%q %s", name, noKeyword)
		f.check(v >= 0 && v <= 1, path+"."+name, "%v is not in 0..1", v)
	}
}

// keyword accepts any keyword from a later program.
func (f *faults) keyword(path, word string, known []string, sending bool) {
	if sending {
		f.check(slices.Contains(known, word), path, "%q is none of %v", word, known)
	} else {
		f.check(isKeyword(word), path, "%q %s", word, noKeyword)
	}
}

const noKeyword = "is not a name of lower case letters, digits and _"

// isKeyword reports whether text begins with a lower case letter and has at most 64 lower case letters, digits and _.
func isKeyword(text string) bool {
	other := func(c rune) bool { return (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '_' }
	return text != "" && len(text) <= 64 && text[0] >= 'a' && text[0] <= 'z' && !strings.ContainsFunc(text, other)
}

// components accepts others than those of ComponentNames from a later program.
func (f *faults) components(path string, c Components, sending bool) {
	known := ComponentNames()
	for _, name := range known {
		_, ok := c[name]
		f.check(ok, path+"."+name, "missing")
	}
	for name, v := range c {
		f.check(!sending || slices.Contains(known, name), path+"."+name, "is none of %v", known)
		f.measure(path+"."+name, v)
	}
}

func (f *faults) measure(path string, v float64) {
	f.check(v == NotAssessed || v >= 0 && v <= 100, path, "%v is neither in 0..100 nor -1", v)
}

func (f *faults) rate(path string, v float64) {
	f.check(v >= 0 && !math.IsInf(v, 0), path, "%v is not a rate of 0 or more", v)
}

func (f *faults) side(path string, n int) {
	f.check(n >= 1 && n <= maxSide, path, "%d is not in 1..%d", n, maxSide)
}

func (f *faults) finite(path string, values ...float64) {
	for _, v := range values {
		f.check(!math.IsNaN(v) && !math.IsInf(v, 0), path, "%v is not a number JSON can carry", v)
	}
}

// image compares the fields with the header of the encoded image.
func (f *faults) image(i Image) {
	if len(i.Data) == 0 || len(i.Data) > maxData {
		f.add("image.data", "%d bytes, not 1 to %d", len(i.Data), maxData)
		return
	}
	config, encoding, err := image.DecodeConfig(bytes.NewReader(i.Data))
	if err != nil || encoding != JPEG && encoding != PNG {
		f.add("image.data", "neither JPEG nor PNG")
		return
	}
	f.check(i.Encoding == encoding, "image.encoding", "%q, but the data is %s", i.Encoding, encoding)
	f.check(i.Width == config.Width && i.Height == config.Height && i.Width <= maxSide && i.Height <= maxSide,
		"image", "%dx%d, but the data is %dx%d", i.Width, i.Height, config.Width, config.Height)
}
