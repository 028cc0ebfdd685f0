package config

import (
	"debug/elf"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"strings"

	"facesieve/models"
	"facesieve/publish"
	"facesieve/publish/event"
	"facesieve/quality"
)

// files adds the faults of the files that the configuration names: certificates, keys, an accelerator's library. The
// daemon does not call it, because it retries files that it cannot read.
func (l *loader) files(cfg Config) {
	if cfg.MQTT.Validate() == nil {
		l.section("mqtt", cfg.MQTT.CheckFiles())
	}
	if cfg.Outbox.Validate() == nil {
		l.section("outbox", cfg.Outbox.CheckFiles())
	}
	l.webFiles(cfg.Web)
	if err := checkLibrary(cfg.Runtime); err != nil {
		l.fault("runtime.library", "%v", err)
	}
}

// checkLibrary reads the ELF header of the library of an external runtime. It skips a name without /, because the
// system's loader searches for that.
func checkLibrary(rt models.Runtime) error {
	path := rt.LibraryPath()
	if !rt.External() || !strings.Contains(path, "/") {
		return nil
	}
	library, err := elf.Open(path)
	var format *elf.FormatError
	switch {
	case errors.As(err, &format):
		return fmt.Errorf("%q is not a library for this system", path)
	case err != nil:
		return fmt.Errorf("the library cannot be read: %w; %s", err, rt.Remedy())
	}
	return library.Close()
}

// validate adds everything that is wrong with the values of cfg to l's faults.
func (l *loader) validate(cfg Config) {
	l.oneOf("log.level", cfg.Log.Level, "trace", "debug", "info", "warn", "error")
	l.oneOf("log.format", cfg.Log.Format, "auto", "json", "console")
	l.oneOf("image.encoding", cfg.Image.Encoding, "jpeg", "png")
	if cfg.Image.Quality < 1 || cfg.Image.Quality > 100 {
		l.fault("image.quality", "%d is outside 1..100", cfg.Image.Quality)
	}
	l.maxFPS("max_fps", cfg.MaxFPS)
	l.section("mqtt", cfg.MQTT.Validate())
	_, port, err := net.SplitHostPort(cfg.MQTT.Listen)
	if err == nil && port == "0" && cfg.MQTT.Broker == publish.Embedded {
		l.fault("mqtt.listen", "port 0 selects another port at each start; give one from 1 to 65535")
	}
	l.section("outbox", cfg.Outbox.Validate())
	l.validateWeb(cfg.Web)
	l.section("runtime", cfg.Runtime.Validate())
	l.section("detect", cfg.Detect.Validate())
	l.section("quality", cfg.Quality.Validate())
	l.autoThreshold("quality", cfg.Quality, cfg.Feedback)
	l.modelFile("models.quality", cfg.Models.Quality)
	l.modelFile("models.detector", cfg.Models.Detector)
	l.modelFile("models.landmarks", cfg.Models.Landmarks)
	l.cameras(cfg)
	if l.use.files {
		l.files(cfg)
	}
}

func (l *loader) cameras(cfg Config) {
	if l.use.sources && len(cfg.Cameras) == 0 {
		l.fault("cameras", "no camera is configured; add one with a name and a url")
	}
	seen := map[string]int{}
	for i, camera := range cfg.Cameras {
		key := cameraKey(i)
		if l.use.skips(i, camera.Name) || l.binder.faulty[key] {
			continue
		}
		if err := event.CheckName(camera.Name); err != nil {
			l.fault(key+".name", "%v", err)
		} else if first, ok := seen[camera.Name]; ok {
			l.fault(key+".name", "%q is also the name of cameras[%d]; give each camera its own name", camera.Name, first)
		}
		seen[camera.Name] = i
		if l.given(key + ".max_fps") {
			l.maxFPS(key+".max_fps", camera.MaxFPS)
		}
		l.section(key, camera.Capture.Validate())
		// What a camera inherits was judged, and reported, at the top of the file.
		l.ownSection(key+".detect", camera.Detect.Validate())
		l.ownSection(key+".quality", camera.Quality.Validate())
		if l.given(key + ".quality.threshold") {
			l.autoThreshold(key+".quality", camera.Quality, cfg.Feedback)
		}
	}
}

// autoThreshold adds a fault if a threshold is auto and nothing could move it.
func (l *loader) autoThreshold(section string, cfg quality.Config, feedback Feedback) {
	if cfg.Threshold == quality.Auto && !feedback.Enabled {
		l.fault(section+".threshold", "auto needs the reports of a recogniser; set feedback.enabled: true, or give a number")
	}
}

// given reports whether the file has a key.
func (l *loader) given(key string) bool {
	_, ok := l.binder.at[key]
	return ok
}

// ownSection adds the faults of a camera's section if the file has that section.
func (l *loader) ownSection(key string, err error) {
	if l.given(key) {
		l.section(key, err)
	}
}

// keyError is the error of one key of a section. Validate and CheckFiles of the packages return such errors, joined.
type keyError interface {
	error
	ConfigKey() string // dotted, in the section
	Unwrap() error     // what is wrong and how to fix it
}

// section adds the errors of a package below the section's key.
func (l *loader) section(section string, err error) {
	for _, one := range unjoin(err) {
		var fault keyError
		switch {
		case !errors.As(one, &fault):
			l.fault(section, "%v", one)
		case section == "mqtt" && fault.ConfigKey() == "device": // publish makes topics of it; it stands at the top of the file
			l.fault("device", "%v", fault.Unwrap())
		default:
			l.fault(join(section, fault.ConfigKey()), "%v", fault.Unwrap())
		}
	}
}

// unjoin returns the errors that errors.Join joined to err.
func unjoin(err error) []error {
	if err == nil {
		return nil
	}
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		var all []error
		for _, e := range joined.Unwrap() {
			all = append(all, unjoin(e)...)
		}
		return all
	}
	return []error{err}
}

func (l *loader) oneOf(key, value string, allowed ...string) {
	if !slices.Contains(allowed, value) {
		l.fault(key, "%q is not one of %s", value, strings.Join(allowed, ", "))
	}
}

func (l *loader) maxFPS(key string, value float64) {
	if !(value >= 0 && value <= 1000) { // so NaN fails too
		l.fault(key, "%g is outside 0..1000 frames a second (0 takes every frame)", value)
	}
}

func (l *loader) modelFile(key, path string) {
	if path == "" {
		return
	}
	if _, err := os.Stat(path); err != nil {
		l.fault(key, "%v; leave it empty for the built-in network", err)
	}
}
