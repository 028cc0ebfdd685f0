package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"unicode"
	"unicode/utf8"

	"facesieve/publish"
)

// maxFileWord bounds a name of others in the name of a file, in bytes. Some file systems allow 143 for the whole.
const maxFileWord = 34

// faceFile is the name of a picture of one device: camera, track, time and score.
func faceFile(e publish.Event) string {
	return fmt.Sprintf("%s_%d_%s_%03.0f.%s", fileWord(e.Camera), e.Track,
		e.Time.UTC().Format("20060102T150405.000"), e.Quality.Score, e.Image.Encoding)
}

// watchedFile is the name of a picture of any device: that of the device, then as faceFile, then the random end of the id,
// so that no two events have one name.
func watchedFile(e publish.Event) string {
	name := faceFile(e)
	extension := filepath.Ext(name)
	id := e.ID[strings.LastIndexByte(e.ID, '-')+1:]
	return fileWord(e.Device) + "_" + strings.TrimSuffix(name, extension) + "_" + fileWord(id) + extension
}

// saveFace writes the picture of event into a file of the folder.
func saveFace(folder, name string, event publish.Event) error {
	return writeAtomically(filepath.Join(folder, name), func(file *os.File) error {
		_, err := file.Write(event.Image.Data)
		return err
	})
}

// fileWord makes a part of a file name of a text of others: only letters, digits, - and . stay, no . or - begins it, and it is
// cut when it is long.
func fileWord(text string) string {
	word := strings.Map(func(r rune) rune {
		if r != utf8.RuneError && unicode.In(r, unicode.L, unicode.N, unicode.M) || r == '-' || r == '.' || r == ' ' {
			return r
		}
		return '_'
	}, text)
	if strings.HasPrefix(word, ".") || strings.HasPrefix(word, "-") {
		word = "_" + word[1:]
	}
	for len(word) > maxFileWord {
		_, size := utf8.DecodeLastRuneInString(word)
		word = word[:len(word)-size]
	}
	return word
}
