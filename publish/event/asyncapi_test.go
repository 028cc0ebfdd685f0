package event_test

import (
	"bytes"
	"encoding/json"
	"os"
	"reflect"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"facesieve/publish/event"
)

func asyncAPI(t *testing.T) []byte {
	t.Helper()
	document, err := event.AsyncAPI()
	if err != nil {
		t.Fatal(err)
	}
	return document
}

// The published JSON Schema of AsyncAPI 3.0 accepts the document, and refuses a damaged one.
func TestAsyncAPIIsValid(t *testing.T) {
	const file = "../../build/asyncapi-3.0.0.json"
	if _, err := os.Stat(file); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal(err)
		}
		t.Skipf("%v: .setup/asyncapi fetches it", err)
	}
	schema, err := jsonschema.NewCompiler().Compile(file)
	if err != nil {
		t.Fatal(err)
	}
	for field, value := range map[string]any{
		"": nil, "info": map[string]any{}, "operations": map[string]any{"face": map[string]any{"action": "publish"}},
		"servers": map[string]any{"mqtt": map[string]any{"protocol": "mqtt"}}, "topics": map[string]any{},
	} {
		document, err := jsonschema.UnmarshalJSON(bytes.NewReader(asyncAPI(t)))
		if err != nil {
			t.Fatal(err)
		}
		if field != "" {
			document.(map[string]any)[field] = value
		}
		if err := schema.Validate(document); (err == nil) != (field == "") {
			t.Errorf("%q: %v", field, err)
		}
	}
}

// Each reference of the document has a target, each topic is described, and definitions of one name are the same in all
// schemas.
func TestAsyncAPIIsComplete(t *testing.T) {
	var document map[string]any
	if err := json.Unmarshal(asyncAPI(t), &document); err != nil {
		t.Fatal(err)
	}
	eachReference(document, func(reference string) {
		if at(document, reference) == nil {
			t.Errorf("%s has no target", reference)
		}
	})
	topics := event.NewTopics("{root}")
	for name, want := range map[string]string{
		"face": topics.Face("{camera}"), "jpeg": topics.JPEG("{camera}"), "rejected": topics.Rejected("{camera}"),
		"state": topics.State("{camera}"), "status": topics.Status(), "probe": topics.Probe(),
		"deviceState": topics.Device(), "command": topics.Set("{camera}", "{setting}"), "result": topics.Result("{camera}"),
		"feedback": topics.Feedback("{camera}"),
	} {
		if got := at(document, "#/channels/"+name+"/address"); got != want {
			t.Errorf("%s is at %v, not %s", name, got, want)
		}
	}
	for _, received := range []string{"command", "feedback"} {
		if action := at(document, "#/operations/"+received+"/action"); action != "receive" {
			t.Errorf("the device does %v the message %s", action, received)
		}
	}
	definitions := map[string]any{}
	for _, text := range []string{
		event.FaceSchema, event.RejectedSchema, event.StateSchema, event.DeviceSchema, event.ResultSchema,
		event.FeedbackSchema,
	} {
		var schema struct {
			Defs map[string]any `json:"$defs"`
		}
		if err := json.Unmarshal([]byte(text), &schema); err != nil {
			t.Fatal(err)
		}
		for name, definition := range schema.Defs {
			if other := definitions[name]; other != nil && !reflect.DeepEqual(other, definition) {
				t.Errorf("%s differs: %v and %v", name, other, definition)
			}
			definitions[name] = definition
		}
	}
}

func eachReference(value any, call func(reference string)) {
	switch value := value.(type) {
	case map[string]any:
		for name, v := range value {
			if reference, ok := v.(string); ok && name == "$ref" {
				call(reference)
			}
			eachReference(v, call)
		}
	case []any:
		for _, v := range value {
			eachReference(v, call)
		}
	}
}

// at returns the part of a document to which a reference points; nil if there is none.
func at(document any, reference string) any {
	for name := range strings.SplitSeq(strings.TrimPrefix(reference, "#/"), "/") {
		object, _ := document.(map[string]any)
		document = object[name]
	}
	return document
}
