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

// maxEncoding is how many faces wait for their JPEG.
const maxEncoding = 64

// Bounds limit the memory of a Recorder.
type Bounds struct {
	Visits   int           // the one that was seen longest ago is dropped for a new one
	Points   int           // of a visit's score curve; when there are more, the better one of every two is kept
	Pictures int           // of a visit, besides its best faces and the sent ones; then every second one is dropped
	Sent     int           // sent faces of a visit that keep their picture
	Pause    time.Duration // between two pictures of a visit that just began
	// Faces is how many faces are recorded; later ones are counted. 0: no bound.
	Faces int
	// Wait makes the pipelines wait for the JPEG of each face, so that none is without a picture.
	Wait bool
}

// PageBounds returns the bounds of a served page.
func PageBounds() Bounds {
	return Bounds{Visits: 200, Points: 100, Pictures: 12, Sent: 12, Pause: 300 * time.Millisecond}
}

// ReportBounds returns the bounds of a report, which has a picture of each scored face, about 5 kB each.
func ReportBounds() Bounds {
	const faces = 3000
	return Bounds{Visits: faces, Points: faces, Pictures: faces, Sent: faces, Faces: faces, Wait: true}
}

// Recorder is an observer that keeps the last visits, with some of their faces, and the newest picture of the cameras
// that somebody watches. It is safe for concurrent use. Close it after use.
type Recorder struct {
	pipeline.NoObserver
	log    zerolog.Logger
	bounds Bounds

	mutex    sync.Mutex
	visits   map[string]*visit // by ID
	number   uint64            // of the visit that began last
	pictures uint64            // number of the picture that was made last
	revision uint64            // counts the changes of visits
	decided  uint64            // counts the decisions
	dropped  uint64            // faces that were not encoded, because too many waited
	faces    int               // recorded, if they are bounded
	leftOut  int               // faces after them
	err      error             // the first face that could not be encoded
	cameras  map[string]*liveCamera
	watched  map[string]*watchedTime // by camera

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
func NewRecorder(bounds Bounds, log zerolog.Logger) *Recorder {
	r := &Recorder{
		log: log, bounds: bounds, visits: map[string]*visit{}, cameras: map[string]*liveCamera{},
		watched: map[string]*watchedTime{}, encoding: make(chan encoding, maxEncoding),
		stop: make(chan struct{}),
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
		jpeg, err := encodeFace(e.pixels)
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

func encodeFace(pixels []byte) ([]byte, error) {
	return pipeline.EncodeAligned(config.Image{Encoding: event.JPEG, Quality: 85}, pixels)
}

// Judged adds a face to its visit.
func (r *Recorder) Judged(c *pipeline.Candidate, aligned gocv.Mat, reason quality.Reason) {
	text := ""
	if reason != "" {
		text = pipeline.ReasonsText(c, reason)
	}
	r.camera(c.Camera).judged(c, reason, text)
	p := newPoint(c, aligned, reason, text)
	r.mutex.Lock()
	defer r.mutex.Unlock()
	if !r.admits() {
		return
	}
	v := r.visit(c.Camera, c.Visit.ID, c.Time)
	v.figures = c.Visit
	best := v.add(p)
	r.revision++
	tops := v.tops(p)
	if !c.Judgement.Scored || !best && !tops && !v.wantsPicture(c.Time) {
		return
	}
	pixels := c.Pixels
	if pixels == nil {
		pixels = aligned.ToBytes()
	}
	picture := r.picture(p, pixels, pipeline.Describe(c))
	if picture == nil {
		return
	}
	if best {
		v.best, v.labels, v.components = picture, c.Judgement.Score.Labels, pipeline.Components(c.Judgement.Assessment)
	}
	if tops {
		v.top = picture
	}
	if v.wantsPicture(c.Time) {
		v.addPicture(picture)
	}
}

// admits counts a face, and reports whether it is recorded.
func (r *Recorder) admits() bool {
	switch {
	case r.bounds.Faces == 0:
	case r.faces >= r.bounds.Faces:
		r.leftOut++
		return false
	default:
		r.faces++
	}
	return true
}

// picture returns a picture whose JPEG follows, or nil if too many wait.
func (r *Recorder) picture(p point, pixels []byte, detail string) *picture {
	made := &picture{number: r.pictures + 1, point: p, detail: detail}
	if r.bounds.Wait {
		jpeg, err := encodeFace(pixels)
		if err != nil {
			r.err = cmp.Or(r.err, err)
			return nil
		}
		r.pictures++
		made.jpeg = jpeg
		return made
	}
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
		if from.moveTo(to, m); from.empty() { // its figures stay: they never counted the faces that a split moves
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
	if r.leftOut > 0 && r.visits[d.Visit.ID] == nil {
		return // none of its faces is recorded
	}
	v := r.visit(c.Camera, d.Visit.ID, d.Time)
	v.figures = d.Visit
	r.revision++
	r.decided++
	if !d.Send {
		v.rejected, v.reasons = d.Reason, pipeline.Reasons(c, d.Reason)
		return
	}
	v.sent++
	v.sentAt, v.sentScore, v.policy = d.At, d.Score, c.PolicyName
	v.labels, v.components = c.Judgement.Score.Labels, pipeline.Components(c.Judgement.Assessment)
	picture := v.pictureOf(c.Track, c.Time)
	if picture == nil && r.leftOut == 0 {
		p := point{track: c.Track, time: c.Time, score: d.Score, passed: true}
		picture = r.picture(p, c.Pixels, pipeline.Describe(c))
	}
	if picture != nil {
		picture.sent = true
		v.best = picture
		if v.top == nil {
			v.top = picture
		}
		if v.sentPictures = append(v.sentPictures, picture); len(v.sentPictures) > r.bounds.Sent {
			v.sentPictures = v.sentPictures[1:]
		}
	}
}

// visit returns a visit, which begins if it is not known. The one that was seen longest ago is dropped for it.
func (r *Recorder) visit(camera, id string, at time.Time) *visit {
	if v := r.visits[id]; v != nil {
		return v
	}
	if len(r.visits) >= r.bounds.Visits {
		oldest := slices.MinFunc(r.ordered(), func(a, b *visit) int { return a.last.Compare(b.last) })
		delete(r.visits, oldest.id)
		r.timeOf(oldest.camera).dropped = true
	}
	r.number++
	v := &visit{
		bounds: &r.bounds, number: r.number, id: id, camera: camera, first: at, last: at, pause: r.bounds.Pause, stride: 1,
		watched: r.timeOf(camera).total,
	}
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
