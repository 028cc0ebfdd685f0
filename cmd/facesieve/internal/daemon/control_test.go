package daemon

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"facesieve/cmd/facesieve/internal/config"
	"facesieve/cmd/facesieve/internal/testsupport"
	"facesieve/publish/event"
	"facesieve/publish/publishtest"
)

const controlled = "cameras: [{name: door, url: a.mp4}, {name: front yard, url: b.mp4}]\n"

// testControl is a control whose answers are kept.
type testControl struct {
	*control
	file  *config.OverridesFile
	log   publishtest.Log
	mutex sync.Mutex
	got   []event.Result
}

func newTestControl(t *testing.T) *testControl {
	t.Helper()
	t.Setenv("STATE_DIRECTORY", t.TempDir())
	file, err := config.OpenOverrides(testsupport.WriteFile(t, "facesieve.yaml", controlled), os.Getenv)
	testsupport.Must(t, err)
	c := &testControl{file: file}
	c.control = newControl(file, zerolog.New(&c.log))
	c.setCameras([]string{"door", "front yard"})
	return c
}

func (c *testControl) answer(r event.Result) error {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	c.got = append(c.got, r)
	return nil
}

func (c *testControl) answers() []event.Result {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	return append([]event.Result(nil), c.got...)
}

func (c *testControl) overridden(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(c.file.Path())
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	return string(text)
}

func set(camera, setting, value string) event.Command {
	return event.Command{
		Topic: "facesieve/pole/" + camera + "/set/" + setting, Camera: camera, Setting: setting, Value: value,
	}
}

// A bad command changes nothing, and its answer and the log have the value and what is permitted.
func TestCommandsAreRefused(t *testing.T) {
	retained := set("door", "threshold", "30")
	retained.Retained = true
	huge := set("door", "threshold", strings.Repeat("9", 1<<20))
	for want, e := range map[string]event.Command{
		`"400" is not a number from 0 to 100`:                               set("door", "threshold", "400"),
		`"-1" is not a number from 0 to 100`:                                set("door", "threshold", "-1"),
		`"NaN" is not a number from 0 to 100`:                               set("door", "threshold", "NaN"),
		`"" is not a number from 0 to 100`:                                  set("door", "threshold", ""),
		`"a�b" is not a number from 0 to 100`:                               set("door", "threshold", "a\xffb"),
		`999…" is not a number from 0 to 100`:                               huge,
		`"worst" is not one of best, quick, interval, all`:                  set("door", "policy", "worst"),
		`"yes" is neither ON nor OFF`:                                       set("door", "enabled", "yes"),
		`no setting is named "roi"; there are enabled, policy, threshold`:   set("door", "roi", "1"),
		`the configuration has no camera "gone", it has door, front yard`:   set("gone", "policy", "all"),
		"retained commands are ignored: publish it without the retain flag": retained,
		`the configuration has no camera "xxx`:                              set(strings.Repeat("x", 300), "policy", "all"),
	} {
		c := newTestControl(t)
		answers := c.handle([]event.Command{e})
		if len(answers) != 1 || answers[0].Accepted || !strings.Contains(answers[0].Error, want) ||
			len(answers[0].Value) > 256 || c.overridden(t) != "" {
			t.Errorf("%s: %+v, %s", want, answers, c.overridden(t))
		}
		if log := c.log.String(); !strings.Contains(log, "a command over MQTT is refused") ||
			!strings.Contains(log, `"topic":"`+e.Topic) || len(log) > 2000 {
			t.Errorf("%.3000s", log)
		}
	}
}

