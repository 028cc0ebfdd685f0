package quality

// blackest is the highest luminance that counts as black, as in ISO/IEC 29794-5.
const blackest = 25

// underExposure returns the share of the face, 0..1, that is nearly black.
func underExposure(h *histogram) float64 {
	return h.share(0, blackest)
}
