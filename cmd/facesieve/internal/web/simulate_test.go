package web

import (
	"encoding/json"
	"fmt"
	"image"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/chromedp/chromedp"
	esbuild "github.com/evanw/esbuild/pkg/api"
	"github.com/rs/zerolog"

	"facesieve/capture"
	"facesieve/cmd/facesieve/internal/config"
	"facesieve/cmd/facesieve/internal/pipeline"
	"facesieve/cmd/facesieve/internal/testsupport"
	"facesieve/quality"
)

// openSimulation starts a browser with the functions of simulate.ts in the object simulate.
func openSimulation(t *testing.T) *browser {
	t.Helper()
	built := esbuild.Build(esbuild.BuildOptions{
		EntryPoints: []string{"ui/src/simulate.ts"}, Bundle: true, Format: esbuild.FormatIIFE, GlobalName: "simulate",
		Target: esbuild.ES2022, LogLevel: esbuild.LogLevelSilent,
	})
	if len(built.Errors) > 0 {
		t.Fatal(built.Errors)
	}
	b := openBrowser(t)
	b.run(chromedp.Navigate("about:blank"))
	evaluate[any](b, string(built.OutputFiles[0].Contents)+"; window.simulate = simulate; 0")
	return b
}

// call returns the result of a JavaScript function of one argument.
func call[T any](b *browser, function string, argument any) T {
	b.t.Helper()
	text, err := json.Marshal(argument)
	testsupport.Must(b.t, err)
	return evaluate[T](b, fmt.Sprintf("(%s)(%s)", function, text))
}

// A measure compares with a limit of three decimals as its thousandths do, also where it is the limit.
func TestThousandths(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for _, gate := range calibrationGates(quality.Gates{}) {
		for range 20_000 {
			limit := float64(random.IntN(4000)-2000) / 1000
			measured := limit
			switch random.IntN(4) {
			case 0:
				measured = math.Nextafter(limit, math.Inf(random.IntN(3)-1))
			case 1:
				measured = 4*random.Float64() - 2
			case 2:
				measured = float64(random.IntN(4000)-2000) / 1000
			}
			passes, stored := measured >= limit, thousandths(gate.Key, measured)
			got := stored >= int32(math.Round(limit*1000))
			switch {
			case gate.AtMost:
				passes = math.Abs(measured) <= limit
				got = stored <= int32(math.Round(limit*1000))
			case gate.Key == "gates.edge_margin":
				passes = measured > limit
			}
			if got != passes {
				t.Fatalf("%s: %v against %v is stored as %d", gate.Key, measured, limit, stored)
			}
		}
	}
}

// The gates of the simulation rule a face out for the reason of quality.Gates, whatever its measures and the limits.
func TestSimulatedGates(t *testing.T) {
	t.Parallel()
	b := openSimulation(t)
	random := rand.New(rand.NewPCG(3, 4))
	type one struct {
		Measures CalibrationFace `json:"measures"`
		Limits   []float64       `json:"limits"`
	}
	var all []one
	var want []string
	counts := map[string]int{}
	for range 4000 {
		face, gates := randomFace(random), randomGates(random)
		reason := ""
		if misses := gates.Misses(image.Pt(face.Width, face.Height), face.Judgement.Face.Box, face.Judgement.Assessment); len(misses) > 0 {
			reason = string(misses[0].Reason)
		}
		counts[reason]++
		want = append(want, reason)
		row := point{measures: measuresOf(face)}.calibration(start, 0)
		all = append(all, one{row[4:], calibrationSettings(config.Camera{Quality: quality.Config{Gates: gates}}).Gates})
	}
	got := call[[]string](b, `({all, gates}) => all.map(({measures, limits}) =>
		gates[simulate.missed(measures, limits, gates)]?.reason ?? "")`,
		map[string]any{"all": all, "gates": calibrationGates(quality.Gates{})})
	for i := range want {
		if got[i] != want[i] {
			t.Fatalf("%v with limits %v: %q, want %q", all[i].Measures, all[i].Limits, got[i], want[i])
		}
	}
	for _, reason := range []string{"", "edge", "too_small", "pose", "too_blurred"} {
		if counts[reason] < 100 {
			t.Errorf("%d faces with reason %q: the test shows nothing", counts[reason], reason)
		}
	}
}

// randomFace returns a face with measures around those of randomGates; some are not assessed or no numbers.
func randomFace(random *rand.Rand) *pipeline.Candidate {
	a := quality.NewAssessor().Unassessed()
	for i := range a.Components {
		m := &a.Components[i]
		if random.IntN(8) == 0 {
			continue
		}
		m.Value = float64(random.IntN(40))
		m.Native = float64(random.IntN(2000)-1000) / 10
		if m.Name == quality.InterEyeDistance {
			m.Native = math.Abs(m.Native)
		}
		if random.IntN(50) == 0 {
			m.Native, m.Value = math.NaN(), math.NaN()
		}
	}
	a.Residual = 20 * random.Float64()
	c := newFace("gate", "a", 1, 0, -1)
	c.Judgement.Assessment = a
	c.Judgement.Face.Box = [4]float32{float32(random.IntN(30) - 5), 100, 100, float32(80 + random.IntN(40))}
	if random.IntN(10) == 0 { // far outside the frame
		c.Judgement.Face.Box[0] = -150
	}
	if random.IntN(2) == 0 {
		c.Judgement.Assessment.Bounds = [4]float32{float32(random.IntN(30) - 5), 110, 80, 90}
	}
	return c
}

