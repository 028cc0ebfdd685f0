package detect

import (
	"math"
	"math/rand/v2"
	"reflect"
	"testing"
	"time"
)

// epoch is the start of the recordings in these tests.
var epoch = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

// seconds returns a time after epoch.
func seconds(s float64) time.Time { return epoch.Add(time.Duration(s * float64(time.Second))) }

// at returns a face with this centre and size.
func at(x, y, size float64, score float32) Face {
	return box(float32(x-size*0.4), float32(y-size/2), float32(size*0.8), float32(size), score)
}

// scene passes the faces of a recording to a tracker and collects the tracks.
type scene struct {
	t       *testing.T
	tracker *Tracker
	updates map[uint64][]Track // by ID
	ended   []Track
}

func newScene(t *testing.T) *scene {
	return &scene{t: t, tracker: NewTracker(settled()), updates: map[uint64][]Track{}}
}

func (s *scene) show(second float64, faces ...Face) []Track {
	s.t.Helper()
	active, ended := s.tracker.Update(seconds(second), faces, nil)
	last := uint64(0)
	for _, track := range active {
		if track.ID <= last {
			s.t.Errorf("%gs: ID %d after %d", second, track.ID, last)
		}
		if last = track.ID; !track.Last.Equal(seconds(second)) {
			s.t.Errorf("%gs: active track %d was last detected at %v", second, track.ID, track.Last)
		}
		s.updates[track.ID] = append(s.updates[track.ID], track)
	}
	s.end(ended)
	return active
}

func (s *scene) end(ended []Track) {
	for _, track := range ended {
		for _, before := range s.ended {
			if before.ID == track.ID {
				s.t.Errorf("track %d ended twice", track.ID)
			}
		}
		if _, active := s.updates[track.ID]; !active {
			s.t.Errorf("track %d ended and was never active", track.ID)
		}
		s.ended = append(s.ended, track)
	}
}

// finish flushes the tracker and checks that every track has ended, and their number.
func (s *scene) finish(want int) {
	s.t.Helper()
	s.end(s.tracker.Flush())
	if s.tracker.Busy() || len(s.tracker.Flush()) > 0 {
		s.t.Error("something is left after Flush")
	}
	if len(s.updates) != want || len(s.ended) != want {
		s.t.Errorf("%d tracks active, %d ended, want %d", len(s.updates), len(s.ended), want)
	}
}

func TestTrackConfirm(t *testing.T) {
	s := newScene(t)
	if active := s.show(0, at(100, 100, 40, 0.9)); len(active) != 0 {
		t.Error("a face in one frame is a track")
	}
	if !s.tracker.Busy() {
		t.Error("an unconfirmed face does not keep the tracker busy")
	}
	active := s.show(0.1, at(101, 100, 40, 0.9))
	if len(active) != 1 || active[0].ID != 1 || active[0].Hits != 2 || !active[0].Start.Equal(epoch) {
		t.Errorf("a face in two frames: %+v", active)
	}
	s.finish(1)
}

// TestTrackFalseAlarm: a single false positive is not a track.
func TestTrackFalseAlarm(t *testing.T) {
	s := newScene(t)
	for i := range 40 {
		if i%8 == 0 {
			s.show(float64(i)*0.1, at(float64(i*37%500), float64(i*91%400), 30, 0.8))
		} else {
			s.show(float64(i) * 0.1)
		}
	}
	s.finish(0)
}

// TestTrackRates: a person who walks past the camera is one track at 2 to 30 frames a second, regular or not.
func TestTrackRates(t *testing.T) {
	for _, fps := range []float64{2, 3, 5, 10, 25, 30} {
		for _, jitter := range []float64{0, 0.6} {
			s, random := newScene(t), rand.New(rand.NewPCG(3, 4))
			for now := 0.0; now < 6; now += (1 + jitter*(random.Float64()-0.5)) / fps {
				noise := func() float64 { return random.NormFloat64() * 1.5 }
				// Moves two face sizes a second to the right, and gets larger.
				size := 30 * math.Exp(now*0.15)
				s.show(now, at(100+60*now+noise(), 200+noise(), size+noise(), 0.9))
			}
			s.finish(1)
			if t.Failed() {
				t.Fatalf("at %g frames a second, jitter %g", fps, jitter)
			}
		}
	}
}

// TestTrackCrossing: two people whose paths cross keep their IDs.
func TestTrackCrossing(t *testing.T) {
	for _, fps := range []float64{5, 12, 25} {
		s := newScene(t)
		for now := 0.0; now < 6; now += 1 / fps {
			a, b := at(100+80*now, 200, 40, 0.9), at(580-80*now, 206, 44, 0.9)
			switch hidden := math.Abs(now-3) < 0.2; {
			case hidden:
				s.show(now, b) // in front
			case int(now*10)%2 == 0:
				s.show(now, a, b)
			default:
				s.show(now, b, a) // in another order
			}
		}
		s.finish(2)
		for id, tracks := range s.updates {
			first, last := tracks[0].Face.Box[0], tracks[len(tracks)-1].Face.Box[0]
			if math.Abs(float64(last-first)) < 300 {
				t.Errorf("at %g frames a second track %d turns round: %g to %g", fps, id, first, last)
			}
		}
	}
}

