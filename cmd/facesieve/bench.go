package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"image"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"

	"github.com/dustin/go-humanize/english"
	"github.com/rs/zerolog"
	"gocv.io/x/gocv"
	"golang.org/x/sys/cpu"
	"golang.org/x/sys/unix"

	"facesieve/capture"
	"facesieve/cmd/facesieve/internal/config"
	"facesieve/cmd/facesieve/internal/pipeline"
	"facesieve/publish/event"
)

type benchCommand struct {
	Config filePath `help:"Configuration file. Default: the built-in one."`
	Camera string   `help:"Name of the camera in the configuration whose settings apply. Default: the first."`
	JSON   bool     `help:"Print one JSON object."`
	Video  filePath `arg:"" optional:"" help:"A recording. Default: that of the camera if its url is a file, or a generated clip."`
}

// benchReport is the output of bench. Times are in milliseconds; CPU times are those of all threads of the program.
type benchReport struct {
	Video string `json:"video"`
	// Processor has the instructions that decide how fast the networks run.
	Processor string         `json:"processor"`
	Codec     string         `json:"codec,omitempty"`
	Width     int            `json:"width"`
	Height    int            `json:"height"`
	FPS       float64        `json:"fps"`
	MaxFPS    float64        `json:"max_fps"`
	Cores     int            `json:"cores"`
	Frames    uint64         `json:"frames"`
	Analysed  uint64         `json:"analysed"`
	Faces     uint64         `json:"faces"`           // judged
	Decoding  float64        `json:"decoding_cpu_ms"` // alone, a frame
	Pipeline  float64        `json:"pipeline_cpu_ms"` // with decoding, a frame
	Ratio     float64        `json:"ratio"`           // of the two
	Cameras   float64        `json:"cameras"`         // such ones that the CPU can take, an estimate
	Stages    []benchStage   `json:"stages"`
	Networks  []benchNetwork `json:"networks"`

	run recordingRun
	cpu stageCPU
}

type benchStage struct {
	Name  string  `json:"name"`
	Calls int     `json:"calls"`
	MS    float64 `json:"ms"`     // a call, by the clock
	CPU   float64 `json:"cpu_ms"` // a call, of the thread that runs the stages
	Share float64 `json:"share"`  // of the CPU time of the whole pipeline with decoding, 0..1
}

type benchNetwork struct {
	Name      string  `json:"name"`
	Engine    string  `json:"engine"`
	Device    string  `json:"device"`
	Refusal   string  `json:"refusal,omitempty"`
	Width     int     `json:"width"`
	Height    int     `json:"height"`
	MS        float64 `json:"ms"`               // a run, the median
	CPU       float64 `json:"cpu_ms,omitempty"` // the same by XNNPACK, if an external runtime is used
	SelfTest  float64 `json:"self_test_ms"`
	Deviation float64 `json:"deviation"` // quantisation steps
}

// Run measures decoding alone and the whole pipeline on the same recording, and then each network.
func (c *benchCommand) Run(ctx context.Context, term console) (err error) {
	cfg, camera, err := recordingSettings(c.Config, c.Camera, false)
	if err != nil {
		return err
	}
	video := string(c.Video)
	if video == "" && isRecording(camera.Capture.URL) {
		video = camera.Capture.URL
	}
	report := benchReport{Video: video, Processor: processor(), MaxFPS: camera.MaxFPS, Cores: runtime.GOMAXPROCS(0)}
	if video == "" {
		directory, err := os.MkdirTemp("", "facesieve-bench-")
		if err != nil {
			return fmt.Errorf("create a directory for the clip: %w", err)
		}
		defer os.RemoveAll(directory) //nolint:errcheck // a clip in the system's directory for temporary files
		fmt.Fprintln(term.err, "generating a clip")
		video, report.Video = filepath.Join(directory, "clip.avi"), "generated clip"
		if err := writeClip(ctx, video); err != nil {
			return err
		}
	}
	camera.Capture = recordingAt(camera.Capture, video)
	if err := report.measure(ctx, cfg, camera, term.err); err != nil {
		return err
	}
	if c.JSON {
		return printJSON(term.out, report)
	}
	report.print(term.out)
	return nil
}

// isRecording reports whether a url names a file.
func isRecording(url string) bool {
	info, err := os.Stat(url)
	return err == nil && info.Mode().IsRegular()
}

