package publish

import (
	"bufio"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/rs/zerolog"

	"facesieve/publish/event/eventtest"
	"facesieve/publish/outbox"
	"facesieve/publish/publishtest"
)

// The environment of a test binary that is to be a victim.
const (
	victimDir    = "FACESIEVE_TEST_VICTIM_DIR"
	victimBroker = "FACESIEVE_TEST_VICTIM_BROKER"
)

// victim is another process: it publishes through an outbox in dir until it is killed, and prints the id of each event
// once Publish has accepted it.
func victim(dir, broker string) {
	settings := outbox.Default()
	settings.Dir, settings.DrainRate = dir, 1000
	queue, err := outbox.Open(settings, zerolog.New(os.Stderr).Level(zerolog.WarnLevel))
	if err != nil {
		fmt.Println("failed", err)
		return
	}
	cfg := Default()
	cfg.Broker, cfg.Device = broker, "gate"
	p, err := open(cfg, queue, zerolog.Nop(), quick())
	if err != nil {
		fmt.Println("failed", err)
		return
	}
	fmt.Println("open")
	first := uint64(time.Now().UnixMilli()) << 10 % (1 << 53) // so that tracks differ from run to run
	done := make(chan error)
	for i, camera := range []string{"door", "gate"} {
		go func() {
			for n := uint64(i); ; n += 2 {
				e := eventtest.Face(camera, first+n)
				e.ID = uuid.Must(uuid.NewV7()).String()
				switch err := p.Publish(e); {
				case err == nil:
					fmt.Println("accepted", e.ID)
				case !errors.Is(err, outbox.ErrHeld): // a slow disk may lose what it has not accepted
					done <- err
					return
				}
				time.Sleep(time.Millisecond)
			}
		}()
	}
	fmt.Println("failed", <-done)
}

// kill9 runs a victim and kills it at a random moment, most often while it publishes. It returns the ids that it had
// accepted.
func kill9(t *testing.T, dir, broker string) []string {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), victimDir+"="+dir, victimBroker+"="+broker)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	kill := func() { _ = cmd.Process.Kill() }
	if rand.N(5) == 0 { // while it starts
		timer := time.AfterFunc(rand.N(100*time.Millisecond), kill)
		defer timer.Stop()
	}
	last := rand.N(15) // event that it may print before its time has come
	var ids []string
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		kind, rest, _ := strings.Cut(lines.Text(), " ")
		switch kind {
		case "open":
		case "accepted":
			ids = append(ids, rest)
		default:
			t.Error(lines.Text())
			kill()
		}
		if len(ids) == last {
			timer := time.AfterFunc(rand.N(10*time.Millisecond), kill)
			defer timer.Stop()
			last = -1
		}
	}
	_ = cmd.Wait() // killed: its status is not zero
	return ids
}

// kill -9 at a hundred random moments: every event that was accepted is delivered.
func TestFaultKilled(t *testing.T) {
	t.Parallel()
	broker := startUnbounded(t, "allow_anonymous true")
	watch := publishtest.Record(t, broker.URL(), "facesieve/#")
	dir := t.TempDir()
	l := ledger{fault: "kill -9"}
	const runs = 100
	for range runs {
		l.accepted = append(l.accepted, kill9(t, dir, broker.URL())...)
	}
	l.fixed()
	queue := mustOpenQueue(t, onDisk(dir))
	restored := queue.Stats().Restored
	mustOpenOn(t, queue, testConfig(broker.URL()), quick())
	if len(l.accepted) < runs {
		t.Errorf("only %d events were accepted: that proves nothing", len(l.accepted))
	}
	l.settle(t, queue, watch, runs)
	t.Logf("%d events were left in the file by the last", restored)
}
