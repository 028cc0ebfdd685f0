package config

import (
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"
)

// Scope is the part of a configuration that a command reads. Faults of the rest are not reported: for example, the
// passwords of the cameras may be missing for watch.
type Scope struct {
	sections []string // keys of the top of the file; empty: all
	sources  bool     // the cameras are opened, so each needs its url and the secrets in it
	files    bool     // the certificates, keys and libraries that the file names are read
	one      bool     // only one camera is read: the one with the name in camera, or the first if camera is empty
	camera   string
}

// ForDaemon is the scope of the daemon.
func ForDaemon() Scope { return Scope{sources: true} }

// ForCheck is the scope of check: that of the daemon and the files that the configuration names.
func ForCheck() Scope { return Scope{sources: true, files: true} }

// ForWatch is the scope of a subscriber.
func ForWatch() Scope { return Scope{sections: []string{"device", "mqtt"}} }

// ForScore is the scope of scoring images.
func ForScore() Scope {
	return Scope{sections: []string{"detect", "quality", "runtime", "models", "feedback"}}
}

// ForReplay is the scope of a recording that is replayed with the settings of one camera, the first if camera is empty.
// With publish, events are sent to the broker.
func ForReplay(camera string, publish bool) Scope {
	sections := []string{
		"device", "log", "max_fps", "detect", "quality", "image", "runtime", "models", "feedback",
		"cameras",
	}
	if publish {
		sections = append(sections, "mqtt", "outbox")
	}
	return Scope{sections: sections, one: true, camera: camera}
}

// reads reports whether the command reads a section at the top of the file.
func (u Scope) reads(section string) bool {
	return len(u.sections) == 0 || slices.Contains(u.sections, section)
}

// skips reports whether the command does not read the i-th camera.
func (u Scope) skips(i int, name string) bool {
	return u.one && (u.camera == "" && i > 0 || u.camera != "" && name != u.camera)
}

// ignores reports whether the command does not read the value at key. An unknown key at the top of the file is never
// ignored, because it may be a misspelled section.
func (l *loader) ignores(key string) bool {
	section := key[:strings.IndexAny(key+".", ".[")]
	if _, known := l.top[section]; known && !l.use.reads(section) {
		return true
	}
	return !l.use.sources && section == "cameras" && strings.HasSuffix(key, "].url")
}

// nameIn returns the name of a camera that is not decoded.
func nameIn(node *yaml.Node) string {
	if node.Kind == yaml.AliasNode {
		node = node.Alias
	}
	for i := 0; i+1 < len(node.Content); i += 2 {
		if node.Content[i].Value == "name" {
			return node.Content[i+1].Value
		}
	}
	return ""
}
