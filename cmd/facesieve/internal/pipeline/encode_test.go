package pipeline

import (
	"bytes"
	"encoding/json"
	"image/png"
	"slices"
	"testing"

	"gocv.io/x/gocv"

	"facesieve/cmd/facesieve/internal/config"
	"facesieve/publish"
	"facesieve/quality"
)

// A PNG holds the very pixels.
func TestFacesAsPNG(t *testing.T) {
	mat := gocv.NewMatWithSizeFromScalar(gocv.NewScalar(10, 20, 30, 0), 112, 112, gocv.MatTypeCV8UC3)
	defer mat.Close()
	data, err := EncodeImage(config.Image{Encoding: publish.PNG, Quality: 95}, mat)
	if err != nil {
		t.Fatal(err)
	}
	picture, err := png.Decode(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	if r, g, b, _ := picture.At(5, 5).RGBA(); r>>8 != 30 || g>>8 != 20 || b>>8 != 10 {
		t.Errorf("red %d, green %d, blue %d", r>>8, g>>8, b>>8)
	}
}

// The schemas of events list the components that quality assesses, in its order, and an event has the value of each.
func TestEventsHaveEveryComponent(t *testing.T) {
	assessment := quality.NewAssessor().Unassessed()
	var names []string
	for i := range assessment.Components {
		names = append(names, assessment.Components[i].Name)
		assessment.Components[i].Value = float64(i + 1)
	}
	data, err := json.Marshal(Components(assessment))
	if err != nil {
		t.Fatal(err)
	}
	var values map[string]float64
	if err := json.Unmarshal(data, &values); err != nil {
		t.Fatal(err)
	}
	for i, name := range names {
		if values[name] != float64(i+1) {
			t.Errorf("an event has %g for %s, expected %d", values[name], name, i+1)
		}
	}
	for title, schema := range map[string][]byte{"event": publish.EventSchema, "rejected": publish.RejectedSchema} {
		if got := componentsOf(t, schema); !slices.Equal(got, names) {
			t.Errorf("the schema %s lists the components %q, quality assesses %q", title, got, names)
		}
	}
}

// componentsOf returns the components that a schema requires.
func componentsOf(t *testing.T, schema []byte) []string {
	t.Helper()
	type object struct {
		Required   []string
		Properties map[string]json.RawMessage
	}
	var top, components object
	if err := json.Unmarshal(schema, &top); err != nil {
		t.Fatal(err)
	}
	if parent, ok := top.Properties["quality"]; ok {
		if err := json.Unmarshal(parent, &top); err != nil {
			t.Fatal(err)
		}
	}
	if err := json.Unmarshal(top.Properties["components"], &components); err != nil {
		t.Fatal(err)
	}
	return components.Required
}
