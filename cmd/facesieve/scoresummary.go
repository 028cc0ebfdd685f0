package main

import (
	"fmt"
	"strings"

	"github.com/dustin/go-humanize/english"
)

// scoreCounts counts the pictures by result, and the faces.
type scoreCounts struct{ pictures, scored, faces, empty, failed int }

// add counts the lines of a picture.
func (n *scoreCounts) add(lines []scoredFace) {
	n.pictures++
	switch {
	case lines[0].Error != "":
		n.failed++
	case lines[0].Score == nil:
		n.empty++
	default:
		n.scored++
		n.faces += len(lines)
	}
}

// summary returns for example
// "3 pictures: 1 scored, with 2 faces; 1 without a face; 1 could not be scored; left out: 1 hidden".
func (n *scoreCounts) summary(list *pictureList) string {
	parts := []string{
		fmt.Sprintf("%s: %d scored, with %s", english.Plural(n.pictures, "picture", ""), n.scored, english.Plural(n.faces, "face", "")),
	}
	for _, part := range []struct {
		count int
		text  string
	}{{n.empty, "without a face"}, {n.failed, "could not be scored"}} {
		if part.count > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", part.count, part.text))
		}
	}
	var out []string
	if list.hidden > 0 {
		out = append(out, fmt.Sprintf("%d hidden", list.hidden))
	}
	if list.others > 0 {
		out = append(out, english.Plural(list.others, "other file", ""))
	}
	if list.repeated > 0 {
		out = append(out, english.Plural(list.repeated, "link", "")+" to directories already listed")
	}
	if len(out) > 0 {
		parts = append(parts, "left out: "+strings.Join(out, ", "))
	}
	return strings.Join(parts, "; ")
}
