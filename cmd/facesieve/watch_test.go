package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"facesieve/cmd/facesieve/internal/testsupport"
	"facesieve/publish"
	"facesieve/publish/event"
	"facesieve/publish/event/eventtest"
	"facesieve/publish/publishtest"
)

// unsafeTexts returns texts that must not reach a terminal or a file name unchanged.
func unsafeTexts() []string {
	return []string{
		"\x1b[2J\x1b]0;title\a", "\x1b]52;c;aGk=\x07", "a\u009b31mb", "gate\u202egpj.exe", "a\u2066b\u2069",
		"line\nline\r", "\x00", "\x7f",
		"\xff\xfe", "../../etc/passwd", "..", ".hidden", "-rf", "C:\\x", "a*?|<>\":", strings.Repeat("n", 255),
		strings.Repeat("ü", 127), "\ufdd0", "\U000e0041", "\ufeff", strings.Repeat("/", 300), "",
	}
}

// checkSafe fails the test if text is not safe for a terminal.
func checkSafe(t *testing.T, text string) {
	t.Helper()
	if !utf8.ValidString(text) {
		t.Errorf("%q is not UTF-8", text)
	}
	if i := strings.IndexFunc(text, func(r rune) bool { return !isShown(r) && r != '\n' }); i >= 0 {
		t.Errorf("%q has an unsafe rune at %d", text, i)
	}
}

func watchedEvent(device, camera string) event.Face {
	return event.Face{
		Schema: event.Version, ID: "0195514e-3a43-7c3f-8000-0123456789ab",
		Device: device, Camera: camera, Visit: event.Visit{ID: "0195514e-3a00-7c3f-8000-ba9876543210", Tracks: 2},
		Track:  1<<53 - 1,
		Time:   time.Date(2025, 3, 1, 12, 30, 5, 0, time.UTC),
		Policy: "best", Image: event.Image{Encoding: event.JPEG, Data: []byte("x")},
	}
}

func TestWatchEscapesExternalText(t *testing.T) {
	for _, text := range unsafeTexts() {
		var out, log bytes.Buffer
		v := &viewer{
			command: &watchCommand{Save: filePath(t.TempDir())}, term: console{&out, &log},
			cancel: func() { t.Errorf("%q ends watch", text) },
		}
		h := v.handler()
		h.Face(watchedEvent(text, text))
		h.State(event.State{
			Device: text, Camera: text, State: text, Health: event.Health{State: event.HealthDegraded, Detail: text},
		})
		h.Status(text, event.Online)
		h.Removed(text, text)
		h.Rejected(event.Rejected{Device: text, Camera: text, Visit: event.Visit{ID: text}, Reasons: []event.Miss{
			{Reason: text}, {Reason: text, Measure: text, Unit: text},
		}})
		h.Invalid(text, errors.New("because "+text))
		h.Disconnected("tcp://127.0.0.1:1883", errors.New("because "+text), 27925*time.Millisecond)
		checkSafe(t, out.String())
		checkSafe(t, log.String())
		if n := strings.Count(log.String(), "\n"); n != 8 {
			t.Errorf("%q: %d lines, not 8:\n%s", text, n, log.String())
		}
		if !strings.Contains(log.String(), "no broker at tcp://127.0.0.1:1883; retrying in 28s\n") {
			t.Error(log.String())
		}
		if err := v.failure(); err != nil {
			t.Errorf("%q: %v", text, err)
		}
		saved, err := filepath.Glob(filepath.Join(string(v.command.Save), "*.jpeg"))
		if err != nil || len(saved) != 1 {
			t.Fatalf("%q: %v, %v", text, saved, err)
		}
		checkSafe(t, filepath.Base(saved[0]))
	}
}

// --json prints the exact value, with characters that are safe for a terminal.
func TestWatchJSONIsExactAndSafe(t *testing.T) {
	for _, text := range append(unsafeTexts(), "\U0001f600 é") {
		if !utf8.ValidString(text) {
			continue // no decoder accepts it
		}
		var out bytes.Buffer
		v := &viewer{command: &watchCommand{JSON: true}, term: console{&out, &out}, cancel: func() {}}
		want := watchedEvent(text, text)
		want.Quality.Labels, want.Quality.Components = event.Labels{}, event.Components{}
		v.event(want)
		checkSafe(t, out.String())
		var got event.Face
		if err := json.Unmarshal(out.Bytes(), &got); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%q: %v\n%s", text, err, out.String())
		}
	}
}

