package quality

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"facesieve/models"
)

// visitMatcher takes similarities above 0.44 as the same person, and below 0.35 as another, from score 25 on.
func visitMatcher() *Matcher {
	return &Matcher{thresholds: []models.SimilarityThresholds{{MinScore: 25, FMR1e3: 0.35, FMR1e4: 0.44}}}
}

// personFace returns an embedding of a person, a letter. Different people have similarity 0. blur, 0..90 degrees, turns it
// towards a direction of its own, which makes it less similar to the person's other faces.
func personFace(person byte, blur float64, random *rand.Rand) Embedding {
	values := axis(0).vector.values
	mixed := [EmbeddingSize]float32{}
	mixed[person-'A'] = values[0]
	side := axis(blur).vector.values
	mixed[person-'A'] = side[0]
	mixed[32+random.IntN(EmbeddingSize-32)] = side[1]
	return newEmbedding(&mixed)
}

// visitScript runs calls of Visits, one a line, each with its time in seconds:
//
//	1.5 TRACK PERSON SCORE [BLUR]   a face; the faces of one time are a frame, in order of the tracks
//	2 end TRACK      3 tick      4 static TRACK
//
// A line of the result is "1.5: send A 50 visit 1" or "2: reject A 10 low_quality visit 2". Visits have the numbers of
// their IDs.
type visitScript struct {
	t      *testing.T
	visits *Visits[string]
	random *rand.Rand
	out    []string
	moves  []Move
	at     time.Time
	frame  []OfferedFace
	people []string
}

func newVisitScript(t *testing.T, cfg Config, m *Matcher, r *Recent) *visitScript {
	t.Helper()
	s := &visitScript{t: t, random: rand.New(rand.NewPCG(1, 2))}
	begun := 0
	visits, err := NewVisits[string](cfg, m, r, func(time.Time) string { begun++; return fmt.Sprint(begun) })
	if err != nil {
		t.Fatal(err)
	}
	s.visits = visits
	return s
}

func (s *visitScript) run(script string) string {
	s.t.Helper()
	for line := range strings.Lines(strings.TrimSpace(script)) {
		var second, score, blur float64
		var what string
		var track uint64
		var person byte
		if n, _ := fmt.Sscanf(line, "%g %d %c %g %g", &second, &track, &person, &score, &blur); n >= 4 {
			s.advance(second)
			s.frame = append(s.frame, OfferedFace{
				Track: track, Time: s.at, Score: score, Embedding: personFace(person, blur, s.random),
			})
			s.people = append(s.people, string(person))
			continue
		}
		if n, _ := fmt.Sscan(line, &second, &what, &track); n < 2 {
			s.t.Fatalf("line %q", line)
		}
		s.advance(second)
		switch what {
		case "end":
			s.record(s.visits.End(track, s.at))
		case "tick":
			s.record(s.visits.Tick(s.at))
		case "static":
			s.record(s.visits.EndStatic(track, s.at, 50, func() string { return "last" }))
		}
	}
	s.advance(0)
	out := s.out
	s.out = nil
	return strings.Join(out, "\n")
}

// advance offers the faces of the frame and begins another at this time.
func (s *visitScript) advance(second float64) {
	at := noon.Add(time.Duration(second * float64(time.Second)))
	if at.Equal(s.at) {
		return
	}
	if len(s.frame) > 0 {
		s.record(s.visits.Tick(s.at))
		var tracks []uint64
		for _, f := range s.frame {
			tracks = append(tracks, f.Track)
		}
		s.record(s.visits.Visible(s.at, tracks))
		for i, f := range s.frame {
			_, _, changes := s.visits.Offer(f, func() string { return s.people[i] })
			s.record(changes)
		}
	}
	s.at, s.frame, s.people = at, nil, nil
}

func (s *visitScript) record(changes Changes[string]) {
	s.moves = append(s.moves, changes.Moves...)
	for _, d := range changes.Decisions {
		what := fmt.Sprintf("%g: reject %s %g %s visit %s", s.at.Sub(noon).Seconds(), d.Face, d.Score, d.Reason, d.Visit.ID)
		if d.Send {
			what = fmt.Sprintf("%g: send %s %g visit %s", s.at.Sub(noon).Seconds(), d.Face, d.Score, d.Visit.ID)
		}
		if d.Visit.Frames == 0 || d.Visit.FirstSeen.After(d.Time) || !d.At.Equal(s.at) {
			s.t.Errorf("%s: %+v", what, d)
		}
		s.out = append(s.out, what)
	}
}

