package quality

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"
)

var noon = time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)

// play runs a script of calls of a selector, one a line, each with its time in seconds:
//
//	1.5 offer TRACK SCORE [REASON]   2 end TRACK   3 tick   4 flush
//
// It returns a line for each decision: "1.5: send TRACK SCORE from SECOND" or "2: reject TRACK SCORE REASON".
func play(t *testing.T, cfg Config, script string) string {
	t.Helper()
	selector, err := newSelector[string](cfg)
	if err != nil {
		t.Fatal(err)
	}
	kept, delivered := 0, 0
	var out []string
	for line := range strings.Lines(strings.TrimSpace(script)) {
		var second, score float64
		var verb string
		var track uint64
		var reason Reason
		if n, _ := fmt.Sscan(line, &second, &verb, &track, &score, &reason); n < 2 {
			t.Fatalf("line %q", line)
		}
		now := noon.Add(time.Duration(second * float64(time.Second)))
		var decisions []Decision[string]
		switch verb {
		case "offer":
			_, decisions = selector.offer(track, OfferedFace{Time: now, Score: score, Reason: reason}, func() string {
				kept++
				return fmt.Sprintf("%d/%g", track, score)
			})
		case "end":
			decisions, _ = selector.end(track)
		case "tick":
			decisions = selector.tick(now)
		case "flush":
			for _, visit := range slices.Sorted(maps.Keys(selector.visits)) {
				ended, _ := selector.end(visit)
				decisions = append(decisions, ended...)
			}
		}
		for _, d := range decisions {
			delivered++
			if d.Face != fmt.Sprintf("%d/%g", d.number, d.Score) {
				t.Errorf("decision %+v has the face of another track", d)
			}
			what := fmt.Sprintf("%g: reject %d %g %s", second, d.number, d.Score, d.Reason)
			if d.Send {
				what = fmt.Sprintf("%g: send %d %g from %g", second, d.number, d.Score, d.Time.Sub(noon).Seconds())
			}
			out = append(out, what)
		}
	}
	held := 0
	for _, v := range selector.visits {
		if v.held != nil {
			held++
		}
	}
	if held > kept-delivered {
		t.Errorf("%d faces are held, %d were kept and not delivered", held, kept-delivered)
	}
	return strings.Join(out, "\n")
}

func policy(name string) Config {
	cfg := Default()
	cfg.Policy, cfg.Threshold, cfg.QuickGain = name, 40, 15
	cfg.MaxWait, cfg.Interval = 10*time.Second, 5*time.Second
	return cfg
}

func TestPolicies(t *testing.T) {
	patient := policy(PolicyBest)
	patient.MaxWait = 0
	for _, c := range []struct {
		name   string
		cfg    Config
		script string
		want   string
	}{
		{"best: one at the end", policy(PolicyBest), `
			0 offer 1 50
			1 offer 1 80
			2 offer 1 70
			3 end 1`, "3: send 1 80 from 1"},
		{"best: the first of equals", policy(PolicyBest), `
			0 offer 1 50
			1 offer 1 50
			2 end 1`, "2: send 1 50 from 0"},
		{"best: after max_wait, counted from the first that may be sent", policy(PolicyBest), `
			0 offer 1 30
			5 offer 1 50
			9 offer 1 60
			14.9 tick
			15 tick
			16 offer 1 99
			17 end 1`, "15: send 1 60 from 9"},
		{"best: a late face does not replace the one that is due", policy(PolicyBest), `
			0 offer 1 50
			10 offer 1 99
			11 end 1`, "10: send 1 50 from 0"},
		{"best: max_wait 0 waits for the end", patient, `
			0 offer 1 50
			3600 tick
			3601 offer 1 60
			3602 end 1`, "3602: send 1 60 from 3601"},
		{"best: tracks are separate, and due in the order of their numbers", policy(PolicyBest), `
			0 offer 9 50
			0 offer 3 60
			1 offer 5 70
			10 tick
			11 flush`, "10: send 3 60 from 0\n10: send 9 50 from 0\n11: send 5 70 from 1"},
		{"best: a track is rejected once, with the reason of its best face", policy(PolicyBest), `
			0 offer 1 10 too_small
			1 offer 1 35
			2 offer 1 30 pose
			3 end 1`, "3: reject 1 35 low_quality"},
		{"best: a gated face is not sent, whatever its score", policy(PolicyBest), `
			0 offer 1 90 pose
			1 offer 1 41
			2 offer 1 95 edge
			3 end 1`, "3: send 1 41 from 1"},
		{"best: flush sends and rejects", policy(PolicyBest), `
			0 offer 2 30
			0 offer 1 50
			1 flush
			2 flush`, "1: send 1 50 from 0\n1: reject 2 30 low_quality"},
		{"an unknown track ends without a decision", policy(PolicyBest), "0 end 7", ""},
		{"a score equal to the threshold is accepted, one below it and NaN are not", policy(PolicyBest), `
			0 offer 1 40
			0 offer 2 39.999
			0 offer 3 NaN
			1 end 1
			1 end 2`, "1: send 1 40 from 0\n1: reject 2 39.999 low_quality"},

		{"quick: at once, again only if clearly better", policy(PolicyQuick), `
			0 offer 1 30
			1 offer 1 50
			2 offer 1 64.9
			3 offer 1 65
			4 offer 1 79
			5 offer 1 80 edge
			6 end 1`, "1: send 1 50 from 1\n3: send 1 65 from 3"},
		{"quick: rejected at the end", policy(PolicyQuick), `
			0 offer 1 39
			1 offer 1 60 too_blurred
			2 end 1`, "2: reject 1 60 too_blurred"},

		{"interval: the best of each", policy(PolicyInterval), `
			0 offer 1 50
			1 offer 1 70
			4 offer 1 60
			5 tick
			8 offer 1 45
			9 offer 1 20
			13 tick
			20 end 1`, "5: send 1 70 from 1\n13: send 1 45 from 8"},
		{"interval: the next begins with the first face after it", policy(PolicyInterval), `
			0 offer 1 50
			7 offer 1 60
			11 offer 1 55
			12 tick
			13 offer 1 90
			14 end 1`, "7: send 1 50 from 0\n12: send 1 60 from 7\n14: send 1 90 from 13"},
		{"interval: rejected only if none was sent", policy(PolicyInterval), `
			0 offer 1 50
			5 tick
			6 offer 1 10
			7 end 1
			7 offer 2 10
			8 end 2`, "5: send 1 50 from 0\n8: reject 2 10 low_quality"},

		{"all: every face above the threshold", policy(PolicyAll), `
			0 offer 1 50
			1 offer 1 45
			2 offer 1 39
			3 offer 1 90 pose
			4 offer 1 45
			5 end 1`, "0: send 1 50 from 0\n1: send 1 45 from 1\n4: send 1 45 from 4"},
		{"all: rejected once at the end", policy(PolicyAll), `
			0 offer 1 20
			1 offer 1 25
			2 end 1`, "2: reject 1 25 low_quality"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := play(t, c.cfg, c.script); got != c.want {
				t.Errorf("got:\n%s\nexpected:\n%s", got, c.want)
			}
		})
	}
}

