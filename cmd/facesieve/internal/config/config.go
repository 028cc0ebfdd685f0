// Package config reads the configuration: defaults, then a YAML file, then environment variables and credentials of
// systemd, then the overrides in the state directory. It checks every value, and reports all faults at once, each with
// its key and its place in the file. It records the origin of every value.
package config

import (
	"fmt"

	"facesieve/capture"
	"facesieve/detect"
	"facesieve/models"
	"facesieve/publish"
	"facesieve/publish/outbox"
	"facesieve/quality"
)

// Config is the content of a configuration file.
type Config struct {
	// Device names this machine in topics and events; empty means the host name.
	Device   string         `yaml:"device"`
	Log      Log            `yaml:"log"`
	MaxFPS   float64        `yaml:"max_fps"`
	Detect   detect.Config  `yaml:"detect"`
	Quality  quality.Config `yaml:"quality"`
	Image    Image          `yaml:"image"`
	Runtime  models.Runtime `yaml:"runtime"`
	Models   ModelFiles     `yaml:"models"`
	MQTT     publish.Config `yaml:"mqtt"`
	Outbox   outbox.Config  `yaml:"outbox"`
	Web      Web            `yaml:"web"`
	Health   Health         `yaml:"health"`
	Feedback Feedback       `yaml:"feedback"`
	Cameras  []Camera       `yaml:"-"`
}

// Camera is one source of video. It inherits the keys of max_fps, detect, quality and health that it does not have from
// the top of the file.
type Camera struct {
	// Name is the camera's part of the MQTT topics; no two cameras share one.
	Name string `yaml:"name"`
	// Enabled is false if the camera stays in the configuration but is not read.
	Enabled bool `yaml:"enabled"`
	// Capture has the keys url, read_timeout and so on.
	Capture capture.Config `yaml:",inline"`
	MaxFPS  float64        `yaml:"max_fps"`
	Detect  detect.Config  `yaml:"detect"`
	Quality quality.Config `yaml:"quality"`
	Health  Health         `yaml:"health"`
}

// Health is the check of a camera's picture: covered, dark, moved, dirty or out of focus.
type Health struct {
	Enabled bool `yaml:"enabled"`
}

// Feedback is what recognisers report about the faces that were sent.
type Feedback struct {
	// Enabled is true if reports are received: who may publish them can move a threshold that is auto.
	Enabled bool `yaml:"enabled"`
}

// Log is the configuration of the log on standard error.
type Log struct {
	// Level is trace, debug, info, warn or error.
	Level string `yaml:"level"`
	// Format is json, console (coloured text), or auto: console on a terminal, otherwise json.
	Format string `yaml:"format"`
}

// Image is the encoding of the face in an event.
type Image struct {
	// Encoding is jpeg or png.
	Encoding string `yaml:"encoding"`
	// Quality of JPEG, 1..100.
	Quality int `yaml:"quality"`
}

// ModelFiles names networks that replace the built-in ones: .tflite files with their manifest (.json) beside them.
type ModelFiles struct {
	Quality   string `yaml:"quality"`
	Detector  string `yaml:"detector"`
	Landmarks string `yaml:"landmarks"`
}

// Default returns the configuration of an empty file.
func Default() Config {
	return Config{
		Log:     Log{Level: "info", Format: "auto"},
		MaxFPS:  10,
		Detect:  detect.Default(),
		Quality: quality.Default(),
		Image:   Image{Encoding: "jpeg", Quality: 95},
		Runtime: models.DefaultRuntime(),
		MQTT:    publish.Default(),
		Outbox:  outbox.Default(),
		Web:     DefaultWeb(),
		Health:  Health{Enabled: true},
	}
}

// NewCamera returns a camera without a name and a source, with the settings at the top of the file.
func (c Config) NewCamera() Camera {
	return Camera{
		Enabled: true, Capture: capture.Default(), MaxFPS: c.MaxFPS, Detect: c.Detect, Quality: c.Quality, Health: c.Health,
	}
}

// Camera returns the camera with this name. If name is empty, it returns the first camera; without cameras, one with
// the settings at the top of the file.
func (c Config) Camera(name string) (Camera, error) {
	if name == "" && len(c.Cameras) == 0 {
		camera := c.NewCamera()
		camera.Name = "replay"
		return camera, nil
	}
	var names []string
	for _, camera := range c.Cameras {
		if name == "" || camera.Name == name {
			return camera, nil
		}
		names = append(names, camera.Name)
	}
	return Camera{}, fmt.Errorf("no camera is named %q; the configuration has %s", name, Listed(names))
}
