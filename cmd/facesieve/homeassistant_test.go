package main

import (
	"strings"
	"testing"

	"facesieve/cmd/facesieve/internal/testsupport"
	"facesieve/internal/freeport"
	"facesieve/publish/event"
	"facesieve/publish/hass"
	"facesieve/publish/publishtest"
)

const (
	boardTopic = "homeassistant/device/facesieve_pole/board/config"
	oneTopic   = "homeassistant/device/facesieve_pole/camera_one/config"
	twoTopic   = "homeassistant/device/facesieve_pole/camera_two/config"
)

// Home Assistant at the embedded broker finds the cameras, finds them again when it has started, changes a threshold of
// the running daemon, and loses what the configuration no longer has.
func TestHomeAssistant(t *testing.T) {
	newStateDirectory(t)
	address := freeport.Address(t)
	video := testsupport.SharedVideo(t, "two_heads.mp4")
	cameras := noFaces + "cameras:\n" + looped("one", video)
	d := startDaemonOn(t, address, embeddedBroker(address)+", homeassistant: true, control: true",
		cameras+looped("two", video))
	home := publishtest.Record(t, "tcp://"+address, "#")
	testsupport.Eventually(t, "discovery", func() bool {
		return home.Last(boardTopic) != "" && home.Last(oneTopic) != "" && home.Last(twoTopic) != ""
	})
	topics := event.NewTopics("facesieve/pole")
	if device, err := event.DecodeDevice([]byte(home.Last(topics.Device()))); err != nil || device.Version != version {
		t.Errorf("%+v, %v", device, err)
	}
	before := len(home.On(oneTopic))
	home.Send(t, hass.StatusTopic, hass.StatusOnline, false)
	testsupport.Eventually(t, "discovery again", func() bool { return len(home.On(oneTopic)) > before })

	state := func(camera string) event.State {
		s, err := event.DecodeState([]byte(home.Last(topics.State(camera))))
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	testsupport.Eventually(t, "somebody in sight", func() bool { return state("one").Occupied })
	if d.faces("one") != 0 || state("one").Settings != (event.Settings{Enabled: true, Threshold: 100, Policy: "all"}) {
		t.Fatalf("before the command: %+v", state("one"))
	}
	home.Send(t, topics.Set("one", event.SettingThreshold), "0", false)
	testsupport.Eventually(t, "a face, as an image too", func() bool {
		return d.faces("one") > 0 && len(home.On(topics.JPEG("one"))) > 0
	})
	testsupport.Eventually(t, "the state", func() bool {
		s := state("one")
		return s.Settings.Threshold == 0 && s.FacesLastHour > 0 && s.LastFace != event.LastFace{}
	})
	if s := state("two"); s.Settings.Threshold != 100 || d.faces("two") != 0 {
		t.Errorf("the command has changed another camera: %+v", s)
	}
	home.Send(t, topics.Set("one", event.SettingThreshold), "101", false)
	testsupport.Eventually(t, "the refusal", func() bool {
		r, err := event.DecodeResult([]byte(home.Last(topics.Result("one"))))
		return err == nil && !r.Accepted && strings.Contains(r.Error, "from 0 to 100")
	})
	d.awaitLog("a command over MQTT is refused", topics.Set("one", event.SettingThreshold), `"value":"101"`)
	home.Send(t, topics.Set("two", event.SettingEnabled), "OFF", false)
	testsupport.Eventually(t, "disabled", func() bool {
		s := state("two")
		return s.State == "stopped" && !s.Settings.Enabled
	})

	d.write(cameras)
	testsupport.Eventually(t, "two removed", func() bool {
		return len(home.On(twoTopic)) > 0 && home.Last(twoTopic) == ""
	})
	if home.Last(oneTopic) == "" {
		t.Error("the other camera was removed too")
	}
	d.mqtt = embeddedBroker(address)
	d.write(cameras)
	testsupport.Eventually(t, "all removed", func() bool {
		return home.Last(boardTopic) == "" && home.Last(oneTopic) == "" && home.Last(topics.Device()) == ""
	})
	d.awaitLog("is in force", `"publisher_replaced":true`)
	refused := d.logged("only facesieve publishes here")
	_ = home.Client.Publish(topics.Set("one", event.SettingThreshold), 0, false, "100")
	testsupport.Eventually(t, "the broker refuses a command", func() bool {
		return d.logged("only facesieve publishes here") > refused
	})
}

// Without a state directory, commands could not be saved: check and run refuse the configuration.
func TestControlNeedsAStateDirectory(t *testing.T) {
	for _, name := range []string{"STATE_DIRECTORY", "XDG_STATE_HOME", "HOME"} {
		t.Setenv(name, "")
	}
	file := testsupport.WriteFile(t, "facesieve.yaml", "mqtt:\n  control: true\n"+goodConfig)
	for _, command := range []string{"check", "run"} {
		code, _, stderr := invoke(t.Context(), command, "--config", file)
		if code != exitConfig || !strings.Contains(stderr, file+":2:12: mqtt.control: commands are saved in the state "+
			"directory, and there is none; set STATE_DIRECTORY, XDG_STATE_HOME or HOME, or control to false") {
			t.Errorf("%s: exit code %d, %s", command, code, stderr)
		}
	}
}

// check mentions what one switch turns on besides itself.
func TestCheckOfHomeAssistant(t *testing.T) {
	const mention = "mqtt.homeassistant: faces are published as JPEG too"
	for configuration, want := range map[string]bool{
		"mqtt: {homeassistant: true}\n":             true,
		"mqtt: {homeassistant: true, jpeg: true}\n": false,
		"": false,
	} {
		file := testsupport.WriteFile(t, "facesieve.yaml", configuration+goodConfig)
		if stdout, _ := mustInvoke(t, "check", "--config", file); strings.Contains(stdout, mention) != want {
			t.Errorf("%q: %s", configuration, stdout)
		}
	}
}
