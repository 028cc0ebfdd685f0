package feedback

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"time"

	"facesieve/cmd/facesieve/internal/statefile"
	"facesieve/models"
)

// saveInterval spares the memory card of a board.
const saveInterval = 10 * time.Minute

// files are the names of the two files; empty: nothing is saved.
type files struct {
	curves string // what was learned
	events string // those of the last day, which can still be reported about
}

func filesIn(directory string) files {
	if directory == "" {
		return files{}
	}
	return files{
		curves: filepath.Join(directory, "feedback.json"), events: filepath.Join(directory, "feedback-events.json"),
	}
}

// fileSchema is the version of both files.
const fileSchema = 1

type curvesFile struct {
	Schema  int                    `json:"schema"`
	Network string                 `json:"network"`
	Saved   time.Time              `json:"saved"`
	Cameras map[string]savedCamera `json:"cameras"`
}

type savedCamera struct {
	Threshold   float64                `json:"threshold"`
	Moved       time.Time              `json:"moved"` // zero: the threshold never moved
	Faces       savedHistogram         `json:"faces"`
	Recognisers map[string]savedCounts `json:"recognisers"`
}

type savedCounts struct {
	Matches savedHistogram `json:"matches"`
	Others  savedHistogram `json:"others"`
	Hours   float64        `json:"hours"`
	Squares float64        `json:"squares"`
}

// savedHistogram has the values to three decimals, without zeros at the end.
type savedHistogram []float64

func (h histogram) saved() savedHistogram {
	s := savedHistogram{}
	for i, v := range h {
		if v = math.Round(v*1000) / 1000; v > 0 {
			for len(s) < i {
				s = append(s, 0)
			}
			s = append(s, v)
		}
	}
	return s
}

func (s savedHistogram) histogram() (h histogram, err error) {
	if len(s) > bins {
		return h, fmt.Errorf("%d values of a histogram, not at most %d", len(s), bins)
	}
	for _, v := range s {
		if !(v >= 0) || math.IsInf(v, 0) {
			return h, fmt.Errorf("%v is no weight", v)
		}
	}
	copy(h[:], s)
	return h, nil
}

type eventsFile struct {
	Schema  int                     `json:"schema"`
	Cameras map[string][]*sentEvent `json:"cameras"`
}

// save writes the files. The caller holds the mutex.
func (l *Learner) save(now time.Time) {
	l.saved = now
	if l.files.curves == "" || !l.changed {
		return
	}
	curves := curvesFile{Schema: fileSchema, Network: l.network, Saved: now.UTC(), Cameras: map[string]savedCamera{}}
	events := eventsFile{Schema: fileSchema, Cameras: map[string][]*sentEvent{}}
	for name, c := range l.cameras {
		curves.Cameras[name] = c.saved()
		events.Cameras[name] = c.ledger.events
	}
	if err := errors.Join(statefile.WriteJSON(l.files.curves, curves), statefile.WriteJSON(l.files.events, events)); err != nil {
		l.log.Error().Err(err).Msg("what was learned from feedback cannot be saved; it is kept in memory")
		return
	}
	l.changed = false
}

func (c *camera) saved() savedCamera {
	s := savedCamera{
		Threshold: c.threshold, Moved: c.moved, Faces: c.faces.saved(), Recognisers: map[string]savedCounts{},
	}
	for name, counted := range c.recognisers {
		hours := *counted // the present hour ends with the program
		hours.endHour(0)
		s.Recognisers[name] = savedCounts{counted.matches.saved(), counted.others.saved(), hours.hours, hours.squares}
	}
	return s
}

// load reads the files. A file with a fault is kept under another name.
func (l *Learner) load(now time.Time) {
	if l.files.curves == "" {
		return
	}
	if err := kept(l.files.curves, l.readCurves(now)); err != nil {
		l.log.Error().Err(err).Str("kept_as", faultyName(l.files.curves)).
			Msg("the curves that were learned from feedback cannot be read, and begin anew")
	}
	if err := kept(l.files.events, l.readEvents()); err != nil {
		l.log.Error().Err(err).Str("kept_as", faultyName(l.files.events)).
			Msg("the events of the last day cannot be read, so feedback about them is ignored")
	}
}

func faultyName(path string) string { return path + ".faulty" }

// kept renames a file that could not be read because of err. A missing file is no error.
func kept(path string, err error) error {
	if err == nil || errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return errors.Join(err, os.Rename(path, faultyName(path)))
}

func (l *Learner) readCurves(now time.Time) error {
	var file curvesFile
	if err := decode(l.files.curves, &file); err != nil {
		return err
	}
	return l.restore(file, now)
}

func (l *Learner) readEvents() error {
	var file eventsFile
	if err := decode(l.files.events, &file); err != nil {
		return err
	}
	for name, sent := range file.Cameras {
		l.of(name).ledger = newLedger(sent)
	}
	return nil
}

// decode reads a file of this version.
func decode(path string, content any) error {
	text, err := os.ReadFile(path) //nolint:gosec // in the state directory
	if err != nil {
		return err
	}
	var header struct{ Schema int }
	if err := json.Unmarshal(text, &header); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	if header.Schema != fileSchema {
		return fmt.Errorf("%s: version %d, not %d", path, header.Schema, fileSchema)
	}
	if err := json.Unmarshal(text, content); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}

// Read returns what a daemon with this state directory has saved about a camera, and changes nothing. The error of a
// directory without a saved file is fs.ErrNotExist.
func Read(directory string, network models.Manifest, name string, settings Settings, now time.Time) (Snapshot, error) {
	l := &Learner{files: filesIn(directory), cameras: map[string]*camera{}}
	if err := l.readCurves(now); err != nil {
		return Snapshot{}, err
	}
	l.Configure(network, map[string]Settings{name: settings})
	return l.Snapshot(name, settings.Start), nil
}

// restore takes over the content of the file with the curves, and reduces the weights by the time since it was saved.
func (l *Learner) restore(file curvesFile, now time.Time) error {
	cameras := map[string]*camera{}
	for name, saved := range file.Cameras {
		c, err := saved.camera(now.Sub(file.Saved))
		if err != nil {
			return fmt.Errorf("camera %s: %w", name, err)
		}
		cameras[name] = c
	}
	l.cameras, l.network = cameras, file.Network
	return nil
}

func (s savedCamera) camera(elapsed time.Duration) (*camera, error) {
	c := newCamera()
	c.threshold, c.moved = max(0, min(100, s.Threshold)), s.Moved
	var err error
	if c.faces, err = s.Faces.histogram(); err != nil {
		return nil, err
	}
	c.faces.scale(decay(elapsed))
	for name, saved := range s.Recognisers {
		counted := &counts{hours: max(0, saved.Hours), squares: max(0, saved.Squares)}
		var err1, err2 error
		counted.matches, err1 = saved.Matches.histogram()
		counted.others, err2 = saved.Others.histogram()
		if err := errors.Join(err1, err2); err != nil {
			return nil, fmt.Errorf("recogniser %s: %w", name, err)
		}
		counted.endHour(elapsed)
		c.recognisers[name] = counted
	}
	return c, nil
}
