package doctor

import (
	"fmt"
	"image"

	"facesieve/cmd/facesieve/internal/config"
	"facesieve/cmd/facesieve/internal/pipeline"
)

// workingFrame is a frame of usual shape: the detector's input has the same size for all frames of 16:9.
func workingFrame() image.Point { return image.Pt(1920, 1080) }

// checkNetworks starts the networks, and measures each at its working size.
func checkNetworks(cfg config.Config) []Finding {
	times, err := pipeline.MeasureNetworks(cfg, cfg.Cameras[0], workingFrame())
	if err != nil {
		return []Finding{failed(err.Error(), "")}
	}
	var all []Finding
	for _, n := range times {
		all = append(all, networkFinding(cfg, n))
	}
	return all
}

func networkFinding(cfg config.Config, n pipeline.NetworkTimes) Finding {
	text := fmt.Sprintf("self-test passed, %s, %.2f ms at %dx%d", n.Delegate, milliseconds(n.Run), n.Width, n.Height)
	f := ok(text)
	if n.Refusal != "" {
		f = failed(fmt.Sprintf("the accelerator (%s) is refused, XNNPACK on the CPU is used: %s", cfg.Runtime.Library,
			n.Refusal), "install the library that fits the device, or set runtime.delegate to xnnpack")
	}
	f.Check, f.Name = "network", n.Name
	f.Values = map[string]any{
		"delegate": n.Delegate, "width": n.Width, "height": n.Height,
		"ms": milliseconds(n.Run), "self_test_ms": milliseconds(n.SelfTest),
	}
	return f
}
