package main

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/dustin/go-humanize/english"

	"facesieve/publish"
)

// maxWhy bounds the reasons in a status line, in runes.
const maxWhy = 120

// statusLine says in one line how things are.
func statusLine(stations []*station, broker publish.Stats, faces uint64, refused string) string {
	parts := []string{camerasLine(stations), brokerLine(broker), english.Plural(int(faces), "face", "") + " sent in the last hour"}
	if refused != "" {
		parts = append(parts, refused)
	}
	return strings.Join(parts, "; ")
}

// camerasLine is as "2 cameras running, 1 reconnecting (garage: connection refused)".
func camerasLine(stations []*station) string {
	counts, names := map[string]int{}, map[string][]string{}
	for _, s := range stations {
		word, why := s.word()
		counts[word]++
		if word != publish.Running {
			reason, _ := s.reason(word, why)
			reason = strings.ReplaceAll(reason, "_", " ")
			names[word] = append(names[word], s.name+brackets(": ", cmp.Or(reason, cause(why)), ""))
		}
	}
	var parts []string
	for _, word := range []string{publish.Running, publish.Reconnecting, publish.Stopped} {
		if counts[word] == 0 {
			continue
		}
		part := fmt.Sprintf("%d %s", counts[word], word)
		if len(parts) == 0 {
			part = english.Plural(counts[word], "camera", "") + " " + word
		}
		parts = append(parts, part+brackets(" (", strings.Join(names[word], "; "), ")"))
	}
	return strings.Join(parts, ", ")
}

func brokerLine(s publish.Stats) string {
	if s.Held > 0 {
		held := english.Plural(s.Held, "event", "") + " in memory only, the disk takes none"
		s.Held = 0
		return brokerLine(s) + ", " + held
	}
	line := "broker connected"
	switch {
	case !s.Connected:
		line = "broker away" + brackets(" (", cmp.Or(s.Hint, cause(s.LastError)), ")")
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

// refusal is what the status line says of a configuration that was refused at that time.
func refusal(at time.Time, err error) string {
	why := err.Error()
	var faults Faults
	if errors.As(err, &faults) && len(faults.List) > 0 {
		first := slices.MinFunc(faults.List, func(a, b Fault) int { return cmp.Compare(a.Line, b.Line) })
		why = first.Text
		if first.Key != "" {
			why = first.Key + ": " + why
		}
		if first.Line > 0 {
			why = fmt.Sprintf("line %d: %s", first.Line, why)
		}
	}
	return fmt.Sprintf("configuration of %s refused: %s; the old one goes on", at.Format("15:04"), oneLine(why))
}

// brackets puts text, if there is any, between two others.
func brackets(before, text, after string) string {
	if text == "" {
		return ""
	}
	return before + oneLine(text) + after
}

// cause is the end of a chain of errors, "connection refused" for example; the log has it all.
func cause(why string) string { return why[strings.LastIndex(why, ": ")+1:] }

// oneLine makes one short line of text.
func oneLine(text string) string {
	line := []rune(strings.Join(strings.Fields(text), " "))
	if len(line) > maxWhy {
		line = append(line[:maxWhy-1], '…')
	}
	return string(line)
}

// lastHour counts what happened in the last sixty minutes.
type lastHour struct {
	minutes [60]uint64
	minute  int64 // of the last count, since 1970
}

// add counts n more and returns the sum.
func (h *lastHour) add(now time.Time, n uint64) uint64 {
	minute := now.Unix() / 60
	for h.minute = max(h.minute, minute-60); h.minute < minute; {
		h.minute++
		h.minutes[h.minute%60] = 0
	}
	h.minutes[h.minute%60] += n
	var sum uint64
	for _, m := range h.minutes {
		sum += m
	}
	return sum
}
