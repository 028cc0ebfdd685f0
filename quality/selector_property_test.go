package quality

import (
	"math/rand/v2"
	"testing"
	"time"
)

// offered is a face of the property test.
type offered struct {
	track uint64
	score float64
	gate  Reason
	at    time.Time
}

// simulation makes random calls of a selector and checks its guarantees.
type simulation struct {
	t        *testing.T
	cfg      Config
	selector *selector[*offered]
	kept     map[*offered]bool  // those that may still be decided
	best     map[uint64]float64 // best score that may be sent since the last one sent, by track
	sent     map[uint64][]*offered
	rejected map[uint64]int
}

func newSimulation(t *testing.T, cfg Config) *simulation {
	s := &simulation{
		t: t, cfg: cfg, kept: map[*offered]bool{}, best: map[uint64]float64{},
		sent: map[uint64][]*offered{}, rejected: map[uint64]int{},
	}
	selector, err := newSelector[*offered](cfg)
	if err != nil {
		t.Fatal(err)
	}
	s.selector = selector
	return s
}

func (s *simulation) offer(o *offered) {
	reason, decisions := s.selector.offer(o.track, OfferedFace{Time: o.at, Score: o.score, Reason: o.gate}, func() *offered {
		s.kept[o] = true
		return o
	})
	s.decide(decisions, o)
	if o.gate != "" && reason != o.gate {
		s.t.Fatalf("%s: gate %s, verdict %q", s.cfg.Policy, o.gate, reason)
	}
	sent := s.sent[o.track]
	if o.gate == "" && o.score >= float64(s.cfg.Threshold) && (len(sent) == 0 || sent[len(sent)-1] != o) {
		s.best[o.track] = max(s.best[o.track], o.score)
	}
	for track, v := range s.selector.visits {
		if v.held != nil && (!s.kept[v.held.payload] || v.held.payload.track != track) {
			s.t.Fatalf("%s: track %d holds %+v", s.cfg.Policy, track, *v.held.payload)
		}
	}
}

// decide checks decisions; now is the face whose offer made them, or nil.
func (s *simulation) decide(decisions []Decision[*offered], now *offered) {
	for _, d := range decisions {
		o := d.Face
		if !s.kept[o] {
			s.t.Fatalf("%s: %+v is decided twice", s.cfg.Policy, *o)
		}
		delete(s.kept, o)
		if o.track != d.number || o.score != d.Score || !o.at.Equal(d.Time) {
			s.t.Fatalf("%s: decision %+v has the face %+v", s.cfg.Policy, d, *o)
		}
		if !d.Send {
			s.rejected[d.number]++
			if d.Reason == "" || len(s.sent[d.number]) > 0 || s.rejected[d.number] > 1 {
				s.t.Fatalf("%s: rejects %+v after %d sent", s.cfg.Policy, d, len(s.sent[d.number]))
			}
			continue
		}
		s.checkSend(d, now)
		s.sent[d.number] = append(s.sent[d.number], o)
		delete(s.best, d.number)
	}
}

func (s *simulation) checkSend(d Decision[*offered], now *offered) {
	o, before := d.Face, s.sent[d.number]
	if o.gate != "" || o.score < float64(s.cfg.Threshold) || d.Reason != "" {
		s.t.Fatalf("%s: sends %+v", s.cfg.Policy, *o)
	}
	switch s.cfg.Policy {
	case PolicyBest, PolicyInterval:
		if o.score < s.best[d.number] {
			s.t.Fatalf("%s: sends %g when %g was offered", s.cfg.Policy, o.score, s.best[d.number])
		}
		if s.cfg.Policy == PolicyBest && len(before) > 0 {
			s.t.Fatalf("best: sends track %d twice", d.number)
		}
	case PolicyQuick:
		if len(before) > 0 && o.score < before[len(before)-1].score+s.cfg.QuickGain {
			s.t.Fatalf("quick: sends %g after %g", o.score, before[len(before)-1].score)
		}
	}
	if (s.cfg.Policy == PolicyQuick || s.cfg.Policy == PolicyAll) && o != now {
		s.t.Fatalf("%s: sends late", s.cfg.Policy)
	}
}

// finish ends all visits and checks that nothing is left.
func (s *simulation) finish() {
	for visit := range s.selector.visits {
		decisions, _ := s.selector.end(visit)
		s.decide(decisions, nil)
	}
	if len(s.selector.visits) != 0 {
		s.t.Fatalf("%s: %d visits are left", s.cfg.Policy, len(s.selector.visits))
	}
}

// After any calls: no face is decided twice, a visit holds a face of its own, no face is
// sent below the threshold or rejected by a gate, best and interval send the best face offered, best sends once.
func TestSelectorGuarantees(t *testing.T) {
	gates := []Reason{"", "", "", ReasonPose, ReasonEdge}
	for seed := range uint64(400) {
		random := rand.New(rand.NewPCG(seed, 5))
		cfg := policy([]string{PolicyBest, PolicyQuick, PolicyInterval, PolicyAll}[seed%4])
		cfg.MaxWait = time.Duration(random.IntN(3)) * 5 * time.Second
		s := newSimulation(t, cfg)
		now, tracks := noon, uint64(1)
		for range 300 {
			now = now.Add(time.Duration(random.IntN(1000)) * time.Millisecond)
			track := 1 + random.Uint64N(tracks)
			switch random.IntN(12) {
			case 0:
				decisions, _ := s.selector.end(track)
				s.decide(decisions, nil)
				tracks++ // trackers do not use the number of an ended track again; here it is, and the result is the same
				delete(s.sent, track)
				delete(s.rejected, track)
				delete(s.best, track)
			case 1, 2, 3:
				s.decide(s.selector.tick(now), nil)
			default:
				s.offer(&offered{track, float64(random.IntN(100)), gates[random.IntN(len(gates))], now})
			}
		}
		s.finish()
	}
}
