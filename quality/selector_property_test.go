package quality

import (
	"math/rand/v2"
	"testing"
	"time"
)

// offered is a face given to a selector in the property test. Each is alive from keep until it is released or delivered.
type offered struct {
	track uint64
	score float64
	gate  Reason
	at    time.Time
}

// world drives a selector at random and watches its promises.
type world struct {
	t        *testing.T
	cfg      Config
	selector *Selector[*offered]
	alive    map[*offered]bool
	best     map[uint64]float64 // best score that may be sent since the last sending, by track
	sent     map[uint64][]*offered
	rejected map[uint64]int
	sends    uint64
}

func newWorld(t *testing.T, cfg Config) *world {
	w := &world{
		t: t, cfg: cfg, alive: map[*offered]bool{}, best: map[uint64]float64{},
		sent: map[uint64][]*offered{}, rejected: map[uint64]int{},
	}
	selector, err := NewSelector(cfg, w.bury)
	if err != nil {
		t.Fatal(err)
	}
	w.selector = selector
	return w
}

func (w *world) bury(o *offered) {
	if !w.alive[o] {
		w.t.Fatalf("%s: %+v is given up twice", w.cfg.Policy, *o)
	}
	delete(w.alive, o)
}

func (w *world) offer(o *offered) {
	reason, decisions := w.selector.Offer(o.track, o.at, o.score, o.gate, func() *offered {
		w.alive[o] = true
		return o
	})
	w.decide(decisions, o)
	if o.gate != "" && reason != o.gate {
		w.t.Fatalf("%s: gate %s, verdict %q", w.cfg.Policy, o.gate, reason)
	}
	if o.gate == "" && o.score >= w.cfg.Threshold && (len(w.sent[o.track]) == 0 || w.sent[o.track][len(w.sent[o.track])-1] != o) {
		w.best[o.track] = max(w.best[o.track], o.score)
	}
	if len(w.alive) > len(w.selector.tracks) {
		w.t.Fatalf("%s: %d faces held for %d tracks", w.cfg.Policy, len(w.alive), len(w.selector.tracks))
	}
}

// decide checks decisions that were taken while now (if any) was offered.
func (w *world) decide(decisions []Decision[*offered], now *offered) {
	for _, d := range decisions {
		o := d.Face
		w.bury(o)
		if o.track != d.Track || o.score != d.Score || !o.at.Equal(d.Time) {
			w.t.Fatalf("%s: decision %+v carries %+v", w.cfg.Policy, d, *o)
		}
		if !d.Send {
			w.rejected[d.Track]++
			if d.Reason == "" || len(w.sent[d.Track]) > 0 || w.rejected[d.Track] > 1 {
				w.t.Fatalf("%s: rejects %+v after %d sent", w.cfg.Policy, d, len(w.sent[d.Track]))
			}
			continue
		}
		w.checkSend(d, now)
		w.sends++
		w.sent[d.Track] = append(w.sent[d.Track], o)
		delete(w.best, d.Track)
	}
}

func (w *world) checkSend(d Decision[*offered], now *offered) {
	o, before := d.Face, w.sent[d.Track]
	if o.gate != "" || o.score < w.cfg.Threshold || d.Reason != "" {
		w.t.Fatalf("%s: sends %+v", w.cfg.Policy, *o)
	}
	switch w.cfg.Policy {
	case PolicyBest, PolicyInterval:
		if o.score < w.best[d.Track] {
			w.t.Fatalf("%s: sends %g when %g was offered", w.cfg.Policy, o.score, w.best[d.Track])
		}
		if w.cfg.Policy == PolicyBest && len(before) > 0 {
			w.t.Fatalf("best: sends track %d twice", d.Track)
		}
	case PolicyQuick:
		if len(before) > 0 && o.score < before[len(before)-1].score+w.cfg.QuickGain {
			w.t.Fatalf("quick: sends %g after %g", o.score, before[len(before)-1].score)
		}
	}
	if (w.cfg.Policy == PolicyQuick || w.cfg.Policy == PolicyAll) && o != now {
		w.t.Fatalf("%s: sends late", w.cfg.Policy)
	}
}

// finish flushes and checks that nothing is left and that the counts add up.
func (w *world) finish(offers uint64) {
	w.decide(w.selector.Flush(), nil)
	counts := w.selector.Counts()
	sum := counts.Sent
	for _, n := range counts.Rejected {
		sum += n
	}
	if len(w.alive) != 0 || len(w.selector.tracks) != 0 || counts.Offered != offers || sum != offers || counts.Sent != w.sends {
		w.t.Fatalf("%s: after %d offers %d faces are alive, counts %+v", w.cfg.Policy, offers, len(w.alive), counts)
	}
}

// Whatever happens: no face is lost or given out twice, at most one a track is held, nothing below the threshold or behind a
// gate is sent, best and interval never send less than the best they were offered, best sends once.
func TestSelectorKeepsItsPromises(t *testing.T) {
	gates := []Reason{"", "", "", ReasonPose, ReasonEdge}
	for seed := range uint64(400) {
		random := rand.New(rand.NewPCG(seed, 5))
		cfg := policy([]string{PolicyBest, PolicyQuick, PolicyInterval, PolicyAll}[seed%4])
		cfg.MaxWait = time.Duration(random.IntN(3)) * 5 * time.Second
		w := newWorld(t, cfg)
		now, tracks, offers := noon, uint64(1), uint64(0)
		for range 300 {
			now = now.Add(time.Duration(random.IntN(1000)) * time.Millisecond)
			track := 1 + random.Uint64N(tracks)
			switch random.IntN(12) {
			case 0:
				w.decide(w.selector.End(track), nil)
				tracks++ // a number that ended is not used again by trackers, but is here: it must not confuse
				delete(w.sent, track)
				delete(w.rejected, track)
				delete(w.best, track)
			case 1, 2, 3:
				w.decide(w.selector.Tick(now), nil)
			default:
				w.offer(&offered{track, float64(random.IntN(100)), gates[random.IntN(len(gates))], now})
				offers++
			}
		}
		w.finish(offers)
	}
}
