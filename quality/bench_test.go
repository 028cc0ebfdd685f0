package quality

import (
	"fmt"
	"testing"
	"time"

	"gocv.io/x/gocv"
)

// peer reports the time of another implementation, as a multiple of that of the benchmark just run.
func peer(b *testing.B, name string, other func()) {
	b.Helper()
	own := float64(b.Elapsed()) / float64(b.N)
	const n = 50
	start := time.Now()
	for range n {
		other()
	}
	b.ReportMetric(float64(time.Since(start))/n/own, name+"/own")
}

// BenchmarkAlign compares with OpenCV's warp alone, which takes one sample a pixel.
func BenchmarkAlign(b *testing.B) {
	frame := gocv.NewMatWithSizeFromScalar(gocv.NewScalar(90, 120, 150, 0), 1080, 1920, gocv.MatTypeCV8UC3)
	closeLater(b, &frame)
	aligned := newMat(b)
	for _, eyes := range []float64{20, 60, 200} {
		b.Run(fmt.Sprintf("eyes=%gpx", eyes), func(b *testing.B) {
			aligner := NewAligner()
			defer func() { _ = aligner.Close() }()
			scale := eyes / 35.24
			landmarks := place(5, scale, 900-56*scale, 540-70*scale)
			transform, err := EstimateTransform(landmarks)
			if err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			for b.Loop() {
				if _, err := aligner.Align(frame, landmarks, &aligned); err != nil {
					b.Fatal(err)
				}
			}
			peer(b, "warp", func() {
				if err := aligner.warp(frame, transform.Inverse(), Size, &aligned); err != nil {
					b.Fatal(err)
				}
			})
		})
	}
}

func BenchmarkGeometry(b *testing.B) {
	assessor, landmarks := NewAssessor(), ownHead().project(25, -10, 20, 16)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := assessor.Geometry(landmarks); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkPixels compares sharpness and exposure with the variance of gocv's Laplacian alone.
func BenchmarkPixels(b *testing.B) {
	assessor, aligned := NewAssessor(), alignedPortrait(b)
	result := assessor.Unassessed()
	b.ReportAllocs()
	for b.Loop() {
		if err := assessor.Pixels(aligned, &result); err != nil {
			b.Fatal(err)
		}
	}
	grey, edges, mean, deviation := newMat(b), newMat(b), newMat(b), newMat(b)
	peer(b, "laplacian", func() {
		gocv.CvtColor(aligned, &grey, gocv.ColorBGRToGray)
		gocv.Laplacian(grey, &edges, gocv.MatTypeCV64F, 1, 1, 0, gocv.BorderDefault)
		gocv.MeanStdDev(edges, &mean, &deviation)
	})
}

func BenchmarkScore(b *testing.B) {
	scorer, _ := embeddedScorer(b)
	aligned := alignedPortrait(b)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := scorer.Score(aligned); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkDecode(b *testing.B) {
	scorer, _ := embeddedScorer(b)
	b.ReportAllocs()
	for b.Loop() {
		scorer.decode()
	}
}

func BenchmarkSelector(b *testing.B) {
	selector, err := newSelector[int](Default())
	if err != nil {
		b.Fatal(err)
	}
	at, keep := noon, func() int { return 0 }
	score := 0.0
	b.ReportAllocs()
	for b.Loop() {
		at = at.Add(40 * time.Millisecond)
		score = float64(int(score+7) % 100)
		selector.offer(1, OfferedFace{Time: at, Score: score}, keep)
		selector.tick(at)
	}
}

// BenchmarkEmbedding decodes the embedding of a scored face, and compares with its score.
func BenchmarkEmbedding(b *testing.B) {
	scorer, _ := embeddedScorer(b)
	aligned := alignedPortrait(b)
	embed(b, scorer, aligned)
	b.ReportAllocs()
	for b.Loop() {
		scorer.Embedding()
	}
	peer(b, "score", func() { embed(b, scorer, aligned) })
}

func BenchmarkCompare(b *testing.B) {
	_, network := embeddedScorer(b)
	matcher, err := NewMatcher(network.Manifest())
	if err != nil {
		b.Fatal(err)
	}
	x, y := axis(0), axis(80)
	b.ReportAllocs()
	for b.Loop() {
		matcher.Compare(x, y, 40, 60)
	}
}

// BenchmarkPose decodes the pose of a scored face, and compares with its score.
func BenchmarkPose(b *testing.B) {
	scorer, _ := embeddedScorer(b)
	aligned := alignedPortrait(b)
	assessor := NewAssessor()
	result := assessor.Unassessed()
	embed(b, scorer, aligned)
	b.ReportAllocs()
	for b.Loop() {
		pose, ok := scorer.Pose()
		if !ok {
			b.Fatal("no pose")
		}
		assessor.Pose(pose, &result)
	}
	peer(b, "score", func() { embed(b, scorer, aligned) })
}

// BenchmarkVisits takes one face through association and visits while 256 visits that ended are remembered, and compares
// with the score of the face.
func BenchmarkVisits(b *testing.B) {
	scorer, network := embeddedScorer(b)
	aligned := alignedPortrait(b)
	score, embedding := embed(b, scorer, aligned)
	matcher, err := NewMatcher(network.Manifest())
	if err != nil {
		b.Fatal(err)
	}
	recent := NewRecent()
	for range maxRecent {
		var person template
		person.add(axis(80), 50, noon)
		recent.add(pastVisit{person: person, matcher: matcher, ended: noon, keep: time.Hour})
	}
	visits, err := NewVisits[int](Default(), matcher, recent, func(time.Time) string { return "" })
	if err != nil {
		b.Fatal(err)
	}
	at, keep := noon, func() int { return 0 }
	b.ReportAllocs()
	for b.Loop() {
		at = at.Add(time.Millisecond)
		visits.Tick(at)
		visits.Affinity(1, embedding, score.Value)
		visits.Visible(at, []uint64{1})
		visits.Offer(OfferedFace{Track: 1, Time: at, Score: score.Value, Embedding: embedding}, keep)
	}
	peer(b, "score", func() { embed(b, scorer, aligned) })
}
