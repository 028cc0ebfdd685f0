package event

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"strconv"
	"strings"
)

// object is a JSON object.
type object = map[string]any

// channel describes the messages of one kind in the AsyncAPI document.
type channel struct {
	kind        Kind
	name        string
	description string
	media       string // media type of the payload
	schema      string // JSON Schema of the payload
	received    bool   // by the device; other programs publish it
}

func channels() []channel {
	return []channel{
		{KindFace, "face", "One face that passed.", mediaJSON, FaceSchema, false},
		{
			KindJPEG, "jpeg", "The aligned face of the event alone, with mqtt.jpeg.", "image/jpeg",
			`{"type": "string", "format": "binary", "description": "The bytes of a JPEG file."}`, false,
		},
		{
			KindRejected, "rejected", "Why a visit gave no face, unless mqtt.rejected is false.",
			mediaJSON, RejectedSchema, false,
		},
		{KindState, "state", "State of a camera. It counts only while the status is online.", mediaJSON, StateSchema, false},
		{
			KindStatus, "status", "Whether the device is online. The last will is offline.", mediaText,
			fmt.Sprintf(`{"type": "string", "enum": [%q, %q]}`, Online, Offline), false,
		},
		{
			KindProbe, "probe", "Tests whether the broker accepts messages, by `facesieve check --connect` or `facesieve doctor`; ignore it.",
			mediaText, `{"type": "string"}`, false,
		},
		{
			KindDevice, "deviceState",
			"State of the device, with mqtt.homeassistant. It counts only while the status is online.",
			mediaJSON, DeviceSchema, false,
		},
		{
			kindSet + "{setting}", "command",
			"Changes a setting of a camera, with mqtt.control: enabled (ON or OFF), threshold (0..100 or auto) or policy (best, " +
				"quick, interval or all). A retained command is ignored.",
			mediaText, `{"type": "string", "examples": ["35", "best", "OFF"]}`, true,
		},
		{KindResult, "result", "Answer to a command, with mqtt.control.", mediaJSON, ResultSchema, false},
		{
			KindFeedback, "feedback", "What a recogniser reports about the face of an event, with feedback.enabled.",
			mediaJSON, FeedbackSchema, true,
		},
	}
}

const (
	mediaJSON = "application/json"
	mediaText = "text/plain"
	// removed is the name of the message that clears a retained one.
	removed = "removed"
	// binding is the version of AsyncAPI's MQTT bindings.
	binding = "0.2.0"
)

// AsyncAPI returns an AsyncAPI 3.0 document of all topics as JSON. It describes the device: its operations are "send",
// and "receive" for commands and feedback.
func AsyncAPI() ([]byte, error) {
	channelObjects, operations, messages := object{}, object{}, object{removed: removedMessage()}
	schemas := object{removed: object{"type": "string", "maxLength": 0}}
	for _, c := range channels() {
		if err := addSchema(schemas, c.name, c.schema); err != nil {
			return nil, fmt.Errorf("schema of %s: %w", c.name, err)
		}
		channelObjects[c.name] = c.object()
		operations[c.name] = c.operation()
		messages[c.name] = object{
			"name": c.name, "summary": c.description, "contentType": c.media,
			"payload": ref("components", "schemas", c.name),
		}
	}
	document := struct {
		AsyncAPI           string `json:"asyncapi"`
		Info               object `json:"info"`
		DefaultContentType string `json:"defaultContentType"`
		Servers            object `json:"servers"`
		Channels           object `json:"channels"`
		Operations         object `json:"operations"`
		Components         object `json:"components"`
	}{"3.0.0", info(), mediaJSON, servers(), channelObjects, operations, object{
		"messages": messages, "schemas": schemas, "securitySchemes": securitySchemes(),
	}}
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(document); err != nil {
		return nil, fmt.Errorf("AsyncAPI document: %w", err)
	}
	return out.Bytes(), nil
}

