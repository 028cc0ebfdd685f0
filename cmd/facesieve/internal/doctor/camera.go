package doctor

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"image"
	"io"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/rs/zerolog"
	"gocv.io/x/gocv"

	"facesieve/capture"
	"facesieve/capture/sourceurl"
	"facesieve/cmd/facesieve/internal/config"
	"facesieve/cmd/facesieve/internal/pipeline"
	"facesieve/quality"
)

// engines returns engines for cameras from one pool, which is opened when the first camera needs one.
type engines struct {
	cfg  config.Config
	once sync.Once
	pool *pipeline.Pool
	err  error // of opening the pool
}

func (e *engines) open() {
	networks, err := pipeline.OpenNetworks(e.cfg, e.cfg.Cameras...)
	if err == nil {
		e.pool, err = pipeline.NewPool(networks, e.cfg.Runtime, len(e.cfg.Cameras), zerolog.Nop())
	}
	e.err = err
}

func (e *engines) engine(camera config.Camera) (*pipeline.Engine, error) {
	e.once.Do(e.open)
	if e.err != nil {
		return nil, e.err
	}
	return pipeline.NewEngine(e.pool, camera.Detect, camera.Quality)
}

// close frees the networks, when no engine is in use.
func (e *engines) close() {
	if e.pool != nil {
		_ = e.pool.Retire() // only memory is freed
	}
}

// CameraValues are the figures of a camera.
type CameraValues struct {
	Codec    string  `json:"codec,omitempty"`
	Width    int     `json:"width"`
	Height   int     `json:"height"`
	FPS      float64 `json:"fps"`
	DecodeMS float64 `json:"decode_cpu_ms,omitempty"` // a frame; 0: not measured
	Decoder  string  `json:"decoder,omitempty"`       // software, or the hardware decoder
	Refused  string  `json:"refused,omitempty"`       // why hardware decoders are not used
	Analysed int     `json:"analysed"`                // frames
	Faces    int     `json:"faces"`                   // in all analysed frames
	Usable   int     `json:"usable"`                  // of them, those that every gate accepts
	Smallest float64 `json:"smallest,omitempty"`      // face, width of its box in pixels
	Largest  float64 `json:"largest,omitempty"`

	reasons map[quality.Reason]int // of the faces that a gate rejects
}

// checkCamera opens the camera once, so that a refused login is not repeated, and watches its frames for a while.
func checkCamera(ctx context.Context, camera config.Camera, engines *engines, watch time.Duration) Finding {
	if !camera.Enabled {
		return ok("disabled (enabled: false), so it is not checked")
	}
	camera.Capture.Loop = false
	shown := sourceurl.Redact(cmp.Or(camera.Capture.Shown, camera.Capture.URL))
	source, err := pipeline.OpenSource(camera, zerolog.Nop())
	if err != nil {
		return cameraFault(err.Error())
	}
	defer source.Close() //nolint:errcheck // an abandoned call into a driver, while the program ends anyway
	e, err := engines.engine(camera)
	if err != nil {
		return failed(shown+": the networks do not start, so no frame was analysed", "see the check networks")
	}
	defer e.Close() //nolint:errcheck // only memory is freed
	w := watcher{camera: camera, source: source, engine: e, values: CameraValues{reasons: map[quality.Reason]int{}}}
	if err := w.watch(ctx, watch); err != nil {
		return cameraFault(err.Error())
	}
	return w.finding(shown)
}

// cameraFault separates the fix, which follows a semicolon, from the fault.
func cameraFault(text string) Finding {
	fault, fix, _ := strings.Cut(text, "; ")
	return failed(fault, fix)
}

// watcher watches the frames of one camera.
type watcher struct {
	camera config.Camera
	source *capture.Source
	engine *pipeline.Engine
	values CameraValues
}

// watch takes frames until the source ends, or for a time from the first one. It returns why there is no frame.
func (w *watcher) watch(ctx context.Context, length time.Duration) error {
	frame := capture.Frame{Mat: gocv.NewMat()}
	defer func() { frame.Mat.Close() }() // Next may have replaced the Mat
	if err := w.first(ctx, &frame); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, length)
	defer cancel()
	for {
		if err := w.analyse(ctx, frame.Mat); err != nil && ctx.Err() == nil {
			return fmt.Errorf("a frame cannot be analysed: %w", err)
		}
		switch err := w.source.Next(ctx, &frame); {
		case errors.Is(err, io.EOF):
			return nil
		case ctx.Err() != nil && w.source.State() == capture.Reconnecting:
			return fmt.Errorf("video came and was lost: %s", w.source.Stats().LastError)
		case ctx.Err() != nil:
			return nil
		case err != nil:
			return err
		}
	}
}