func lines(all ...string) string { return strings.Join(all, "\n") }

// visitConfig waits for the end of a visit.
func visitConfig() Config {
	cfg := Default()
	cfg.MaxWait = 0
	return cfg
}

func TestVisits(t *testing.T) {
	first := "0 1 A 30\n0.1 1 A 50\n0.2 1 A 40\n"
	tests := map[string]struct{ script, want string }{
		"one person": {first + "2 end 1", "2: send A 50 visit 1"},
		"a track passes to another person": {
			first + "0.3 1 B 60\n0.4 1 B 70\n0.5 1 B 65\n0.6 1 B 30\n3 end 1",
			lines("0.5: send A 50 visit 1", "3: send B 70 visit 2"),
		},
		"a face of another person in between is not sent": {
			first + "0.3 1 B 90\n0.4 1 B 80\n0.5 1 A 45\n3 end 1", "3: send A 50 visit 1",
		},
		"the other person has two faces at the end": {
			first + "0.3 1 B 60\n0.4 1 B 70\n3 end 1", lines("3: send A 50 visit 1", "3: send B 70 visit 2"),
		},
		"one face at the end is not enough": {first + "0.3 1 B 60\n3 end 1", "3: send A 50 visit 1"},
		"a third person in between": {
			first + "0.3 1 B 60\n0.4 1 B 70\n0.5 1 C 60\n0.6 1 C 60\n0.7 1 C 60\n3 end 1",
			lines("0.7: send A 50 visit 1", "3: send C 60 visit 2"),
		},
		"faces of low score before the other person": {
			"0 1 A 15\n0.1 1 A 21\n0.2 1 A 22\n0.3 1 A 23\n0.4 1 B 24\n0.5 1 B 40\n0.6 1 B 40\n0.7 1 B 50\n3 end 1",
			lines("0.7: send A 23 visit 1", "3: send B 50 visit 2"),
		},
		"faces of low score that are odd stay in the visit": {
			"0 1 A 15 40\n0.1 1 A 15 40\n0.2 1 A 16 40\n0.3 1 A 24 85\n0.4 1 A 17 40\n3 end 1", "3: send A 24 visit 1",
		},
		"a face that cannot be compared follows the one before": {
			first + "0.3 1 B 60\n0.4 1 B 5\n0.5 1 B 70\n0.6 1 B 65\n3 end 1",
			lines("0.6: send A 50 visit 1", "3: send B 70 visit 2"),
		},
		"the first face may be odd": {"0 1 A 50 89\n0.1 1 A 40\n0.2 1 A 40\n0.3 1 A 40\n3 end 1", "3: send A 50 visit 1"},
		"a person who returns is not sent again": {
			first + "2 end 1\n20 2 A 60\n20.1 2 A 55\n25 end 2\n90 tick", "2: send A 50 visit 1",
		},
		"unless the face is clearly better": {
			first + "2 end 1\n20 2 A 60\n20.1 2 A 66\n25 end 2", lines("2: send A 50 visit 1", "25: send A 66 visit 1"),
		},
		"a person who returns with faces of low score": {
			"0 1 A 15\n0.1 1 A 21\n0.2 1 A 22\n2 end 1\n20 2 A 24\n20.1 2 A 23\n20.2 2 A 24\n25 end 2", "2: send A 22 visit 1",
		},
		"a person who returns too late": {
			first + "2 end 1\n70 tick\n71 2 A 60\n72 end 2", lines("2: send A 50 visit 1", "72: send A 60 visit 2"),
		},
		"another person comes": {
			first + "2 end 1\n20 2 B 60\n21 end 2", lines("2: send A 50 visit 1", "21: send B 60 visit 2"),
		},
		"a rejected visit is reported once, and its person is sent later": {
			"0 1 A 15\n0.1 1 A 14\n0.2 1 A 14\n2 end 1\n10 2 A 16\n10.1 2 A 16\n10.2 2 A 16\n12 end 2\n20 3 A 60\n22 end 3",
			lines("2: reject A 15 low_quality visit 1", "22: send A 60 visit 1"),
		},
		"a hidden person is found by another track": {
			first + "0.8 2 A 45\n0.9 2 A 60\n2 end 1\n4 end 2", "4: send A 60 visit 1",
		},
		"the hidden track ends last": {first + "0.8 2 A 45\n1 end 2\n2 end 1", "2: send A 50 visit 1"},
		"two people who look the same are two": {
			"0 1 A 30\n0 2 A 40\n0.1 1 A 50\n0.1 2 A 55\n2 end 1\n2 end 2",
			lines("2: send A 50 visit 1", "2: send A 55 visit 2"),
		},
		"a track that was joined by mistake": {
			first + "0.8 2 A 45\n0.9 1 A 50\n0.9 2 A 60\n2 end 1\n2.1 end 2",
			lines("2: send A 50 visit 1", "2.1: send A 60 visit 3"),
		},
		"two who cross and exchange their tracks": {
			"0 1 A 50\n0 2 B 50\n0.1 1 A 50\n0.1 2 B 50\n0.2 1 A 50\n0.2 2 B 50\n" +
				"0.3 1 B 51\n0.3 2 A 51\n0.4 1 B 51\n0.4 2 A 51\n0.5 1 B 51\n0.5 2 A 51\n2 end 1\n2 end 2",
			lines("0.5: send A 50 visit 1", "0.5: send B 50 visit 2"),
		},
		"a face that does not move": {first + "120 static 1\n130 tick", "120: reject last 50 static visit 1"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			s := newVisitScript(t, visitConfig(), visitMatcher(), NewRecent())
			if got := s.run(test.script); got != test.want {
				t.Errorf("got:\n%s\nexpected:\n%s", got, test.want)
			}
			if len(s.visits.tracks)+len(s.visits.visits)+len(s.visits.selector.visits) > 0 {
				t.Errorf("left: %+v", s.visits)
			}
		})
	}
}

