package capture

import "gocv.io/x/gocv"

// shown is an input that reports what it has decoded besides the pixels.
type shown interface{ picture() picture }

const (
	// trimmed is the size of frames, in pixels, whose memory is returned to the system when smaller ones follow, or none.
	trimmed = 8_000_000
	// turnover is how many frames it takes until all Mats have the new size.
	turnover = 8
)

// observation is what a session keeps about the form of its frames.
type observation struct {
	last    picture
	largest int // pixels of the largest frame whose memory may still be held
	smaller int // frames since then of a quarter of its size or less
}

// observe logs what is done to the form of the frames, and returns the memory that large ones needed.
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

// describe logs the form of frames that were decoded as p and are analysed in this size.
func (c *session) describe(p picture, width, height int) {
	log, aspect := c.source.log, c.source.cfg.Aspect
	declared := aspect == "" && p.sample.known()
	switch {
	case width*height != p.width*p.height:
		log.Info().Int("decoded_width", p.width).Int("decoded_height", p.height).Int("width", width).Int("height", height).
			Str("pixel_aspect", p.sample.String()).Str("aspect", aspect).Msg("pixels are not square; the frames are stretched")
	case declared && !p.sample.sane():
		log.Warn().Str("pixel_aspect", p.sample.String()).
			Msg("the form of the pixels that the stream declares is not plausible and ignored; set aspect if faces look " +
				"squeezed")
	case declared && !p.sample.square(), aspect != "" && !p.has(aspect):
		log.Warn().Str("pixel_aspect", p.sample.String()).
			Msg("the stretched frames would be larger than max_pixels, so they are analysed as they are; raise max_pixels")
	}
}

// has reports whether the picture has this aspect already, within one percent.
func (p picture) has(aspect string) bool {
	r, err := parseAspect(aspect)
	return err == nil && ratio{p.width * r.height, p.height * r.width}.square()
}

// release returns the memory of large frames at the end of a session.
func (o *observation) release() {
	if o.largest >= trimmed {
		trim()
	}
}
