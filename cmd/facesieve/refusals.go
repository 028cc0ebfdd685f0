package main

import (
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/rs/zerolog"

	"facesieve/models"
)

// refusals are the networks that the configured accelerator is not used for, because it could not be loaded, failed or drifted.
// They are safe for several goroutines.
type refusals struct {
	mutex    sync.Mutex
	list     []refusedNetwork
	reported int // how many of them were reported
}

type refusedNetwork struct {
	model  *models.Model // nil: all of them
	reason string
}

func (r *refusals) has(model *models.Model) bool {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	return slices.ContainsFunc(r.list, func(one refusedNetwork) bool { return one.model == model || one.model == nil })
}

// add notes a refusal; only the first of a network counts.
func (r *refusals) add(model *models.Model, reason error) {
	if r.has(model) {
		return
	}
	r.mutex.Lock()
	defer r.mutex.Unlock()
	if errors.Is(reason, models.ErrNoDelegate) { // the next network would not get it either
		r.list = append(r.list, refusedNetwork{nil, reason.Error()})
		return
	}
	r.list = append(r.list, refusedNetwork{model, fmt.Sprintf("network %s: %v", model.Manifest.Name, reason)})
}

// reasons returns those of all refusals.
func (r *refusals) reasons() (reasons []string) {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	for _, one := range r.list {
		reasons = append(reasons, one.reason)
	}
	return reasons
}

// report warns of the refusals, in one line for all networks, when there are new ones.
func (r *refusals) report(rt models.Runtime, log zerolog.Logger) {
	reasons := r.reasons()
	r.mutex.Lock()
	fresh := len(reasons) > r.reported
	r.reported = max(r.reported, len(reasons))
	r.mutex.Unlock()
	if fresh {
		log.Warn().Str("library", rt.Library).Strs("reasons", reasons).
			Msg("the external delegate is refused, XNNPACK on the CPU takes over")
	}
}
