package main

import (
	"fmt"
	"io"
	"sync"
	"time"
)

// stage is one step of a frame's path, for the timings.
type stage int

const (
	stageMotion stage = iota
	stageCut
	stageDetect
	stageTrack
	stageRefine
	stageAlign
	stageMeasure
	stageScore
	stageSelect
	stageCount
)

// String returns the stage's name in reports.
func (s stage) String() string {
	return [...]string{"motion gate", "cut", "detect", "track", "second look", "align", "measure", "score", "select"}[s]
}

// stageTimes adds up the time that each stage took. It is safe for several goroutines.
type stageTimes struct {
	mutex sync.Mutex
	total [stageCount]time.Duration
	calls [stageCount]int
}

// add notes that one call of s took from start until now, and returns now for the next stage.
func (t *stageTimes) add(s stage, start time.Time) time.Time {
	now := time.Now()
	t.mutex.Lock()
	t.total[s] += now.Sub(start)
	t.calls[s]++
	t.mutex.Unlock()
	return now
}

// print writes a line for each stage that ran: calls, milliseconds a call, and in all.
func (t *stageTimes) print(w io.Writer) {
	t.mutex.Lock()
	defer t.mutex.Unlock()
	fmt.Fprintf(w, "%-12s %8s %10s %10s\n", "stage", "calls", "ms a call", "s in all")
	for s := range stageCount {
		if t.calls[s] == 0 {
			continue
		}
		perCall := t.total[s].Seconds() * 1000 / float64(t.calls[s])
		fmt.Fprintf(w, "%-12s %8d %10.3f %10.2f\n", s, t.calls[s], perCall, t.total[s].Seconds())
	}
}
