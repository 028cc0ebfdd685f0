package config

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// maxFaults bounds the list of faults; a file with more is probably not a configuration.
const maxFaults = 100

// Fault is the error of one value of a configuration. It contains no secret.
type Fault struct {
	Key    string // dotted path in the file, as in cameras[0].url; empty if the text is not YAML
	Value  string // as in the file; empty if it is missing, no scalar, or not repeated because it may be a secret
	Line   int    // line in the file, from 1; 0 where the key is not in the file
	Column int    // character of the line, from 1; 0 where Line is 0
	Text   string // what is wrong and how to fix it
}

// Error returns the key, what is wrong with its value and how to fix it.
func (f Fault) Error() string {
	if f.Key == "" {
		return f.Text
	}
	return f.Key + ": " + f.Text
}

// position returns ":line:column", or nothing if the position is unknown.
func (f Fault) position() string {
	if f.Line == 0 {
		return ""
	}
	return fmt.Sprintf(":%d:%d", f.Line, f.Column)
}

// Faults is everything that is wrong with a configuration file, in the order of its lines.
type Faults struct {
	File    string
	List    []Fault
	Omitted int // faults that were counted and are not in List
}

// Error returns one line for each fault: file, line, column, key, what is wrong and how to fix it.
func (f Faults) Error() string {
	list := slices.Clone(f.List)
	slices.SortStableFunc(list, func(a, b Fault) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	})
	lines := make([]string, 0, len(list)+1)
	for _, fault := range list {
		lines = append(lines, f.File+fault.position()+": "+fault.Error())
	}
	if f.Omitted > 0 {
		lines = append(lines, fmt.Sprintf("%s: %d more faults are not shown; fix these first", f.File, f.Omitted))
	}
	return strings.Join(lines, "\n")
}

// Unwrap returns the faults, so that errors.As finds the first one.
func (f Faults) Unwrap() []error {
	all := make([]error, 0, len(f.List))
	for _, fault := range f.List {
		all = append(all, fault)
	}
	return all
}

// faultList collects faults, at most maxFaults of them.
type faultList struct {
	list    []Fault
	omitted int
	ignored func(key string) bool // nil: no key is
}

// add keeps the fault of the value at key, which describe returns, if there is room for it.
func (f *faultList) add(key string, describe func() Fault) {
	switch {
	case f.ignored != nil && f.ignored(key):
	case len(f.list) >= maxFaults:
		f.omitted++
	default:
		f.list = append(f.list, describe())
	}
}

func (f *faultList) empty() bool { return len(f.list) == 0 }
