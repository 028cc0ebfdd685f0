package main

import (
	"fmt"
	"sort"
	"strings"
)

// Fault is one thing that is wrong with a configuration.
type Fault struct {
	Key  string // dotted path in the file, as in cameras[0].url
	Line int    // line in the file, from 1; 0 where the key is not in the file
	Text string // what is wrong and how to mend it
}

// Faults is everything that is wrong with a configuration file, in the order of its lines.
type Faults struct {
	File string
	List []Fault
}

// Error prints one fault a line: file, line, key, fault and mend.
func (f Faults) Error() string {
	list := append([]Fault(nil), f.List...)
	sort.SliceStable(list, func(i, j int) bool { return list[i].Line < list[j].Line })
	var b strings.Builder
	for i, fault := range list {
		if i > 0 {
			b.WriteByte('\n')
		}
		b.WriteString(f.File)
		if fault.Line > 0 {
			fmt.Fprintf(&b, ":%d", fault.Line)
		}
		b.WriteString(": ")
		if fault.Key != "" {
			b.WriteString(fault.Key + ": ")
		}
		b.WriteString(fault.Text)
	}
	return b.String()
}
