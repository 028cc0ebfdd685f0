package capture

import "gocv.io/x/gocv"

// shown is an input that describes the last frame it has decoded.
type shown interface{ picture() picture }

const (
	// trimmed is the frame size, in pixels, from which memory is returned to the system at the end of a session.
	trimmed = 8_000_000
	// turnover is the number of frames after which all Mats have a new size.
	turnover = 8
)

// observation holds the size and pixel shape of the recent frames of a session.
type observation struct {
	last    picture
	largest int // pixels of the largest frame whose memory may still be in use
	smaller int // consecutive frames of a quarter of that size or less
}

// observe logs when frames are stretched, and returns the memory of large frames to the system when small ones follow.
func (c *session) observe(in input, mat *gocv.Mat) {
	width, height := mat.Cols(), mat.Rows()
	o := &c.form
	if pixels := width * height; pixels > o.largest/4 {
		o.largest, o.smaller = max(o.largest, pixels), 0
	} else if o.smaller++; o.smaller == turnover {
		o.largest, o.smaller = pixels, 0
		trim()
	}
	s, ok := in.(shown)
	if !ok {
		return
	}
	before := o.last
	o.last = s.picture()
	if before.width == o.last.width && before.height == o.last.height && before.sample == o.last.sample {
		return
	}
	c.describe(o.last, width, height)
}

// describe logs how frames that were decoded as p differ from the size in which they are analysed.
func (c *session) describe(p picture, width, height int) {
	log, aspect := c.source.log, c.source.cfg.Aspect
	declared := aspect == "" && p.sample.known()
	switch {
	case width*height != p.width*p.height:
		log.Info().Int("decoded_width", p.width).Int("decoded_height", p.height).
			Int("width", width).Int("height", height).
			Str("pixel_aspect", p.sample.String()).Str("aspect", aspect).
			Msg("pixels are not square; the frames are stretched")
	case declared && !p.sample.sane():
		log.Warn().Str("pixel_aspect", p.sample.String()).
			Msg("the pixel shape that the stream declares is not plausible and ignored; set aspect if faces look squeezed")
	case declared && !p.sample.square(), aspect != "" && !p.has(aspect):
		log.Warn().Str("pixel_aspect", p.sample.String()).
			Msg("the stretched frames would be larger than max_pixels, so they are analysed as they are; " +
				"raise max_pixels")
	}
}

// has reports whether the picture already has this aspect, within one percent.
func (p picture) has(aspect string) bool {
	r, err := parseAspect(aspect)
	return err == nil && ratio{p.width * r.height, p.height * r.width}.square()
}

// release returns the memory of large frames to the system at the end of a session.
func (o *observation) release() {
	if o.largest >= trimmed {
		trim()
	}
}
