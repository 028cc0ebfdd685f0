package detect

import (
	"cmp"
	"math"
	"slices"
	"time"
)

// The tracker associates as ByteTrack does (Zhang et al. 2022): first the faces of high score with all tracks, then
// those of low score with the remaining tracks. The overlap of boxes, which ByteTrack uses, fails for small faces at a
// few frames a second. The cost of a pair is the negative log likelihood of the face under the prediction of the track
// instead: the squared Mahalanobis distance of centre and size, plus the log of the determinant of the covariance,
// without constants.
const (
	gate      = 16.0 // maximum squared distance of a pair, three degrees of freedom
	lowGate   = 9.0  // the same for a face of low score
	missCost  = 18.0 // cost of a track without a face plus a face without a track
	maxMisses = 2    // frames in a row that an unconfirmed track may miss
	looksCost = 8.0  // subtracted from the cost of a pair that looks the same, added for one that does not
)

// Affinity returns how much a face of the frame, by its index, looks like the person of a confirmed track, by its ID: 1
// the same, -1 another one, 0 not known. It is called only for pairs that are possible by their motion. A pair is
// contested if another track or another face is possible as well.
type Affinity func(track uint64, face int, contested bool) float64

// Track is a face that is tracked. IDs count up from 1, and each is used once.
type Track struct {
	ID          uint64
	Face        Face // as last detected
	Index       int  // of Face among the faces of its frame
	Start, Last time.Time
	Hits        int // number of frames in which it was detected
}

// Tracker tracks faces from frame to frame.
type Tracker struct {
	cfg    Config
	tracks []*tracked // in the order of their start
	lastID uint64
	last   time.Time
}

// NewTracker returns a tracker. The configuration must be valid and contain the scores in use, as from Detector.Config.
func NewTracker(cfg Config) *Tracker { return &Tracker{cfg: cfg} }

// Configure replaces the configuration by another valid one. All tracks stay, with their IDs.
func (t *Tracker) Configure(cfg Config) { t.cfg = cfg }

// Busy reports whether there is any track, including unconfirmed and hidden ones. If so, the next frame is worth a
// detection even without motion.
func (t *Tracker) Busy() bool { return len(t.tracks) > 0 }

// Predict returns the boxes, in pixels of the frame, at which faces are expected at a time: those of the last frame, and
// the hidden ones, which that frame did not show. It does not change the tracks.
func (t *Tracker) Predict(at time.Time) (expected, hidden [][4]float32) {
	dt := max(0, at.Sub(t.last).Seconds())
	for _, track := range t.tracks {
		next := *track
		next.predict(dt)
		if track.misses > 0 {
			hidden = append(hidden, next.box())
		} else {
			expected = append(expected, next.box())
		}
	}
	return expected, hidden
}

// detection is a face with its index among the faces of the frame.
type detection struct {
	Face
	index int
}

// Update associates the faces of a frame, taken at this time, with the tracks, by motion and by their looks; affinity
// may be nil. It returns the confirmed tracks with a face in this frame, and those that ended because they had none for
// longer than Lost; both in order of ID.
func (t *Tracker) Update(at time.Time, faces []Face, affinity Affinity) (active, ended []Track) {
	ended = t.remove(func(track *tracked) bool { return at.Sub(track.Last) > t.cfg.Track.Lost })
	dt := max(0, at.Sub(t.last).Seconds())
	t.last = at
	for _, track := range t.tracks {
		track.predict(dt)
	}
	if affinity == nil {
		affinity = func(uint64, int, bool) float64 { return 0 }
	}
	var high, low []detection
	for i, face := range faces {
		if t.cfg.beginsTrack(face) {
			high = append(high, detection{face, i})
		} else {
			low = append(low, detection{face, i})
		}
	}
	hidden, fresh := t.match(at, t.tracks, high, gate, affinity)
	recent := slices.DeleteFunc(hidden, func(track *tracked) bool { return track.ID == 0 || track.misses > maxMisses })
	t.match(at, recent, low, lowGate, affinity)
	for _, face := range fresh {
		t.tracks = append(t.tracks, newTracked(at, face))
		t.confirm(t.tracks[len(t.tracks)-1])
	}
	t.remove(func(track *tracked) bool { return track.ID == 0 && track.misses > maxMisses })
	for _, track := range t.tracks {
		if track.ID > 0 && track.misses == 0 {
			active = append(active, track.Track)
		}
	}
	return sorted(active), ended
}

// End ends a confirmed track.
func (t *Tracker) End(id uint64) {
	t.remove(func(track *tracked) bool { return track.ID == id })
}

// Flush ends all tracks, at the end of a recording or of the program, and returns the confirmed ones in order of ID.
func (t *Tracker) Flush() []Track {
	return t.remove(func(*tracked) bool { return true })
}

// remove deletes the tracks that match and returns the confirmed ones among them.
func (t *Tracker) remove(matches func(*tracked) bool) (gone []Track) {
	t.tracks = slices.DeleteFunc(t.tracks, func(track *tracked) bool {
		match := matches(track)
		if match && track.ID > 0 {
			gone = append(gone, track.Track)
		}
		return match
	})
	return sorted(gone)
}

func sorted(tracks []Track) []Track {
	slices.SortFunc(tracks, func(a, b Track) int { return cmp.Compare(a.ID, b.ID) })
	return tracks
}

// match assigns faces to tracks at minimum cost and updates these tracks. It returns the remaining tracks and faces.
func (t *Tracker) match(
	at time.Time, tracks []*tracked, faces []detection, gate float64, affinity Affinity,
) (hidden []*tracked, fresh []detection) {
	cost := make([][]float64, len(tracks))
	for i, track := range tracks {
		cost[i] = make([]float64, len(faces))
		for j := range faces {
			cost[i][j] = track.cost(&faces[j].Face, gate)
		}
	}
	addLooks(cost, tracks, faces, affinity)
	taken := make([]bool, len(faces))
	for i, j := range assign(cost, missCost) {
		if j < 0 {
			hidden = append(hidden, tracks[i])
			continue
		}
		taken[j] = true
		tracks[i].update(at, faces[j])
		t.confirm(tracks[i])
	}
	for j, face := range faces {
		if !taken[j] {
			fresh = append(fresh, face)
		}
	}
	return hidden, fresh
}

// addLooks subtracts the affinity of each possible pair from its cost.
func addLooks(cost [][]float64, tracks []*tracked, faces []detection, affinity Affinity) {
	perTrack, perFace := make([]int, len(tracks)), make([]int, len(faces))
	for i := range tracks {
		for j := range faces {
			if !math.IsInf(cost[i][j], 1) {
				perTrack[i]++
				perFace[j]++
			}
		}
	}
	for i, track := range tracks {
		for j, face := range faces {
			if track.ID > 0 && !math.IsInf(cost[i][j], 1) {
				cost[i][j] -= looksCost * affinity(track.ID, face.index, perTrack[i] > 1 || perFace[j] > 1)
			}
		}
	}
}

// confirm gives a track its ID after enough detections.
func (t *Tracker) confirm(track *tracked) {
	if track.ID == 0 && track.Hits >= t.cfg.Track.Confirm {
		t.lastID++
		track.ID = t.lastID
	}
}
