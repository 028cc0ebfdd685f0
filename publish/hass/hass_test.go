package hass_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"facesieve/publish/event"
	"facesieve/publish/event/eventtest"
	"facesieve/publish/hass"
)

func pole(control bool, cameras ...string) hass.Device {
	return hass.Device{
		Name: "pole", Version: "1.4.0", Topics: event.NewTopics("facesieve/pole"), Cameras: cameras, Control: control,
	}
}

func mustDiscover(t *testing.T, d hass.Device) map[string][]byte {
	t.Helper()
	messages, err := hass.Discovery(d)
	if err != nil {
		t.Fatal(err)
	}
	return messages
}

// odd are names that an id cannot contain, and pairs that a careless escape makes equal.
var odd = []string{
	"door", "Door", "front door", "front_door", "front-door", "front--door", "front-20door", "Küche", "a.b", "a_b", "$",
	"日本",
	strings.Repeat("ü", 127),
}

// Every message has only options that Home Assistant has, whatever the names, and no topic and no id is that of another
// device, camera or entity.
func TestDiscoveryMatchesHomeAssistant(t *testing.T) {
	text, err := os.ReadFile("testdata/discovery.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	schema := eventtest.Compile(t, string(text))
	topics, ids := map[string]bool{}, map[string]bool{}
	unused := func(all map[string]bool, text string) {
		if all[text] {
			t.Errorf("%s is used twice", text)
		}
		all[text] = true
	}
	allowed := regexp.MustCompile(`^homeassistant/device/[a-zA-Z0-9_-]+/[a-zA-Z0-9_-]+/config$`) // as discovery.py
	for _, name := range odd {
		device := pole(true, odd...)
		device.Name = name
		for topic, message := range mustDiscover(t, device) {
			if !allowed.MatchString(topic) || !hass.IsDiscovery(name, topic) {
				t.Errorf("topic %s", topic)
			}
			unused(topics, topic)
			if err := eventtest.Validate(schema, message); err != nil {
				t.Errorf("%s: %v", topic, err)
			}
			for _, id := range regexp.MustCompile(`"unique_id":"(.*?)"`).FindAllSubmatch(message, -1) {
				unused(ids, string(id[1]))
			}
		}
	}
	if n := len(odd) * (1 + len(odd)); len(topics) != n || len(ids) != len(odd)*(4+11*len(odd)) {
		t.Errorf("%d topics, %d entities", len(topics), len(ids))
	}
}

// The messages are those that Home Assistant's own code has accepted; see testdata/validate.py. After a change, run this
// test with FACESIEVE_UPDATE=1, and that.
func TestGoldenDiscovery(t *testing.T) {
	const file = "testdata/discovery.json"
	messages := map[string]json.RawMessage{}
	for topic, message := range mustDiscover(t, pole(true, "door", "Küche 2")) {
		messages[topic] = message
	}
	withoutControl := pole(false, "door")
	withoutControl.Name = "gate"
	for topic, message := range mustDiscover(t, withoutControl) {
		messages[topic] = message
	}
	var got bytes.Buffer
	encoder := json.NewEncoder(&got)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", " ")
	if err := encoder.Encode(messages); err != nil {
		t.Fatal(err)
	}
	if os.Getenv("FACESIEVE_UPDATE") == "1" {
		if err := os.WriteFile(file, got.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got.Bytes(), want) {
		t.Errorf("differs from %s:\n%s", file, got.Bytes())
	}
}

// Every topic of a message is one of the contract, and that of the board is the first.
func TestTopicsOfDiscovery(t *testing.T) {
	device := pole(true, "door")
	topics := device.Topics
	known := []string{
		topics.Status(), topics.Device(), topics.State("door"), topics.Face("door"), topics.JPEG("door"),
		topics.Set("door", "threshold"), topics.Set("door", "policy"), topics.Set("door", "enabled"),
	}
	found := map[string]bool{}
	messages := mustDiscover(t, device)
	for _, message := range messages {
		for _, topic := range regexp.MustCompile(`topic":"(.*?)"`).FindAllSubmatch(message, -1) {
			found[string(topic[1])] = true
		}
	}
	if got := slices.Sorted(maps.Keys(found)); !slices.Equal(got, slices.Sorted(slices.Values(known))) {
		t.Errorf("%v", got)
	}
	if first := slices.Sorted(maps.Keys(messages))[0]; first != "homeassistant/device/facesieve_pole/board/config" {
		t.Errorf("%s is first", first)
	}
}

// Without control, a message removes the entities that a message with it has made.
func TestDiscoveryRemovesControl(t *testing.T) {
	const topic = "homeassistant/device/facesieve_pole/camera_door/config"
	components := func(control bool) map[string]map[string]any {
		var message struct{ Components map[string]map[string]any }
		if err := json.Unmarshal(mustDiscover(t, pole(control, "door"))[topic], &message); err != nil {
			t.Fatal(err)
		}
		return message.Components
	}
	with, without := components(true), components(false)
	for id, component := range without {
		removal, command := len(component) == 1, with[id]["command_topic"]
		if component["platform"] != with[id]["platform"] || removal != (command != nil) {
			t.Errorf("%s: %v, with control %v", id, component, with[id])
		}
	}
	if len(with) != len(without) {
		t.Errorf("%d and %d components", len(with), len(without))
	}
}

func TestIsDiscovery(t *testing.T) {
	for topic, want := range map[string]bool{
		"homeassistant/device/facesieve_a--b/board/config":          true,
		"homeassistant/device/facesieve_a--b/camera_x/config":       true,
		"homeassistant/device/facesieve_a--b/x/y/config":            false,
		"homeassistant/device/facesieve_a--b//config":               false,
		"homeassistant/device/facesieve_a/board/config":             false,
		"homeassistant/device/facesieve_a--bc/board/config":         false,
		"homeassistant/sensor/facesieve_a--b/board/config":          false,
		"homeassistant/device/facesieve_a--b/config":                false,
		"homeassistant/device/facesieve_a--b/board/config/config/x": false,
	} {
		if got := hass.IsDiscovery("a-b", topic); got != want {
			t.Errorf("%s: %v", topic, got)
		}
	}
}

// Different names never have the same id: the escape can be reversed.
func FuzzFilter(f *testing.F) {
	for _, name := range odd {
		f.Add(name)
	}
	f.Fuzz(func(t *testing.T, name string) {
		escaped := strings.TrimPrefix(strings.TrimSuffix(hass.Filter(name), "/+/config"), "homeassistant/device/facesieve_")
		if got, err := unescape(escaped); err != nil || got != name {
			t.Errorf("%q: %q, %q %v", name, escaped, got, err)
		}
	})
}

func unescape(text string) (string, error) {
	var name []byte
	for text != "" {
		before, after, escaped := strings.Cut(text, "-")
		name = append(name, before...)
		if text = after; !escaped {
			break
		}
		if rest, hyphen := strings.CutPrefix(text, "-"); hyphen {
			name, text = append(name, '-'), rest
			continue
		}
		var c byte
		if _, err := fmt.Sscanf(text[:min(2, len(text))], "%02x", &c); err != nil {
			return "", err
		}
		name, text = append(name, c), text[2:]
	}
	return string(name), nil
}