// measure runs everything that is measured. progress receives a line for each part.
func (r *benchReport) measure(ctx context.Context, cfg config.Config, camera config.Camera, progress io.Writer) error {
	fmt.Fprintln(progress, "decoding alone")
	start := processorTime()
	length, err := decodeAlone(ctx, camera.Capture)
	if err != nil {
		return err
	}
	decoding := processorTime() - start
	fmt.Fprintln(progress, "running the pipeline")
	start = processorTime()
	r.cpu = stageCPU{spent: map[string]time.Duration{}}
	if r.run, err = benchPipeline(ctx, cfg, camera, &r.cpu); err != nil {
		return err
	}
	whole := processorTime() - start
	if ctx.Err() != nil {
		return errors.New("interrupted")
	}
	r.fill(decoding, whole, length)
	fmt.Fprintln(progress, "measuring the networks")
	return r.measureNetworks(cfg, camera)
}

// decodeAlone reads every frame, and returns the length of the recording.
func decodeAlone(ctx context.Context, cfg capture.Config) (length time.Duration, err error) {
	source, err := capture.Open(cfg, zerolog.Nop())
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, source.Close()) }()
	frame := capture.Frame{Mat: gocv.NewMat()}
	defer func() { frame.Mat.Close() }() // Next may have replaced the Mat
	for {
		switch err := source.Next(ctx, &frame); {
		case errors.Is(err, io.EOF):
			if fps := source.Stats().FPS; fps > 0 {
				length += time.Duration(float64(time.Second) / fps) // the last frame
			}
			return length, nil
		case ctx.Err() != nil:
			return 0, errors.New("interrupted")
		case err != nil:
			return 0, err
		}
		length = frame.Position
	}
}

// benchPipeline runs the whole pipeline, with the encoding of events, which are then discarded.
func benchPipeline(
	ctx context.Context, cfg config.Config, camera config.Camera, cpu *stageCPU,
) (recordingRun, error) {
	networks, err := pipeline.OpenNetworks(cfg, camera)
	if err != nil {
		return recordingRun{}, err
	}
	e, err := pipeline.OpenEngine(networks, cfg, camera, zerolog.Nop())
	if err != nil {
		return recordingRun{}, err
	}
	encoder := pipeline.Encoder{
		Device: cfg.Device, Camera: camera.Name, Model: networks.ScoreModel(), Image: cfg.Image,
	}
	sink := pipeline.EventSink{Uplink: discardUplink{}, Encoder: encoder, Log: zerolog.Nop()}
	runtime.LockOSThread() // cpu reads the time of the thread
	defer runtime.UnlockOSThread()
	cpu.last = threadTime()
	options := pipeline.Options{Sink: sink, Observers: []pipeline.Observer{cpu}}
	return runRecording(ctx, e, camera, options, zerolog.Nop())
}

// stageCPU is an observer that adds up the CPU time of each stage. It must be called by one thread alone.
type stageCPU struct {
	pipeline.NoObserver
	last  time.Duration // of the thread, at the end of the stage before
	spent map[string]time.Duration
}

// Stage adds the CPU time since the stage before, which includes what little is between them; it is at most the time of
// the stage by the clock.
func (s *stageCPU) Stage(_, stage string, took time.Duration) {
	now := threadTime()
	s.spent[stage] += min(took, now-s.last)
	s.last = now
}

// discardUplink accepts events and discards them.
type discardUplink struct{}

// Publish discards the event of a face.
func (discardUplink) Publish(event.Face) error { return nil }

// Reject discards the report of a rejected visit.
func (discardUplink) Reject(event.Rejected) error { return nil }

// fill computes the figures from the processor times of decoding alone and of the whole pipeline, and the length of the
// recording.
func (r *benchReport) fill(decoding, whole, length time.Duration) {
	stats, source := r.run.pipeline, r.run.source
	r.Codec, r.Width, r.Height, r.FPS = source.Codec, source.Width, source.Height, source.FPS
	r.Frames, r.Analysed, r.Faces = source.Frames, stats.Analysed, stats.Judged
	frames := float64(max(1, source.Frames))
	r.Decoding, r.Pipeline = 1000*decoding.Seconds()/frames, 1000*whole.Seconds()/frames
	r.Ratio = whole.Seconds() / decoding.Seconds()
	r.Cameras = float64(r.Cores) * length.Seconds() / whole.Seconds()
	for _, s := range stats.Stages {
		cpu, calls := r.cpu.spent[s.Name], float64(s.Calls)
		r.Stages = append(r.Stages, benchStage{
			s.Name, s.Calls, 1000 * s.Total.Seconds() / calls, 1000 * cpu.Seconds() / calls, cpu.Seconds() / whole.Seconds(),
		})
	}
}