func info() object {
	return object{
		"title":   "facesieve",
		"version": strconv.Itoa(Version),
		"description": "Faces from cameras, scored for a recogniser. Within a version, fields are only added: readers " +
			"must ignore unknown ones.",
		"license": object{"name": "Apache-2.0"},
	}
}

// servers returns placeholders: a site has its own broker, or uses the embedded one.
func servers() object {
	server := func(protocol, port string, security ...string) object {
		references := make([]object, len(security))
		for i, scheme := range security {
			references[i] = ref("components", "securitySchemes", scheme)
		}
		return object{
			"host": "{host}:" + port, "protocol": protocol, "security": references,
			"description": "The broker of the site, or the embedded one; MQTT 5 or 3.1.1.",
			"variables": object{"host": object{
				"default": "127.0.0.1", "description": "Name or address of the broker.",
			}},
			"bindings": object{"mqtt": object{
				"lastWill": object{
					"topic": rootTopics().Status(), "qos": KindStatus.QoS(), "message": Offline,
					"retain": KindStatus.Retained(),
				},
				"bindingVersion": binding,
			}},
		}
	}
	return object{
		"mqtt":  server("mqtt", "1883", "password"),
		"mqtts": server("secure-mqtt", "8883", "password", "certificate"),
	}
}

func securitySchemes() object {
	return object{
		"password":    object{"type": "userPassword", "description": "Where the broker requires a user."},
		"certificate": object{"type": "X509", "description": "Where the broker requires a client certificate."},
	}
}

// rootTopics returns the topics below a placeholder.
func rootTopics() Topics { return NewTopics("{root}") }

func (c channel) object() object {
	parameters := object{"root": object{
		"description": "Beginning of all topics, one or more levels: mqtt.root, by default facesieve/<device>.",
		"examples":    []string{"facesieve/gate"},
	}}
	if !c.kind.ofDevice() {
		parameters["camera"] = object{"description": "Name of the camera, one level.", "examples": []string{"door"}}
	}
	if strings.HasPrefix(string(c.kind), kindSet) && c.received {
		parameters["setting"] = object{
			"description": "The setting.", "enum": []string{SettingEnabled, SettingThreshold, SettingPolicy},
		}
	}
	messages := object{c.name: ref("components", "messages", c.name)}
	if c.kind.Retained() {
		messages[removed] = ref("components", "messages", removed)
	}
	return object{
		"address": rootTopics().Of(c.kind, "{camera}"), "description": c.description,
		"parameters": parameters, "messages": messages,
	}
}

func (c channel) operation() object {
	return object{
		"action": map[bool]string{false: "send", true: "receive"}[c.received], "channel": ref("channels", c.name),
		"summary": c.description,
		"bindings": object{"mqtt": object{
			"qos": c.kind.QoS(), "retain": c.kind.Retained(), "bindingVersion": binding,
		}},
	}
}

func removedMessage() object {
	return object{
		"name": removed, "contentType": mediaText, "payload": ref("components", "schemas", removed),
		"summary": "An empty retained message: the camera was removed, or the device uses another root or broker now.",
	}
}

// addSchema adds a JSON Schema and its definitions to the schemas of the document. Definitions of the same name are the
// same in all schemas.
func addSchema(schemas object, name, text string) error {
	var schema object
	text = strings.ReplaceAll(text, "#/$defs/", "#/components/schemas/")
	if err := json.Unmarshal([]byte(text), &schema); err != nil {
		return err
	}
	definitions, _ := schema["$defs"].(object)
	maps.Copy(schemas, definitions)
	for _, key := range []string{"$defs", "$schema", "$id"} { // they would change what a reference means
		delete(schema, key)
	}
	schemas[name] = schema
	return nil
}

// ref returns a reference to a part of the document.
func ref(path ...string) object { return object{"$ref": "#/" + strings.Join(path, "/")} }
