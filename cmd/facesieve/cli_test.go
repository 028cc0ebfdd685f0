package main

import (
	"strings"
	"testing"

	"facesieve/cmd/facesieve/internal/testsupport"
	"facesieve/publish/event"
)

func TestExitCodes(t *testing.T) {
	bad := testsupport.WriteFile(t, "bad.yaml", "detect: {scor: 1}\n")
	good := testsupport.WriteFile(t, "good.yaml", "cameras: [{name: a, url: a.mp4}]\n")
	for name, test := range map[string]struct {
		args []string
		code int
		text string
	}{
		"help":         {[]string{"--help"}, exitOK, "Exit codes"},
		"no command":   {nil, exitUsage, "expected one of"},
		"unknown flag": {[]string{"check", "--colour"}, exitUsage, "unknown flag --colour"},
		"bad file":     {[]string{"check", "--config", bad}, exitConfig, "did you mean \"score\"?"},
		"good file":    {[]string{"check", "--config", good}, exitOK, "good; 1 camera"},
		"no file":      {[]string{"run", "--config", good + "x"}, exitConfig, "no such file"},
		"version":      {[]string{"version"}, exitOK, "TFLite"},
	} {
		t.Run(name, func(t *testing.T) {
			code, stdout, stderr := invoke(t.Context(), test.args...)
			if code != test.code || !strings.Contains(stdout+stderr, test.text) {
				t.Errorf("exit code %d, want %d with %q:\n%s%s", code, test.code, test.text, stdout, stderr)
			}
		})
	}
}

// Each built-in network is named with its terms, and scores are recommended for the detector's settings alone.
func TestVersionNamesTheNetworks(t *testing.T) {
	stdout, _ := mustInvoke(t, "version")
	for _, want := range []string{"  detector  facesieve-detector ", "  landmarks facesieve-landmarks ", "  quality   "} {
		if !strings.Contains(stdout, want) {
			t.Errorf("%q is not in\n%s", want, stdout)
		}
	}
	if n := strings.Count(stdout, "terms: non-commercial research only"); n != 3 {
		t.Errorf("%d of 3 networks have their terms:\n%s", n, stdout)
	}
	if strings.Count(stdout, ", detect.score ") != 1 {
		t.Errorf("not one network recommends scores:\n%s", stdout)
	}
}

func TestSchemaIsPrinted(t *testing.T) {
	stdout, _ := mustInvoke(t, "schema")
	if stdout != event.FaceSchema {
		t.Error("facesieve schema prints something else than the schema of package event")
	}
	document, err := event.AsyncAPI()
	if err != nil {
		t.Fatal(err)
	}
	if stdout, _ := mustInvoke(t, "schema", "--asyncapi"); stdout != string(document) {
		t.Error("facesieve schema --asyncapi prints something else than the document of package event")
	}
}
