package main

import (
	"testing"
	"time"

	"facesieve/cmd/facesieve/internal/testsupport"
)

// People who follow one another at the same place, separated by cuts, are each sent once, at each frame rate.
func TestOneFacePerPersonBetweenCuts(t *testing.T) {
	t.Parallel()
	for name, shots := range map[string][]float64{
		"cuts_1.mp4": {12.2, 23.1, 28.3, 32.3, 33.8},
		"cuts_2.mp4": {0, 1.04, 4.76, 13.93, 17.41, 25.54, 29.94, 32.82, 35},
	} {
		for _, configuration := range []string{"", "max_fps: 4"} {
			video := testsupport.SharedVideo(t, name)
			events, _ := replayEvents(t, video, configuration)
			sent := make([]int, len(shots)-1)
			for _, event := range events {
				at := event.Time.Sub(time.Unix(0, 0)).Seconds()
				for i := range sent {
					if at >= shots[i] && at < shots[i+1] {
						sent[i]++
					}
				}
			}
			for i, n := range sent {
				if n != 1 {
					t.Errorf("%s, %q: %d faces between %g and %g s, want one",
						name, configuration, n, shots[i], shots[i+1])
				}
			}
			if len(events) != len(sent) {
				t.Errorf("%s, %q: %d faces for %d people", name, configuration, len(events), len(sent))
			}
		}
	}
}
