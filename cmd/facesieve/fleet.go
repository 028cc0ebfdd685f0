package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
)

// fleet is the stations at work. It is for one goroutine.
type fleet struct {
	ctx      context.Context
	cancel   context.CancelFunc
	stations []*station // in the order of the configuration
	leaving  []*station // stopped, and not closed yet
	ended    chan struct{}
}

func newFleet(ctx context.Context) *fleet {
	ctx, cancel := context.WithCancel(ctx)
	return &fleet{ctx: ctx, cancel: cancel, ended: make(chan struct{}, 1)}
}

// named returns the station of that camera, or nil.
func (f *fleet) named(name string) *station {
	if i := slices.IndexFunc(f.stations, func(s *station) bool { return s.name == name }); i >= 0 {
		return f.stations[i]
	}
	return nil
}

// put makes stations the fleet: those that are new are started, those that are no more are stopped. It returns the names
// of the cameras that are no more.
func (f *fleet) put(stations []*station) (gone []string) {
	for _, s := range f.stations {
		if !slices.Contains(stations, s) {
			s.cancel()
			f.leaving = append(f.leaving, s)
		}
	}
	before := stationNames(f.stations)
	for _, s := range stations {
		if !slices.Contains(f.stations, s) && !s.ended() {
			s.start(f.ctx, f.poke)
		}
	}
	f.stations = stations
	f.leaving = slices.DeleteFunc(f.leaving, func(s *station) bool {
		select {
		case <-s.done:
			return true
		default:
			return false
		}
	})
	return slices.DeleteFunc(before, func(name string) bool { return f.named(name) != nil })
}

func stationNames(stations []*station) []string {
	var names []string
	for _, s := range stations {
		names = append(names, s.name)
	}
	return names
}

// poke tells that a station has ended. The channel holds one token: more would say nothing more.
func (f *fleet) poke() {
	select {
	case f.ended <- struct{}{}:
	default:
	}
}

// over says whether all work has ended.
func (f *fleet) over() bool {
	return !slices.ContainsFunc(f.stations, func(s *station) bool { return !s.ended() })
}

// stop ends all stations and waits until their last decisions were handed over, for that long at most.
func (f *fleet) stop(limit time.Duration) error {
	f.cancel()
	return f.await(limit, "is at work still", func(s *station) <-chan struct{} { return s.flushed })
}

// close waits until all sources are closed too, for that long at most.
func (f *fleet) close(limit time.Duration) error {
	return f.await(limit, "does not close", func(s *station) <-chan struct{} { return s.done })
}

func (f *fleet) await(limit time.Duration, text string, end func(*station) <-chan struct{}) error {
	timer := time.NewTimer(limit)
	defer timer.Stop()
	var all error
	for _, s := range slices.Concat(f.stations, f.leaving) {
		select {
		case <-end(s):
			continue
		default:
		}
		select {
		case <-end(s):
		case <-timer.C:
			timer.Reset(0) // the others get no time either
			all = errors.Join(all, fmt.Errorf("camera %s %s", s.name, text))
		}
	}
	return all
}

// faults returns why stations have ended, those of recordings that failed.
func (f *fleet) faults() error {
	var all error
	for _, s := range f.stations {
		s.mutex.Lock()
		if s.ended() && s.fault != nil {
			all = errors.Join(all, fmt.Errorf("camera %s: %w", s.name, s.fault))
		}
		s.mutex.Unlock()
	}
	return all
}
