package detect

import (
	"cmp"
	"math"
	"slices"
	"time"
)

// The tracker associates as ByteTrack does (Zhang et al. 2022): first the faces of high score with all tracks, then those of
// low score with the tracks left over. ByteTrack's overlap of boxes fails for small faces a few times a second, so a pair is
// judged by how well it fits the prediction instead: the Mahalanobis distance of centre and size, with the log of the
// determinant of the covariance, which is the log likelihood but for constants. All lengths are relative to the face's size.
const (
	placeNoise = 0.10 // deviation of a measured centre, face sizes
	sizeNoise  = 0.12 // deviation of the log of a measured size
	placeSpeed = 1.5  // deviation of the speed of a new face, face sizes a second
	sizeSpeed  = 0.5  // the same for the log of the size
	placePush  = 5.0  // deviation of the change of that speed in a second
	sizePush   = 1.2
	gate       = 16.0 // largest square of the distance of a pair, three degrees of freedom
	lowGate    = 9.0  // the same for a face of low score
	maxJump    = 3.0  // largest distance from the prediction, face sizes
	missCost   = 18.0 // cost of a track without a face and a face without a track, against the costs of pairs
	maxMisses  = 2    // frames that an unconfirmed track may miss in a row
)

// Track is a face that is followed. ID begins at 1, counts up and is never used again.
type Track struct {
	ID          uint64
	Face        Face // as it was last seen
	Start, Last time.Time
	Hits        int // frames it was seen in
}

// Tracker follows faces from frame to frame.
type Tracker struct {
	cfg    Config
	tracks []*tracked // in the order of their beginning
	lastID uint64
	last   time.Time
}

// tracked is a track with what is needed to follow it.
type tracked struct {
	Track
	x, y, size axis // centre in pixels, log of the size in pixels
	misses     int  // frames not seen in since it was last seen
}

// NewTracker makes a tracker from a valid configuration, as Detector.Config gives it.
func NewTracker(cfg Config) *Tracker { return &Tracker{cfg: cfg} }

// Configure replaces the configuration by another valid one. The tracks that are followed stay, with their numbers.
func (t *Tracker) Configure(cfg Config) { t.cfg = cfg }

// Busy tells whether any face is being followed, unconfirmed and hidden ones included: then the next frame is worth a
// detection, moved or not.
func (t *Tracker) Busy() bool { return len(t.tracks) > 0 }

// Update takes the faces of the frame taken at that time. It returns the confirmed tracks seen in this frame, with the face
// as it was found, and those that have ended because they were out of sight for longer than Lost; both in order of ID.
func (t *Tracker) Update(at time.Time, faces []Face) (active, ended []Track) {
	ended = t.remove(func(track *tracked) bool { return at.Sub(track.Last) > t.cfg.Track.Lost })
	dt := max(0, at.Sub(t.last).Seconds())
	t.last = at
	for _, track := range t.tracks {
		track.predict(dt)
	}
	var high, low []Face
	for _, face := range faces {
		if float64(face.Score) >= t.cfg.Score {
			high = append(high, face)
		} else {
			low = append(low, face)
		}
	}
	hidden, fresh := t.match(at, t.tracks, high, gate)
	recent := slices.DeleteFunc(hidden, func(track *tracked) bool { return track.ID == 0 || track.misses > maxMisses })
	t.match(at, recent, low, lowGate)
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

// Flush ends all tracks, at the end of a recording or of the program, and returns the confirmed ones in order of ID.
func (t *Tracker) Flush() []Track {
	return t.remove(func(*tracked) bool { return true })
}

// remove forgets the tracks that match and returns the confirmed ones among them.
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

// match gives each track the face that fits, and returns the tracks and the faces left over.
func (t *Tracker) match(at time.Time, tracks []*tracked, faces []Face, gate float64) (hidden []*tracked, fresh []Face) {
	cost := make([][]float64, len(tracks))
	for i, track := range tracks {
		cost[i] = make([]float64, len(faces))
		for j := range faces {
			cost[i][j] = track.cost(&faces[j], gate)
		}
	}
	taken := make([]bool, len(faces))
	for i, j := range assign(cost, missCost) {
		if j < 0 {
			hidden = append(hidden, tracks[i])
			continue
		}
		taken[j] = true
		tracks[i].see(at, faces[j])
		t.confirm(tracks[i])
	}
	for j, face := range faces {
		if !taken[j] {
			fresh = append(fresh, face)
		}
	}
	return hidden, fresh
}

// confirm gives a track its ID once it was seen often enough.
func (t *Tracker) confirm(track *tracked) {
	if track.ID == 0 && track.Hits >= t.cfg.Track.Confirm {
		t.lastID++
		track.ID = t.lastID
	}
}

// measure returns the centre of a face and the log of its size, the geometric mean of width and height.
func measure(f *Face) (x, y, size float64) {
	w, h := float64(f.Box[2]), float64(f.Box[3])
	return float64(f.Box[0]) + w/2, float64(f.Box[1]) + h/2, math.Log(math.Sqrt(w * h))
}

func newTracked(at time.Time, face Face) *tracked {
	x, y, size := measure(&face)
	pixels := math.Exp(size)
	return &tracked{
		Track: Track{Face: face, Start: at, Last: at, Hits: 1},
		x:     newAxis(x, placeNoise*pixels, placeSpeed*pixels),
		y:     newAxis(y, placeNoise*pixels, placeSpeed*pixels),
		size:  newAxis(size, sizeNoise, sizeSpeed),
	}
}

func (tr *tracked) predict(dt float64) {
	push := placePush * math.Exp(tr.size.value)
	tr.x.predict(dt, push)
	tr.y.predict(dt, push)
	tr.size.predict(dt, sizePush)
	tr.misses++
}

// see takes the track's face of this frame.
func (tr *tracked) see(at time.Time, face Face) {
	x, y, size := measure(&face)
	noise := placeNoise * math.Exp(size)
	tr.x.correct(x, noise)
	tr.y.correct(y, noise)
	tr.size.correct(size, sizeNoise)
	tr.Face, tr.Last, tr.misses = face, at, 0
	tr.Hits++
}

// cost is how badly a face fits the prediction, infinity where it cannot be the same face.
func (tr *tracked) cost(face *Face, gate float64) float64 {
	x, y, size := measure(face)
	pixels := math.Exp(max(size, tr.size.value))
	dx, vx := tr.x.innovate(x, placeNoise*pixels)
	dy, vy := tr.y.innovate(y, placeNoise*pixels)
	ds, vs := tr.size.innovate(size, sizeNoise)
	distance := dx*dx/vx + dy*dy/vy + ds*ds/vs
	if distance > gate || math.Hypot(dx, dy) > maxJump*pixels {
		return math.Inf(1)
	}
	return distance + math.Log(vx*vy*vs/(pixels*pixels*pixels*pixels))
}
