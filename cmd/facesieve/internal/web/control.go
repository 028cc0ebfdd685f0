package web

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"slices"
	"strings"

	"facesieve/cmd/facesieve/internal/config"
)

// maxOverride bounds the body of a request that saves settings, bytes. A region of 1000 corners has about 40 KB.
const maxOverride = 64 << 10

// controlJSON is what the page may change.
type controlJSON struct {
	Enabled bool   `json:"enabled"`
	Fix     string `json:"fix"` // how to enable it; empty: it is enabled
	CanUndo bool   `json:"can_undo"`
}

// overrideRequest is the body of a request that saves settings of a camera: the keys of config.CameraOverride that are
// to change. A key that is null gets the value of the configuration file again; keys that are absent stay.
type overrideRequest struct {
	Camera string `json:"camera"`
	config.CameraOverride
}

// control returns what the page may change.
func (a api) control() controlJSON {
	switch {
	case !a.Control:
		return controlJSON{Fix: "set web.control: true in the configuration file, and restart facesieve"}
	case a.Overrides == nil:
		return controlJSON{Fix: "there is no directory for what is saved: set STATE_DIRECTORY, and restart facesieve"}
	default:
		return controlJSON{Enabled: true, CanUndo: a.Overrides.CanUndo()}
	}
}

// controlled serves a request that changes settings, if the page may change them and a script of the page sent it.
func (a api) controlled(next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if c := a.control(); !c.Enabled {
			http.Error(w, "The page may not change settings: "+c.Fix+".", http.StatusForbidden)
			return
		}
		if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != "application/json" {
			http.Error(w, "The body must be application/json.", http.StatusUnsupportedMediaType)
			return
		}
		r.Body = http.MaxBytesReader(w, r.Body, maxOverride)
		next(w, r)
	}
}

// saveOverride saves settings of a camera, all or nothing.
func (a api) saveOverride(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	var tooLarge *http.MaxBytesError
	if errors.As(err, &tooLarge) {
		http.Error(w, fmt.Sprintf("The settings are larger than %d KiB; use regions with fewer corners.", maxOverride>>10),
			http.StatusRequestEntityTooLarge)
		return
	}
	if err != nil {
		http.Error(w, "The settings did not arrive completely.", http.StatusBadRequest)
		return
	}
	var request overrideRequest
	if err := decodeStrictly(body, &request); err != nil {
		http.Error(w, "The settings cannot be read: "+err.Error(), http.StatusBadRequest)
		return
	}
	if request.Camera == "" {
		http.Error(w, "The settings cannot be read: camera is missing.", http.StatusBadRequest)
		return
	}
	err = a.Overrides.Update(func(o *config.Overrides) error {
		merged := overrideRequest{CameraOverride: o.Cameras[request.Camera]}
		if err := decodeStrictly(body, &merged); err != nil { // into the present ones, so that absent keys stay
			return err
		}
		o.Cameras[request.Camera] = merged.CameraOverride
		return nil
	})
	if err != nil {
		a.refuseOverride(w, r, err)
		return
	}
	a.Log.Info().Str("remote", r.RemoteAddr).Str("camera", request.Camera).Strs("settings", keysAndValues(body)).
		Msg("settings were saved on the page")
	w.WriteHeader(http.StatusNoContent)
}

// undoOverride restores the overrides before the last change.
func (a api) undoOverride(w http.ResponseWriter, r *http.Request) {
	if err := a.Overrides.Undo(); err != nil {
		a.refuseOverride(w, r, err)
		return
	}
	a.Log.Info().Str("remote", r.RemoteAddr).Msg("the last change of the settings was undone on the page")
	w.WriteHeader(http.StatusNoContent)
}

// refuseOverride answers with the faults of settings, a line each, or with the failure to store them.
func (a api) refuseOverride(w http.ResponseWriter, r *http.Request, err error) {
	var faults config.Faults
	switch {
	case errors.As(err, &faults):
		lines := make([]string, len(faults.List))
		for i, fault := range faults.List {
			lines[i] = fault.Key + ": " + fault.Text
		}
		http.Error(w, strings.Join(lines, "\n"), http.StatusUnprocessableEntity)
	case errors.Is(err, config.ErrNothingToUndo):
		http.Error(w, "There is no saved change to undo.", http.StatusConflict)
	default:
		a.Log.Error().Err(err).Str("remote", r.RemoteAddr).Msg("settings of the page cannot be saved")
		http.Error(w, "The settings cannot be saved: "+err.Error(), http.StatusInternalServerError)
	}
}

// decodeStrictly decodes one JSON value. Unknown keys and anything after the value are errors.
func decodeStrictly(text []byte, to any) error {
	decoder := json.NewDecoder(strings.NewReader(string(text)))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(to); err != nil {
		return err
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return errors.New("there is more than one JSON value")
	}
	return nil
}

// keysAndValues returns the settings of a request, for example "quality.threshold=35", in the order of their keys.
func keysAndValues(body []byte) (all []string) {
	var tree map[string]any
	if json.Unmarshal(body, &tree) != nil {
		return nil
	}
	delete(tree, "camera")
	flatten("", tree, func(key string, value any) {
		const most = 200               // bytes of a region's corners
		text, _ := json.Marshal(value) //nolint:errcheck // it was decoded from JSON
		all = append(all, fmt.Sprintf("%s=%.*s", key, most, text))
	})
	slices.Sort(all)
	return all
}

// flatten calls add for each value in a tree that is no object, with its dotted key.
func flatten(key string, value any, add func(key string, value any)) {
	tree, ok := value.(map[string]any)
	if !ok {
		add(key, value)
		return
	}
	for name, one := range tree {
		flatten(strings.TrimPrefix(key+"."+name, "."), one, add)
	}
}

// overridden returns the dotted keys of the overrides that are applied, by camera.
func overridden(o config.Overrides) map[string][]string {
	all := map[string][]string{}
	for name, camera := range o.Cameras {
		text, _ := json.Marshal(camera) //nolint:errcheck // numbers, text and lists
		var tree map[string]any
		_ = json.Unmarshal(text, &tree) //nolint:errcheck // it was encoded above
		keys := []string{}
		flatten("", tree, func(key string, _ any) {
			if key != "" {
				keys = append(keys, key)
			}
		})
		slices.Sort(keys)
		all[name] = keys
	}
	return all
}
