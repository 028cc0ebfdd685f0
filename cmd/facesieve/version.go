package main

import (
	"fmt"
	"runtime"
	"runtime/debug"

	"gocv.io/x/gocv"

	"facesieve/models"
)

// version is the release; the build sets it with -ldflags "-X main.version=...".
var version = "development" //nolint:gochecknoglobals // the linker can set only globals

type versionCommand struct{}

// Run prints the versions of the program, its libraries and its networks, and the terms of use of each network, which
// are not those of the program.
func (*versionCommand) Run(term console) error {
	fmt.Fprintf(term.out, "facesieve %s (%s, %s/%s)\n", version, runtime.Version(), runtime.GOOS, runtime.GOARCH)
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, setting := range info.Settings {
			if setting.Key == "vcs.revision" {
				fmt.Fprintf(term.out, "  commit    %s\n", setting.Value)
			}
		}
	}
	fmt.Fprintf(term.out, "  OpenCV    %s\n  TFLite    %s\n", gocv.OpenCVVersion(), models.LibraryVersion())
	for _, task := range []string{models.TaskDetector, models.TaskLandmarks, models.TaskQuality} {
		m, err := models.EmbeddedManifest(task)
		if err != nil {
			return fmt.Errorf("built-in %s network: %w", task, err)
		}
		fmt.Fprintf(term.out, "  %-9s %s %s, SHA-256 %.12s%s\n", task, m.Name, m.Version, m.SHA256, recommended(m))
		fmt.Fprintf(term.out, "  %-9s terms: %s\n", "", m.License)
	}
	return nil
}

// recommended returns the scores that a detector's manifest recommends, and nothing for another network.
func recommended(m models.Manifest) string {
	if m.Task != models.TaskDetector {
		return ""
	}
	return fmt.Sprintf(", detect.score %g, low_score %g", m.Detector.Score, m.Detector.LowScore)
}
