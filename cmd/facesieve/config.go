package main

import (
	"time"

	"facesieve/capture"
	"facesieve/detect"
	"facesieve/models"
	"facesieve/publish"
	"facesieve/publish/outbox"
	"facesieve/quality"
)

// Config is everything that the configuration file can say.
type Config struct {
	// Device names this machine in topics and events; empty means the host name.
	Device  string         `yaml:"device"`
	Log     LogConfig      `yaml:"log"`
	MaxFPS  float64        `yaml:"max_fps"`
	Detect  detect.Config  `yaml:"detect"`
	Quality quality.Config `yaml:"quality"`
	Image   ImageConfig    `yaml:"image"`
	Runtime models.Runtime `yaml:"runtime"`
	Models  ModelFiles     `yaml:"models"`
	MQTT    publish.Config `yaml:"mqtt"`
	Outbox  outbox.Config  `yaml:"outbox"`
	Cameras []Camera       `yaml:"-"`
}

// Camera is one source of video. What it does not say itself of max_fps, detect and quality, it takes from the top of
// the file.
type Camera struct {
	// Name is the camera's part of the MQTT topics; no two cameras share one.
	Name string `yaml:"name"`
	// Capture gives a camera its keys url, read_timeout and so on.
	Capture capture.Config `yaml:",inline"`
	MaxFPS  float64        `yaml:"max_fps"`
	Detect  detect.Config  `yaml:"detect"`
	Quality quality.Config `yaml:"quality"`
}

// LogConfig says what is logged to standard error, and how.
type LogConfig struct {
	// Level is trace, debug, info, warn or error.
	Level string `yaml:"level"`
	// Format is json, console (coloured text), or auto: console on a terminal, otherwise json.
	Format string `yaml:"format"`
}

// ImageConfig says how the face in an event is encoded.
type ImageConfig struct {
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

// stateInterval is how often a camera's state is published at most, and frame and face rates are measured.
const stateInterval = 10 * time.Second

// DefaultConfig returns the configuration that an empty file stands for.
func DefaultConfig() Config {
	return Config{
		Log:     LogConfig{Level: "info", Format: "auto"},
		MaxFPS:  10,
		Detect:  detect.Default(),
		Quality: quality.Default(),
		Image:   ImageConfig{Encoding: "jpeg", Quality: 95},
		Runtime: models.DefaultRuntime(),
		MQTT:    publish.Default(),
		Outbox:  outbox.Default(),
	}
}

// camera returns a nameless camera with everything that the top of the file says.
func (c Config) camera() Camera {
	return Camera{Capture: capture.Default(), MaxFPS: c.MaxFPS, Detect: c.Detect, Quality: c.Quality}
}
