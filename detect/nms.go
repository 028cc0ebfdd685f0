package detect

import (
	"cmp"
	"slices"
)

// maxCandidates bounds the work of a frame full of faces, or of a network gone wrong; the lowest scores are dropped.
const maxCandidates = 1000

// maxInside is how much of the smaller of two boxes may be inside the other. A face within a face is a part of it, or behind
// it and not to be seen.
const maxInside = 0.75

// suppress sorts the faces from the highest score down and drops each that overlaps a better one by more than iou, and each
// that lies in a better one or around it. Equal scores keep their order, so that the result is the same each time. faces is
// reordered, the result is a new slice.
func suppress(faces []Face, iou float64) []Face {
	slices.SortStableFunc(faces, func(a, b Face) int { return cmp.Compare(b.Score, a.Score) })
	faces = faces[:min(len(faces), maxCandidates)]
	var kept []Face
	for _, face := range faces {
		covered := func(better Face) bool {
			union, smaller := overlap(better.Box, face.Box)
			return union > iou || smaller > maxInside
		}
		if !slices.ContainsFunc(kept, covered) {
			kept = append(kept, face)
		}
	}
	return kept
}

// overlap is the intersection of two boxes over their union and over the smaller of them.
func overlap(a, b [4]float32) (union, smaller float64) {
	w := min(a[0]+a[2], b[0]+b[2]) - max(a[0], b[0])
	h := min(a[1]+a[3], b[1]+b[3]) - max(a[1], b[1])
	if w <= 0 || h <= 0 {
		return 0, 0
	}
	inner := float64(w) * float64(h)
	areaA, areaB := float64(a[2])*float64(a[3]), float64(b[2])*float64(b[3])
	return inner / (areaA + areaB - inner), inner / min(areaA, areaB)
}
