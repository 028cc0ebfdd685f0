package hass

import "facesieve/publish/event"

// component is an entity. Without a name, Home Assistant uses the translated name of the device class. A component with
// a platform alone removes an entity that an earlier message has made.
type component struct {
	Platform           string         `json:"platform"`
	UniqueID           string         `json:"unique_id,omitempty"`
	Name               string         `json:"name,omitempty"`
	DeviceClass        string         `json:"device_class,omitempty"`
	EntityCategory     string         `json:"entity_category,omitempty"`
	Icon               string         `json:"icon,omitempty"`
	Availability       []availability `json:"availability,omitempty"`
	QoS                byte           `json:"qos,omitempty"`
	StateTopic         string         `json:"state_topic,omitempty"`
	ValueTemplate      string         `json:"value_template,omitempty"`
	AttributesTopic    string         `json:"json_attributes_topic,omitempty"`
	AttributesTemplate string         `json:"json_attributes_template,omitempty"`

	StateClass       string   `json:"state_class,omitempty"`         // of a sensor
	Unit             string   `json:"unit_of_measurement,omitempty"` // of a sensor
	DisplayPrecision *int     `json:"suggested_display_precision,omitempty"`
	PayloadOn        string   `json:"payload_on,omitempty"`  // of a binary sensor or a switch
	PayloadOff       string   `json:"payload_off,omitempty"` // of a binary sensor or a switch
	ImageTopic       string   `json:"image_topic,omitempty"`
	ContentType      string   `json:"content_type,omitempty"`
	EventTypes       []string `json:"event_types,omitempty"`
	CommandTopic     string   `json:"command_topic,omitempty"`
	Min              *float64 `json:"min,omitempty"`
	Max              *float64 `json:"max,omitempty"`
	Options          []string `json:"options,omitempty"`
}

const (
	binarySensor = "binary_sensor"
	sensor       = "sensor"
	diagnostic   = "diagnostic"
	settings     = "config"
	measurement  = "measurement"
)

func (d Device) boardComponents() map[string]component {
	count := func(name, icon, class, template string) component {
		return component{
			Platform: sensor, Name: name, Icon: icon, Unit: "events", StateClass: class, EntityCategory: diagnostic,
			StateTopic: d.Topics.Device(), ValueTemplate: template, Availability: d.online(),
		}
	}
	return d.identified(map[string]component{
		"connectivity": { // always available: it shows why the others are not
			Platform: binarySensor, DeviceClass: "connectivity", EntityCategory: diagnostic,
			StateTopic: d.Topics.Status(), PayloadOn: string(event.Online), PayloadOff: string(event.Offline),
		},
		"outbox":  count("Events waiting", "mdi:tray-full", measurement, "{{ value_json.outbox.waiting }}"),
		"dropped": count("Events dropped", "mdi:tray-remove", "total_increasing", "{{ value_json.outbox.dropped }}"),
		"version": {
			Platform: sensor, Name: "Version", Icon: "mdi:tag", EntityCategory: diagnostic,
			StateTopic: d.Topics.Device(), ValueTemplate: "{{ value_json.version }}", Availability: d.online(),
		},
	})
}

// Templates of the state of a camera. Fields that are missing have the default.
const (
	lastFace   = "(value_json.last_face | default({}))"
	inForce    = "(value_json.settings | default({}))"
	isProblem  = "value_json.state != 'running' and " + reason + " != 'disabled' and (" + reason + " or " + detail + ")"
	isDegraded = "(value_json.health | default({})).state | default('') == 'degraded'"
	reason     = "value_json.reason | default('')"
	detail     = "value_json.detail | default('')"
)

func onOff(condition string) string { return "{{ 'ON' if " + condition + " else 'OFF' }}" }

