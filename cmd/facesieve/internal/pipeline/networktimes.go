package pipeline

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"image"
	"slices"
	"time"

	"github.com/rs/zerolog"

	"facesieve/cmd/facesieve/internal/config"
	"facesieve/models"
)

// NetworkTimes are the times of one network on this board. It has passed its self-test.
type NetworkTimes struct {
	Name      string // with its version
	Engine    string // that runs it, with its version
	Device    string // that computes: xnnpack, external, none, cpu, or gpu and its name
	Refusal   string // why the configured runtime is not in use; empty: it is
	Width     int    // of the input, pixels
	Height    int
	Run       time.Duration // a run at this size, the median
	OnCPU     time.Duration // the same by XNNPACK, if Device is that of an external runtime
	SelfTest  time.Duration
	Deviation float64 // of the outputs in all tests, the largest, in quantisation steps
}

// timedRuns is the number of runs whose median is reported.
const timedRuns = 15

// MeasureNetworks starts the networks as the daemon does, and measures each at the input size that it has for a frame of
// this size in pixels, with the settings of camera. An external runtime is verified at this size.
func MeasureNetworks(cfg config.Config, camera config.Camera, frame image.Point) (all []NetworkTimes, err error) {
	networks, err := OpenNetworks(cfg, camera)
	if err != nil {
		return nil, err
	}
	pool, err := NewPool(networks, cfg.Runtime, 1, zerolog.Nop())
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, pool.Retire()) }()
	e, err := NewEngine(pool, camera.Detect, camera.Quality)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, e.Close()) }()
	if err := e.Acquire(context.Background(), frame); err != nil {
		return nil, err
	}
	size := e.detector.InputSize(frame)
	if err := e.held.detector.Resize(size.X, size.Y); err != nil {
		return nil, fmt.Errorf("detector at %dx%d pixels: %w", size.X, size.Y, err)
	}
	for _, network := range []*pooledNetwork{e.detectorNetwork, e.refinerNetwork, e.qualityNetwork} {
		if network.Interpreter == nil { // no refinement
			continue
		}
		times, err := network.measure(cfg.Runtime)
		if err != nil {
			return nil, fmt.Errorf("measure network %s: %w", network.Manifest().Name, err)
		}
		times.Refusal = cmp.Or(pool.refusals.reason(network.model), times.Refusal)
		all = append(all, times)
	}
	return all, nil
}

// measure measures a network at its present input size, and XNNPACK beside an external runtime.
func (p *pooledNetwork) measure(rt models.Runtime) (times NetworkTimes, err error) {
	m := p.Manifest()
	times.Name = m.Name + "-" + m.Version
	times.Width, times.Height = p.Size()
	if times.Run, err = medianRun(p.Interpreter); err != nil {
		return times, err
	}
	if refusal := p.Refusal(); refusal != nil { // it failed just now, or when it was started
		times.Refusal = refusal.Error()
	}
	if p.External() {
		if times.OnCPU, err = p.measureOnCPU(rt); err != nil {
			return times, err
		}
	}
	times.Engine, times.Device = p.Engine()
	start := time.Now()
	err = p.SelfTest()
	times.SelfTest, times.Deviation = time.Since(start), p.Deviation()
	return times, err
}

// measureOnCPU returns the time of a run by XNNPACK at the present input size.
func (p *pooledNetwork) measureOnCPU(rt models.Runtime) (run time.Duration, err error) {
	cpu, err := models.NewInterpreter(p.model, rt.OnCPU())
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, cpu.Close()) }()
	if err := cpu.Resize(p.Size()); err != nil {
		return 0, err
	}
	return medianRun(cpu)
}

// medianRun returns the time of a run on a test image.
func medianRun(i *models.Interpreter) (time.Duration, error) {
	width, height := i.Size()
	pixels := make([]byte, width*height*i.Manifest().Input.Channels)
	models.SelfTestImage(pixels, width, height, 0)
	var runs []time.Duration
	for range timedRuns {
		start := time.Now()
		if err := errors.Join(i.SetPixels(pixels), i.Invoke()); err != nil {
			return 0, err
		}
		runs = append(runs, time.Since(start))
	}
	slices.Sort(runs)
	return runs[len(runs)/2], nil
}
