package quality

import (
	"image"
	"math"
	"testing"
)

// The measures are those that Misses reports, in its order, and a measure that is not assessed misses nothing.
func TestMeasures(t *testing.T) {
	frame, box := image.Pt(640, 480), [4]float32{5, 100, 50, 60}
	face := measured(7, 8, -61, 3, 4, math.NaN())
	gates := Default().Gates
	gates.EdgeMargin = 0.2
	misses := gates.Misses(frame, box, face)
	byKey := map[string]GateMeasure{}
	for _, m := range gates.Measures(frame, box, face) {
		byKey[m.Key] = m
	}
	if len(byKey) != 7 || len(misses) != 5 {
		t.Fatalf("%d measures, %d misses", len(byKey), len(misses))
	}
	for _, miss := range misses {
		m, share := byKey[miss.Key], 1.0
		if miss.Unit == UnitPercent {
			share = 100
		}
		same := m.Measured*share == miss.Measured || math.IsNaN(m.Measured) && !miss.Finite()
		if !m.Assessed || m.Reason != miss.Reason || m.Limit*share != miss.Limit || !same || m.Low >= m.High {
			t.Errorf("%+v of %+v", m, miss)
		}
	}
	for _, m := range (Gates{EdgeMargin: -1}).Measures(frame, box, NewAssessor().Unassessed()) {
		if m.Assessed {
			t.Errorf("%s is assessed", m.Key)
		}
	}
}
