package outbox

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// long is the maximum wait for what must happen. Tests end earlier.
const long = 40 * time.Second

func inMemory() Config {
	cfg := Default()
	cfg.Store = Memory
	return cfg
}

func onDisk(t *testing.T) Config {
	cfg := Default()
	cfg.Dir = t.TempDir()
	return cfg
}

// quick returns short durations.
func quick() timing {
	t := defaultTiming()
	t.end, t.save, t.tidy, t.open = long, long, 5*time.Millisecond, 50*time.Millisecond
	return t
}

func testLog(t *testing.T) zerolog.Logger {
	return zerolog.New(zerolog.NewTestWriter(t)).Level(zerolog.InfoLevel)
}

func mustOpen(t *testing.T, cfg Config, tm timing) *Queue {
	t.Helper()
	q, err := open(cfg, testLog(t), tm)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = q.Close() }) // the error does not matter: a test may leave events
	return q
}

func mustClose(t *testing.T, q *Queue) {
	t.Helper()
	if err := q.Close(); err != nil {
		t.Fatal(err)
	}
}

// text returns data that identifies an event.
func text(camera string, n int) []byte {
	return []byte(fmt.Sprintf("%s %d %s", camera, n, strings.Repeat("x", 3000)))
}

func add(t *testing.T, q *Queue, camera string, n int, score float64) {
	t.Helper()
	if err := q.Add(Event{Camera: camera, Score: score, Data: text(camera, n)}); err != nil {
		t.Fatal(err)
	}
	balanced(t, q)
}

// next returns what Next returns, as "camera n" and with a star if replayed; "" if there is none.
func next(t *testing.T, q *Queue) (string, Item) {
	t.Helper()
	item, _, ok := q.Next(false)
	if !ok {
		return "", item
	}
	fields := strings.Fields(string(item.Data))
	if fields[0] != item.Camera || !bytes.Equal(item.Data[len(item.Data)-3000:], bytes.Repeat([]byte("x"), 3000)) {
		t.Fatalf("%s has the data of %s", item.Camera, fields[0])
	}
	star := ""
	if item.Replayed {
		star = "*"
	}
	balanced(t, q)
	return fields[0] + " " + fields[1] + star, item
}

// take waits for the next event to send.
func take(t *testing.T, q *Queue) (item Item) {
	t.Helper()
	eventually(t, "something to send", func() (is bool) { item, _, is = q.Next(false); return is })
	return item
}

// all takes and acknowledges all events.
func all(t *testing.T, q *Queue) []string {
	t.Helper()
	var got []string
	eventually(t, "everything out", func() bool {
		for {
			name, item := next(t, q)
			if name == "" {
				return len(got) > 0 && q.Stats().Queued+q.Stats().Held == 0
			}
			got = append(got, name)
			q.Done(item.Key)
		}
	})
	balanced(t, q)
	return got
}

// balanced checks the sum in the package comment.
func balanced(t *testing.T, q *Queue) {
	t.Helper()
	s := q.Stats()
	if s.Restored+s.Accepted != s.Delivered+uint64(s.Queued)+s.Dropped.Total() ||
		s.Queued < 0 || s.Held < 0 || s.Bytes < 0 {
		t.Fatalf("not balanced: %+v", s)
	}
}

func eventually(t *testing.T, what string, happened func() bool) {
	t.Helper()
	for end := time.Now().Add(long); time.Now().Before(end); time.Sleep(time.Millisecond) {
		if happened() {
			return
		}
	}
	t.Fatalf("never: %s", what)
}

// aside returns the files that were set aside.
func aside(t *testing.T, dir string) []string {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(dir, fileName+".corrupt-*"))
	if err != nil {
		t.Fatal(err)
	}
	return names
}

func mustRead(t *testing.T, path string) []byte {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func farFuture() time.Time { return time.Now().Add(time.Hour) }