// randomGates returns limits with at most three decimals, each of which accepts every face in some of the cases.
func randomGates(random *rand.Rand) quality.Gates {
	pick := func(open float64, limit float64) float64 {
		if random.IntN(3) == 0 {
			return open
		}
		return limit
	}
	return quality.Gates{
		EdgeMargin: pick(-1, float64(random.IntN(500)-250)/1000), MinEyeDistance: pick(0, float64(random.IntN(40))),
		MaxYaw: pick(90, float64(random.IntN(90))), MaxPitch: pick(90, float64(random.IntN(900))/10),
		MaxRoll: pick(180, float64(random.IntN(180))), MaxResidual: pick(112, float64(random.IntN(20_000))/1000),
		MinSharpness: pick(0, float64(random.IntN(30))),
	}
}

// The simulation of real recordings sends the visits that the pipeline sent with the settings in force, and for other
// settings as many as the pipeline sends with those.
func TestSimulationOfRecordings(t *testing.T) {
	t.Parallel()
	b := openSimulation(t)
	networks, err := pipeline.OpenNetworks(config.Default(), config.Default().NewCamera())
	testsupport.Must(t, err)
	usual, strict := config.Default().NewCamera(), config.Default().NewCamera()
	strict.Quality.Threshold, strict.Quality.Gates.MinEyeDistance, strict.Quality.Gates.MaxYaw = 55, 25, 30
	states := map[string]int{}
	for _, name := range []string{"corridor.mp4", "cuts_2.mp4", "street_exit.mp4"} {
		run := func(camera config.Camera) Calibration {
			camera.Name = name
			recorder := newTestRecorder(t)
			record(t, networks, camera, testsupport.SharedVideo(t, name), recorder)
			return recorder.Calibration(camera, networks.Manifests())
		}
		measured, expected := run(usual), run(strict)
		for _, data := range []Calibration{measured, expected} {
			for i, sent := range simulatedSent(b, data, data.Settings) {
				visit := data.Visits[i]
				if sent != (visit.State == stateSent) {
					t.Errorf("%s, threshold %g, visit %d with %d faces: sent %v, but it was %s %s", name, data.Settings.Threshold,
						visit.Number, len(visit.Faces), sent, visit.State, visit.Reason)
				}
				states[visit.State]++
			}
		}
		sent := 0
		for _, yes := range simulatedSent(b, measured, expected.Settings) {
			if yes {
				sent++
			}
		}
		if want := countSent(expected); sent != want {
			t.Errorf("%s: %d visits would be sent with other settings, and %d are", name, sent, want)
		}
	}
	if states[stateSent] < 10 || states[stateRejected] < 10 || states[stateOpen] > 0 {
		t.Errorf("%v: the test shows little", states)
	}
}

// simulatedSent returns which visits settings send.
func simulatedSent(b *browser, data Calibration, settings CalibrationSettings) []bool {
	b.t.Helper()
	return call[[]bool](b, `({data, settings}) => data.visits.map(visit =>
		simulate.outcome(simulate.facesOf(visit), visit, settings, data).sent)`,
		map[string]any{"data": data, "settings": settings})
}

func countSent(data Calibration) (count int) {
	for _, visit := range data.Visits {
		if visit.State == stateSent {
			count++
		}
	}
	return count
}

// record takes a recording through a pipeline whose observer is the recorder.
func record(t *testing.T, networks pipeline.Networks, camera config.Camera, video string, recorder *Recorder) {
	t.Helper()
	camera.Capture.URL, camera.Capture.Pace = video, capture.Fast
	engine, err := pipeline.OpenEngine(networks, config.Default(), camera, zerolog.Nop())
	testsupport.Must(t, err)
	p, err := pipeline.New(camera, engine, pipeline.Options{Sink: noSink{}, Observers: []pipeline.Observer{recorder}}, zerolog.Nop())
	testsupport.Must(t, err)
	source, err := pipeline.OpenSource(camera, zerolog.Nop())
	testsupport.Must(t, err)
	testsupport.Must(t, p.Run(t.Context(), source), source.Close(), p.Close())
}

// noSink receives decisions that the recorder has seen already.
type noSink struct{}

func (noSink) Face(*pipeline.Candidate) error                     { return nil }
func (noSink) Rejected(*pipeline.Candidate, quality.Reason) error { return nil }
