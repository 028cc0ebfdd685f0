package eventtest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"image/jpeg"
	"regexp"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"facesieve/publish/event"
)

// Compile compiles a JSON Schema as it is published.
func Compile(t testing.TB, schema string) *jsonschema.Schema {
	t.Helper()
	return compile(t, parse(t, schema), "")
}

// CompileStrict compiles a JSON Schema that also refuses fields which it does not list: a sender has none.
func CompileStrict(t testing.TB, schema string) *jsonschema.Schema {
	t.Helper()
	return compile(t, strict(parse(t, schema)), "")
}

// Validate checks a JSON message.
func Validate(schema *jsonschema.Schema, message []byte) error {
	document, err := jsonschema.UnmarshalJSON(bytes.NewReader(message))
	if err != nil {
		return err
	}
	return schema.Validate(document)
}

func parse(t testing.TB, text string) any {
	t.Helper()
	document, err := jsonschema.UnmarshalJSON(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	return document
}

func compile(t testing.TB, document any, pointer string) *jsonschema.Schema {
	t.Helper()
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	c.AssertContent()
	if err := c.AddResource("schema.json", document); err != nil {
		t.Fatal(err)
	}
	compiled, err := c.Compile("schema.json" + pointer)
	if err != nil {
		t.Fatal(err)
	}
	return compiled
}

// strict adds to each object of a schema that it has no other fields. It changes and returns the document.
func strict(document any) any {
	switch value := document.(type) {
	case map[string]any:
		for _, v := range value {
			strict(v)
		}
		if _, listed := value["properties"]; listed && value["type"] == "object" {
			value["additionalProperties"] = false
		}
	case []any:
		for _, v := range value {
			strict(v)
		}
	}
	return document
}

// Contract is what the AsyncAPI document states about messages. Fields that it does not list are faults.
type Contract struct {
	channels []channel
}

type channel struct {
	address  *regexp.Regexp
	qos      byte
	retained bool
	messages []message
}

type message struct {
	media   string
	payload *jsonschema.Schema
}

// NewContract reads an AsyncAPI document, as event.AsyncAPI returns it.
func NewContract(t testing.TB, text []byte) Contract {
	t.Helper()
	var document struct {
		Channels map[string]struct {
			Address  string
			Messages map[string]any
		}
		Operations map[string]struct {
			Bindings struct {
				MQTT struct {
					QoS    byte
					Retain bool
				}
			}
		}
		Components struct {
			Messages map[string]struct{ ContentType string }
		}
	}
	if err := json.Unmarshal(text, &document); err != nil {
		t.Fatal(err)
	}
	schemas := strict(parse(t, string(text)))
	var contract Contract
	for name, described := range document.Channels {
		binding := document.Operations[name].Bindings.MQTT
		c := channel{address: addressPattern(described.Address), qos: binding.QoS, retained: binding.Retain}
		for name := range described.Messages {
			c.messages = append(c.messages, message{
				media:   document.Components.Messages[name].ContentType,
				payload: compile(t, schemas, "#/components/schemas/"+name),
			})
		}
		contract.channels = append(contract.channels, c)
	}
	return contract
}

// addressPattern matches the topics of a channel: a root has one level or more, a camera one.
func addressPattern(address string) *regexp.Regexp {
	pattern := regexp.QuoteMeta(address)
	pattern = strings.Replace(pattern, `\{root\}`, `.+`, 1)
	pattern = strings.Replace(pattern, `\{setting\}`, `(enabled|threshold|policy)`, 1)
	return regexp.MustCompile("^" + strings.Replace(pattern, `\{camera\}`, `[^/]+`, 1) + "$")
}

// Check returns how a message that a subscriber with QoS 1 has received deviates from the contract. The flag retained is
// false for a message that was published while the subscription existed.
func (c Contract) Check(topic string, qos byte, retained bool, payload []byte) error {
	for _, channel := range c.channels {
		if !channel.address.MatchString(topic) {
			continue
		}
		if qos != channel.qos || retained && !channel.retained {
			return fmt.Errorf("%s: QoS %d, retained %v", topic, qos, retained)
		}
		var faults []error
		for _, m := range channel.messages {
			err := m.check(payload)
			if err == nil {
				return nil
			}
			faults = append(faults, err)
		}
		return fmt.Errorf("%s: %w", topic, errors.Join(faults...))
	}
	return fmt.Errorf("%s is in no channel", topic)
}

func (m message) check(payload []byte) error {
	switch m.media {
	case "application/json":
		return Validate(m.payload, payload)
	case "image/jpeg":
		_, err := jpeg.Decode(bytes.NewReader(payload))
		return err
	}
	return m.payload.Validate(string(payload))
}

// FromTheFuture adds what a later program of the same schema version may add to a message: fields everywhere, a
// component, a label, a keyword.
func FromTheFuture(t testing.TB, message []byte) []byte {
	t.Helper()
	var fields map[string]any
	if err := json.Unmarshal(message, &fields); err != nil {
		t.Fatal(err)
	}
	extend(fields)
	fields["schema"] = event.Version
	future, err := json.Marshal(fields)
	if err != nil {
		t.Fatal(err)
	}
	return future
}

// extend adds fields to an object and all objects in it.
func extend(fields map[string]any) {
	for name, value := range fields {
		if object, ok := value.(map[string]any); ok && name != "labels" && name != "components" {
			extend(object)
		}
	}
	if labels, ok := fields["labels"].(map[string]any); ok {
		for i := range 9 {
			labels[fmt.Sprintf("label_%d", i)] = 0.5
		}
	}
	if components, ok := fields["components"].(map[string]any); ok {
		components["BackgroundUniformity"] = 55.5
	}
	if _, ok := fields["policy"]; ok {
		fields["policy"] = "daily"
	}
	if reasons, ok := fields["reasons"].([]any); ok {
		for _, miss := range reasons {
			extend(miss.(map[string]any))
		}
		fields["reasons"] = append(reasons, map[string]any{
			"reason": "covered", "measure": "FaceOcclusion", "measured": 0.8, "limit": 0.5, "unit": "share", "side": "left",
		})
	}
	fields["gait"] = map[string]any{"id": 7, "steps": []any{1, "two", nil, map[string]any{"x": []any{}}}}
	fields["occluded"] = nil
}
