package main

import (
	"context"
	"fmt"
	"io"
	"path/filepath"
	"text/tabwriter"
)

// compare measures everything, the programs by turns, and prints the table.
func (b *bench) compare(ctx context.Context, w io.Writer) error {
	missing := b.peerMissing()
	if missing != nil {
		fmt.Fprintf(b.progress, "the peer is skipped, it needs make setup-test and ../shared/data: %v\n", missing)
	}
	ways, err := b.ways(ctx)
	if err != nil {
		return err
	}
	var rows []row
	for _, recording := range b.recordings {
		for _, way := range ways {
			r, err := b.measure(ctx, recording, way, missing == nil)
			if err != nil {
				return err
			}
			rows = append(rows, r)
		}
	}
	return b.print(w, rows)
}

// ways returns the processor as it is, and limited to AVX2 if that is possible.
func (b *bench) ways(ctx context.Context) ([]limits, error) {
	_, processor, err := b.own(ctx, limits{}, b.video(b.recordings[0]))
	if err != nil {
		return nil, err
	}
	return b.limits(ctx, processor)
}

// profile prints the most expensive operators of the built-in networks.
func (b *bench) profile(ctx context.Context, w io.Writer) error {
	ways, err := b.ways(ctx)
	if err != nil {
		return err
	}
	for _, way := range ways {
		for _, network := range [][]string{
			{"models/detector.tflite", "640", "384"},
			{"models/landmarks.tflite", "96", "96"},
			{"models/quality.tflite", "112", "112"},
		} {
			out, err := b.script(ctx, way, "operators.py", network...)
			if err != nil {
				return err
			}
			fmt.Fprintf(w, "%s: %s\n", way.processor, out)
		}
	}
	return nil
}

func (b *bench) video(recording string) string { return filepath.Join(b.data, "videos", recording) }

// measure measures a recording.
func (b *bench) measure(ctx context.Context, recording string, way limits, peer bool) (r row, err error) {
	r = row{recording: recording, processor: way.processor, own: never(), peer: never(), hasPeer: peer}
	for round := range b.rounds {
		fmt.Fprintf(b.progress, "%s, %s, round %d of %d\n", recording, way.processor, round+1, b.rounds)
		own, _, err := b.own(ctx, way, b.video(recording))
		if err != nil {
			return r, err
		}
		r.own = r.own.least(own)
		if !peer {
			continue
		}
		other, err := b.peer(ctx, way, b.video(recording))
		if err != nil {
			return r, err
		}
		r.peer = r.peer.least(other)
	}
	return r, nil
}

// print prints the table. x decoding is what facesieve takes with decoding, in times of decoding alone; of the peer is
// what it takes beyond decoding, as a share of what the peer takes beyond its own decoding.
func (b *bench) print(w io.Writer, rows []row) error {
	fmt.Fprintf(w, "CPU milliseconds a frame of the whole process, the smallest of %d rounds. The peer is Python with "+
		"OpenCV: YuNet at 640 on every frame, alignment, LightQNet.\n", b.rounds)
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(table, "recording\tprocessor\tdecoding\tfacesieve\tx decoding\tpeer decoding\tpeer\tfacesieve beyond\t"+
		"peer beyond\tof the peer\t")
	for _, r := range rows {
		fmt.Fprintf(table, "%s\t%s\t%.2f\t%.2f\t%.2f\t", r.recording, r.processor, r.own.decoding, r.own.whole,
			r.own.whole/r.own.decoding)
		if r.hasPeer {
			fmt.Fprintf(table, "%.2f\t%.2f\t%.2f\t%.2f\t%.3f\t", r.peer.decoding, r.peer.whole, r.own.beyond(),
				r.peer.beyond(), r.own.beyond()/r.peer.beyond())
		}
		fmt.Fprintln(table)
	}
	return table.Flush()
}
