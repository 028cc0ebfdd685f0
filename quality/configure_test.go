package quality

import (
	"testing"
	"time"
)

// After another configuration nobody is sent twice, what is held keeps its deadline, and new faces are judged anew.
func TestConfigureKeepsVisits(t *testing.T) {
	cfg := Default()
	cfg.Policy, cfg.Threshold, cfg.MaxWait = PolicyBest, 30, time.Second
	s, err := NewSelector[string](cfg, nil)
	if err != nil {
		t.Fatal(err)
	}
	offer := func(track uint64, second, score float64) (Reason, int) {
		reason, decisions := s.Offer(track, noon.Add(time.Duration(second*float64(time.Second))), score, "", func() string { return "" })
		return reason, len(decisions)
	}
	offer(1, 0, 50)
	if sent := s.Tick(noon.Add(2 * time.Second)); len(sent) != 1 || !sent[0].Send {
		t.Fatalf("decisions %+v", sent)
	}
	offer(2, 2, 40)
	offer(3, 2, 20)
	cfg.Threshold, cfg.MaxWait = 10, time.Minute
	if err := s.Configure(cfg); err != nil {
		t.Fatal(err)
	}
	if reason, n := offer(1, 2.5, 90); reason != ReasonDuplicate || n != 0 {
		t.Errorf("the visit that was sent: %q and %d decisions", reason, n)
	}
	if reason, _ := offer(3, 2.5, 20); reason != "" {
		t.Errorf("a face above the new threshold: %q", reason)
	}
	if sent := s.Tick(noon.Add(3 * time.Second)); len(sent) != 1 || sent[0].Track != 2 {
		t.Errorf("at the deadline of before: %+v", sent)
	}
	if err := s.Configure(Config{}); err == nil {
		t.Error("a configuration without a policy was taken")
	}
}