// watch shows a face from a later program of the same schema version.
func TestWatchShowsAFaceOfALaterProgram(t *testing.T) {
	face := eventtest.Face("door", 7)
	face.Schema, face.Device, face.ID = event.Version, "gate", "0195514e-3a43-7c3f-8000-0123456789ab"
	data, err := event.EncodeFace(face)
	if err != nil {
		t.Fatal(err)
	}
	broker := publishtest.StartAnonymous(t)
	later := publishtest.Record(t, broker.URL(), "facesieve/gate/door/face")
	ctx, cancel := context.WithTimeout(t.Context(), testsupport.Timeout)
	defer cancel()
	ended := make(chan string)
	go func() {
		_, stdout, stderr := invoke(ctx, "watch", "--broker", broker.URL(), "--count", "1")
		ended <- stdout + stderr
	}()
	for {
		later.Send(t, "facesieve/gate/door/face", string(eventtest.FromTheFuture(t, data)), false)
		select {
		case text := <-ended:
			for _, want := range []string{
				"gate/door  visit 6a5b1e27  track 7    score  71.5", " bytes, 1 track, after 3.0 s\n",
			} {
				if !strings.Contains(text, want) {
					t.Errorf("%q is not in %s", want, text)
				}
			}
			return
		case <-time.After(50 * time.Millisecond): // not subscribed yet: faces are not retained
		}
	}
}

// watch shows why a visit was rejected, and messages of a device with schema version 2.
func TestWatchShowsRejectionsAndVersion2(t *testing.T) {
	var out bytes.Buffer
	v := &viewer{command: &watchCommand{}, term: console{&out, &out}, cancel: func() {}}
	rejected, face := eventtest.Rejected(), watchedEvent("gate", "door")
	v.handler().Rejected(rejected)
	rejected.Visit, rejected.Reasons = event.Visit{}, []event.Miss{{Reason: "too_small"}}
	v.handler().Rejected(rejected)
	face.Schema, face.Visit, face.LatencyMS, face.Track = 2, event.Visit{}, event.NotAssessed, 9
	v.handler().Face(face)
	for _, want := range []string{
		"/door: visit 6a5b1e27, track 7, rejected: 9 px between the eyes, needs 10; yaw -62°, limit 60°\n",
		"/door: track 7, rejected: too small\n",
		"gate/door  track 9    score   0.0    0x0    jpeg, 1 bytes\n",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q is not in:\n%s", want, out.String())
		}
	}
}

// Different events have different file names, the same event has the same, and no name is too long for a file system.
func TestWatchedFileNames(t *testing.T) {
	seen := map[string]bool{}
	for i, text := range unsafeTexts() {
		e := watchedEvent("gate", text)
		e.ID = e.ID[:len(e.ID)-2] + string("0123456789abcdef"[i/16]) + string("0123456789abcdef"[i%16])
		name := watchedFile(e)
		if len(name) > 143-len(".")-len(".1234567890") || name != filepath.Base(name) ||
			strings.HasPrefix(name, ".") || seen[name] {
			t.Errorf("%q: %d bytes, seen %v", name, len(name), seen[name])
		}
		seen[name] = true
		if other := watchedFile(e); other != name {
			t.Errorf("%q and %q for the same event", name, other)
		}
	}
	if got := faceFile(watchedEvent("gate", "door")); got != "door_9007199254740991_20250301T123005.000_000.jpeg" {
		t.Error(got)
	}
}

func FuzzPrintable(f *testing.F) {
	for _, text := range unsafeTexts() {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		checkSafe(t, printable(text))
		checkSafe(t, namePart(text))
		quoted, err := json.Marshal(text)
		if err != nil {
			t.Fatal(err)
		}
		var want, got string
		escaped := safeJSON(quoted)
		checkSafe(t, string(escaped))
		if json.Unmarshal(quoted, &want) != nil || json.Unmarshal(escaped, &got) != nil || got != want {
			t.Errorf("%q became %q", want, got)
		}
		if strings.ContainsRune(namePart(text), os.PathSeparator) {
			t.Error(namePart(text))
		}
	})
}

// watch sends its certificate to a broker that requires one.
func TestWatchWithAClientCertificate(t *testing.T) {
	c := watchCommand{Broker: "ssl://broker:8883", CA: "ca.pem", Cert: "client.pem", Key: "client.key"}
	cfg, err := c.connection()
	if want := (publish.TLS{CA: "ca.pem", Cert: "client.pem", Key: "client.key"}); err != nil || cfg.TLS != want {
		t.Errorf("%+v, %v, want %+v", cfg.TLS, err, want)
	}
}
