package pipeline

import (
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/rs/zerolog"

	"facesieve/models"
)

// refusals are the networks that do not use the configured external runtime, because it could not be loaded, failed, or
// had other outputs than the CPU. They are safe for concurrent use.
type refusals struct {
	mutex    sync.Mutex
	list     []refusedNetwork
	reported int // number of list entries that were reported
}

type refusedNetwork struct {
	model  *models.Model // nil: all networks
	reason string
}

func (r *refusals) has(model *models.Model) bool { return r.reason(model) != "" }

// reason returns the reason why a network is refused, or nothing.
func (r *refusals) reason(model *models.Model) string {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	at := slices.IndexFunc(r.list, func(one refusedNetwork) bool { return one.model == model || one.model == nil })
	if at < 0 {
		return ""
	}
	return r.list[at].reason
}

// add records a refusal; only the first of each network is kept.
func (r *refusals) add(model *models.Model, reason error) {
	if r.has(model) {
		return
	}
	r.mutex.Lock()
	defer r.mutex.Unlock()
	if errors.Is(reason, models.ErrNoRuntime) { // it would fail for the other networks too
		r.list = append(r.list, refusedNetwork{nil, reason.Error()})
		return
	}
	r.list = append(r.list, refusedNetwork{model, fmt.Sprintf("network %s: %v", model.Manifest.Name, reason)})
}

// reasons returns the reasons of all refusals.
func (r *refusals) reasons() (reasons []string) {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	for _, one := range r.list {
		reasons = append(reasons, one.reason)
	}
	return reasons
}

// report logs one warning with all refusals if there are new ones.
func (r *refusals) report(rt models.Runtime, log zerolog.Logger) {
	reasons := r.reasons()
	r.mutex.Lock()
	fresh := len(reasons) > r.reported
	r.reported = max(r.reported, len(reasons))
	r.mutex.Unlock()
	if fresh {
		log.Warn().Stringer("runtime", rt).Str("library", rt.LibraryPath()).Strs("reasons", reasons).
			Msg("the configured runtime is refused, XNNPACK on the CPU is used instead; " + rt.Remedy())
	}
}
