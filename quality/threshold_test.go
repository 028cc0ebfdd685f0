package quality

import (
	"encoding/json"
	"testing"

	"go.yaml.in/yaml/v4"
)

func TestThresholdAsText(t *testing.T) {
	for text, want := range map[string]Threshold{"20": 20, "0.5": 0.5, "auto": Auto} {
		var got Threshold
		if err := got.UnmarshalText([]byte(text)); err != nil || got != want {
			t.Errorf("%s: %v %v", text, got, err)
		}
		asYAML, err := yaml.Marshal(want)
		if err != nil || string(asYAML) != text+"\n" {
			t.Errorf("%v: %q %v", want, asYAML, err)
		}
		asJSON, err := json.Marshal(want)
		var back Threshold
		if err != nil || json.Unmarshal(asJSON, &back) != nil || back != want {
			t.Errorf("%v: %s %v %v", want, asJSON, back, err)
		}
	}
	var got Threshold
	for _, text := range []string{"Auto", "", "high"} {
		if err := got.UnmarshalText([]byte(text)); err == nil {
			t.Errorf("%q is accepted", text)
		}
	}
	for _, text := range []string{`["auto"]`, `"30"`, `"Auto"`, `true`} {
		if err := json.Unmarshal([]byte(text), &got); err == nil {
			t.Errorf("%s is accepted", text)
		}
	}
}

// The first threshold of auto is the default within the bounds.
func TestLeastScore(t *testing.T) {
	for bounds, want := range map[Bounds]float64{{10, 50}: 20, {30, 50}: 30, {0, 15}: 15} {
		if got := (Config{Threshold: Auto, Auto: bounds}).LeastScore(); got != want {
			t.Errorf("%v: %v, not %v", bounds, got, want)
		}
	}
	if got := (Config{Threshold: 33}).LeastScore(); got != 33 {
		t.Error(got)
	}
}
