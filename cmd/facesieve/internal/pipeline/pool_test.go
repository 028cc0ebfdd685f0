package pipeline

import (
	"context"
	"errors"
	"image"
	"sync"
	"testing"

	"github.com/rs/zerolog"

	"facesieve/cmd/facesieve/internal/config"
	"facesieve/cmd/facesieve/internal/testsupport"
)

// oneTrio starts one interpreter of each built-in network, retired at the end of the test.
func newTestPool(t *testing.T) *Pool {
	t.Helper()
	cfg := config.Default()
	networks, err := OpenNetworks(cfg)
	if err != nil {
		t.Fatal(err)
	}
	shared, err := NewPool(networks, cfg.Runtime, 1, zerolog.Nop())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := shared.Retire(); err != nil {
			t.Error(err)
		}
	})
	return shared
}

// Who takes a frame as soon as he has given one back waits for all who asked before.
func TestInterpretersAreLentInTurns(t *testing.T) {
	shared := newTestPool(t)
	const others, turns = 4, 50
	order := make(chan int, 2*others*turns)
	waiting := func(n int) {
		testsupport.Eventually(t, "everybody waits", func() bool {
			shared.mutex.Lock()
			defer shared.mutex.Unlock()
			return len(shared.waiting) >= n
		})
	}
	held := shared.acquire(context.Background(), image.Point{})
	ctx, stop := context.WithCancel(t.Context())
	var group sync.WaitGroup
	for camera := range others {
		group.Go(func() {
			for ctx.Err() == nil {
				p := shared.acquire(context.Background(), image.Point{})
				order <- camera
				shared.release(p)
			}
		})
		waiting(camera + 1)
	}
	taken := map[int]int{}
	for range turns { // the busy one asks again at once, and gets it when each of the others has had a turn
		got := make(chan *interpreterSet)
		go func() { got <- shared.acquire(context.Background(), image.Point{}) }()
		waiting(others + 1)
		shared.release(held)
		held = <-got
		waiting(others)
		for len(order) > 0 {
			taken[<-order]++
		}
	}
	stop()
	shared.release(held)
	group.Wait()
	for camera := range others {
		if taken[camera] != turns {
			t.Errorf("camera %d had %d turns in %d rounds", camera, taken[camera], turns)
		}
	}
	if err := shared.Retire(); err != nil {
		t.Error(err)
	}
	if err := shared.retain(); !errors.Is(err, errRetired) {
		t.Errorf("who joins what is retired gets %v", err)
	}
}