func TestVisitsWithoutRejoinOrEmbedding(t *testing.T) {
	script := "0 1 A 50\n0.1 1 A 40\n0.2 1 A 40\n2 end 1\n3 2 A 40\n4 end 2"
	want := lines("2: send A 50 visit 1", "4: send A 40 visit 2")
	cfg, recent := visitConfig(), NewRecent()
	if got := newVisitScript(t, cfg, nil, recent).run(script); got != want {
		t.Errorf("without embedding:\n%s", got)
	}
	cfg.Visit.Rejoin = 0
	if got := newVisitScript(t, cfg, visitMatcher(), recent).run(script); got != want {
		t.Errorf("without rejoin:\n%s", got)
	}
	if len(recent.past) > 0 {
		t.Errorf("%d visits are kept", len(recent.past))
	}
}

// Cameras that share Recent share visits; an embedding of another network is not compared.
func TestVisitsAcrossCameras(t *testing.T) {
	recent, matcher := NewRecent(), visitMatcher()
	one := newVisitScript(t, visitConfig(), matcher, recent)
	one.run("0 1 A 50\n0.1 1 A 50\n0.2 1 A 50\n2 end 1")
	if got := newVisitScript(t, visitConfig(), visitMatcher(), recent).run("5 1 A 50\n6 end 1"); got == "" {
		t.Error("embeddings of two networks are compared")
	}
	two := newVisitScript(t, visitConfig(), matcher, recent)
	if got := two.run("10 1 A 50\n11 end 1"); got != "" {
		t.Errorf("before the other camera: %s", got)
	}
	if len(two.moves) != 1 || two.moves[0].Visit != "1" || two.moves[0].Track != 1 {
		t.Errorf("moves %+v", two.moves)
	}
	p, _ := recent.take(matcher, func(*template) float64 { return 1 })
	if p.Tracks != 2 || p.Frames != 4 || p.Faces != 4 || !p.FirstSeen.Equal(noon) || p.LastSeen.Sub(noon) != 10*time.Second {
		t.Errorf("the visit is %+v", p.Visit)
	}
}

// With another network, what is known of people is forgotten, and visits go on.
func TestVisitsForgetTheEmbeddingsOfAnotherNetwork(t *testing.T) {
	s := newVisitScript(t, visitConfig(), visitMatcher(), NewRecent())
	s.run("0 1 A 50\n0.1 1 A 50\n0.2 1 A 50\n0.3 1 B 50")
	if err := s.visits.Configure(visitConfig(), visitMatcher(), NewRecent()); err != nil {
		t.Fatal(err)
	}
	if got := s.run("0.4 1 B 60\n0.5 1 B 60\n0.6 1 B 60\n2 end 1"); got != "2: send B 60 visit 1" {
		t.Error(got)
	}
	if err := s.visits.Configure(Config{}, nil, nil); err == nil {
		t.Error("a configuration without a policy is accepted")
	}
}

// After any calls: a decision is about the visit of its face, as the moves say; a visit is sent once, or again only after
// its end and when clearly better; nothing is left at the end, and every visit of a person who was seen well is decided.
func TestVisitsGuarantees(t *testing.T) {
	for seed := range uint64(300) {
		random := rand.New(rand.NewPCG(seed, 7))
		cfg := visitConfig()
		cfg.MaxWait = time.Duration(random.IntN(3)) * 2 * time.Second
		checkRandomVisits(t, cfg, random)
	}
}

