package pipeline

import (
	"fmt"
	"reflect"
	"slices"

	"facesieve/cmd/facesieve/internal/config"
	"facesieve/models"
)

// Networks are the verified networks that a pipeline runs.
type Networks struct {
	detector  *models.Model
	landmarks *models.Model // nil if no camera refines
	quality   *models.Model
}

// ScoreModel returns name and version of the quality network. Scores of two versions cannot be compared.
func (n Networks) ScoreModel() string {
	return n.quality.Manifest.Name + "-" + n.quality.Manifest.Version
}

// Quality returns the manifest of the quality network.
func (n Networks) Quality() models.Manifest { return n.quality.Manifest }

// Manifests returns the manifests of the networks, in the order of a frame's path.
func (n Networks) Manifests() []models.Manifest {
	var all []models.Manifest
	for _, model := range []*models.Model{n.detector, n.landmarks, n.quality} {
		if model != nil {
			all = append(all, model.Manifest)
		}
	}
	return all
}

// Equal reports whether the networks are those of other, with the same manifests.
func (n Networks) Equal(other Networks) bool {
	equal := func(a, b *models.Model) bool {
		return a == b || a != nil && b != nil && reflect.DeepEqual(a.Manifest, b.Manifest)
	}
	return equal(n.detector, other.detector) && equal(n.landmarks, other.landmarks) && equal(n.quality, other.quality)
}

// OpenNetworks reads and verifies the networks that cfg names, or the built-in ones, for these cameras. The network of
// refinement is left out if none of them refines.
func OpenNetworks(cfg config.Config, cameras ...config.Camera) (n Networks, err error) {
	if n.detector, err = openNetwork(models.TaskDetector, cfg.Models.Detector); err != nil {
		return Networks{}, err
	}
	if slices.ContainsFunc(cameras, func(c config.Camera) bool { return c.Detect.Refine }) {
		if n.landmarks, err = openNetwork(models.TaskLandmarks, cfg.Models.Landmarks); err != nil {
			return Networks{}, err
		}
	}
	if n.quality, err = openNetwork(models.TaskQuality, cfg.Models.Quality); err != nil {
		return Networks{}, err
	}
	return n, nil
}

func openNetwork(task, path string) (*models.Model, error) {
	open, name := models.Embedded, task
	if path != "" {
		open, name = models.Load, path
	}
	model, err := open(name)
	if err != nil {
		return nil, config.Invalid(fmt.Errorf("open %s network: %w", task, err))
	}
	if model.Manifest.Task != task {
		return nil, config.Invalid(fmt.Errorf("open %s network: %s is a network for %q; name a network for %q",
			task, path, model.Manifest.Task, task))
	}
	return model, nil
}
