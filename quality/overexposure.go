package quality

// whitest is the lowest luminance that counts as white, as in ISO/IEC 29794-5.
const whitest = 247

// overExposure returns the share of the face, 0..1, that is nearly white.
func overExposure(h *histogram) float64 {
	return h.share(whitest, 255)
}
