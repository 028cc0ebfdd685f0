package capture

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"gocv.io/x/gocv"
)

// PicturePeriod is how far apart the pictures of a folder are in Frame.Position: as in a video of 25 frames a second.
const PicturePeriod = 40 * time.Millisecond

// errUnreadable marks a broken picture; the next one may be good.
var errUnreadable = errors.New("not a readable picture")

// pictures reads picture files, one after the other.
type pictures struct {
	paths     []string
	maxPixels int
	alone     bool // one picture, not a directory; its fault is a fault of the source
	done      int
}

func openPicture(t target, maxPixels int) *pictures {
	return &pictures{paths: []string{t.name}, maxPixels: maxPixels, alone: true}
}

// openFolder lists the pictures of a directory in natural order, without subdirectories and hidden files.
func openFolder(folder, label string, maxPixels int) (*pictures, error) {
	entries, err := os.ReadDir(folder)
	if err != nil {
		return nil, fmt.Errorf("list %s: %w", label, err)
	}
	var names []string
	for _, entry := range entries {
		if !entry.IsDir() && !strings.HasPrefix(entry.Name(), ".") && IsPicture(filepath.Join(folder, entry.Name())) {
			names = append(names, entry.Name())
		}
	}
	if len(names) == 0 {
		return nil, fmt.Errorf("open %s: no JPEG, PNG, WebP or BMP in this folder; check the path", label)
	}
	slices.SortFunc(names, natural)
	p := &pictures{maxPixels: maxPixels}
	for _, name := range names {
		p.paths = append(p.paths, filepath.Join(folder, name))
	}
	return p, nil
}

func (p *pictures) read(ctx context.Context, dst *gocv.Mat) (time.Duration, error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	if p.done == len(p.paths) {
		return 0, io.EOF
	}
	path := p.paths[p.done]
	stamp := time.Duration(p.done) * PicturePeriod
	p.done++
	switch err := ReadPicture(path, p.maxPixels, dst); {
	case err != nil && p.alone:
		return 0, fmt.Errorf("read %s: %w", path, err)
	case err != nil:
		return 0, fmt.Errorf("%s: %w: %w", filepath.Base(path), errUnreadable, err)
	}
	return stamp, nil
}

func (p *pictures) shape() shape {
	return shape{fps: float64(time.Second / PicturePeriod)}
}

func (p *pictures) close() {}

// natural compares names as people count: frame2 before frame10.
func natural(a, b string) int {
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

// digits returns the length of the number that s begins with.
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
