package config

import (
	"errors"
	"io/fs"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"testing"

	"facesieve/cmd/facesieve/internal/testsupport"
	"facesieve/detect"
	"facesieve/quality"
)

func (s site) open() *OverridesFile {
	s.t.Helper()
	f, err := OpenOverrides(s.config, s.getenv)
	testsupport.Must(s.t, err)
	return f
}

// text returns the file of overrides, or nothing if it does not exist.
func (s site) text() string {
	s.t.Helper()
	text, err := os.ReadFile(s.path())
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		s.t.Fatal(err)
	}
	return string(text)
}

// setDoor returns a change that replaces the overrides of one camera.
func setDoor(override CameraOverride) func(*Overrides) error {
	return func(o *Overrides) error {
		o.Cameras["door"] = override
		return nil
	}
}

// randomOverride returns valid overrides of a camera, some of them absent.
func randomOverride(r *rand.Rand) CameraOverride {
	var o CameraOverride
	if r.IntN(2) > 0 {
		o.Enabled = new(r.IntN(2) > 0)
	}
	if r.IntN(2) > 0 {
		o.Quality.Threshold = new(quality.Threshold(r.Float64() * 100))
	}
	if r.IntN(2) > 0 {
		o.Quality.Policy = new([]string{"best", "quick", "interval", "all"}[r.IntN(4)])
	}
	gates := reflect.ValueOf(&o.Quality.Gates).Elem()
	for i := range gates.NumField() {
		if r.IntN(2) > 0 {
			gates.Field(i).Set(reflect.ValueOf(new(r.Float64()))) // in the range of every gate
		}
	}
	region := func() detect.Polygon {
		return detect.Polygon{{0, 0}, {r.Float64()/2 + 0.5, 0}, {0, r.Float64()/2 + 0.5}}
	}
	switch r.IntN(3) {
	case 1:
		o.Detect.ROI, o.Detect.Masks = new(detect.Polygon{}), new([]detect.Polygon{})
	case 2:
		o.Detect.ROI, o.Detect.Masks = new(region()), new([]detect.Polygon{region(), region()})
	}
	return o
}

// What was saved is loaded, and Undo restores the former file, once.
func TestSavedOverridesAreLoadedAndUndone(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 60 {
		s := newSite(t, twoCameras)
		s.state = filepath.Join(s.state, "new", "directory")
		f := s.open()
		if err := f.Undo(); !errors.Is(err, ErrNothingToUndo) {
			t.Fatalf("undo before a change: %v", err)
		}
		first, second := randomOverride(r), randomOverride(r)
		second.Quality.Threshold = new(quality.Threshold(100)) // so that the second change is one
		for _, want := range []CameraOverride{first, second} {
			before := s.text()
			testsupport.Must(t, f.Update(setDoor(want)))
			got := s.load()
			if got.OverridesFault != nil || !reflect.DeepEqual(got.Overrides.Cameras["door"], want) {
				t.Fatalf("%+v, %v of\n%s", got.Overrides, got.OverridesFault, s.text())
			}
			testsupport.Must(t, f.Undo())
			if s.text() != before {
				t.Fatalf("undone:\n%s\nbefore:\n%s", s.text(), before)
			}
			if err := f.Undo(); !errors.Is(err, ErrNothingToUndo) {
				t.Fatalf("second undo: %v", err)
			}
			testsupport.Must(t, f.Update(setDoor(want)))
		}
		info, err := os.Stat(s.path())
		testsupport.Must(t, err)
		if info.Mode().Perm() != 0o600 {
			t.Fatalf("mode %v", info.Mode())
		}
	}
}

// Undo restores what was written by hand, with its comments. An unchanged save keeps what Undo restores.
func TestUndoRestoresHandWrittenOverrides(t *testing.T) {
	s := newSite(t, twoCameras)
	const byHand = "cameras: {door: {quality: {threshold: 31}}} # the sun is low\n"
	s.write(byHand)
	f := s.open()
	testsupport.Must(t, f.Update(setDoor(CameraOverride{Enabled: new(false)})))
	testsupport.Must(t, f.Update(setDoor(CameraOverride{Enabled: new(false)})), f.Undo())
	if s.text() != byHand {
		t.Errorf("got %q", s.text())
	}
	testsupport.Must(t, f.Update(setDoor(CameraOverride{})))
	if cfg := s.load(); len(cfg.Overrides.Cameras) > 0 || cfg.Cameras[0].Quality.Threshold != 25 {
		t.Errorf("%+v", cfg.Overrides)
	}
}

