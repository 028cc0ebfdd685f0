package config

import (
	"fmt"
	"reflect"
	"slices"

	"facesieve/detect"
	"facesieve/quality"
)

// Overrides are settings that replace those of the configuration file while the program runs: what a technician saved.
type Overrides struct {
	// Cameras holds the overrides by name of the camera.
	Cameras map[string]CameraOverride `yaml:"cameras,omitempty" json:"cameras"`
}

// CameraOverride holds the settings of one camera that are replaced; nil: the setting of the file applies. The fields
// have the keys, units and ranges of the same fields of Camera.
type CameraOverride struct {
	Enabled *bool           `yaml:"enabled,omitempty" json:"enabled,omitempty"`
	Quality QualityOverride `yaml:"quality,omitempty" json:"quality,omitzero"`
	Detect  DetectOverride  `yaml:"detect,omitempty" json:"detect,omitzero"`
}

// QualityOverride replaces settings of quality.Config.
type QualityOverride struct {
	Threshold *quality.Threshold `yaml:"threshold,omitempty" json:"threshold,omitempty"`
	Policy    *string            `yaml:"policy,omitempty" json:"policy,omitempty"`
	Gates     GatesOverride      `yaml:"gates,omitempty" json:"gates,omitzero"`
}

// GatesOverride replaces settings of quality.Gates. It has a field for each of them.
type GatesOverride struct {
	MinEyeDistance *float64 `yaml:"min_eye_distance,omitempty" json:"min_eye_distance,omitempty"`
	MinSharpness   *float64 `yaml:"min_sharpness,omitempty" json:"min_sharpness,omitempty"`
	MaxYaw         *float64 `yaml:"max_yaw,omitempty" json:"max_yaw,omitempty"`
	MaxPitch       *float64 `yaml:"max_pitch,omitempty" json:"max_pitch,omitempty"`
	MaxRoll        *float64 `yaml:"max_roll,omitempty" json:"max_roll,omitempty"`
	MaxResidual    *float64 `yaml:"max_residual,omitempty" json:"max_residual,omitempty"`
	EdgeMargin     *float64 `yaml:"edge_margin,omitempty" json:"edge_margin,omitempty"`
}

// DetectOverride replaces settings of detect.Config. An empty region is the whole frame.
type DetectOverride struct {
	ROI   *detect.Polygon   `yaml:"roi,omitempty,flow" json:"roi,omitempty"`
	Masks *[]detect.Polygon `yaml:"masks,omitempty,flow" json:"masks,omitempty"`
}

// overrideKey returns the dotted key of a camera's override.
func overrideKey(camera, key string) string { return join(join("cameras", camera), key) }

// newOverridesLoader returns a loader for the text of an overrides file.
func newOverridesLoader() *loader {
	l := newLoader(Scope{}, func(string) string { return "" })
	l.binder.unknownKey = unknownOverride
	return l
}

// overrides decodes the text of an overrides file. The checks that need the configuration are in applyOverrides.
func (l *loader) overrides(text []byte) Overrides {
	var o Overrides
	if root, ok := l.parse(text, "cameras: {entrance: {enabled: false}}"); ok && root != nil {
		l.binder.bind(root, reflect.ValueOf(&o).Elem(), target{})
	}
	return o
}

// unknownOverride returns the fault of a key that an override does not have. A key of the configuration file may be
// right there.
func unknownOverride(v vocabulary, section, key string, known fields) Fault {
	if v[key] != nil && nearest(key, keysOf(known)) == "" {
		return Fault{Key: join(section, key), Text: "cannot be overridden; set it in the configuration file. " +
			"Known here are " + Listed(keysOf(known))}
	}
	return v.unknown(section, key, known)
}

// applyOverrides applies o to the cameras of a valid configuration, and adds a fault for each value that is not valid.
// It returns one fault for each camera that the configuration does not have: these overrides are ignored, because an
// installer may remove a camera and add it again.
func (l *loader) applyOverrides(cfg *Config, o Overrides) (ignored []Fault) {
	cfg.Cameras = slices.Clone(cfg.Cameras)
	var names []string
	for i := range cfg.Cameras {
		camera := &cfg.Cameras[i]
		names = append(names, camera.Name)
		own, ok := o.Cameras[camera.Name]
		if !ok {
			continue
		}
		overlay(reflect.ValueOf(camera).Elem(), reflect.ValueOf(own))
		l.section(overrideKey(camera.Name, "detect"), camera.Detect.Validate())
		l.section(overrideKey(camera.Name, "quality"), camera.Quality.Validate())
		if own.Quality.Threshold != nil {
			l.autoThreshold(overrideKey(camera.Name, "quality"), camera.Quality, cfg.Feedback)
		}
	}
	for _, name := range slices.Sorted(slices.Values(keysOf(o.Cameras))) {
		if !slices.Contains(names, name) {
			key := join("cameras", name)
			at := l.position(key)
			ignored = append(ignored, Fault{Key: key, Line: at.line, Column: at.column, Text: absentCamera(name, names)})
		}
	}
	return ignored
}

func absentCamera(name string, names []string) string {
	text := fmt.Sprintf("the configuration has no camera %q, it has %s", name, Listed(slices.Clone(names)))
	if best := nearest(name, slices.Clone(names)); best != "" {
		text = fmt.Sprintf("the configuration has no camera %q; did you mean %q?", name, best)
	}
	return text
}

// overlay replaces those fields of dst whose pointer in src is not nil. Fields with the same key correspond.
func overlay(dst, src reflect.Value) {
	known := fieldsOf(dst.Type())
	for name, index := range fieldsOf(src.Type()) {
		from, to := src.FieldByIndex(index), dst.FieldByIndex(known[name])
		switch {
		case from.Kind() == reflect.Struct:
			overlay(to, from)
		case !from.IsNil():
			to.Set(from.Elem())
		}
	}
}
