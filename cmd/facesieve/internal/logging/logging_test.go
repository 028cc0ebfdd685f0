package logging

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"facesieve/cmd/facesieve/internal/config"
)

func TestLogLinesAreJSONWithMilliseconds(t *testing.T) {
	var out bytes.Buffer
	log := New(config.Log{Level: "warn", Format: "auto"}, &out)
	log.Info().Msg("below the level")
	log.Warn().Str("camera", "door").Msg("logged")
	var line struct{ Level, Camera, Message, Time string }
	if err := json.Unmarshal(out.Bytes(), &line); err != nil {
		t.Fatalf("%v: %s", err, out.String())
	}
	at, err := time.Parse("2006-01-02T15:04:05.000Z", line.Time)
	if err != nil || time.Since(at).Abs() > time.Minute || line.Level != "warn" || line.Camera != "door" ||
		line.Message != "logged" {
		t.Errorf("line %s, %v", out.String(), err)
	}
}

func TestConsoleFormat(t *testing.T) {
	var out bytes.Buffer
	log := New(config.Log{Level: "info", Format: "console"}, &out)
	log.Info().Str("camera", "door").Msg("video")
	if text := out.String(); !strings.Contains(text, "INF video camera=door") {
		t.Errorf("line %q", text)
	}
}

// A switch changes the level and the format of all derived loggers.
func TestLogSwitch(t *testing.T) {
	var out bytes.Buffer
	log, sw := Open(config.Log{Level: "info", Format: "json"}, &out)
	child := log.With().Str("camera", "door").Logger()
	child.Debug().Msg("below the level")
	sw.Set(config.Log{Level: "debug", Format: "console"})
	child.Debug().Msg("logged")
	sw.Set(config.Log{Level: "error", Format: "json"})
	child.Warn().Msg("below the new level")
	if text := out.String(); !strings.Contains(text, "DBG logged camera=door") || strings.Count(text, "\n") != 1 {
		t.Errorf("log %q", text)
	}
}