// A change that a reload would refuse is not saved. The error names key, value and fix.
func TestUpdateRefusesWrongOverrides(t *testing.T) {
	s := newSite(t, twoCameras)
	s.write("cameras: {gone: {enabled: false}}\n")
	f, before := s.open(), s.text()
	stop := errors.New("stop")
	for _, test := range []struct {
		change func(*Overrides) error
		want   string
	}{
		{
			setDoor(CameraOverride{Quality: QualityOverride{Threshold: new(quality.Threshold(150))}}),
			"overrides.yaml: cameras.door.quality.threshold: 150 is outside 0..100",
		},
		{
			setDoor(CameraOverride{Quality: QualityOverride{Threshold: new(quality.Threshold(math.NaN()))}}),
			"overrides.yaml: cameras.door.quality.threshold: \".nan\" is infinite, too large or not a number",
		},
		{setDoor(CameraOverride{Quality: QualityOverride{Policy: new("often")}}), `"often" is not one of best, quick`},
		{setDoor(CameraOverride{Detect: DetectOverride{ROI: &detect.Polygon{{0, 0}}}}), "cameras.door.detect.roi: 1 points"},
		{
			func(o *Overrides) error { o.Cameras["dor"] = CameraOverride{Enabled: new(true)}; return nil },
			`overrides.yaml: cameras.dor: the configuration has no camera "dor"; did you mean "door"?`,
		},
		{func(*Overrides) error { return stop }, "stop"},
	} {
		if err := f.Update(test.change); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("got %v, want %s", err, test.want)
		}
		if s.text() != before {
			t.Fatalf("%s: the file was changed", test.want)
		}
	}
	testsupport.Must(t, f.Update(setDoor(CameraOverride{Enabled: new(false)})))
	if _, kept := s.load().Overrides.Cameras["gone"]; !kept {
		t.Error("the overrides of an absent camera are lost")
	}
	testsupport.Must(t, os.WriteFile(s.config, []byte("max_fps: many\n"), 0o600))
	if err := f.Undo(); err == nil || !strings.Contains(err.Error(), s.config+":1:10: max_fps") {
		t.Errorf("undo with a wrong configuration file: %v", err)
	}
	s.write("cameras: {door: {enabled: 1}}\n")
	err := f.Update(setDoor(CameraOverride{}))
	if err == nil || !strings.Contains(err.Error(), ":1:27: cameras.door.enabled") {
		t.Errorf("a wrong file: %v", err)
	}
}

// Changes at the same time are all kept, and a reader always reads one of the saved states.
func TestConcurrentUpdates(t *testing.T) {
	s := newSite(t, twoCameras)
	f := s.open()
	const changes = 20
	var writers, reader sync.WaitGroup
	done := make(chan struct{})
	for _, name := range []string{"door", "front yard"} {
		writers.Go(func() {
			for i := range changes {
				err := f.Update(func(o *Overrides) error {
					o.Cameras[name] = CameraOverride{Quality: QualityOverride{Threshold: new(quality.Threshold(i))}}
					return nil
				})
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	reader.Go(func() {
		for {
			select {
			case <-done:
				return
			default:
			}
			if cfg, err := LoadInForce(ForDaemon(), s.config, s.getenv); err != nil || cfg.OverridesFault != nil {
				t.Error(err, cfg.OverridesFault)
				return
			}
		}
	})
	writers.Wait()
	close(done)
	reader.Wait()
	saved := s.load().Overrides.Cameras
	if len(saved) != 2 {
		t.Errorf("%d cameras have overrides", len(saved))
	}
	for name, camera := range saved {
		if *camera.Quality.Threshold != changes-1 {
			t.Errorf("%s has the threshold %g", name, *camera.Quality.Threshold)
		}
	}
	entries, err := os.ReadDir(s.state)
	testsupport.Must(t, err)
	if len(entries) != 2 {
		t.Errorf("the state directory has %v", entries)
	}
	s.state = ""
	if _, err := OpenOverrides(s.config, s.getenv); !errors.Is(err, ErrNoStateDirectory) {
		t.Error(err)
	}
}
