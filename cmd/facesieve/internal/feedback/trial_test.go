package feedback

import (
	"cmp"
	"encoding/csv"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"facesieve/publish/event"
)

// TestTrial runs weeks on real events: the faces of CAMERA.csv in the directory of FACESIEVE_FEEDBACK, which the stage
// feedback of the training tool has written. It writes trial.csv, hour by hour, and table.md there. Another number in
// FACESIEVE_SEED makes other visits.
func TestTrial(t *testing.T) {
	directory := os.Getenv("FACESIEVE_FEEDBACK")
	if directory == "" {
		t.Skip("FACESIEVE_FEEDBACK is not set: give the run's directory of facesieve-train feedback")
	}
	pools := map[string]pool{}
	for _, name := range []string{"good", "dark", "blurred"} {
		pools[name] = readPool(t, filepath.Join(directory, name+".csv"))
	}
	hours := create(t, filepath.Join(directory, "trial.csv"))
	fmt.Fprintln(hours, "trial,visits_a_day,setting,hour,threshold,visits,sent,matched,expected")
	table := create(t, filepath.Join(directory, "table.md"))
	fmt.Fprintln(table, "| trial | visits a day | setting | first move, days | threshold | matched | sent a day | greatest move |")
	fmt.Fprintln(table, "| --- | ---: | --- | ---: | ---: | ---: | ---: | ---: |")
	for _, trial := range trials(pools) {
		for _, setting := range []string{"fixed", "auto"} {
			result := trial.run(t, setting == "auto", func(h hour) {
				fmt.Fprintf(hours, "%s,%g,%s,%d,%g,%d,%d,%d,%.4f\n", trial.name, trial.visits, setting, h.number,
					h.threshold, h.visits, h.sent, h.matched, h.expected)
			})
			fmt.Fprintf(io.MultiWriter(table, os.Stdout), "| %s | %g | %s | %s | %.1f | %.3f | %.0f | %.1f |\n", trial.name,
				trial.visits, setting, result.firstMove, result.threshold, result.matched, result.sent, result.greatest)
		}
	}
}

func create(t *testing.T, path string) *os.File {
	t.Helper()
	f, err := os.Create(path) //nolint:gosec // named by the caller
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	})
	return f
}

// face is one face that the program would send without a threshold.
type face struct {
	score   float64
	matched bool
}

type pool []face

func readPool(t *testing.T, path string) (p pool) {
	t.Helper()
	f, err := os.Open(path) //nolint:gosec // named by the caller
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close() //nolint:errcheck // read only
	rows, err := csv.NewReader(f).ReadAll()
	if err != nil || len(rows) < 2 {
		t.Fatalf("%s: %d rows, %v", path, len(rows), err)
	}
	for _, row := range rows[1:] {
		score, err := strconv.ParseFloat(row[0], 64)
		if err != nil || len(row) != 3 {
			t.Fatalf("%s: %q, %v; a row is score,similarity,matched", path, row, err)
		}
		p = append(p, face{score, row[2] == "1"})
	}
	return p
}

// above returns how many faces reach a threshold, and how many of them are matched, of one visit.
func (p pool) above(threshold float64) (sent, matched float64) {
	for _, f := range p {
		if f.score >= threshold {
			sent++
			if f.matched {
				matched++
			}
		}
	}
	return sent / float64(len(p)), matched / float64(len(p))
}

// stretch is a time during which the share of visits with a bad picture goes from one value to another.
type stretch struct {
	days     int
	from, to float64
}

// scenario is weeks before one camera.
type scenario struct {
	name      string
	good, bad pool
	visits    float64 // a day
	target    float64 // 0: 0.95
	stretches []stretch
	// outcome is what a second recogniser reports about each event, from the day liesAt on; empty: there is none.
	outcome string
	liesAt  int
	// restarts is how often a day the learner is closed and opened again.
	restarts int
}

func trials(pools map[string]pool) (list []scenario) {
	for _, camera := range []string{"good", "dark", "blurred"} {
		for _, visits := range []float64{100, 300, 1000} {
			list = append(list, scenario{name: camera, good: pools[camera], visits: visits, stretches: []stretch{{28, 0, 0}}})
		}
	}
	lamp := []stretch{{14, 0, 0}, {2, 0, 1}, {19, 1, 1}, {2, 1, 0}, {26, 0, 0}}
	return append(list,
		scenario{
			name: "lamp fails", good: pools["good"], bad: pools["dark"], visits: 300, stretches: lamp, target: 0.9,
		},
		scenario{name: "dark restarted", good: pools["dark"], visits: 300, stretches: []stretch{{28, 0, 0}}, restarts: 5},
		scenario{
			name: "good and liar of no_match", good: pools["good"], visits: 300, stretches: []stretch{{42, 0, 0}},
			outcome: event.OutcomeNoMatch, liesAt: 7,
		},
		scenario{
			name: "dark and liar of match", good: pools["dark"], visits: 300, stretches: []stretch{{42, 0, 0}},
			outcome: event.OutcomeMatch, liesAt: 7,
		},
	)
}