// judgedFace is a face of the property test with its visit as reported.
type judgedFace struct {
	track uint64
	at    time.Time
	visit string
	score float64
}

func checkRandomVisits(t *testing.T, cfg Config, random *rand.Rand) {
	t.Helper()
	begun := 0
	v, err := NewVisits[*judgedFace](cfg, visitMatcher(), NewRecent(), func(time.Time) string { begun++; return fmt.Sprint(begun) })
	if err != nil {
		t.Fatal(err)
	}
	var all []*judgedFace
	sent := map[string][]float64{}
	record := func(c Changes[*judgedFace]) {
		for _, m := range c.Moves {
			for _, f := range all {
				if f.track == m.Track && !f.at.Before(m.Since) {
					f.visit = m.Visit
				}
			}
		}
		for _, d := range c.Decisions {
			before := sent[d.Visit.ID]
			if d.Send && len(before) > 0 && d.Score < before[len(before)-1]+cfg.QuickGain {
				t.Fatalf("sends %g after %v", d.Score, before)
			}
			if d.Face.visit != d.Visit.ID || !d.Send && len(before) > 0 {
				t.Fatalf("decision %+v about a face of visit %s after %v", d, d.Face.visit, before)
			}
			if d.Send {
				sent[d.Visit.ID] = append(before, d.Score)
			}
		}
	}
	now, tracks := noon, []uint64{}
	for range 150 {
		now = now.Add(time.Duration(random.IntN(1000)) * time.Millisecond)
		record(v.Tick(now))
		if random.IntN(4) == 0 {
			tracks = append(tracks, uint64(len(all)+1))
		}
		if len(tracks) > 0 && random.IntN(6) == 0 {
			record(v.End(tracks[0], now))
			tracks = tracks[1:]
		}
		seen := slices.DeleteFunc(slices.Clone(tracks), func(uint64) bool { return random.IntN(4) == 0 })
		record(v.Visible(now, seen))
		for _, track := range seen {
			f := &judgedFace{track: track, at: now, score: float64(random.IntN(80))}
			person := byte('A' + (track+uint64(random.IntN(12))/11)%4)
			visit, _, changes := v.Offer(OfferedFace{
				Track: track, Time: now, Score: f.score, Embedding: personFace(person, float64(random.IntN(70)), random),
			}, func() *judgedFace { return f })
			f.visit, all = visit.ID, append(all, f)
			record(changes)
		}
	}
	record(v.Flush(now))
	if len(v.tracks)+len(v.visits)+len(v.selector.visits) > 0 {
		t.Fatalf("left: %d tracks, %d visits", len(v.tracks), len(v.visits))
	}
}

// A visit of faces without a score is reported by its largest one.
func TestRejectionHasTheLargestOfUnscoredFaces(t *testing.T) {
	s, err := newSelector[float64](visitConfig())
	if err != nil {
		t.Fatal(err)
	}
	for _, size := range []float64{10, 30, 20} {
		s.offer(1, OfferedFace{Score: NotAssessed, Size: size, Reason: ReasonTooSmall}, func() float64 { return size })
	}
	if d, _ := s.end(1); len(d) != 1 || d[0].Face != 30 || d[0].Reason != ReasonTooSmall {
		t.Errorf("decisions %+v", d)
	}
}

// The face held to be sent is known while its visit may still send one. It is open while the track may show another
// person.
func TestHeldFace(t *testing.T) {
	cfg := Default()
	cfg.MaxWait = 2 * time.Second
	s := newVisitScript(t, cfg, visitMatcher(), NewRecent())
	expect := func(step, want string, wantHeld, wantOver bool) {
		t.Helper()
		face, held, over := s.visits.Held(1)
		if face != want || held != wantHeld || over != wantOver {
			t.Errorf("%s: %q, held %v, over %v", step, face, held, over)
		}
	}
	expect("unknown track", "", false, false)
	s.run("0 1 A 10\n0.1 tick")
	expect("a face that cannot be sent", "", false, false)
	s.run("0.2 1 A 50\n0.3 1 A 60\n0.4 1 A 55\n0.5 tick")
	expect("the best face", "A", true, false)
	s.run("0.6 1 B 70\n0.7 tick")
	expect("perhaps another person", "", false, false)
	s.run("0.8 1 A 58\n4 tick")
	expect("sent", "", false, true)
}
