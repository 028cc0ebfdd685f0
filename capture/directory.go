package capture

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"gocv.io/x/gocv"
)

// imagePeriod is the difference in Frame.Position between two images of a directory, as in a video of 25 frames a
// second.
const imagePeriod = 40 * time.Millisecond

// imageFiles reads image files, one after the other.
type imageFiles struct {
	paths     []string
	next      int // index of the path that is read next
	maxPixels int
	single    bool // an image is the source itself, so it is not skipped if it is damaged
}

// openDirectory lists the images in a directory in natural order, without subdirectories and hidden files.
func openDirectory(directory, label string, maxPixels int) (input, error) {
	entries, err := os.ReadDir(directory)
	if err != nil {
		return nil, fmt.Errorf("list %s: %w", label, err)
	}
	var names []string
	for _, entry := range entries {
		hidden := strings.HasPrefix(entry.Name(), ".")
		if !entry.IsDir() && !hidden && IsImageFile(filepath.Join(directory, entry.Name())) {
			names = append(names, entry.Name())
		}
	}
	if len(names) == 0 {
		return nil, fmt.Errorf("open %s: no JPEG, PNG, WebP or BMP in this directory; check the path", label)
	}
	slices.SortFunc(names, compareNatural)
	f := &imageFiles{maxPixels: maxPixels}
	for _, name := range names {
		f.paths = append(f.paths, filepath.Join(directory, name))
	}
	return f, nil
}

func (f *imageFiles) read(ctx context.Context, _ wanted, dst *gocv.Mat) (frameInfo, error) {
	if err := ctx.Err(); err != nil {
		return frameInfo{}, err
	}
	if f.next == len(f.paths) {
		return frameInfo{}, io.EOF
	}
	path, info := f.paths[f.next], frameInfo{stamp: time.Duration(f.next) * imagePeriod}
	f.next++
	err := ReadImage(path, f.maxPixels, dst)
	switch {
	case err != nil && f.single:
		err = fmt.Errorf("read %s: %w", path, err)
	case err != nil:
		err = fmt.Errorf("%s: %w: %w", filepath.Base(path), errUnreadable, err)
	}
	return info, err
}

func (f *imageFiles) shape() shape { return shape{fps: float64(time.Second / imagePeriod)} }

func (f *imageFiles) close() {}

// compareNatural compares numbers in names by their value: frame2 comes before frame10.
func compareNatural(a, b string) int {
	x, y := a, b
	for x != "" && y != "" {
		order := int(x[0]) - int(y[0])
		m, n := 1, 1
		if digits(x) > 0 && digits(y) > 0 {
			m, n = digits(x), digits(y)
			order = compareNumbers(x[:m], y[:n])
		}
		if order != 0 {
			return order
		}
		x, y = x[m:], y[n:]
	}
	if len(x) != len(y) {
		return len(x) - len(y)
	}
	return strings.Compare(a, b)
}

// digits returns the number of digits at the beginning of s.
func digits(s string) int {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return i
		}
	}
	return len(s)
}

func compareNumbers(a, b string) int {
	a, b = strings.TrimLeft(a, "0"), strings.TrimLeft(b, "0")
	if len(a) != len(b) {
		return len(a) - len(b)
	}
	return strings.Compare(a, b)
}
