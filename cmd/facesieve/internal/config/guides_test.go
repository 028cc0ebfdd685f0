package config

import (
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"facesieve/cmd/facesieve/internal/testsupport"
)

// keyPaths adds the dotted path of every key of section type t to paths.
func keyPaths(t reflect.Type, section string, paths map[string]bool) {
	for name, index := range fieldsOf(t) {
		path := join(section, name)
		paths[path] = true
		if field := t.FieldByIndex(index).Type; field.Kind() == reflect.Struct && field != nodeType {
			keyPaths(field, path, paths)
		}
	}
}

// Every dotted key in the guides for installers and technicians is a key of the configuration.
func TestGuidesNameExistingKeys(t *testing.T) {
	paths := map[string]bool{}
	keyPaths(reflect.TypeFor[document](), "", paths)
	keyPaths(reflect.TypeFor[Camera](), "", paths)
	key := regexp.MustCompile("`([a-z_]+(?:\\.[a-z_]+)+)[:`]")
	found := 0
	for _, guide := range []string{"quality", "systemd"} {
		text, err := os.ReadFile(testsupport.RepositoryPath(t, guide, "README.md"))
		if err != nil {
			t.Fatal(err)
		}
		for _, match := range key.FindAllStringSubmatch(string(text), -1) {
			section, _, _ := strings.Cut(match[1], ".")
			if files := []string{"outbox.db", "outbox.locations", "feedback.json", "feedback.svg"}; !paths[section] || slices.Contains(files, match[1]) {
				continue
			}
			found++
			if !paths[match[1]] {
				t.Errorf("%s/README.md names the key %s, which does not exist", guide, match[1])
			}
		}
	}
	if found < 20 {
		t.Errorf("only %d keys were found in the guides", found)
	}
}
