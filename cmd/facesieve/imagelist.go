package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"facesieve/capture"
)

// imageList holds the image files that the arguments of score name.
type imageList struct {
	images      []listedImage
	hidden      int // files and directories whose names begin with a dot
	others      int // files that are not images
	repeated    int // directories that were listed before, under this or another name
	directories map[directoryID]bool
}

// listedImage is the path of an image file, or another path with the reason why it is not one.
type listedImage struct {
	path  string
	fault error
}

// directoryID identifies a directory, also if links give it several names.
type directoryID struct{ device, inode uint64 }

// listImages replaces each directory among paths by the image files in it and below, in lexical order. It resolves
// links, and lists each directory once, so that circular links end.
func listImages(paths []filePath) *imageList {
	l := &imageList{directories: map[directoryID]bool{}}
	for _, path := range paths {
		l.argument(string(path))
	}
	return l
}

func (l *imageList) add(path string, fault error) {
	l.images = append(l.images, listedImage{path, fault})
}

// argument adds a path of the command line.
func (l *imageList) argument(path string) {
	info, err := os.Stat(path)
	switch {
	case err != nil:
		l.add(path, cannotRead(err))
	case !info.IsDir():
		l.add(path, nil)
	default:
		images, repeated := len(l.images), l.repeated
		l.directory(path, info)
		if len(l.images) == images && l.repeated == repeated {
			l.add(path, errors.New("no image in this directory (JPEG, PNG, WebP, BMP)"))
		}
	}
}

// directory adds the image files in a directory and below.
func (l *imageList) directory(path string, info fs.FileInfo) {
	if id, ok := identify(info); ok {
		if l.directories[id] {
			l.repeated++
			return
		}
		l.directories[id] = true
	}
	entries, err := os.ReadDir(path)
	if err != nil {
		l.add(path, cannotRead(err))
	}
	for _, entry := range entries {
		if strings.HasPrefix(entry.Name(), ".") {
			l.hidden++
			continue
		}
		l.entry(filepath.Join(path, entry.Name()))
	}
}

// entry adds a file or directory of a directory.
func (l *imageList) entry(path string) {
	info, err := os.Stat(path)
	switch {
	case err == nil && info.IsDir():
		l.directory(path, info)
	case !capture.IsImageFile(path):
		l.others++
	case err != nil:
		l.add(path, cannotRead(err))
	default:
		l.add(path, nil)
	}
}

func identify(info fs.FileInfo) (directoryID, bool) {
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return directoryID{}, false
	}
	return directoryID{device: uint64(stat.Dev), inode: stat.Ino}, true //nolint:unconvert // int32 on other systems
}

// cannotRead reduces an error to its cause, because the path is printed before it.
func cannotRead(err error) error {
	var path *fs.PathError
	if errors.As(err, &path) {
		err = path.Err
	}
	return fmt.Errorf("cannot be read: %w", err)
}
