package event_test

import (
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// A subscriber that imports the contract imports no client, no broker, no database and no OpenCV with it.
func TestImports(t *testing.T) {
	out, err := exec.Command("go", "list", "-deps", "-f", "{{if not .Standard}}{{.ImportPath}}{{end}}", ".").Output()
	if err != nil {
		t.Fatal(err)
	}
	deps := strings.Fields(string(out))
	if want := []string{"github.com/google/uuid", "facesieve/publish/event"}; !slices.Equal(deps, want) {
		t.Errorf("imports %v, want %v", deps, want)
	}
}
