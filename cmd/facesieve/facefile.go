package main

import (
	"fmt"
	"path/filepath"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/google/renameio/v2"

	"facesieve/publish/event"
)

// maxNamePart bounds a device or camera name within a file name, in bytes. Some file systems allow 143 bytes for the
// whole name.
const maxNamePart = 34

// faceFile returns the file name for a face of one device: camera, track, time and score.
func faceFile(e event.Face) string {
	return fmt.Sprintf("%s_%d_%s_%03.0f.%s", namePart(e.Camera), e.Track,
		e.Time.UTC().Format("20060102T150405.000"), e.Quality.Score, e.Image.Encoding)
}

// watchedFile returns the file name for a face of any device: the name of the device, the parts of faceFile, and the
// random end of the id, so that no two events have the same name.
func watchedFile(e event.Face) string {
	name := faceFile(e)
	extension := filepath.Ext(name)
	id := e.ID[strings.LastIndexByte(e.ID, '-')+1:]
	return namePart(e.Device) + "_" + strings.TrimSuffix(name, extension) + "_" + namePart(id) + extension
}

// saveFace writes the image of event into a file in directory, atomically. Only the owner can read it.
func saveFace(directory, name string, event event.Face) error {
	path := filepath.Join(directory, name)
	if err := renameio.WriteFile(path, event.Image.Data, 0o600, renameio.WithTempDir(directory)); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return nil
}

// namePart makes external text safe as a part of a file name. It keeps only letters, digits, spaces, - and ., replaces
// a . or - at the beginning, and cuts long text.
func namePart(text string) string {
	part := strings.Map(func(r rune) rune {
		if r != utf8.RuneError && unicode.In(r, unicode.L, unicode.N, unicode.M) || r == '-' || r == '.' || r == ' ' {
			return r
		}
		return '_'
	}, text)
	if strings.HasPrefix(part, ".") || strings.HasPrefix(part, "-") {
		part = "_" + part[1:]
	}
	for len(part) > maxNamePart {
		_, size := utf8.DecodeLastRuneInString(part)
		part = part[:len(part)-size]
	}
	return part
}
