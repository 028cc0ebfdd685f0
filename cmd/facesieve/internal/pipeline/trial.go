package pipeline

import (
	"context"
	"errors"
	"fmt"
	"image"
	"strings"

	"github.com/rs/zerolog"

	"facesieve/cmd/facesieve/internal/config"
	"facesieve/models"
)

// TryNetworks opens and starts the networks as the daemon does, and tests an external runtime at the sizes of usual
// frames. A refused one is an error, although the daemon would use the CPU instead, because the configuration does not
// have its intended effect.
func TryNetworks(cfg config.Config) (err error) {
	cameras := append([]config.Camera{cfg.NewCamera()}, cfg.Cameras...)
	networks, err := OpenNetworks(cfg, cameras...)
	if err != nil {
		return err
	}
	pool, err := NewPool(networks, cfg.Runtime, 1, zerolog.Nop())
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, pool.Retire()) }()
	if cfg.Runtime.External() {
		for _, camera := range cameras {
			if err := tryCamera(pool, camera); err != nil {
				return err
			}
		}
	}
	reasons := pool.refusals.reasons()
	if len(reasons) == 0 {
		return nil
	}
	key := "library"
	if cfg.Runtime.Engine == models.EngineLiteRT {
		key = "engine"
	}
	return config.Invalid(fmt.Errorf("runtime.%s: %s is refused, and run would use XNNPACK on the CPU:\n  %s\n%s",
		key, cfg.Runtime, strings.Join(reasons, "\n  "), cfg.Runtime.Remedy()))
}

// tryCamera uses the networks at the input sizes of portrait and landscape frames of 16:9 and 4:3.
func tryCamera(pool *Pool, camera config.Camera) (err error) {
	e, err := NewEngine(pool, camera.Detect, camera.Quality)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, e.Close()) }()
	for _, frame := range []image.Point{{1920, 1080}, {1080, 1920}, {1600, 1200}, {1200, 1600}} {
		if err := e.Acquire(context.Background(), frame); err != nil {
			return err
		}
		e.Release()
	}
	return nil
}
