package web

import (
	"cmp"
	"slices"
	"sync"
	"time"

	"github.com/rs/zerolog"
	"gocv.io/x/gocv"

	"facesieve/cmd/facesieve/internal/config"
	"facesieve/cmd/facesieve/internal/pipeline"
	"facesieve/publish/event"
	"facesieve/quality"
)

// Bounds of the recorder's memory.
const (
	maxVisits   = 200
	maxPoints   = 100 // of a visit's score curve
	maxPictures = 12  // of a visit, besides its best face and the sent ones
	maxSent     = 12  // sent faces of a visit that keep their picture
	maxEncoding = 64  // faces that wait for their JPEG
)

// Recorder is an observer that keeps the last visits, with some of their faces, and the newest picture of the cameras
// that somebody watches. It is safe for concurrent use. Close it after use.
type Recorder struct {
	pipeline.NoObserver
	log zerolog.Logger

	mutex    sync.Mutex
	visits   map[string]*visit // by ID
	number   uint64            // of the visit that began last
	pictures uint64            // number of the picture that was made last
	revision uint64            // counts the changes of visits
	dropped  uint64            // faces that were not encoded, because too many waited
	cameras  map[string]*liveCamera

	encoding chan encoding
	stop     chan struct{} // closed by Close
	done     sync.WaitGroup
}

// encoding is a face that waits for its JPEG.
type encoding struct {
	picture *picture
	pixels  []byte // 112x112 BGR
}

// NewRecorder returns a recorder without visits.
func NewRecorder(log zerolog.Logger) *Recorder {
	r := &Recorder{
		log: log, visits: map[string]*visit{}, cameras: map[string]*liveCamera{},
		encoding: make(chan encoding, maxEncoding),
		stop:     make(chan struct{}),
	}
	r.done.Go(r.encode)
	return r
}

// Close ends the goroutines. Pipelines may still call the other methods; their faces get no picture.
func (r *Recorder) Close() {
	close(r.stop)
	r.mutex.Lock()
	cameras := r.cameras
	r.mutex.Unlock()
	for _, camera := range cameras {
		camera.close()
	}
	r.done.Wait()
}

// encode makes the JPEGs, so that the pipelines only copy pixels.
func (r *Recorder) encode() {
	for {
		var e encoding
		select {
		case e = <-r.encoding:
		case <-r.stop:
			return
		}
		jpeg, err := pipeline.EncodeAligned(config.Image{Encoding: event.JPEG, Quality: 85}, e.pixels)
		if err != nil {
			r.log.Warn().Err(err).Msg("a face of the page cannot be encoded")
			continue
		}
		r.mutex.Lock()
		e.picture.jpeg = jpeg
		r.revision++
		r.mutex.Unlock()
	}
}

// Judged adds a face to its visit.
func (r *Recorder) Judged(c *pipeline.Candidate, aligned gocv.Mat, reason quality.Reason) {
	text := ""
	if reason != "" {
		text = pipeline.ReasonsText(c, reason)
	}
	r.camera(c.Camera).judged(c, reason, text)
	p := point{track: c.Track, time: c.Time, score: quality.NotAssessed, reason: reason, text: text}
	if c.Judgement.Scored {
		p.score = c.Judgement.Score.Value
	}
	r.mutex.Lock()
	defer r.mutex.Unlock()
	v := r.visit(c.Camera, c.Visit.ID, c.Time)
	v.figures = c.Visit
	best := v.add(p)
	r.revision++
	if !c.Judgement.Scored || !best && !v.wantsPicture(c.Time) {
		return
	}
	pixels := c.Pixels
	if pixels == nil {
		pixels = aligned.ToBytes()
	}
	picture := r.picture(p, pixels)
	if picture == nil {
		return
	}
	if best {
		v.best, v.labels, v.components = picture, c.Judgement.Score.Labels, pipeline.Components(c.Judgement.Assessment)
	}
	if v.wantsPicture(c.Time) {
		v.addPicture(picture)
	}
}

// picture returns a picture whose JPEG follows, or nil if too many wait.
func (r *Recorder) picture(p point, pixels []byte) *picture {
	made := &picture{number: r.pictures + 1, point: p}
	select {
	case r.encoding <- encoding{made, pixels}:
		r.pictures++
		return made
	default:
		r.dropped++
		return nil
	}
}

// Moved moves faces of a track to another visit.
func (r *Recorder) Moved(camera string, m quality.Move) {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	to := r.visit(camera, m.Visit, m.Since)
	for _, from := range r.visits {
		if from == to || from.camera != camera {
			continue
		}
		before := len(from.points)
		if from.moveTo(to, m); len(from.points) != before { // until the next face or decision
			from.figures, to.figures = quality.Visit{}, quality.Visit{}
		}
		if from.empty() {
			delete(r.visits, from.id)
		}
	}
	if to.empty() { // the faces were not recorded, or are dropped already
		delete(r.visits, to.id)
	}
	r.revision++
}

// Decided records what became of a visit.
func (r *Recorder) Decided(d pipeline.Decision) {
	c := d.Face
	r.mutex.Lock()
	defer r.mutex.Unlock()
	v := r.visit(c.Camera, d.Visit.ID, d.Time)
	v.figures = d.Visit
	r.revision++
	if !d.Send {
		v.rejected, v.reasons = d.Reason, pipeline.Reasons(c, d.Reason)
		return
	}
	v.sent++
	v.sentAt, v.sentScore, v.policy = d.At, d.Score, c.PolicyName
	v.labels, v.components = c.Judgement.Score.Labels, pipeline.Components(c.Judgement.Assessment)
	p := point{track: c.Track, time: c.Time, score: d.Score}
	if picture := r.picture(p, c.Pixels); picture != nil {
		picture.sent = true
		v.best = picture
		if v.sentPictures = append(v.sentPictures, picture); len(v.sentPictures) > maxSent {
			v.sentPictures = v.sentPictures[1:]
		}
	}
}

// visit returns a visit, which begins if it is not known. The one that was seen longest ago is dropped for it.
func (r *Recorder) visit(camera, id string, at time.Time) *visit {
	if v := r.visits[id]; v != nil {
		return v
	}
	if len(r.visits) >= maxVisits {
		oldest := slices.MinFunc(r.ordered(), func(a, b *visit) int { return a.last.Compare(b.last) })
		delete(r.visits, oldest.id)
	}
	r.number++
	v := &visit{number: r.number, id: id, camera: camera, first: at, last: at, pause: firstPause, stride: 1}
	r.visits[id] = v
	return v
}

// ordered returns the visits, the one that began last first. The caller holds mutex.
func (r *Recorder) ordered() []*visit {
	all := make([]*visit, 0, len(r.visits))
	for _, v := range r.visits {
		all = append(all, v)
	}
	slices.SortFunc(all, func(a, b *visit) int { return cmp.Compare(b.number, a.number) })
	return all
}

// jpeg returns the JPEG of a face, or nil if it is not known, not ready, or dropped.
func (r *Recorder) jpeg(number uint64) []byte {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	for _, v := range r.visits {
		for _, p := range v.allPictures() {
			if p.number == number {
				return p.jpeg
			}
		}
	}
	return nil
}
