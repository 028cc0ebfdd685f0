// Package health checks whether the picture of each camera is as good as it usually is: whether the lens is covered,
// dirty or out of focus, the picture is dark or has moved, and faces score as well as in the last week. It measures one
// frame a second, takes nothing from the network that detects faces, and changes nothing in the pipeline.
//
// A window of ten pictures gives a background without the persons who pass. Its cells are compared with those of this
// camera at this hour of the last week, or of the last half hour on the first day. The sharpness of a cell is the energy
// of its fine structure relative to that of its coarse structure, which does not depend on the light. The position is
// compared by phase correlation.
//
// On the five recordings of the shared data in which the camera stands still, the share of impaired cells (limit 25 %) is
// at most 9 % without a fault, and 27 to 100 % out of focus or behind a smear. At least 93 % of the detail is lost behind
// a cloth (limit 70 %). The correlation of a background with the former one at the same place is at least 0.43 (limit
// 0.2).
package health

import (
	"fmt"
	"hash/fnv"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"facesieve/capture/sourceurl"
	"facesieve/cmd/facesieve/internal/config"
	"facesieve/cmd/facesieve/internal/pipeline"
	"facesieve/cmd/facesieve/internal/statefile"
	"facesieve/publish/event"
)

// maxVisits is the number of visits that may be open at a time.
const maxVisits = 64

// saveInterval is how often what was learned is stored.
const saveInterval = 10 * time.Minute

// Observer is an observer of all cameras that checks their pictures. It is safe for concurrent use. Close it after use.
type Observer struct {
	pipeline.NoObserver
	directory string
	log       zerolog.Logger

	mutex   sync.RWMutex
	cameras map[string]*camera

	stop chan struct{} // closed by Close
	done sync.WaitGroup
}

// camera is a camera that is checked.
type camera struct {
	name string
	log  zerolog.Logger
	path string // empty: nothing is stored

	mutex          sync.Mutex
	monitor        *monitor
	source, region string // hashes
	reported       event.Health
	visits         []string // IDs of the last visits whose score was taken
	failed         bool     // a frame could not be measured, which is logged once
}

// New returns an observer without cameras. What it learns is stored in the directory "health" below state; an empty state
// stores nothing.
func New(state string, log zerolog.Logger) *Observer {
	o := &Observer{
		log: log.With().Str("component", "health").Logger(), cameras: map[string]*camera{}, stop: make(chan struct{}),
	}
	if state != "" {
		o.directory = filepath.Join(state, "health")
	}
	o.done.Go(o.saveRegularly)
	return o
}

// Close stores what was learned. Pipelines may still call the other methods.
func (o *Observer) Close() {
	close(o.stop)
	o.done.Wait()
	o.save()
}

// Configure sets the cameras that are checked: those that are enabled and whose health is. A camera that has another
// source is learned anew, one with another region of interest or other masks too, because it was probably turned.
func (o *Observer) Configure(cameras []config.Camera) {
	o.mutex.Lock()
	former := o.cameras
	o.cameras = map[string]*camera{}
	for _, cfg := range cameras {
		if !cfg.Enabled || !cfg.Health.Enabled {
			continue
		}
		c := former[cfg.Name]
		delete(former, cfg.Name)
		if c == nil {
			c = o.open(cfg.Name)
		}
		c.configure(cfg)
		o.cameras[cfg.Name] = c
	}
	o.mutex.Unlock()
	for _, c := range former {
		c.save()
	}
}

// open returns a camera with what was learned in earlier runs.
func (o *Observer) open(name string) *camera {
	c := &camera{name: name, log: o.log.With().Str("camera", name).Logger(), monitor: newMonitor()}
	if o.directory == "" {
		return c
	}
	c.path = fileOf(o.directory, name)
	s, l, renamed, err := read(c.path)
	switch {
	case err == nil:
		c.monitor.learned, c.source, c.region = l, s.Source, s.Region
	case renamed != "":
		c.log.Warn().Err(err).Str("renamed", renamed).
			Msg("what is usual for the camera's picture cannot be read, and is learned anew")
	case !missing(err):
		c.log.Warn().Err(err).Msg("what is usual for the camera's picture cannot be read, and is learned anew")
	}
	return c
}

