package capture

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

var schemeName = regexp.MustCompile(`^[a-zA-Z][a-zA-Z0-9+.-]*$`)

type kind int

const (
	kindStream kind = iota + 1
	kindDevice
	kindPipeline
	kindPath // not looked at yet; resolve makes it one of the following
	kindVideo
	kindPicture
	kindFolder
)

// target is a source's URL, understood.
type target struct {
	kind  kind
	name  string // as OpenCV takes it: URL, device, pipeline or absolute path; may hold credentials
	label string // for people; without credentials
}

// live reports whether the source has no end and is tried again when it is lost.
func (t target) live() bool {
	return t.kind == kindStream || t.kind == kindDevice || t.kind == kindPipeline
}

// target returns what URL names.
func (c Config) target() (target, error) {
	return parseURL(c.URL, Redact(cmp.Or(c.Shown, c.URL)))
}

// A scheme of URLs, and the prefix of a pipeline.
const (
	schemeFile     = "file"
	pipelinePrefix = "gst:"
)

// parseURL returns the kind of a URL and its parts. It uses neither disk nor network. Its errors contain the label, not
// the URL.
func parseURL(raw, label string) (target, error) {
	if strings.TrimSpace(raw) == "" {
		return target{}, errors.New("empty; give a path, /dev/video0, rtsp://..., http://... or gst:PIPELINE")
	}
	if strings.ContainsRune(raw, 0) {
		return target{}, fmt.Errorf("%s: has a zero byte in it", label)
	}
	if pipeline, ok := cutPrefixFold(raw, pipelinePrefix); ok {
		if !strings.Contains(pipeline, "appsink") {
			return target{}, fmt.Errorf("%s: the pipeline has no appsink; end it in \"! appsink\"", label)
		}
		return target{kind: kindPipeline, name: pipeline, label: label}, nil
	}
	if strings.HasPrefix(raw, "/dev/video") || strings.HasPrefix(raw, "/dev/v4l/") {
		return target{kind: kindDevice, name: raw, label: label}, nil
	}
	scheme, rest, ok := strings.Cut(raw, "://")
	if !ok {
		if almostURL(raw) {
			return target{}, fmt.Errorf("%s: neither a path nor a URL; write scheme://user:password@host:port/path, "+
				"or ./ before a path", label)
		}
		return target{kind: kindPath, name: raw, label: label}, nil
	}
	switch scheme = strings.ToLower(scheme); scheme {
	case schemeFile:
		return target{kind: kindPath, name: rest, label: label}, nil
	case "rtsp", "rtsps", "http", "https":
		if err := checkURL(scheme, rest, raw); err != nil {
			return target{}, fmt.Errorf("%s: %w", label, err)
		}
		return target{kind: kindStream, name: scheme + "://" + rest, label: label}, nil
	default:
		return target{}, unsupported(scheme, label)
	}
}

func cutPrefixFold(s, prefix string) (rest string, ok bool) {
	if len(s) < len(prefix) || !strings.EqualFold(s[:len(prefix)], prefix) {
		return s, false
	}
	return s[len(prefix):], true
}

// notQuiteURL matches a URL that lacks its :// or its scheme.
var notQuiteURL = regexp.MustCompile(`(?i)^(?:(?:rtsps?|rtps?|rstp|rtmp|https?|htt?p|file|gst)(?:[:;.]?//|[:;]|\\s*:)` +
	`|\d+\.\d+\.\d+\.\d+(?:[:/]|$))`)

// almostURL reports whether a text without :// is a misspelled URL, not a path.
func almostURL(raw string) bool {
	at := strings.LastIndexByte(raw, '@')
	return notQuiteURL.MatchString(raw) || at >= 0 && schemeless(raw[:at])
}

// unsupported returns the error for a scheme. It does not repeat a scheme that is not valid, which may be a password.
func unsupported(scheme, label string) error {
	if !schemeName.MatchString(scheme) {
		return fmt.Errorf("%s: not a valid URL; write scheme://user:password@host:port/path", label)
	}
	return fmt.Errorf("%s: scheme %q is not supported; use rtsp, rtsps, http, https, file, gst: or a path", label, scheme)
}

// resolve looks at a path: a video, a picture or a folder, and whether it can be read at all.
func (t target) resolve() (target, error) {
	if t.kind != kindPath {
		return t, nil
	}
	path, err := filepath.Abs(t.name) // FFmpeg would take "a:b.mp4" for a protocol
	if err != nil {
		return t, fmt.Errorf("find %s: %w", t.label, err)
	}
	t.name = path
	info, err := readable(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return t, fmt.Errorf("open %s: %w; check the path", t.label, fs.ErrNotExist)
	case errors.Is(err, fs.ErrPermission):
		return t, fmt.Errorf("open %s: %w; let the user of this program read it", t.label, fs.ErrPermission)
	case err != nil:
		return t, fmt.Errorf("open %s: %w", t.label, err)
	case info.IsDir():
		t.kind = kindFolder
	case !info.Mode().IsRegular():
		return t, fmt.Errorf("open %s: neither a file nor a folder; a camera is given as /dev/videoN", t.label)
	case IsPicture(path):
		t.kind = kindPicture
	default:
		t.kind = kindVideo
	}
	return t, nil
}

// readable opens what is regular or a folder, to learn whether it may be read; a pipe would block.
func readable(path string) (fs.FileInfo, error) {
	info, err := os.Stat(path)
	if err != nil || !info.IsDir() && !info.Mode().IsRegular() {
		return info, err
	}
	file, err := os.Open(path) //nolint:gosec // reading the file that the configuration names is the purpose
	if err != nil {
		return info, err
	}
	return info, file.Close()
}
