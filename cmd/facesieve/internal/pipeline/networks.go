package pipeline

import (
	"fmt"
	"reflect"

	"facesieve/cmd/facesieve/internal/config"
	"facesieve/models"
)

// Networks are the verified networks that a pipeline runs.
type Networks struct {
	detector  *models.Model
	landmarks *models.Model
	quality   *models.Model
}

// ScoreModel returns name and version of the quality network. Scores of two versions cannot be compared.
func (n Networks) ScoreModel() string {
	return n.quality.Manifest.Name + "-" + n.quality.Manifest.Version
}

// Equal reports whether the networks are those of other, with the same manifests.
func (n Networks) Equal(other Networks) bool {
	return reflect.DeepEqual(n.detector.Manifest, other.detector.Manifest) &&
		reflect.DeepEqual(n.landmarks.Manifest, other.landmarks.Manifest) &&
		reflect.DeepEqual(n.quality.Manifest, other.quality.Manifest)
}

// OpenNetworks reads and verifies the networks that cfg names, or the built-in ones.
func OpenNetworks(cfg config.Config) (Networks, error) {
	detector, err := openNetwork(models.TaskDetector, cfg.Models.Detector)
	if err != nil {
		return Networks{}, err
	}
	landmarks, err := openNetwork(models.TaskLandmarks, cfg.Models.Landmarks)
	if err != nil {
		return Networks{}, err
	}
	quality, err := openNetwork(models.TaskQuality, cfg.Models.Quality)
	if err != nil {
		return Networks{}, err
	}
	return Networks{detector: detector, landmarks: landmarks, quality: quality}, nil
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
		return nil, config.Invalid(fmt.Errorf("open %s network: %s is a network for %q; name one for %q",
			task, path, model.Manifest.Task, task))
	}
	return model, nil
}
