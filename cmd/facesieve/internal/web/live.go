package web

import (
	"encoding/json"
	"image"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"
	"gocv.io/x/gocv"

	"facesieve/cmd/facesieve/internal/pipeline"
	"facesieve/quality"
)

const (
	livePeriod = 200 * time.Millisecond // between two pictures of a camera
	idlePeriod = 500 * time.Millisecond // between two pictures that were not analysed, because nothing moves
	liveWidth  = 960                    // pixels, at most
)

// livePicture is a frame with its faces, as the browser receives it.
type livePicture struct {
	Camera   string     `json:"camera"`
	Time     time.Time  `json:"time"`
	Width    int        `json:"width"` // of the frame, pixels; the JPEG may be smaller
	Height   int        `json:"height"`
	Analysed bool       `json:"analysed"` // false: the motion gate skipped the frame
	Faces    []liveFace `json:"faces"`
	JPEG     []byte     `json:"jpeg"`
}

// liveFace is a face of a livePicture, in pixels of the frame.
type liveFace struct {
	Box       [4]float32    `json:"box"` // x, y, width, height
	Landmarks [5][2]float32 `json:"landmarks"`
	Score     float64       `json:"score"` // 0..100, -1: not assessed
	Reason    string        `json:"reason"`
	Text      string        `json:"text"`  // the reason, for people
	Visit     uint64        `json:"visit"` // number
	visitID   string
}

// liveCamera passes the newest frame of a camera to those who watch it. The pipeline's goroutine only copies a frame;
// a goroutine that runs while somebody watches scales and encodes it once for all.
type liveCamera struct {
	log      zerolog.Logger
	number   func(visit string) uint64
	watched  atomic.Bool
	interest sync.WaitGroup // the encoding goroutine

	mutex    sync.Mutex
	watchers map[chan []byte]bool
	faces    []liveFace // of the present frame, until Frame
	taken    time.Time  // when the newest frame was copied
	newest   gocv.Mat   // the copy; it exists while somebody watches
	next     *livePicture
	wake     chan struct{}
}

// camera returns what is live of a camera.
func (r *Recorder) camera(name string) *liveCamera {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	if r.cameras[name] == nil {
		r.cameras[name] = &liveCamera{log: r.log, number: r.numberOf, watchers: map[chan []byte]bool{}}
	}
	return r.cameras[name]
}

// numberOf returns the number of a visit, 0 if it is not known.
func (r *Recorder) numberOf(id string) uint64 {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	if v := r.visits[id]; v != nil {
		return v.number
	}
	return 0
}

// Frame copies a frame if somebody watches its camera and the last copy is old enough.
func (r *Recorder) Frame(f pipeline.FrameReport) {
	r.addWatched(f.Camera, f.Time)
	r.camera(f.Camera).frame(f, time.Now())
}

// watch returns a channel with the newest picture of a camera, in JSON. Call stop after use.
func (r *Recorder) watch(camera string) (newest <-chan []byte, stop func()) {
	l := r.camera(camera)
	pictures := make(chan []byte, 1)
	l.mutex.Lock()
	defer l.mutex.Unlock()
	if l.watchers[pictures] = true; len(l.watchers) == 1 {
		l.newest, l.next, l.wake = gocv.NewMat(), nil, make(chan struct{}, 1)
		l.watched.Store(true)
		wake := l.wake
		l.interest.Go(func() { l.encode(wake) })
	}
	return pictures, func() { l.leave(pictures) }
}

// leave removes a watcher. After the last one nothing is copied any more.
func (l *liveCamera) leave(pictures chan []byte) {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	if !l.watchers[pictures] {
		return
	}
	if delete(l.watchers, pictures); len(l.watchers) == 0 {
		l.watched.Store(false)
		l.faces, l.next = nil, nil
		l.newest.Close()
		close(l.wake)
	}
}

// close removes all watchers and waits for the encoding goroutine.
func (l *liveCamera) close() {
	l.mutex.Lock()
	var all []chan []byte
	for watcher := range l.watchers {
		all = append(all, watcher)
	}
	l.mutex.Unlock()
	for _, watcher := range all {
		l.leave(watcher)
	}
	l.interest.Wait()
}

// judged adds a face of the present frame.
func (l *liveCamera) judged(c *pipeline.Candidate, reason quality.Reason, text string) {
	if !l.watched.Load() {
		return
	}
	face := liveFace{
		Box: c.Judgement.Face.Box, Landmarks: c.Judgement.Face.Landmarks, Score: quality.NotAssessed,
		Reason: string(reason), Text: text, visitID: c.Visit.ID,
	}
	if c.Judgement.Scored {
		face.Score = c.Judgement.Score.Value
	}
	l.mutex.Lock()
	l.faces = append(l.faces, face)
	l.mutex.Unlock()
}

// frame copies a frame in place of the one before, if that was not encoded yet.
func (l *liveCamera) frame(f pipeline.FrameReport, now time.Time) {
	if !l.watched.Load() {
		return
	}
	l.mutex.Lock()
	defer l.mutex.Unlock()
	faces := l.faces
	l.faces = nil
	period := livePeriod
	if !f.Analysed {
		period = idlePeriod
	}
	if len(l.watchers) == 0 || f.Image.Empty() || now.Sub(l.taken) < period {
		return
	}
	if err := f.Image.CopyTo(&l.newest); err != nil {
		l.log.Warn().Err(err).Msg("a picture of the page cannot be copied")
		return
	}
	l.taken = now
	l.next = &livePicture{
		Camera: f.Camera, Time: f.Time, Width: f.Image.Cols(), Height: f.Image.Rows(), Analysed: f.Analysed, Faces: faces,
	}
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

// encode passes each new picture to the watchers, until wake is closed.
func (l *liveCamera) encode(wake <-chan struct{}) {
	taken, scaled := gocv.NewMat(), gocv.NewMat()
	defer func() {
		taken.Close()
		scaled.Close()
	}()
	for range wake {
		l.mutex.Lock()
		p := l.next
		if p == nil || l.wake != wake {
			l.mutex.Unlock()
			continue
		}
		l.next = nil
		l.newest, taken = taken, l.newest
		l.mutex.Unlock()
		for i := range p.Faces {
			p.Faces[i].Visit = l.number(p.Faces[i].visitID)
		}
		message, err := p.message(taken, &scaled)
		if err != nil {
			l.log.Warn().Err(err).Msg("a picture of the page cannot be encoded")
			continue
		}
		l.pass(message)
	}
}

// message returns the picture as JSON.
func (p *livePicture) message(frame gocv.Mat, scaled *gocv.Mat) ([]byte, error) {
	picture, size := frame, image.Pt(frame.Cols(), frame.Rows())
	if size.X > liveWidth {
		size = image.Pt(liveWidth, max(1, size.Y*liveWidth/size.X))
		if err := gocv.Resize(frame, scaled, size, 0, 0, gocv.InterpolationArea); err != nil {
			return nil, err
		}
		picture = *scaled
	}
	pixels, err := picture.DataPtrUint8()
	if err != nil {
		return nil, err
	}
	if p.JPEG, err = pipeline.EncodePicture(pixels, size.X, size.Y); err != nil {
		return nil, err
	}
	return json.Marshal(p)
}

// pass replaces the picture that a watcher did not take yet.
func (l *liveCamera) pass(message []byte) {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	for watcher := range l.watchers {
		select {
		case <-watcher:
		default:
		}
		watcher <- message
	}
}