// TestTrackOcclusion: a walking face that is hidden for a second keeps its track; after two seconds it gets a new one.
func TestTrackOcclusion(t *testing.T) {
	for hidden, want := range map[float64]int{1: 1, 2: 2} {
		for _, fps := range []float64{5, 25} {
			s := newScene(t)
			for now := 0.0; now < 5; now += 1 / fps {
				if now > 1.5 && now < 1.5+hidden {
					s.show(now)
				} else {
					s.show(now, at(100+40*now, 200-10*now, 40, 0.9))
				}
			}
			s.finish(want)
		}
	}
}

// TestTrackEnd: a track without its face ends once, after Lost, also after a gap in the frames.
func TestTrackEnd(t *testing.T) {
	s := newScene(t)
	s.show(0, at(100, 100, 40, 0.9))
	s.show(0.1, at(100, 100, 40, 0.9))
	s.show(1.6)
	if len(s.ended) != 0 {
		t.Error("ended before Lost was over")
	}
	s.show(1.7)
	if len(s.ended) != 1 || s.ended[0].Hits != 2 || !s.ended[0].Last.Equal(seconds(0.1)) {
		t.Errorf("ended: %+v", s.ended)
	}
	// After a gap of an hour, a face in the same place is another track.
	s.show(2, at(100, 100, 40, 0.9))
	s.show(2.1, at(100, 100, 40, 0.9))
	s.show(3600, at(100, 100, 40, 0.9))
	s.show(3600.1, at(100, 100, 40, 0.9))
	s.finish(3)
}

// TestTrackLowScore: a face of low score continues a track, but begins none.
func TestTrackLowScore(t *testing.T) {
	s := newScene(t)
	for i := range 30 {
		score := float32(0.9)
		if i >= 5 && i < 25 {
			score = 0.4
		}
		active := s.show(float64(i)*0.1, at(100+float64(i*3), 100, 40, score), at(400, 100, 40, 0.4))
		if i > 0 && (len(active) != 1 || active[0].ID != 1 || active[0].Face.Score != score) {
			t.Fatalf("frame %d: %+v", i, active)
		}
	}
	s.finish(1)
}

// TestTrackNewPerson: a face far from the prediction of a hidden track gets a new track.
func TestTrackNewPerson(t *testing.T) {
	s := newScene(t)
	for i := range 10 {
		s.show(float64(i)*0.1, at(600+float64(i*4), 100, 40, 0.9))
	}
	for i := range 10 {
		s.show(1.2+float64(i)*0.1, at(50+float64(i*4), 100, 40, 0.9))
	}
	s.finish(2)
}

// TestTrackIDs: the IDs of many short tracks, in sequence and at once, count up from 1 without a gap.
func TestTrackIDs(t *testing.T) {
	s := newScene(t)
	for visit := range 50 {
		for i := range 3 {
			now := float64(visit)*3 + float64(i)*0.1
			s.show(now, at(100, 100, 30, 0.9), at(300, 100, 30, 0.85), at(500, 100, 30, 0.82))
		}
	}
	s.finish(150)
	for id := range uint64(150) {
		if len(s.updates[id+1]) != 2 {
			t.Errorf("track %d was active %d times", id+1, len(s.updates[id+1]))
		}
	}
}

// TestTrackDeterministic: a random recording with many faces gives the same tracks twice.
func TestTrackDeterministic(t *testing.T) {
	play := func() map[uint64][]Track {
		s, random := newScene(t), rand.New(rand.NewPCG(5, 6))
		for i := range 200 {
			var faces []Face
			for j := range 20 {
				if random.Float64() < 0.8 {
					x := float64(j*90) + 30*math.Sin(float64(i+j)/9) + random.NormFloat64()*2
					faces = append(faces, at(x, 200+random.NormFloat64()*2, 40, 0.3+0.6*random.Float32()))
				}
			}
			s.show(float64(i)*0.1, faces...)
		}
		s.end(s.tracker.Flush())
		return s.updates
	}
	if first, second := play(), play(); !reflect.DeepEqual(first, second) {
		t.Error("the same recording gives other tracks")
	}
}

func BenchmarkTracker(b *testing.B) {
	tracker, i := NewTracker(settled()), 0
	faces := make([]Face, 20)
	for b.Loop() {
		for j := range faces {
			faces[j] = at(float64(j*80)+10*math.Sin(float64(i)/9), 200, 40, 0.9)
		}
		tracker.Update(seconds(float64(i)*0.1), faces, nil)
		i++
	}
}

