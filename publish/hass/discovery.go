package hass

import (
	"bytes"
	"encoding/json"
	"fmt"

	"facesieve/publish/event"
)

// Device describes what Home Assistant is to find.
type Device struct {
	Name    string       // of the device
	Version string       // of the program
	Topics  event.Topics // of the device
	Cameras []string     // names
	Control bool         // commands are accepted
}

// config is a discovery message.
type config struct {
	Device           deviceInfo           `json:"device"`
	Origin           origin               `json:"origin"`
	Availability     []availability       `json:"availability,omitempty"` // of the components without their own
	AvailabilityMode string               `json:"availability_mode,omitempty"`
	Components       map[string]component `json:"components"`
}

type deviceInfo struct {
	Identifiers  []string `json:"identifiers"`
	Name         string   `json:"name"`
	Manufacturer string   `json:"manufacturer"`
	Model        string   `json:"model"`
	SWVersion    string   `json:"sw_version"`
	ViaDevice    string   `json:"via_device,omitempty"`
}

type origin struct {
	Name      string `json:"name"`
	SWVersion string `json:"sw_version"`
}

type availability struct {
	Topic         string `json:"topic"`
	ValueTemplate string `json:"value_template,omitempty"`
}

// Discovery returns the discovery messages of a device by topic. They are to be published with QoS 1, retained, and
// that of the board first, because the others refer to it: its topic is first in alphabetical order.
func Discovery(d Device) (map[string][]byte, error) {
	messages := map[string][]byte{}
	add := func(object string, c config) error {
		payload, err := encode(c)
		if err != nil {
			return fmt.Errorf("discovery message of Home Assistant for %s: %w", object, err)
		}
		messages[topic(d.Name, object)] = payload
		return nil
	}
	if err := add(boardObject(), d.board()); err != nil {
		return nil, err
	}
	for _, camera := range d.Cameras {
		if err := add(cameraObject(camera), d.camera(camera)); err != nil {
			return nil, err
		}
	}
	return messages, nil
}

func encode(c config) ([]byte, error) {
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false) // templates stay readable
	err := encoder.Encode(c)
	return bytes.TrimSpace(out.Bytes()), err
}

func (d Device) board() config {
	c := d.config()
	c.Device.Identifiers, c.Device.Name, c.Device.Model = []string{uniqueID(d.Name)}, "facesieve "+d.Name, "facesieve"
	c.Components = d.boardComponents()
	return c
}

func (d Device) camera(name string) config {
	c := d.config()
	c.Device.Identifiers, c.Device.ViaDevice = []string{uniqueID(d.Name, name)}, uniqueID(d.Name)
	c.Device.Name, c.Device.Model = d.Name+" "+name, "camera of facesieve"
	c.Availability = append(d.online(), availability{
		Topic:         d.Topics.State(name),
		ValueTemplate: "{{ 'online' if value_json is defined and value_json.state == 'running' else 'offline' }}",
	})
	c.AvailabilityMode = "all"
	c.Components = d.cameraComponents(name)
	return c
}

func (d Device) config() config {
	return config{
		Device: deviceInfo{Manufacturer: "facesieve", SWVersion: d.Version},
		Origin: origin{Name: "facesieve", SWVersion: d.Version},
	}
}

// online makes an entity available while the device is connected, whatever the state of the camera.
func (d Device) online() []availability { return []availability{{Topic: d.Topics.Status()}} }
