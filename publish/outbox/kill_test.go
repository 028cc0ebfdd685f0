package outbox

import (
	"bufio"
	"encoding/json"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"
)

// killed is an environment variable with two configurations: the process that is killed opens the first and moves to
// the second.
const killed = "FACESIEVE_TEST_MOVE"

// TestKilledWhileItMoves kills a process at random times while its outbox moves. The next run has every event, and the
// old directory has none.
func TestKilledWhileItMoves(t *testing.T) {
	if text := os.Getenv(killed); text != "" {
		moveAndWait(t, text)
		return
	}
	const events = 150
	random := rand.New(rand.NewPCG(7, 9)) //nolint:gosec // the same every time
	duplicates, midway := 0, 0
	for range 8 {
		from := moveConfig(t)
		to := from
		to.Dir = filepath.Join(t.TempDir(), "to")
		q := mustOpen(t, from, quick())
		for n := range events {
			q.mu.Lock() // without a commit for each
			q.diskFailing = true
			q.mu.Unlock()
			_ = q.Add(Event{Camera: "door", Score: 50, Data: append(text("door", n), make([]byte, 20_000)...)})
		}
		eventually(t, "written", func() bool { return q.Stats().Accepted == events })
		mustClose(t, q)
		kill(t, []Config{from, to}, time.Duration(random.IntN(30))*time.Millisecond)
		if hasOutbox(from.Dir) && hasOutbox(to.Dir) {
			midway++
		}
		q = mustOpen(t, to, quick())
		got := drained(t, q)
		duplicates += len(got)
		if got = slices.Compact(got); len(got) != events {
			t.Fatalf("%d of %d events", len(got), events)
		}
		duplicates -= len(got)
		eventually(t, "the old file gone", func() bool { return !hasOutbox(from.Dir) })
		mustClose(t, q)
	}
	t.Logf("killed 8 times, %d in the middle: 0 of %d events lost, %d sent twice", midway, 8*events, duplicates)
}

// drained takes all events out of an outbox, and returns them as "camera n", sorted.
func drained(t *testing.T, q *Queue) (names []string) {
	t.Helper()
	q.Connect()
	eventually(t, "everything out", func() bool {
		for {
			item, _, ok := q.Next(false)
			if !ok {
				return q.Stats().Queued == 0
			}
			names = append(names, strings.Join(strings.Fields(string(item.Data[:20]))[:2], " "))
			q.Done(item.Key)
		}
	})
	slices.Sort(names)
	return names
}

// kill starts the process, and kills it some time after the outbox has begun to move.
func kill(t *testing.T, configs []Config, after time.Duration) {
	t.Helper()
	text, err := json.Marshal(configs)
	if err != nil {
		t.Fatal(err)
	}
	command := exec.Command(os.Args[0], "-test.run=^TestKilledWhileItMoves$")
	command.Env = append(os.Environ(), killed+"="+string(text))
	out, err := command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil || line != "moving\n" {
		t.Errorf("%q %v", line, err)
	}
	time.Sleep(after)
	if err := command.Process.Kill(); err != nil {
		t.Error(err)
	}
	_, _ = io.Copy(io.Discard, out)
	_ = command.Wait()
}

func moveAndWait(t *testing.T, text string) {
	var configs []Config
	if err := json.Unmarshal([]byte(text), &configs); err != nil {
		t.Fatal(err)
	}
	q, err := open(configs[0], zerolog.Nop(), quick())
	if err != nil {
		t.Fatal(err)
	}
	_, _ = os.Stdout.WriteString("moving\n")
	if err := q.Reconfigure(configs[1]); err != nil {
		t.Fatal(err)
	}
	time.Sleep(long)
}