// Good commands are saved together, also beside a bad one; none is saved where the file cannot be.
func TestCommandsAreSaved(t *testing.T) {
	c := newTestControl(t)
	answers := c.handle([]event.Command{
		set("door", "threshold", " 35.5 "), set("door", "policy", "quick"), set("front yard", "enabled", "off"),
		set("door", "enabled", "maybe"),
	})
	const want = "cameras:\n    door:\n        quality:\n            threshold: 35.5\n            policy: quick\n" +
		"    front yard:\n        enabled: false\n"
	if text := c.overridden(t); !strings.HasSuffix(text, want) {
		t.Errorf("%s", text)
	}
	for _, r := range answers {
		if r.Accepted != (r.Value != "maybe") || r.Accepted != (r.Error == "") {
			t.Errorf("%+v", r)
		}
	}
	const wrong = "cameras: {door: {quality: {gates: {max_yaw: 500}}}}\n"
	testsupport.Must(t, os.WriteFile(c.file.Path(), []byte(wrong), 0o600))
	for _, r := range c.handle([]event.Command{set("door", "policy", "all"), set("door", "threshold", "1")}) {
		if r.Accepted || !strings.Contains(r.Error, "quality.gates.max_yaw: 500 is outside") {
			t.Errorf("%+v", r)
		}
	}
}

// Of a flood, the first command and the newest of each setting count, and memory stays bounded.
func TestFloodOfCommands(t *testing.T) {
	c := newTestControl(t)
	now := time.Now()
	c.accept(set("door", "threshold", "1"))
	if first, _ := c.due(now); len(first) != 1 || first[0].Value != "1" {
		t.Fatalf("%v", first)
	}
	for i := range 10000 {
		c.accept(set("door", "threshold", fmt.Sprint(i%100)))
		c.accept(set("door", fmt.Sprint("unknown", i), "x"))
		c.accept(set(fmt.Sprint("unknown", i), "policy", "all"))
	}
	c.accept(set("door", "threshold", "42"))
	c.accept(set("front yard", "policy", "all"))
	waiting := 0
	for _, settings := range c.waiting {
		waiting += len(settings)
	}
	if waiting != 4 {
		t.Errorf("%d commands wait", waiting)
	}
	early, next := c.due(now.Add(c.interval / 2))
	if len(early) != 2 || next != c.interval/2 { // of the other camera and of an unknown one
		t.Errorf("%v, %v", early, next)
	}
	values := map[string]bool{}
	late, next := c.due(now.Add(c.interval))
	for _, e := range late {
		values[e.Value] = true
	}
	if len(late) != 2 || !values["42"] || next != 0 {
		t.Errorf("%v, %v", late, next)
	}
	if rest, next := c.due(now.Add(2 * c.interval)); len(rest) != 0 || next != 0 {
		t.Errorf("%v, %v", rest, next)
	}
}

// Commands and saves of the page at the same time: no change is lost.
func TestCommandsBesideThePage(t *testing.T) {
	c := newTestControl(t)
	c.interval = time.Millisecond
	c.start(c.answer)
	const saves = 20
	page := make(chan error, 1)
	go func() {
		var all error
		for i := range saves {
			all = errors.Join(all, c.file.Update(func(o *config.Overrides) error {
				door := o.Cameras["door"]
				door.Quality.Gates.MaxYaw = new(float64(10 + i))
				o.Cameras["door"] = door
				return nil
			}))
		}
		page <- all
	}()
	for i := range saves {
		c.accept(set("door", "threshold", fmt.Sprint(i)))
		c.accept(set("front yard", "threshold", fmt.Sprint(i)))
	}
	testsupport.Must(t, <-page)
	last := fmt.Sprint(saves - 1)
	testsupport.Eventually(t, "the last commands", func() bool {
		saved := map[string]bool{}
		for _, r := range c.answers() {
			if r.Value == last && r.Accepted {
				saved[r.Camera] = true
			}
		}
		return len(saved) == 2
	})
	c.stop()
	text := c.overridden(t)
	if yaw := fmt.Sprintf("max_yaw: %d\n", 10+saves-1); strings.Count(text, "threshold: "+last+"\n") != 2 ||
		!strings.Contains(text, yaw) {
		t.Errorf("%s", text)
	}
}
