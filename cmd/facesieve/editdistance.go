package main

import (
	"slices"
	"strings"
)

// editDistance returns the Levenshtein distance: the number of insertions, deletions and replacements of bytes that
// turn a into b. If the lengths alone make it more than most, it returns most + 1.
func editDistance(a, b string, most int) int {
	if max(len(a), len(b))-min(len(a), len(b)) > most {
		return most + 1
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			replaced := diagonal
			if a[i] != b[j] {
				replaced++
			}
			diagonal = row[j+1]
			row[j+1] = min(replaced, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}

// listed joins names in alphabetical order.
func listed(names []string) string {
	slices.Sort(names)
	return strings.Join(names, ", ")
}
