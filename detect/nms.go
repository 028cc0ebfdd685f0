package detect

import (
	"cmp"
	"slices"
)

// maxCandidates bounds the work of a frame full of faces, or of a network gone wrong; the lowest scores are dropped.
const maxCandidates = 1000

// suppress sorts the faces from the highest score down and drops each that overlaps a better one by more than iou. Equal
// scores keep their order, so that the result is the same each time. faces is reordered, the result is a new slice.
func suppress(faces []Face, iou float64) []Face {
	slices.SortStableFunc(faces, func(a, b Face) int { return cmp.Compare(b.Score, a.Score) })
	faces = faces[:min(len(faces), maxCandidates)]
	var kept []Face
	for _, face := range faces {
		covered := func(better Face) bool { return overlap(better.Box, face.Box) > iou }
		if !slices.ContainsFunc(kept, covered) {
			kept = append(kept, face)
		}
	}
	return kept
}

// overlap is the intersection over union of two boxes.
func overlap(a, b [4]float32) float64 {
	w := min(a[0]+a[2], b[0]+b[2]) - max(a[0], b[0])
	h := min(a[1]+a[3], b[1]+b[3]) - max(a[1], b[1])
	if w <= 0 || h <= 0 {
		return 0
	}
	inner := float64(w) * float64(h)
	return inner / (float64(a[2])*float64(a[3]) + float64(b[2])*float64(b[3]) - inner)
}
