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

// newTestPool returns a pool with one interpreter set of the built-in networks. It is retired at the end of the test.
func newTestPool(t *testing.T) *Pool {
	t.Helper()
	cfg := config.Default()
	networks, err := OpenNetworks(cfg, cfg.NewCamera())
	if err != nil {
		t.Fatal(err)
	}
	pool, err := NewPool(networks, cfg.Runtime, 1, zerolog.Nop())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := pool.Retire(); err != nil {
			t.Error(err)
		}
	})
	return pool
}

// A caller that releases a set and acquires one at once is served after all callers that wait already.
func TestPoolServesCallersInOrder(t *testing.T) {
	pool := newTestPool(t)
	const others, turns = 4, 50
	order := make(chan int, 2*others*turns)
	waiting := func(n int) {
		testsupport.Eventually(t, "waiting callers", func() bool {
			pool.mutex.Lock()
			defer pool.mutex.Unlock()
			return len(pool.waiting) >= n
		})
	}
	held := pool.acquire(context.Background(), image.Point{})
	ctx, stop := context.WithCancel(t.Context())
	var group sync.WaitGroup
	for camera := range others {
		group.Go(func() {
			for ctx.Err() == nil {
				p := pool.acquire(context.Background(), image.Point{})
				order <- camera
				pool.release(p)
			}
		})
		waiting(camera + 1)
	}
	taken := map[int]int{}
	for range turns { // this caller gets a set after each of the others had one
		got := make(chan *interpreterSet)
		go func() { got <- pool.acquire(context.Background(), image.Point{}) }()
		waiting(others + 1)
		pool.release(held)
		held = <-got
		waiting(others)
		for len(order) > 0 {
			taken[<-order]++
		}
	}
	stop()
	pool.release(held)
	group.Wait()
	for camera := range others {
		if taken[camera] != turns {
			t.Errorf("camera %d acquired a set %d times in %d rounds", camera, taken[camera], turns)
		}
	}
	if err := pool.Retire(); err != nil {
		t.Error(err)
	}
	if err := pool.retain(); !errors.Is(err, errRetired) {
		t.Errorf("an engine on a retired pool: error %v", err)
	}
}
