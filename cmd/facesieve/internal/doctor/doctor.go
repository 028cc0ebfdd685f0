// Package doctor checks what the daemon depends on: cameras, broker, outbox, page, networks, clock, systemd and board.
// It changes nothing, and does not disturb a daemon that runs.
package doctor

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"time"

	"facesieve/cmd/facesieve/internal/config"
)

// Options are the conditions of Run.
type Options struct {
	Watch    time.Duration // how long frames of each camera are watched
	Progress io.Writer     // receives the names of the checks that take longer than two seconds
	// TokenFile is the file with the token of the page; empty: the token is given, or there is no state directory.
	TokenFile string
}

// The first line of progress comes after firstProgress, further ones at this period.
const firstProgress, progressPeriod = 2 * time.Second, 5 * time.Second

// check is one check. It ends soon after its context.
type check struct {
	kind, name string
	run        func(ctx context.Context) []Finding
}

// label names the check for a person.
func (c check) label() string { return strings.TrimSpace(c.kind + " " + c.name) }

// Run makes all checks side by side, and returns their findings in a fixed order: cameras first, in the order of the
// configuration.
func Run(ctx context.Context, cfg config.InForce, o Options) []Finding {
	engines := &engines{cfg: cfg.Config}
	defer engines.close()
	checks := checksOf(cfg, o, engines)
	found := make([][]Finding, len(checks))
	pending := newPending(checks)
	stop := pending.report(o.Progress)
	var all sync.WaitGroup
	for i, c := range checks {
		all.Go(func() {
			defer pending.remove(c.label())
			found[i] = c.run(ctx)
			for k := range found[i] {
				if found[i][k].Check == "" {
					found[i][k].Check, found[i][k].Name = c.kind, c.name
				}
			}
		})
	}
	all.Wait()
	stop()
	return slices.Concat(found...)
}

func checksOf(cfg config.InForce, o Options, engines *engines) []check {
	var all []check
	for _, camera := range cfg.Cameras {
		all = append(all, check{"camera", camera.Name, func(ctx context.Context) []Finding {
			return []Finding{checkCamera(ctx, camera, engines, o.Watch)}
		}})
	}
	one := func(f func() Finding) func(context.Context) []Finding {
		return func(context.Context) []Finding { return []Finding{f()} }
	}
	return append(all,
		check{"broker", "", func(ctx context.Context) []Finding { return checkBroker(ctx, cfg.MQTT) }},
		check{"outbox", "", one(func() Finding { return checkOutbox(cfg.Outbox) })},
		check{"overrides", "", func(context.Context) []Finding { return checkOverrides(cfg) }},
		check{"web", "", func(ctx context.Context) []Finding { return checkWeb(ctx, cfg.Web, o.TokenFile) }},
		check{"networks", "", func(context.Context) []Finding { return checkNetworks(cfg.Config) }},
		check{"clock", "", one(checkClock)},
		check{"systemd", "", func(ctx context.Context) []Finding { return []Finding{checkSystemd(ctx)} }},
		check{"memory", "", one(checkMemory)},
		check{"cpu", "", one(checkCPU)},
	)
}

// pending are the checks that have not ended.
type pending struct {
	mutex sync.Mutex
	names []string
}

func newPending(checks []check) *pending {
	p := &pending{}
	for _, c := range checks {
		p.names = append(p.names, c.label())
	}
	return p
}

func (p *pending) remove(name string) {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	if at := slices.Index(p.names, name); at >= 0 {
		p.names = slices.Delete(p.names, at, at+1)
	}
}

// report writes the names from time to time, until stop is called, which waits for its end.
func (p *pending) report(w io.Writer) (stop func()) {
	done := make(chan struct{})
	var group sync.WaitGroup
	group.Go(func() {
		start := time.Now()
		for pause := firstProgress; ; pause = progressPeriod {
			select {
			case <-done:
				return
			case <-time.After(pause):
			}
			p.mutex.Lock()
			names := strings.Join(p.names, ", ")
			p.mutex.Unlock()
			fmt.Fprintf(w, "%s: checking %s\n", time.Since(start).Round(time.Second), names)
		}
	})
	return func() { close(done); group.Wait() }
}