// Two faces that meet and turn back would exchange their tracks by motion alone. With their looks they keep them.
func TestTracksOfTwoWhoMeetAndTurnBack(t *testing.T) {
	for _, looks := range []bool{false, true} {
		s := newScene(t)
		tracker := s.tracker
		for i := range 21 {
			second := float64(i) / 10
			apart := 40 * math.Abs(second-1) // they touch after a second
			faces := []Face{at(300-apart, 200, 40, 0.9), at(304+apart, 200, 40, 0.9)}
			if second == 1 {
				faces = faces[:1] // one hides the other
			}
			people := []uint64{1, 2} // by face
			if i%2 == 1 && len(faces) == 2 {
				faces[0], faces[1] = faces[1], faces[0]
				people[0], people[1] = 2, 1
			}
			active, _ := tracker.Update(seconds(second), faces, func(track uint64, face int, _ bool) float64 {
				switch {
				case !looks:
					return 0
				case people[face] == track:
					return 1
				default:
					return -1
				}
			})
			for _, track := range active {
				if track.Face != faces[track.Index] {
					t.Fatalf("track %d has the face %v and the index %d of %v", track.ID, track.Face, track.Index, faces)
				}
				if looks && people[track.Index] != track.ID {
					t.Errorf("%g s: track %d has the face of %d", second, track.ID, people[track.Index])
				}
			}
		}
	}
}

// A pair that motion forbids stays forbidden, and a track that is ended does not continue.
func TestLooksDoNotOutweighMotion(t *testing.T) {
	s := newScene(t)
	s.show(0, at(100, 100, 40, 0.9))
	s.show(0.1, at(100, 100, 40, 0.9))
	active, _ := s.tracker.Update(seconds(0.2), []Face{at(500, 100, 40, 0.9)}, func(uint64, int, bool) float64 {
		t.Error("called for an impossible pair")
		return 1
	})
	if len(active) > 0 {
		t.Errorf("tracks %+v", active)
	}
	s.tracker.End(1)
	if active := s.show(0.3, at(100, 100, 40, 0.9)); len(active) > 0 {
		t.Errorf("tracks %+v", active)
	}
}

// The prediction follows a moving face and its size, returns a hidden one apart, and changes no track.
func TestPredict(t *testing.T) {
	s := newScene(t)
	for i := range 10 { // 20 pixels a frame to the right, and growing by a twentieth
		s.show(float64(i)/10, at(100+20*float64(i), 200, 50*math.Pow(1.05, float64(i)), 0.9), at(600, 200, 60, 0.9))
	}
	boxes, hidden := s.tracker.Predict(seconds(1))
	if len(boxes) != 2 || len(hidden) > 0 {
		t.Fatalf("%v, hidden %v", boxes, hidden)
	}
	want := at(300, 200, 50*math.Pow(1.05, 10), 0.9)
	if union, _ := overlap(boxes[0], want.Box); union < 0.85 {
		t.Errorf("predicted %v, the face is at %v, overlap %.2f", boxes[0], want.Box, union)
	}
	if again, _ := s.tracker.Predict(seconds(1)); !reflect.DeepEqual(again, boxes) {
		t.Errorf("first %v, then %v", boxes, again)
	}
	s.show(1, want)
	boxes, hidden = s.tracker.Predict(seconds(1.1))
	if len(boxes) != 1 || boxes[0][0] > 500 || len(hidden) != 1 || hidden[0][0] < 500 {
		t.Errorf("one face is hidden, predicted %v, hidden %v", boxes, hidden)
	}
}

// A pair is contested if its track or its face has another possible partner.
func TestContestedPairs(t *testing.T) {
	type pair struct {
		track uint64
		face  int
	}
	left, middle, right := at(100, 100, 40, 0.9), at(110, 100, 40, 0.9), at(500, 100, 40, 0.9)
	for name, test := range map[string]struct {
		faces []Face
		want  map[pair]bool
	}{
		"a face each":              {[]Face{left, right}, map[pair]bool{{1, 0}: false, {2, 1}: false}},
		"two faces for one track":  {[]Face{left, middle, right}, map[pair]bool{{1, 0}: true, {1, 1}: true, {2, 2}: false}},
		"one face, the other lost": {[]Face{left}, map[pair]bool{{1, 0}: false}},
	} {
		s := newScene(t)
		for i := range 3 {
			s.show(float64(i)/10, left, right)
		}
		got := map[pair]bool{}
		s.tracker.Update(seconds(0.3), test.faces, func(track uint64, face int, contested bool) float64 {
			got[pair{track, face}] = contested
			return 0
		})
		if !reflect.DeepEqual(got, test.want) {
			t.Errorf("%s: %v, want %v", name, got, test.want)
		}
	}
}