func (r *benchReport) measureNetworks(cfg config.Config, camera config.Camera) error {
	times, err := pipeline.MeasureNetworks(cfg, camera, image.Pt(r.Width, r.Height))
	if err != nil {
		return err
	}
	for _, n := range times {
		r.Networks = append(r.Networks, benchNetwork{
			Name: n.Name, Engine: n.Engine, Device: n.Device, Refusal: n.Refusal, Width: n.Width, Height: n.Height,
			MS: 1000 * n.Run.Seconds(), CPU: 1000 * n.OnCPU.Seconds(), SelfTest: 1000 * n.SelfTest.Seconds(),
			Deviation: n.Deviation,
		})
	}
	return nil
}

// print prints the report for a person.
func (r *benchReport) print(w io.Writer) {
	fmt.Fprintf(w, "%s: %s, %dx%d, %.1f frames a second, at most %g analysed (max_fps)\n", printablePath(r.Video),
		cmp.Or(r.Codec, "images"), r.Width, r.Height, r.FPS, r.MaxFPS)
	s := r.run.pipeline
	fmt.Fprintf(w, "%d frames, %d analysed, %d tracks, %d faces judged, %d sent, in %.1f s\n",
		r.Frames, s.Analysed, s.Tracks, s.Judged, s.Sent, r.run.took.Seconds())
	fmt.Fprintf(w, "%-12s %8s %10s %14s %10s\n", "stage", "calls", "ms a call", "CPU ms a call", "% of CPU")
	for _, s := range r.Stages {
		fmt.Fprintf(w, "%-12s %8d %10.3f %14.3f %10.1f\n", s.Name, s.Calls, s.MS, s.CPU, 100*s.Share)
	}
	device := len("device")
	for _, n := range r.Networks {
		device = max(device, len(n.Device))
	}
	fmt.Fprintf(w, "%-32s %-14s %-*s %-10s %10s %12s %10s\n",
		"network", "engine", device, "device", "input", "ms a run", "self-test ms", "deviation")
	for _, n := range r.Networks {
		size := fmt.Sprintf("%dx%d", n.Width, n.Height)
		fmt.Fprintf(w, "%-32s %-14s %-*s %-10s %10.3f %12.2f %10.1f\n",
			n.Name, n.Engine, device, n.Device, size, n.MS, n.SelfTest, n.Deviation)
		if n.CPU > 0 {
			fmt.Fprintf(w, "  by XNNPACK on the CPU: %.3f ms a run\n", n.CPU)
		}
		if n.Refusal != "" {
			fmt.Fprintf(w, "  the configured runtime is refused: %s\n", printable(n.Refusal))
		}
	}
	fmt.Fprintf(w, "processor: %s\n", r.Processor)
	fmt.Fprintf(w, "CPU a frame: %.2f ms for decoding alone, %.2f ms for the whole pipeline (%.2f times)\n", r.Decoding,
		r.Pipeline, r.Ratio)
	fmt.Fprintf(w, "The CPU of this board (%s) can take about %.1f such cameras, by an estimate from CPU time alone; "+
		"memory, network and other programs are not counted.\n", english.Plural(r.Cores, "core", ""), r.Cameras)
}

// processor returns the instructions of this processor that decide how fast the networks run.
func processor() string {
	var has []string
	for _, feature := range []struct {
		name    string
		present bool
	}{
		{"AVX2", cpu.X86.HasAVX2},
		{"AVX-512", cpu.X86.HasAVX512F},
		{"VNNI", cpu.X86.HasAVX512VNNI || cpu.X86.HasAVXVNNI},
		{"AMX", cpu.X86.HasAMXInt8},
		{"NEON", cpu.ARM64.HasASIMD},
		{"dot product", cpu.ARM64.HasASIMDDP},
	} {
		if feature.present {
			has = append(has, feature.name)
		}
	}
	return cmp.Or(strings.Join(has, ", "), runtime.GOARCH)
}

// threadTime returns the CPU time of the calling thread.
func threadTime() time.Duration {
	var t unix.Timespec
	_ = unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &t) // it fails only for wrong arguments
	return time.Duration(t.Nano())
}

// processorTime returns the processor time that this process has used on all cores.
func processorTime() time.Duration {
	var usage syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &usage) // it fails only for wrong arguments
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}