// configure takes the camera's configuration.
func (c *camera) configure(cfg config.Camera) {
	source := hash(sourceurl.Redact(cfg.Capture.URL))
	region := hash(fmt.Sprint(cfg.Detect.ROI, cfg.Detect.Masks))
	c.mutex.Lock()
	defer c.mutex.Unlock()
	switch {
	case c.source != "" && c.source != source:
		c.monitor, c.reported = newMonitor(), event.Health{}
	case c.region != "" && c.region != region:
		c.monitor.relearn()
		c.reported = event.Health{}
	}
	c.source, c.region = source, region
}

func hash(text string) string {
	h := fnv.New64a()
	h.Write([]byte(text)) //nolint:errcheck // a hash accepts everything
	return fmt.Sprintf("%016x", h.Sum64())
}

// camera returns a camera that is checked, or nil.
func (o *Observer) camera(name string) *camera {
	o.mutex.RLock()
	defer o.mutex.RUnlock()
	return o.cameras[name]
}

// Health returns the state of health of a camera; a zero one if it is not checked, or no frame has come yet.
func (o *Observer) Health(name string) event.Health {
	c := o.camera(name)
	if c == nil {
		return event.Health{}
	}
	c.mutex.Lock()
	defer c.mutex.Unlock()
	return c.reported
}

// Frame measures a frame, at most one a second.
func (o *Observer) Frame(f pipeline.FrameReport) {
	c := o.camera(f.Camera)
	if c == nil {
		return
	}
	c.mutex.Lock()
	defer c.mutex.Unlock()
	if !c.monitor.due(f.Time) {
		return
	}
	p, err := newPicture(f.Time, f.Image)
	if err == nil {
		err = c.monitor.add(p)
	}
	if err != nil && !c.failed {
		c.log.Warn().Err(err).Msg("the camera's picture cannot be checked")
	}
	c.failed = err != nil
	c.report()
}

// Decided takes the score of the face that a visit is decided by first.
func (o *Observer) Decided(d pipeline.Decision) {
	c := o.camera(d.Face.Camera)
	if c == nil || !d.Face.Judgement.Scored {
		return
	}
	c.mutex.Lock()
	defer c.mutex.Unlock()
	if slices.Contains(c.visits, d.Visit.ID) { // policies other than best decide several times
		return
	}
	c.visits = append(c.visits[max(0, len(c.visits)-maxVisits+1):], d.Visit.ID)
	c.monitor.visit(d.At, d.Face.Judgement.Score.Value)
}

// report logs that a fault begins or ends.
func (c *camera) report() {
	now := c.monitor.health
	before := c.reported
	c.reported = now
	if now.Reason == before.Reason {
		return
	}
	if now.State == event.HealthDegraded {
		c.log.Warn().Str("reason", now.Reason).Str("measure", now.Measure).Float64("measured", now.Measured).
			Float64("limit", now.Limit).Str("unit", now.Unit).Msg(now.Detail)
		return
	}
	c.log.Info().Str("reason", before.Reason).Str("lasted", now.Since.Sub(before.Since).Round(time.Second).String()).
		Msg("the picture is as usual again")
}

// saveRegularly stores what was learned until Close.
func (o *Observer) saveRegularly() {
	ticker := time.NewTicker(saveInterval)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			o.save()
		case <-o.stop:
			return
		}
	}
}

func (o *Observer) save() {
	o.mutex.RLock()
	var all []*camera
	for _, c := range o.cameras {
		all = append(all, c)
	}
	o.mutex.RUnlock()
	for _, c := range all {
		c.save()
	}
}

// save stores what was learned. A pipeline does not wait for the disk.
func (c *camera) save() {
	if c.path == "" {
		return
	}
	c.mutex.Lock()
	s := c.monitor.store()
	s.Source, s.Region = c.source, c.region
	c.mutex.Unlock()
	if err := statefile.WriteJSON(c.path, s); err != nil {
		c.log.Warn().Err(err).Msg("what is usual for the camera's picture cannot be stored, and is learned again after a restart")
	}
}