func (d Device) cameraComponents(name string) map[string]component {
	all := d.stateComponents(name)
	all["image"] = component{
		Platform: "image", Name: "Last face", Icon: "mdi:face-recognition",
		ImageTopic: d.Topics.JPEG(name), ContentType: "image/jpeg",
	}
	// It stays available while the camera is not: an automation that is triggered by a change of its state would
	// otherwise run each time the camera comes back.
	all["face"] = component{
		Platform: "event", Name: "Face", Icon: "mdi:face-recognition", QoS: 1, Availability: d.online(),
		EventTypes: []string{"face", "late_face"}, StateTopic: d.Topics.Face(name),
		ValueTemplate: "{{ {'event_type': 'late_face' if value_json.replayed | default(false) else 'face', " +
			"'id': value_json.id, 'visit': value_json.visit.id, 'time': value_json.time, " +
			"'score': value_json.quality.score | round(1), 'policy': value_json.policy, " +
			"'latency_ms': value_json.latency_ms} | to_json }}",
	}
	for id, c := range d.controlComponents(name) {
		if !d.Control {
			c = component{Platform: c.Platform}
		}
		all[id] = c
	}
	return d.identified(all, name)
}

// stateComponents are the entities that read the state of the camera.
func (d Device) stateComponents(name string) map[string]component {
	noDecimals := 0
	all := map[string]component{
		"score": {
			Platform: sensor, Name: "Last score", Icon: "mdi:gauge", StateClass: measurement,
			ValueTemplate: "{{ " + lastFace + ".score | default(none) }}", DisplayPrecision: &noDecimals,
		},
		"faces_last_hour": {
			Platform: sensor, Name: "Faces in the last hour", Icon: "mdi:counter", Unit: "faces", StateClass: measurement,
			ValueTemplate: "{{ value_json.faces_last_hour | default(0) }}",
		},
		"latency": {
			Platform: sensor, Name: "Latency", DeviceClass: "duration", Unit: "ms", StateClass: measurement,
			EntityCategory: diagnostic, ValueTemplate: "{{ " + lastFace + ".latency_ms | default(none) }}",
		},
		"occupied": {
			Platform: binarySensor, Name: "Somebody in sight", DeviceClass: "occupancy",
			ValueTemplate: onOff("value_json.occupied | default(false)"),
		},
		"connectivity": {
			Platform: binarySensor, DeviceClass: "connectivity", EntityCategory: diagnostic,
			ValueTemplate: onOff("value_json.state == 'running'"), Availability: d.online(),
		},
		"problem": {
			Platform: binarySensor, DeviceClass: "problem", EntityCategory: diagnostic, Availability: d.online(),
			ValueTemplate:   onOff("(" + isProblem + ") or (" + isDegraded + ")"),
			AttributesTopic: d.Topics.State(name),
			AttributesTemplate: "{% set health = value_json.health | default({}) %}" +
				"{{ {'state': value_json.state, 'reason': value_json.reason | default(health.reason) | default(''), " +
				"'detail': value_json.detail | default(health.detail) | default('')} | to_json }}",
		},
	}
	for id, c := range all {
		c.StateTopic = d.Topics.State(name)
		all[id] = c
	}
	return all
}

// controlComponents are the settings of the camera that commands change.
func (d Device) controlComponents(name string) map[string]component {
	lowest, highest := 0., 100.
	setting := func(platform, label, icon, setting, template string) component {
		return component{
			Platform: platform, Name: label, Icon: icon, EntityCategory: settings, QoS: 1, Availability: d.online(),
			CommandTopic: d.Topics.Set(name, setting), StateTopic: d.Topics.State(name), ValueTemplate: template,
		}
	}
	threshold := setting("number", "Threshold", "mdi:tune", event.SettingThreshold,
		"{{ "+inForce+".threshold | default(none) }}")
	threshold.Min, threshold.Max = &lowest, &highest
	policy := setting("select", "Policy", "mdi:filter", event.SettingPolicy,
		"{{ "+inForce+".policy | default(none) }}")
	policy.Options = event.Policies()
	enabled := setting("switch", "Detection", "mdi:motion-sensor", event.SettingEnabled,
		onOff(inForce+".enabled | default(false)"))
	enabled.PayloadOn, enabled.PayloadOff = event.ValueOn, event.ValueOff
	return map[string]component{"threshold": threshold, "policy": policy, "detection": enabled}
}

// identified sets the ids of the components that are not to be removed.
func (d Device) identified(all map[string]component, names ...string) map[string]component {
	for id, c := range all {
		if c.StateTopic != "" || c.ImageTopic != "" {
			c.UniqueID = uniqueID(append(append([]string{d.Name}, names...), id)...)
			all[id] = c
		}
	}
	return all
}
