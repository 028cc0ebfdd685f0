package health

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"net/url"
	"os"
	"path/filepath"
	"time"
)

// storeVersion is the version of the file. A file of another version is not read: the camera is learned anew.
const storeVersion = 1

// logSteps is the number of steps of a stored logarithm for a factor of e. 0 stands for 1, 255 for exp(-7.97).
const logSteps = 32

// maxStored bounds a file, in bytes; one with every hour of both modes has about 40 kB.
const maxStored = 256 << 10

// stored is the content of a file: what is usual for a camera.
type stored struct {
	Version int    `json:"version"`
	Source  string `json:"source"` // a hash of the camera's address
	Region  string `json:"region"` // a hash of region of interest and masks
	// Day and Night are the two modes.
	Day    storedMode             `json:"day"`
	Night  storedMode             `json:"night"`
	Dark   map[int]storedDarkness `json:"dark"`   // by hour of the day
	Scores map[int][]float64      `json:"scores"` // by hour of the day
	Scored time.Time              `json:"scored"` // when the last score was added
}

type storedMode struct {
	Recent   *storedReference         `json:"recent,omitempty"`
	Hours    map[int]*storedReference `json:"hours,omitempty"`
	Position []byte                   `json:"position,omitempty"` // the background, mapWidth x mapHeight grey levels
	Weight   float64                  `json:"weight,omitempty"`   // of the position, seconds
}

type storedReference struct {
	First     time.Time `json:"first"`
	Weight    float64   `json:"weight"`
	Contrast  []byte    `json:"contrast"`
	Sharpness []byte    `json:"sharpness"`
	Known     []byte    `json:"known"` // share of weight by 255
}

type storedDarkness struct {
	First  time.Time `json:"first"`
	Weight float64   `json:"weight"`
	Share  float64   `json:"share"`
}

// store returns what is to be stored.
func (l *learned) store() stored {
	s := stored{
		Version: storeVersion, Day: l.day.store(), Night: l.night.store(), Dark: map[int]storedDarkness{},
		Scores: map[int][]float64{}, Scored: l.scores.last,
	}
	for hour, d := range l.dark {
		if d.weight > 0 {
			s.Dark[hour] = storedDarkness{d.first.UTC(), math.Round(d.weight), math.Round(1000*d.share) / 1000}
		}
		var bins []float64
		sum := 0.0
		for _, weight := range l.scores.usual[hour] {
			bins = append(bins, math.Round(100*float64(weight))/100)
			sum += bins[len(bins)-1]
		}
		if sum > 0 {
			s.Scores[hour] = bins
		}
	}
	return s
}

func (m *mode) store() storedMode {
	s := storedMode{Recent: m.recent.store(), Hours: map[int]*storedReference{}, Weight: math.Round(m.position.weight)}
	for hour := range m.hours {
		if r := m.hours[hour].store(); r != nil {
			s.Hours[hour] = r
		}
	}
	if s.Weight > 0 {
		s.Position = m.position.picture()
	}
	return s
}

func (r *reference) store() *storedReference {
	if r.weight < 1 {
		return nil
	}
	s := &storedReference{First: r.first.UTC(), Weight: math.Round(r.weight)}
	for i := range cellCount {
		s.Contrast = append(s.Contrast, toByte(-logSteps*r.contrast[i]))
		s.Sharpness = append(s.Sharpness, toByte(-logSteps*r.sharpness[i]))
		s.Known = append(s.Known, toByte(255*r.known[i]/float32(r.weight)))
	}
	return s
}

func toByte(v float32) byte { return byte(max(0, min(255, math.Round(float64(v))))) }

var errDamaged = errors.New("damaged")

// load sets what was stored.
func (l *learned) load(s stored) error {
	if err := errors.Join(l.day.load(s.Day), l.night.load(s.Night)); err != nil {
		return err
	}
	for hour, d := range s.Dark {
		if !isHour(hour) || !(d.Weight > 0 && d.Share >= 0 && d.Share <= 1) {
			return errDamaged
		}
		l.dark[hour] = darkness{d.First, min(d.Weight, hourMemory.Seconds()), d.Share}
	}
	l.scores.last = s.Scored
	return l.scores.load(s.Scores)
}

func (s *scores) load(byHour map[int][]float64) error {
	for hour, bins := range byHour {
		if !isHour(hour) || len(bins) != scoreBins {
			return errDamaged
		}
		for bin, weight := range bins {
			if !(weight >= 0 && weight < 1e9) {
				return errDamaged
			}
			s.usual[hour][bin] = float32(weight)
		}
	}
	return nil
}

func isHour(hour int) bool { return hour >= 0 && hour < hours }

func (m *mode) load(s storedMode) error {
	err := m.recent.load(s.Recent, recentMemory)
	for hour, r := range s.Hours {
		if !isHour(hour) {
			return errDamaged
		}
		err = errors.Join(err, m.hours[hour].load(r, hourMemory))
	}
	if err != nil || s.Weight == 0 {
		return err
	}
	if len(s.Position) != len(m.position.grey) || !(s.Weight > 0) {
		return errDamaged
	}
	m.position.weight = min(s.Weight, recentMemory.Seconds())
	for i, v := range s.Position {
		m.position.grey[i] = float32(v)
	}
	return nil
}

func (r *reference) load(s *storedReference, memory time.Duration) error {
	if s == nil {
		return nil
	}
	if len(s.Contrast) != cellCount || len(s.Sharpness) != cellCount || len(s.Known) != cellCount || !(s.Weight > 0) {
		return errDamaged
	}
	r.first, r.weight = s.First, min(s.Weight, memory.Seconds())
	for i := range cellCount {
		r.contrast[i], r.sharpness[i] = -float32(s.Contrast[i])/logSteps, -float32(s.Sharpness[i])/logSteps
		r.known[i] = float32(s.Known[i]) / 255 * float32(r.weight)
	}
	return nil
}

// fileOf returns the path of a camera's file.
func fileOf(directory, camera string) string {
	return filepath.Join(directory, url.PathEscape(camera)+".json")
}

// read returns what is stored for a camera. A file that cannot be read is renamed; renamed is its new name. The error
// is fs.ErrNotExist if there is no file.
func read(path string) (s stored, l learned, renamed string, err error) {
	info, err := os.Stat(path)
	if err != nil {
		return s, l, "", err
	}
	text := []byte(nil)
	if info.Size() <= maxStored {
		if text, err = os.ReadFile(path); err != nil { //nolint:gosec // in the state directory
			return s, l, "", err
		}
	}
	if err = json.Unmarshal(text, &s); err == nil && s.Version != storeVersion {
		err = fmt.Errorf("version %d, this program has %d", s.Version, storeVersion)
	}
	if err == nil {
		err = l.load(s)
	}
	if err == nil {
		return s, l, "", nil
	}
	renamed = path + ".damaged"
	return stored{}, learned{}, renamed, errors.Join(err, os.Rename(path, renamed))
}

func missing(err error) bool { return errors.Is(err, fs.ErrNotExist) }
