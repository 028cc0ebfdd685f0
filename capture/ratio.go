package capture

import (
	"fmt"
	"strconv"
	"strings"
)

// ratio is width to height; zero: unknown.
type ratio struct{ width, height int }

func (r ratio) String() string { return fmt.Sprintf("%d:%d", r.width, r.height) }

// known reports whether the stream declares this ratio.
func (r ratio) known() bool { return r.width != 0 || r.height > 1 }

// sane reports whether the shape of a pixel is plausible, like facesieve::sane in scaler.cpp.
func (r ratio) sane() bool {
	return r.width > 0 && r.height > 0 && r.width <= 4*r.height && r.height <= 4*r.width
}

// square reports whether width and height are equal within one percent.
func (r ratio) square() bool {
	difference := r.width - r.height
	return 100*max(difference, -difference) <= r.height
}

// parseAspect parses the aspect width:height of a picture. For "" it returns zero, which means unknown.
func parseAspect(text string) (ratio, error) {
	if text == "" {
		return ratio{}, nil
	}
	width, height, _ := strings.Cut(text, ":")
	w, wrong := strconv.Atoi(width)
	h, alsoWrong := strconv.Atoi(height)
	r := ratio{w, h}
	if wrong != nil || alsoWrong != nil || !r.sane() || w > 10000 || h > 10000 {
		return ratio{}, fmt.Errorf("%q is not width:height between 1:4 and 4:1; write 16:9, 4:3, or nothing to take "+
			"what the stream declares", text)
	}
	return r, nil
}
