package event_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"reflect"
	"strings"
	"testing"

	"facesieve/publish/event"
	"facesieve/publish/event/eventtest"
)

// version2 returns a message of schema version 2 as the last program of that version encoded it, or a schema.
func version2(t testing.TB, name string) []byte {
	t.Helper()
	data, err := os.ReadFile("testdata/version2/" + name + ".json")
	if err != nil {
		t.Fatal(err)
	}
	return bytes.TrimSpace(data)
}

// Decoders accept the messages of a device that is not updated yet, without what version 3 has added.
func TestMessagesOfVersion2(t *testing.T) {
	face, err1 := event.DecodeFace(version2(t, "face"))
	rejected, err2 := event.DecodeRejected(version2(t, "rejected"))
	state, err3 := event.DecodeState(version2(t, "state"))
	wantFace, err4 := event.DecodeFace(golden(t))
	if err := errors.Join(err1, err2, err3, err4); err != nil {
		t.Fatal(err)
	}
	wantFace.Schema, wantFace.Visit, wantFace.LatencyMS = 2, event.Visit{}, event.NotAssessed
	if !reflect.DeepEqual(face, wantFace) {
		t.Errorf("%+v, want %+v", face, wantFace)
	}
	wantRejected := sampleRejected()
	wantRejected.Schema, wantRejected.Visit = 2, event.Visit{}
	wantRejected.Reasons = []event.Miss{{Reason: "too_small"}, {Reason: "pose"}}
	if !reflect.DeepEqual(rejected, wantRejected) {
		t.Errorf("%+v, want %+v", rejected, wantRejected)
	}
	wantState := sampleState()
	wantState.Schema, wantState.State = 2, event.Reconnecting
	wantState.Reason, wantState.Detail = "unauthorized", "the camera refuses user or password"
	wantState.Health, wantState.Settings, wantState.LastFace = event.Health{}, event.Settings{}, event.LastFace{}
	wantState.Occupied, wantState.FacesLastHour = false, 0
	if state != wantState {
		t.Errorf("%+v, want %+v", state, wantState)
	}
	if _, err := event.EncodeFace(face); err == nil || !strings.Contains(err.Error(), "schema: 2 is not 3") {
		t.Errorf("an encoder accepts version 2: %v", err)
	}
	shown, err := json.Marshal(face)
	if err != nil || eventtest.Validate(eventtest.Compile(t, string(version2(t, "face.schema"))), shown) != nil {
		t.Errorf("%v: %s", err, shown)
	}
}

// A message of version 2 must be one by the schemas of version 2.
func TestRefusedInVersion2(t *testing.T) {
	for _, reasons := range []any{[]any{map[string]any{"reason": "pose"}}, []any{"Ugly"}, []any{}, []any{nil}} {
		data := alter(t, version2(t, "rejected"), "reasons", reasons)
		refused(t, string(version2(t, "rejected.schema")), data, event.DecodeRejected)
	}
	for _, path := range []string{"id", "track", "image"} {
		refused(t, string(version2(t, "face.schema")), alter(t, version2(t, "face"), path, nil), event.DecodeFace)
	}
}