// enrolled is the share of the visits by people who are enrolled: reports are about them alone.
const enrolled = 0.6

// hour is what happens in one hour.
type hour struct {
	number                int
	threshold             float64
	visits, sent, matched int
	expected              float64 // share of the sent faces that are matched, over all faces of the pools
}

// result is that of the last week, and of all moves.
type result struct {
	firstMove                string // days
	threshold, matched, sent float64
	greatest                 float64 // move
}

func (s scenario) run(t *testing.T, isAuto bool, each func(hour)) result {
	settings := Settings{}
	if isAuto {
		settings = auto()
		settings.Share = cmp.Or(s.target, settings.Share)
	}
	directory := ""
	if s.restarts > 0 {
		directory = t.TempDir()
	}
	w := newSite(t, directory, settings)
	if seed, err := strconv.ParseUint(os.Getenv("FACESIEVE_SEED"), 10, 64); err == nil {
		w.random = rand.New(rand.NewPCG(5, seed)) //nolint:gosec // visits that can be repeated
	}
	var week []hour
	number, first := 0, ""
	previous := w.threshold()
	for _, stretch := range s.stretches {
		for k := range stretch.days * 24 {
			bad := stretch.from + (stretch.to-stretch.from)*float64(k)/float64(stretch.days*24)
			if s.restarts > 0 && number%(24/s.restarts) == 0 {
				w.learner.Close(w.now)
				w.learner = Open(directory, w.learner.log, w.now)
				w.learner.Configure(network(t), map[string]Settings{"door": settings})
			}
			h := s.hour(w, number, bad)
			each(h)
			if first == "" && h.threshold != previous {
				first = fmt.Sprintf("%.1f", float64(number)/24)
			}
			if week = append(week, h); len(week) > 7*24 {
				week = week[1:]
			}
			number++
		}
	}
	w.learner.Close(w.now)
	return summary(w, week, cmp.Or(first, "none"))
}

// hour lets an hour pass. Most visits are at noon, and none at night.
func (s scenario) hour(w *site, number int, bad float64) hour {
	h := hour{number: number, threshold: w.threshold()}
	sent, matched := s.good.above(h.threshold)
	if s.bad != nil {
		badSent, badMatched := s.bad.above(h.threshold)
		sent, matched = sent*(1-bad)+badSent*bad, matched*(1-bad)+badMatched*bad
	}
	h.expected = matched / sent
	rate := s.visits * math.Pi / 2 / 16 * max(0, math.Sin(math.Pi*float64(number%24-6)/16))
	h.visits = int(rate + w.random.Float64())
	for range h.visits {
		from := s.good
		if w.random.Float64() < bad {
			from = s.bad
		}
		f := from[w.random.IntN(len(from))]
		if f.score < h.threshold {
			w.learner.Rejected("door", f.score)
		} else {
			h.sent++
			if f.matched {
				h.matched++
			}
			s.reports(w, w.send(f.score), f.matched, number)
		}
		w.now = w.now.Add(time.Hour / time.Duration(h.visits+1))
		w.moves = append(w.moves, w.learner.Advance(w.now)...)
	}
	w.now = start.Add(time.Duration(number+1) * time.Hour)
	w.moves = append(w.moves, w.learner.Advance(w.now)...)
	return h
}

func (s scenario) reports(w *site, id string, matched bool, number int) {
	if w.random.Float64() < enrolled {
		w.report(id, honest(matched), recogniser)
	}
	if s.outcome != "" && number >= 24*s.liesAt {
		w.report(id, s.outcome, "liar 1")
	}
}

func (w *site) threshold() float64 {
	if threshold, ok := w.learner.Threshold("door"); ok {
		return threshold
	}
	return 20
}

func summary(w *site, week []hour, firstMove string) result {
	var sent, matched int
	r := result{firstMove: firstMove}
	for _, h := range week {
		sent, matched = sent+h.sent, matched+h.matched
		r.threshold += h.threshold / float64(len(week))
	}
	r.matched, r.sent = float64(matched)/float64(sent), float64(sent)*24/float64(len(week))
	for _, m := range w.moves {
		r.greatest = max(r.greatest, math.Abs(m.To-m.From))
	}
	return r
}