func TestOfferReturnsTheReason(t *testing.T) {
	for name, want := range map[string][]Reason{
		//                scores 30, 50, 60, 60, 70 with gate "edge", 70
		PolicyBest:     {ReasonLowQuality, "", "", ReasonDuplicate, ReasonEdge, ""},
		PolicyQuick:    {ReasonLowQuality, "", ReasonDuplicate, ReasonDuplicate, ReasonEdge, ""},
		PolicyInterval: {ReasonLowQuality, "", "", ReasonDuplicate, ReasonEdge, ""},
		PolicyAll:      {ReasonLowQuality, "", "", "", ReasonEdge, ""},
	} {
		selector, err := newSelector[int](policy(name))
		if err != nil {
			t.Fatal(err)
		}
		var got []Reason
		for i, score := range []float64{30, 50, 60, 60, 70, 70} {
			var gate Reason
			if i == 4 {
				gate = ReasonEdge
			}
			reason, _ := selector.offer(1, OfferedFace{Time: noon, Score: score, Reason: gate}, func() int { return i })
			got = append(got, reason)
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: %q, expected %q", name, got, want)
		}
	}
}

func TestNewSelectorRefusesBadConfig(t *testing.T) {
	cfg := Default()
	cfg.Policy = "both"
	if _, err := newSelector[int](cfg); err == nil || !strings.Contains(err.Error(), "policy") {
		t.Errorf("error %v", err)
	}
}

// After Configure nobody is sent twice, held faces keep their deadline, and new faces are decided by the new
// configuration.
func TestConfigureKeepsTheStateOfTracks(t *testing.T) {
	cfg := Default()
	cfg.Policy, cfg.Threshold, cfg.MaxWait = PolicyBest, 30, time.Second
	s, err := newSelector[string](cfg)
	if err != nil {
		t.Fatal(err)
	}
	offer := func(track uint64, second, score float64) (Reason, int) {
		at := noon.Add(time.Duration(second * float64(time.Second)))
		reason, decisions := s.offer(track, OfferedFace{Time: at, Score: score}, func() string { return "" })
		return reason, len(decisions)
	}
	offer(1, 0, 50)
	if sent := s.tick(noon.Add(2 * time.Second)); len(sent) != 1 || !sent[0].Send {
		t.Fatalf("decisions %+v", sent)
	}
	offer(2, 2, 40)
	offer(3, 2, 20)
	cfg.Threshold, cfg.MaxWait = 10, time.Minute
	if err := s.configure(cfg); err != nil {
		t.Fatal(err)
	}
	if reason, n := offer(1, 2.5, 90); reason != ReasonDuplicate || n != 0 {
		t.Errorf("a track that was sent: %q and %d decisions", reason, n)
	}
	if reason, _ := offer(3, 2.5, 20); reason != "" {
		t.Errorf("a face above the new threshold: %q", reason)
	}
	if sent := s.tick(noon.Add(3 * time.Second)); len(sent) != 1 || sent[0].number != 2 {
		t.Errorf("at the former deadline: %+v", sent)
	}
	if err := s.configure(Config{}); err == nil {
		t.Error("a configuration without a policy is accepted")
	}
}
