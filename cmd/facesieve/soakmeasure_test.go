//go:build matprofile

package main

import (
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"testing"
	"text/tabwriter"
	"time"

	"gocv.io/x/gocv"
)

// sample is what the process holds: the minimum of three seconds.
type sample struct {
	name                    string
	resident, heap          int // MiB: all memory, and Go's heap
	files, goroutines, mats int
}

func (s *soak) sample(name string) sample {
	least := sample{name: name, resident: 1 << 30, heap: 1 << 30, files: 1 << 30, goroutines: 1 << 30, mats: 1 << 30}
	for range 30 {
		time.Sleep(100 * time.Millisecond)
		debug.FreeOSMemory()
		entries, err := os.ReadDir("/proc/self/fd")
		if err != nil {
			s.t.Fatal(err)
		}
		var memory runtime.MemStats
		runtime.ReadMemStats(&memory)
		least.resident = min(least.resident, s.residentMiB())
		least.heap = min(least.heap, int(memory.HeapAlloc>>20))
		least.files = min(least.files, len(entries))
		least.goroutines = min(least.goroutines, runtime.NumGoroutine())
		least.mats = min(least.mats, gocv.MatProfile.Count())
	}
	s.print("%s: %d MiB (%d of Go), %d files, %d goroutines, %d Mats", name, least.resident, least.heap, least.files,
		least.goroutines, least.mats)
	return least
}

// residentMiB returns the resident memory of this process: the daemon, and the broker and the camera of the soak.
func (s *soak) residentMiB() int {
	text, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		s.t.Fatal(err)
	}
	var size, resident int
	if _, err := fmt.Sscan(string(text), &size, &resident); err != nil {
		s.t.Fatal(err)
	}
	return resident * os.Getpagesize() >> 20
}

// The tolerances. Memory may grow by a tenth and 8 MiB, because allocators keep memory; in a short soak, which is not
// warmed up, by a quarter and 8 MiB. The other counts may grow by two, for a connection that is being opened.
const (
	slackMiB   = 8
	slackCount = 2
)

// growth describes what has grown from the first sample to the last beyond the tolerance.
func growth(samples []sample) (all []string) {
	first, last := samples[0], samples[len(samples)-1]
	check := func(what string, from, to, most int) {
		if to > most {
			all = append(all, fmt.Sprintf("%s grew from %d to %d, at most %d is allowed", what, from, to, most))
		}
	}
	share := 10
	if short() {
		share = 4
	}
	check("memory (MiB)", first.resident, last.resident, first.resident+first.resident/share+slackMiB)
	check("open files", first.files, last.files, first.files+slackCount)
	check("goroutines", first.goroutines, last.goroutines, first.goroutines+slackCount)
	check("Mats", first.mats, last.mats, first.mats+slackCount)
	return all
}

// growth names everything beyond its tolerance, and nothing else.
func TestSoakReportsGrowth(t *testing.T) {
	first := sample{resident: 200, files: 30, goroutines: 40, mats: 20}
	if got := growth([]sample{first, {}, {resident: 210, files: 31, goroutines: 40, mats: 22}}); len(got) != 0 {
		t.Error(got)
	}
	got := growth([]sample{first, {}, {resident: 259, files: 33, goroutines: 43, mats: 23}})
	if len(got) != 4 || got[3] != "Mats grew from 20 to 23, at most 22 is allowed" {
		t.Error(got)
	}
}

func table(samples []sample) string {
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "\tmemory MiB\tof Go\topen files\tgoroutines\tMats\t")
	for _, s := range samples {
		fmt.Fprintf(w, "%s\t%d\t%d\t%d\t%d\t%d\t\n", s.name, s.resident, s.heap, s.files, s.goroutines, s.mats)
	}
	_ = w.Flush()
	return b.String()
}

// outages are the results of each fault.
type outages struct {
	order []string
	of    map[string]*outage
	since uint64 // events that the present daemon had dropped at the last call of dropped
}

type outage struct {
	recovery []time.Duration
	dropped  uint64 // by a full outbox
}

func newOutages() *outages { return &outages{of: map[string]*outage{}} }

func (o *outages) get(fault string) *outage {
	if o.of[fault] == nil {
		o.of[fault] = &outage{}
		o.order = append(o.order, fault)
	}
	return o.of[fault]
}

func (o *outages) recovered(fault string, took time.Duration) {
	o.get(fault).recovery = append(o.get(fault).recovery, took)
}

// dropped adds the events that the daemon has dropped since the last call. sum is their number since its start.
func (o *outages) dropped(fault string, sum uint64) {
	o.get(fault).dropped += sum - o.since
	o.since = sum
}

func (o *outages) allDropped() (sum uint64) {
	for _, one := range o.of {
		sum += one.dropped
	}
	return sum
}

// report returns the table of faults. A lost event fails the test.
func (s *soak) report() string {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "times\taccepted\tdelivered\tdropped\tlost\trepeated\trecovery, median\tlongest\t fault")
	var all [5]int
	for _, fault := range s.outages.order {
		row := s.row(fault)
		for i, n := range row {
			all[i] += n
		}
		took := slices.Sorted(slices.Values(s.outages.of[fault].recovery))
		median, longest := "", ""
		if len(took) > 0 {
			median, longest = took[len(took)/2].Round(10*time.Millisecond).String(),
				took[len(took)-1].Round(10*time.Millisecond).String()
		}
		fmt.Fprintf(w, "%d\t%d\t%d\t%d\t%d\t%d\t%s\t%s\t %s\n", len(took), row[0], row[1], row[2], row[3], row[4], median,
			longest, fault)
	}
	fmt.Fprintf(w, "\t%d\t%d\t%d\t%d\t%d\t\t\t all\n", all[0], all[1], all[2], all[3], all[4])
	_ = w.Flush()
	if lost := all[0] - all[1] - all[2]; lost > 0 {
		s.t.Errorf("%d events were lost", lost)
	}
	return b.String()
}

// row returns the numbers of events that were accepted during a fault, and of these the numbers that were delivered,
// dropped by a full outbox, lost, and delivered more than once. The outbox may drop an event that the broker has
// received and not yet acknowledged. Such an event counts as delivered and as dropped.
func (s *soak) row(fault string) (row [5]int) {
	for id, when := range s.accepted {
		if when != fault {
			continue
		}
		row[0]++
		n := s.broker.received(id)
		row[1] += min(n, 1)
		row[4] += max(n-1, 0)
	}
	row[2] = int(s.outages.of[fault].dropped)
	row[3] = max(0, row[0]-row[1]-row[2])
	return row
}
