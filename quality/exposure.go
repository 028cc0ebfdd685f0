package quality

// Luminance, 0..255, up to which a pixel counts as black and from which on it counts as white, as in ISO/IEC 29794-5.
const (
	blackest = 25
	whitest  = 247
)

func underExposurePrevention() Component {
	return Component{
		Name: "UnderExposurePrevention", Unit: "share of the face, 0..1",
		Doc:        "Pixels that are nearly black: darkness, deep shadow, light from behind.",
		mapping:    logistic{best: 0, centre: 0.4, width: -0.1},
		fromPixels: func(p *pixels) float64 { return p.levels.share(0, blackest) },
	}
}

func overExposurePrevention() Component {
	return Component{
		Name: "OverExposurePrevention", Unit: "share of the face, 0..1",
		Doc:        "Pixels that are nearly white: direct sun, infrared light too near.",
		mapping:    logistic{best: 0, centre: 0.15, width: -0.04},
		fromPixels: func(p *pixels) float64 { return p.levels.share(whitest, 255) },
	}
}
