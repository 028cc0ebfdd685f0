package capture

import (
	"fmt"
	"strconv"
	"strings"

	"gocv.io/x/gocv"
)

// ratio is width to height; zero: unknown.
type ratio struct{ width, height int }

func (r ratio) String() string { return fmt.Sprintf("%d:%d", r.width, r.height) }

// known reports whether the stream declares this ratio.
func (r ratio) known() bool { return r.width != 0 || r.height > 1 }

// plausible reports whether r can be the shape of a pixel, like facesieve::plausible in scaler.cpp.
func (r ratio) plausible() bool {
	return r.width > 0 && r.height > 0 && r.width <= 4*r.height && r.height <= 4*r.width
}

// square reports whether width and height are equal within one percent.
func (r ratio) square() bool {
	difference := r.width - r.height
	return 100*max(difference, -difference) <= r.height
}

// parseAspect parses width:height. For "" it returns zero, which means unknown.
func parseAspect(text string) (ratio, error) {
	if text == "" {
		return ratio{}, nil
	}
	width, height, _ := strings.Cut(text, ":")
	w, errWidth := strconv.Atoi(width)
	h, errHeight := strconv.Atoi(height)
	r := ratio{w, h}
	if errWidth != nil || errHeight != nil || !r.plausible() || w > 10000 || h > 10000 {
		return ratio{}, fmt.Errorf("%q is not width:height between 1:4 and 4:1; write 16:9, 4:3, or nothing to use "+
			"the aspect that the stream declares", text)
	}
	return r, nil
}

const (
	// largeFrame is the number of pixels from which the memory of a frame is returned to the system when its session ends.
	largeFrame = 8_000_000
	// trimmedPixels is the reduction of a Mat, in pixels, from which its memory is returned to the system at once.
	trimmedPixels = 1_000_000
)

// trimAfter returns the memory of large frames to the system when small ones follow: before is the number of pixels that
// mat had.
func trimAfter(before int, mat *gocv.Mat) {
	if before-mat.Cols()*mat.Rows() >= trimmedPixels {
		trim()
	}
}

// observe logs when frames are stretched. info describes the frame before it was stretched to a size, pixels.
func (c *session) observe(info frameInfo, width, height int) {
	c.largest = max(c.largest, width*height)
	last := c.last
	c.last = info
	same := last.width == info.width && last.height == info.height && last.sample == info.sample
	if !same && info.width > 0 {
		c.logStretch(info, width, height)
	}
}

// logStretch logs how frames differ from the size in which they are analysed.
func (c *session) logStretch(info frameInfo, width, height int) {
	log, aspect := c.source.log, c.source.cfg.Aspect
	declared := aspect == "" && info.sample.known()
	switch {
	case width*height != info.width*info.height:
		log.Info().Int("decoded_width", info.width).Int("decoded_height", info.height).
			Int("width", width).Int("height", height).
			Str("pixel_aspect", info.sample.String()).Str("aspect", aspect).
			Msg("pixels are not square; the frames are stretched")
	case declared && !info.sample.plausible():
		log.Warn().Str("pixel_aspect", info.sample.String()).
			Msg("the pixel shape that the stream declares is not plausible and ignored; set aspect if faces look squeezed")
	case declared && !info.sample.square(), aspect != "" && !info.hasAspect(aspect):
		log.Warn().Str("pixel_aspect", info.sample.String()).
			Msg("the stretched frames would be larger than max_pixels, so they are analysed as they are; " +
				"raise max_pixels")
	}
}

// hasAspect reports whether the frame has this aspect, within one percent.
func (i frameInfo) hasAspect(aspect string) bool {
	r, err := parseAspect(aspect)
	return err == nil && ratio{i.width * r.height, i.height * r.width}.square()
}
