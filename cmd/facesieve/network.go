package main

import (
	"fmt"
	"reflect"

	"facesieve/models"
)

// networks are the verified networks that a pipeline runs.
type networks struct {
	detector  *models.Model
	landmarks *models.Model
	quality   *models.Model
}

// scoreModel names the network that scores, with its version: scores of two versions do not compare.
func (n networks) scoreModel() string {
	return n.quality.Manifest.Name + "-" + n.quality.Manifest.Version
}

// same says whether these are the networks of other, manifests included.
func (n networks) same(other networks) bool {
	return reflect.DeepEqual(n.detector.Manifest, other.detector.Manifest) &&
		reflect.DeepEqual(n.landmarks.Manifest, other.landmarks.Manifest) &&
		reflect.DeepEqual(n.quality.Manifest, other.quality.Manifest)
}

// openModels reads and verifies the networks that cfg names, or the built-in ones.
func openModels(cfg Config) (networks, error) {
	detector, err := openModel(models.TaskDetector, cfg.Models.Detector)
	if err != nil {
		return networks{}, err
	}
	landmarks, err := openModel(models.TaskLandmarks, cfg.Models.Landmarks)
	if err != nil {
		return networks{}, err
	}
	quality, err := openModel(models.TaskQuality, cfg.Models.Quality)
	if err != nil {
		return networks{}, err
	}
	return networks{detector: detector, landmarks: landmarks, quality: quality}, nil
}

func openModel(task, path string) (*models.Model, error) {
	open, name := models.Embedded, task
	if path != "" {
		open, name = models.Load, path
	}
	model, err := open(name)
	if err != nil {
		return nil, configured(fmt.Errorf("open %s network: %w", task, err))
	}
	if model.Manifest.Task != task {
		return nil, configured(fmt.Errorf("open %s network: %s is a network for %q; name one for %q",
			task, path, model.Manifest.Task, task))
	}
	return model, nil
}
