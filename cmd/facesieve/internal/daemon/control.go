package daemon

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"facesieve/cmd/facesieve/internal/config"
	"facesieve/publish/event"
	"facesieve/quality"
)

// changeInterval is the least time between two changes of one camera by commands.
const changeInterval = time.Second

// errRetained is why a retained command is refused: it would be applied again at each connection.
var errRetained = errors.New("retained commands are ignored: publish it without the retain flag, and clear the " +
	"retained one with an empty retained message")

// overrides is what control needs of config.OverridesFile.
type overrides interface {
	Update(change func(*config.Overrides) error) error
}

// control saves the settings that commands over MQTT change as overrides. The daemon then reloads them like those that
// the page has saved. Each camera is changed at most once in an interval; of the commands for one setting that arrive
// in between, only the newest counts.
type control struct {
	overrides overrides
	log       zerolog.Logger
	interval  time.Duration

	mutex   sync.Mutex
	cameras []string                             // names of the configured ones
	waiting map[string]map[command]event.Command // by camera, "" for all that are not configured
	changed map[string]time.Time                 // when the commands of a camera were last handled
	wake    chan struct{}
	cancel  context.CancelFunc
	done    chan struct{}
}

// command distinguishes the commands of one camera of which the newest counts.
type command struct {
	setting  string // "" for all that do not exist
	retained bool
}

func newControl(o overrides, log zerolog.Logger) *control {
	return &control{
		overrides: o, log: log.With().Str("component", "control").Logger(), interval: changeInterval,
		waiting: map[string]map[command]event.Command{}, changed: map[string]time.Time{}, wake: make(chan struct{}, 1),
	}
}

// start handles commands until stop. answer sends the answer to a command.
func (c *control) start(answer func(event.Result) error) {
	ctx, cancel := context.WithCancel(context.Background())
	c.cancel, c.done = cancel, make(chan struct{})
	go func() {
		defer close(c.done)
		c.run(ctx, answer)
	}()
}

// stop drops the commands that wait.
func (c *control) stop() {
	c.cancel()
	<-c.done
}

// setCameras sets the names of the configured cameras.
func (c *control) setCameras(names []string) {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	c.cameras = names
}

// accept takes a command. It returns at once; memory is bounded, because the newest replaces what waits.
func (c *control) accept(e event.Command) {
	key := command{retained: e.Retained}
	if slices.Contains(settingNames(), e.Setting) {
		key.setting = e.Setting
	}
	c.mutex.Lock()
	defer c.mutex.Unlock()
	camera := ""
	if slices.Contains(c.cameras, e.Camera) {
		camera = e.Camera
	}
	if c.waiting[camera] == nil {
		c.waiting[camera] = map[command]event.Command{}
	}
	c.waiting[camera][key] = e
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

func settingNames() []string {
	return []string{event.SettingEnabled, event.SettingPolicy, event.SettingThreshold}
}

func (c *control) run(ctx context.Context, answer func(event.Result) error) {
	for {
		commands, next := c.due(time.Now())
		for _, r := range c.handle(commands) {
			if err := answer(r); err != nil {
				c.log.Debug().Err(err).Str("camera", event.ShownValue(r.Camera)).Msg("the answer to a command cannot be sent")
			}
		}
		var timer <-chan time.Time
		if next > 0 {
			timer = time.After(next)
		}
		select {
		case <-ctx.Done():
			return
		case <-c.wake:
		case <-timer:
		}
	}
}

// due removes and returns the commands of the cameras whose last change is an interval ago, and after what time others
// are due; 0: none waits.
func (c *control) due(now time.Time) (commands []event.Command, next time.Duration) {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	for camera, waiting := range c.waiting {
		if wait := c.changed[camera].Add(c.interval).Sub(now); wait > 0 {
			if next == 0 || wait < next {
				next = wait
			}
			continue
		}
		for _, e := range waiting {
			commands = append(commands, e)
		}
		c.changed[camera] = now
		delete(c.waiting, camera)
	}
	for camera := range c.changed {
		if camera != "" && !slices.Contains(c.cameras, camera) {
			delete(c.changed, camera)
		}
	}
	return commands, next
}

// handle saves what the valid commands change, all or nothing, and returns the answers to all.
func (c *control) handle(commands []event.Command) (answers []event.Result) {
	var valid []event.Command
	for _, e := range commands {
		if err := c.check(e); err != nil {
			answers = append(answers, c.answer(e, err))
			continue
		}
		valid = append(valid, e)
	}
	if len(valid) == 0 {
		return answers
	}
	err := c.overrides.Update(func(o *config.Overrides) error {
		for _, e := range valid {
			camera := o.Cameras[e.Camera]
			if err := override(&camera, e); err != nil {
				return err
			}
			o.Cameras[e.Camera] = camera
		}
		return nil
	})
	for _, e := range valid {
		answers = append(answers, c.answer(e, err))
	}
	return answers
}

// check returns why a command is refused.
func (c *control) check(e event.Command) error {
	c.mutex.Lock()
	names := slices.Sorted(slices.Values(c.cameras))
	c.mutex.Unlock()
	switch {
	case e.Retained:
		return errRetained
	case !slices.Contains(names, e.Camera):
		return fmt.Errorf("the configuration has no camera %q, it has %s", event.ShownValue(e.Camera), config.Listed(names))
	}
	return override(&config.CameraOverride{}, e)
}

// override sets the setting of a command in the override of its camera.
func override(camera *config.CameraOverride, e event.Command) error {
	value := strings.TrimSpace(e.Value)
	shown := event.ShownValue(value)
	switch e.Setting {
	case event.SettingEnabled:
		on := strings.EqualFold(value, event.ValueOn)
		if !on && !strings.EqualFold(value, event.ValueOff) {
			return fmt.Errorf("%q is neither %s nor %s", shown, event.ValueOn, event.ValueOff)
		}
		camera.Enabled = &on
	case event.SettingThreshold:
		var threshold quality.Threshold
		err := threshold.UnmarshalText([]byte(value))
		if err != nil || threshold != quality.Auto && !(threshold >= 0 && threshold <= 100) {
			return fmt.Errorf("%q is not a number from 0 to 100, nor auto", shown)
		}
		camera.Quality.Threshold = &threshold
	case event.SettingPolicy:
		if !slices.Contains(event.Policies(), value) {
			return fmt.Errorf("%q is not one of %s", shown, strings.Join(event.Policies(), ", "))
		}
		camera.Quality.Policy = &value
	default:
		return fmt.Errorf("no setting is named %q; there are %s", event.ShownValue(e.Setting),
			strings.Join(settingNames(), ", "))
	}
	return nil
}

// answer logs what has become of a command, and returns the answer to it. err is why it is refused.
func (c *control) answer(e event.Command, err error) event.Result {
	r := event.Result{
		Camera: e.Camera, Setting: e.Setting, Value: event.ShownValue(e.Value), Accepted: err == nil, Time: time.Now(),
	}
	log := c.log.With().Str("topic", strings.ToValidUTF8(e.Topic, "?")).Str("value", r.Value).Logger()
	if err == nil {
		log.Info().Msg("a command over MQTT was saved as an override")
		return r
	}
	r.Error = clipped(err.Error())
	log.Warn().Err(err).Msg("a command over MQTT is refused")
	return r
}
