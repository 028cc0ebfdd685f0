package daemon

import (
	"cmp"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/dustin/go-humanize/english"

	"facesieve/cmd/facesieve/internal/config"
	"facesieve/publish"
	"facesieve/publish/event"
)

// maxText bounds each reason in a status line, in runes.
const maxText = 120

// statusLine describes the state in one line, for systemctl status.
func statusLine(s *State) string {
	parts := []string{
		camerasText(s.Cameras), brokerText(s.Uplink),
		english.Plural(int(s.FacesLastHour), "face", "") + " sent in the last hour", //nolint:gosec // far below the limit
	}
	if s.ReloadRefused != "" {
		parts = append(parts, s.ReloadRefused)
	}
	return strings.Join(parts, "; ")
}

// camerasText returns for example "2 cameras running, 1 reconnecting (garage: connection refused)".
func camerasText(cameras []CameraState) string {
	counts, names := map[string]int{}, map[string][]string{}
	for _, c := range cameras {
		counts[c.State]++
		if c.State != event.Running {
			reason, _ := c.explain()
			reason = strings.ReplaceAll(reason, "_", " ")
			names[c.State] = append(names[c.State], c.Name+brackets(": ", cmp.Or(reason, cause(c.Error)), ""))
		}
	}
	var parts []string
	for _, state := range []string{event.Running, event.Reconnecting, event.Stopped} {
		if counts[state] == 0 {
			continue
		}
		part := fmt.Sprintf("%d %s", counts[state], state)
		if len(parts) == 0 {
			part = english.Plural(counts[state], "camera", "") + " " + state
		}
		parts = append(parts, part+brackets(" (", strings.Join(names[state], "; "), ")"))
	}
	return strings.Join(append(parts, degradedTexts(cameras)...), ", ")
}

// degradedTexts returns for example "1 degraded (garage: dirty or out of focus)", or nothing.
func degradedTexts(cameras []CameraState) []string {
	var names []string
	for _, c := range cameras {
		if c.Health.State == event.HealthDegraded {
			names = append(names, c.Name+": "+strings.ReplaceAll(c.Health.Reason, "_", " "))
		}
	}
	if len(names) == 0 {
		return nil
	}
	return []string{fmt.Sprintf("%d degraded (%s)", len(names), oneLine(strings.Join(names, "; ")))}
}

// brokerText describes the connection to the broker and the events that wait.
func brokerText(s publish.Stats) string {
	if s.Held > 0 {
		held := english.Plural(s.Held, "event", "") + " in memory only (the disk is not writable)"
		s.Held = 0
		return brokerText(s) + ", " + held
	}
	line := "broker connected"
	switch {
	case !s.Connected:
		line = "broker not connected" + brackets(" (", cmp.Or(s.Hint, cause(s.LastError)), ")")
	case s.Denied != "":
		line = "broker connected, but discards messages" + brackets(" (", s.Denied, ")")
	default:
		return line
	}
	if s.Queued > 0 {
		line += ", " + english.Plural(s.Queued, "event", "") + " waiting"
	}
	return line
}

// refusal describes a configuration that was refused at this time.
func refusal(at time.Time, err error) string {
	return "configuration" + refusalOf(at, err) + "; the former one stays in force"
}

// refusalOf describes when and why a configuration or the overrides were refused.
func refusalOf(at time.Time, err error) string {
	why := err.Error()
	var faults config.Faults
	if errors.As(err, &faults) && len(faults.List) > 0 {
		first := slices.MinFunc(faults.List, func(a, b config.Fault) int { return cmp.Compare(a.Line, b.Line) })
		why = first.Error()
		if first.Line > 0 {
			why = fmt.Sprintf("line %d: %s", first.Line, why)
		}
		if filepath.Base(faults.File) == config.OverridesName {
			why = config.OverridesName + " " + why
		}
	}
	return fmt.Sprintf(" of %s refused: %s", at.Format("15:04"), oneLine(why))
}

// brackets puts text between two others. It returns nothing if text is empty.
func brackets(before, text, after string) string {
	if text == "" {
		return ""
	}
	return before + oneLine(text) + after
}

// cause returns the end of a chain of errors, for example "connection refused". The log has the whole chain.
func cause(text string) string { return text[strings.LastIndex(text, ": ")+1:] }

// oneLine returns text as one line of at most maxText runes.
func oneLine(text string) string {
	line := []rune(strings.Join(strings.Fields(text), " "))
	if len(line) > maxText {
		line = append(line[:maxText-1], '…')
	}
	return string(line)
}
