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
	text := fmt.Sprintf("self-test passed (deviation %.1f steps), %s, %s, %.2f ms at %dx%d",
		n.Deviation, n.Engine, n.Device, milliseconds(n.Run), n.Width, n.Height)
	f := ok(text)
	if n.OnCPU > 0 {
		f = ok(fmt.Sprintf("%s (%.2f ms on the CPU)", text, milliseconds(n.OnCPU)))
	}
	if n.OnCPU > 0 && n.Run > n.OnCPU {
		f = warning(fmt.Sprintf("%s, slower than XNNPACK on the CPU (%.2f ms)", text, milliseconds(n.OnCPU)),
			"leave runtime.engine and runtime.delegate at their defaults, unless the CPU is needed for other programs")
	}
	if n.Refusal != "" {
		f = failed(fmt.Sprintf("the configured runtime (%s, %s) is refused, XNNPACK on the CPU is used: %s", cfg.Runtime,
			cfg.Runtime.LibraryPath(), n.Refusal), cfg.Runtime.Remedy())
	}
	f.Check, f.Name = "network", n.Name
	values := map[string]any{
		"engine": n.Engine, "device": n.Device, "width": n.Width, "height": n.Height,
		"ms": milliseconds(n.Run), "self_test_ms": milliseconds(n.SelfTest), "deviation": n.Deviation,
	}
	if n.OnCPU > 0 {
		values["cpu_ms"] = milliseconds(n.OnCPU)
	}
	f.Values = values
	return f
}
