package quality

import (
	"fmt"
	"image"
	"math"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"facesieve/models"
)

func readDocument(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// nativeAt returns the native measure from 0 to 200 at which a component has a value.
func nativeAt(c Component, value float64) float64 {
	best := 0.0
	for native := 0.0; native <= 200; native += 0.01 {
		if math.Abs(c.mapping.value(native)-value) < math.Abs(c.mapping.value(best)-value) {
			best = native
		}
	}
	return best
}

// The table of components in the guide is that of Components.
func TestREADMEListsTheComponents(t *testing.T) {
	var want strings.Builder
	for _, c := range Components() {
		fmt.Fprintf(&want, "| `%s` | %s | %s | %.2g | %.2g | %.2g |\n",
			c.Name, c.Doc, c.Unit, nativeAt(c, 100), nativeAt(c, 50), nativeAt(c, 10))
	}
	_, table, _ := strings.Cut(readDocument(t, "README.md"), "| --- | --- | --- | ---: | ---: | ---: |\n")
	if got, _, _ := strings.Cut(table, "\n\n"); got+"\n" != want.String() {
		t.Errorf("the table of components in README.md must be:\n%s", want.String())
	}
}

// Each gate has a row in the guide's table of reasons, with its key and its default limit.
func TestREADMEListsTheReasons(t *testing.T) {
	cfg := Default()
	gates := cfg.Gates.apply(image.Point{}, [4]float32{}, Assessment{})
	threshold := gate{bound: bound{key: "threshold", value: float64(cfg.Threshold)}, reason: ReasonLowQuality}
	guide := readDocument(t, "README.md")
	for _, row := range append(gates[:], threshold) {
		pattern := fmt.Sprintf("(?m)^\\| `%s` \\|.*\\| (at least|at most|more than) %g \\| `quality\\.%s` \\|",
			row.reason, row.value, regexp.QuoteMeta(row.key))
		if !regexp.MustCompile(pattern).MatchString(guide) {
			t.Errorf("README.md has no row that matches %s", pattern)
		}
	}
	if !strings.Contains(guide, fmt.Sprintf("\n| `%s` |", ReasonDuplicate)) {
		t.Errorf("README.md has no row for %s", ReasonDuplicate)
	}
}

// The error rates of the guide's diagram are those of the network.
func TestScoreDiagramHasTheRatesOfTheNetwork(t *testing.T) {
	model, err := models.Embedded(models.TaskQuality)
	if err != nil {
		t.Fatal(err)
	}
	rates := model.Manifest.Quality.FNMR
	missed, kept := curve{rates.Score, rates.FNMR}, curve{rates.Score, rates.Kept}
	var want []string
	for _, c := range []curve{missed, kept} {
		for score := 0.0; score <= 90; score += 10 {
			want = append(want, fmt.Sprintf("%.0f %%", 100*c.at(score)))
		}
	}
	got := regexp.MustCompile(`\d+ %`).FindAllString(readDocument(t, "score.svg"), -1)
	if !slices.Equal(got, want) {
		t.Errorf("score.svg has %q, the manifest %q", got, want)
	}
}
