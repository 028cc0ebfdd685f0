package health

import (
	"encoding/json"
	"reflect"
	"testing"
	"time"

	"facesieve/cmd/facesieve/internal/testsupport"
)

// What was learned is the same after it was stored and loaded, and stored again.
func TestStoredAndLoaded(t *testing.T) {
	p := newPlayer()
	for range 3 {
		p.play(t, time.Hour, sceneWindow(t, 1, asItIs))
	}
	p.monitor.visit(p.now, 52)
	first := p.monitor.store()
	text, err := json.Marshal(first)
	testsupport.Must(t, err)
	var read stored
	testsupport.Must(t, json.Unmarshal(text, &read))
	loaded := newMonitor()
	testsupport.Must(t, loaded.load(read))
	if second := loaded.store(); !reflect.DeepEqual(second.Day, first.Day) || !reflect.DeepEqual(second.Dark, first.Dark) ||
		!reflect.DeepEqual(second.Scores, first.Scores) {
		t.Error("another content after it was loaded")
	}
	w := sceneWindow(t, 1, pictureFaults()[4].apply)
	before, after := p.monitor.day.recent.compare(&w), loaded.day.recent.compare(&w)
	if before.impaired < impairedShare || before.impaired-after.impaired > 0.02 || after.impaired-before.impaired > 0.02 {
		t.Errorf("%+v, %+v after it was loaded", before, after)
	}
}

// No content of the file makes the checks fail.
func FuzzLoad(f *testing.F) {
	m := newMonitor()
	text, err := json.Marshal(m.store())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(text)
	f.Add([]byte(`{"version":1,"day":{"hours":{"12":{"weight":1e300,"contrast":"AA=="}}},"scores":{"3":[1]}}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		var s stored
		m := newMonitor()
		if json.Unmarshal(text, &s) != nil || m.load(s) != nil {
			return
		}
		w := window{at: noon(), length: 10 * time.Second, background: make([]uint8, thumbWidth*thumbHeight)}
		if err := m.check(&w); err != nil {
			t.Fatal(err)
		}
		if _, err := json.Marshal(m.store()); err != nil {
			t.Fatal(err)
		}
	})
}
