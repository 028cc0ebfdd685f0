package main

import (
	"errors"
	"fmt"
	"image"
	"strings"

	"github.com/rs/zerolog"

	"facesieve/models"
)

// tryNetworks starts the networks as run does, and tests an accelerator at the sizes of usual frames. A refused
// accelerator is an error here, although run would use the CPU instead, because the configuration does not have its
// intended effect.
func tryNetworks(cfg Config, nets networks) (err error) {
	shared, err := newInterpreters(nets, cfg.Runtime, 1, zerolog.Nop())
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, shared.retire()) }()
	if cfg.Runtime.Delegate == models.DelegateExternal {
		for _, camera := range append([]Camera{cfg.camera()}, cfg.Cameras...) {
			if err := tryCamera(shared, camera); err != nil {
				return err
			}
		}
	}
	reasons := shared.refusals.reasons()
	if len(reasons) == 0 {
		return nil
	}
	return configured(fmt.Errorf("runtime.library: the external delegate is refused, "+
		"and run would use XNNPACK on the CPU:\n  %s\n"+
		"install the library that fits the device, or set runtime.delegate to xnnpack",
		strings.Join(reasons, "\n  ")))
}

// tryCamera uses the networks at the input sizes of portrait and landscape frames of 16:9 and 4:3.
func tryCamera(shared *interpreters, camera Camera) (err error) {
	e, err := newEngine(shared, camera.Detect, camera.Quality)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, e.Close()) }()
	for _, frame := range []image.Point{{1920, 1080}, {1080, 1920}, {1600, 1200}, {1200, 1600}} {
		if err := e.borrow(frame); err != nil {
			return err
		}
		e.giveBack()
	}
	return nil
}
