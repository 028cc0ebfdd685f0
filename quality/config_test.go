package quality

import (
	"math"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v4"
)

func TestDefaultIsValid(t *testing.T) {
	if err := Default().Validate(); err != nil {
		t.Error(err)
	}
}

func TestValidateNamesEveryFault(t *testing.T) {
	err := Config{
		Policy: "fastest", Threshold: 120, Target: 1, Auto: Bounds{40, 30}, MaxWait: -time.Second, QuickGain: -1,
		Visit: VisitConfig{Rejoin: 2 * time.Hour, Static: time.Second},
		Gates: Gates{
			MinEyeDistance: -1, MinSharpness: 101, MaxYaw: 91, MaxPitch: -5, MaxRoll: 200,
			MaxResidual: math.NaN(), EdgeMargin: 2,
		},
	}.Validate()
	if err == nil {
		t.Fatal("nothing is wrong")
	}
	want := []string{
		`policy: "fastest" is not one of best, quick, interval, all`,
		`max_wait: -1s is negative; 0 waits for the end of the visit`,
		`interval: 0s is no interval; give the time between two faces, such as 5s`,
		`visit.rejoin: 2h0m0s is outside 0s..1h`,
		`visit.static: 1s is outside 10s..24h; 0 reports no face as static`,
		`auto: [40, 30] are no bounds of a score; give two scores from 0 to 100, the lower one first`,
		`threshold: 120 is outside 0..100 (a score; 0 sends every face); it may also be auto`,
		`target: 1 is outside 0.5..0.999 (the share of the sent faces that recognisers shall match)`,
		`quick_gain: -1 is outside 0..100 points of score`,
		`gates.edge_margin: 2 is outside -1..1, a share of the box (-1 takes all, 0 must not touch the border)`,
		`gates.min_eye_distance: -1 is outside 0..1000 pixels of the frame (0 takes all)`,
		`gates.max_yaw: 91 is outside 0..90 degrees (90 takes all)`,
		`gates.max_pitch: -5 is outside 0..90 degrees (90 takes all)`,
		`gates.max_roll: 200 is outside 0..180 degrees (180 takes all)`,
		`gates.max_residual: NaN is outside 0..112 pixels of the aligned face (112 takes all)`,
		`gates.min_sharpness: 101 is outside 0..100 (the Sharpness component; 0 takes all)`,
	}
	if got := strings.Split(err.Error(), "\n"); strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("faults:\n%s\nexpected:\n%s", err, strings.Join(want, "\n"))
	}
}

func TestConfigKeys(t *testing.T) {
	got := Default()
	decoder := yaml.NewDecoder(strings.NewReader(`
policy: quick
threshold: 55.5
target: 0.9
auto: [12, 34]
max_wait: 1m30s
interval: 250ms
quick_gain: 5
visit: {rejoin: 2m, across: true, static: 1h}
gates:
  {min_eye_distance: 20, min_sharpness: 1, max_yaw: 30, max_pitch: 20, max_roll: 10, max_residual: 8, edge_margin: 0.1}
`))
	decoder.KnownFields(true)
	if err := decoder.Decode(&got); err != nil {
		t.Fatal(err)
	}
	want := Config{
		Policy: PolicyQuick, Threshold: 55.5, Target: 0.9, Auto: Bounds{12, 34}, MaxWait: 90 * time.Second, Interval: 250 * time.Millisecond, QuickGain: 5,
		Visit: VisitConfig{Rejoin: 2 * time.Minute, Across: true, Static: time.Hour},
		Gates: Gates{
			MinEyeDistance: 20, MinSharpness: 1, MaxYaw: 30, MaxPitch: 20, MaxRoll: 10, MaxResidual: 8, EdgeMargin: 0.1,
		},
	}
	if got != want {
		t.Errorf("%+v, expected %+v", got, want)
	}
}