// pollPeriod is how often the state of a source without frames is read.
const pollPeriod = 100 * time.Millisecond

// first waits for the first frame, or for the end of the first attempt to open the source.
func (w *watcher) first(ctx context.Context, frame *capture.Frame) error {
	limit := 2*w.camera.Capture.OpenTimeout + w.camera.Capture.ReadTimeout
	for end := time.Now().Add(limit); time.Now().Before(end) && ctx.Err() == nil; {
		poll, cancel := context.WithTimeout(ctx, pollPeriod)
		err := w.source.Next(poll, frame)
		cancel()
		if !errors.Is(err, context.DeadlineExceeded) {
			return err
		}
		if w.source.State() == capture.Reconnecting {
			return errors.New(w.source.Stats().LastError)
		}
	}
	return fmt.Errorf("no frame within %v; restart the camera", limit)
}

// analyse counts the faces of a frame, as the daemon would find and judge them.
func (w *watcher) analyse(ctx context.Context, frame gocv.Mat) error {
	if err := w.engine.Acquire(ctx, image.Pt(frame.Cols(), frame.Rows())); err != nil {
		return err
	}
	defer w.engine.Release()
	faces, err := w.engine.Find(frame, nil)
	if err != nil {
		return err
	}
	v := &w.values
	v.Analysed++
	for _, face := range faces {
		if float64(face.Score) < w.engine.MinScore() {
			continue
		}
		j, err := w.engine.Judge(frame, face, false)
		if err != nil {
			return err
		}
		width := float64(face.Box[2])
		if v.Faces++; v.Faces == 1 {
			v.Smallest = width
		}
		v.Smallest, v.Largest = min(v.Smallest, width), max(v.Largest, width)
		if j.Reason == "" {
			v.Usable++
		} else {
			v.reasons[j.Reason]++
		}
	}
	return nil
}

// finding returns the result for a camera with frames.
func (w *watcher) finding(shown string) Finding {
	v, stats := &w.values, w.source.Stats()
	v.Codec, v.Width, v.Height, v.FPS = stats.Codec, stats.Width, stats.Height, stats.FPS
	if stats.Frames > 0 {
		v.DecodeMS = 1000 * stats.Decoding.Seconds() / float64(stats.Frames)
	}
	parts := []string{shown}
	if v.Codec != "" {
		parts = append(parts, v.Codec)
	}
	parts = append(parts, fmt.Sprintf("%dx%d", v.Width, v.Height))
	if v.FPS > 0 {
		parts = append(parts, fmt.Sprintf("%.1f frames a second", v.FPS))
	}
	if v.DecodeMS > 0 {
		v.Decoder, v.Refused = stats.Decoder, stats.Refused
		parts = append(parts, fmt.Sprintf("%.1f ms of CPU to decode a frame %s", v.DecodeMS, v.decoderText()))
	}
	text := strings.Join(parts, ", ") + "; " + v.faceText()
	f := ok(text)
	if v.Faces > 0 && v.Usable == 0 {
		f = warning(text, w.values.fix())
	}
	f.Values = *v
	return f
}

// decoderText describes what decodes, and why hardware decoders do not.
func (v *CameraValues) decoderText() string {
	text := "by " + v.Decoder
	if v.Decoder == capture.Software {
		text = "in software"
	}
	if v.Refused != "" {
		text += " (" + v.Refused + ")"
	}
	return text
}

func (v *CameraValues) faceText() string {
	if v.Faces == 0 {
		return fmt.Sprintf("no face in %d frames", v.Analysed)
	}
	text := fmt.Sprintf("%d faces in %d frames, %.0f to %.0f pixels wide, %d pass the gates", v.Faces, v.Analysed,
		v.Smallest, v.Largest, v.Usable)
	for _, reason := range slices.Sorted(maps.Keys(v.reasons)) {
		text += fmt.Sprintf(", %d %s", v.reasons[reason], reason)
	}
	return text
}

// fix returns how to get faces that pass the gate that rejected most.
func (v *CameraValues) fix() string {
	reasons := slices.Sorted(maps.Keys(v.reasons))
	most := slices.MaxFunc(reasons, func(a, b quality.Reason) int { return cmp.Compare(v.reasons[a], v.reasons[b]) })
	switch most {
	case quality.ReasonTooSmall:
		return "choose the camera's main stream, zoom in or mount the camera closer, or lower gates.min_eye_distance"
	case quality.ReasonPose:
		return "mount the camera where people look towards it, at the height of a face, or raise the limits of gates"
	case quality.ReasonTooBlurred:
		return "clean and focus the lens, give light or a shorter exposure time, or lower gates.min_sharpness"
	default:
		return "point the camera so that faces are inside the frame, or lower gates.edge_margin"
	}
}
