package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/grafana/grafana-foundation-sdk/go/cog/plugins"
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"

	"facesieve/cmd/facesieve/internal/testsupport"
	"facesieve/internal/freeport"
)

// promtool returns the path of promtool. It skips the test where that is absent.
func promtool(t *testing.T) string {
	t.Helper()
	path := testsupport.RepositoryPath(t, "build", "tools", "promtool")
	if _, err := os.Stat(path); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("promtool is missing, and CI must have it: run .setup/promtool")
		}
		t.Skip("promtool is missing: run .setup/promtool")
	}
	return path
}

// scraper reads the metrics of a daemon as Prometheus does.
type scraper struct {
	t     *testing.T
	base  string
	token string
}

func (s scraper) get(path, authorization string) (int, string) {
	s.t.Helper()
	request, err := http.NewRequestWithContext(s.t.Context(), http.MethodGet, s.base+path, nil)
	testsupport.Must(s.t, err)
	request.Header.Set("Authorization", authorization)
	answer, err := (&http.Client{Timeout: testsupport.Timeout}).Do(request)
	testsupport.Must(s.t, err)
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	testsupport.Must(s.t, err)
	return answer.StatusCode, string(text)
}

func (s scraper) scrape() string {
	s.t.Helper()
	code, text := s.get("/metrics", "Bearer "+s.token)
	if code != http.StatusOK {
		s.t.Fatalf("%d %s", code, text)
	}
	return text
}

// value returns the value of a series in a scrape, and -1 without it.
func value(t *testing.T, scrape, series string) float64 {
	t.Helper()
	_, rest, found := strings.Cut("\n"+scrape, "\n"+series+" ")
	if !found {
		return -1
	}
	text, _, _ := strings.Cut(rest, "\n")
	number, err := strconv.ParseFloat(text, 64)
	testsupport.Must(t, err)
	return number
}

// startScrapedDaemon starts a daemon that loops a recording as the cameras of these names.
func startScrapedDaemon(t *testing.T, cameras ...string) (scraper, func(configuration string, cameras ...string)) {
	t.Helper()
	state, listen := t.TempDir(), freeport.Address(t)
	t.Setenv("STATE_DIRECTORY", state)
	text := func(configuration string, cameras ...string) string {
		text := allFaces + configuration + fmt.Sprintf("web: {listen: '%s'}\ncameras:\n", listen)
		for _, name := range cameras {
			text += looped(name, testsupport.SharedVideo(t, "two_heads.mp4"))
		}
		return text
	}
	d := startTestDaemon(t, text("", cameras...))
	token, err := os.ReadFile(filepath.Join(state, "page-token"))
	testsupport.Must(t, err)
	s := scraper{t, "http://" + listen, strings.TrimSpace(string(token))}
	return s, func(configuration string, cameras ...string) { d.write(text(configuration, cameras...)) }
}

// The metrics of a running daemon pass promtool, and need the token. The checks need none.
func TestMetricsOfDaemon(t *testing.T) {
	s, _ := startScrapedDaemon(t, "door")
	sent, delivered := `facesieve_faces_sent_total{camera="door"}`, `facesieve_publish_latency_seconds_count`
	testsupport.Eventually(t, "a delivered face", func() bool {
		scrape := s.scrape()
		return value(t, scrape, sent) > 0 && value(t, scrape, delivered) > 0
	})
	for _, path := range []string{"/healthz", "/readyz"} {
		if code, text := s.get(path, ""); code != http.StatusOK {
			t.Errorf("%s: %d %s", path, code, text)
		}
	}
	if code, _ := s.get("/metrics", ""); code != http.StatusUnauthorized {
		t.Errorf("without the token: %d", code)
	}
	scrape := s.scrape()
	for _, series := range []string{
		`facesieve_camera_up{camera="door"}`, `facesieve_frames_total{camera="door"}`,
		`facesieve_visits_total{camera="door"}`, `facesieve_face_score_count{camera="door"}`,
		`facesieve_stage_seconds_count{camera="door",stage="detect"}`, `facesieve_outbox_delivered_total`,
		`facesieve_broker_connected`, `facesieve_config_reload_success`, `process_resident_memory_bytes`,
	} {
		if value(t, scrape, series) <= 0 {
			t.Errorf("%s is %v", series, value(t, scrape, series))
		}
	}
	check := exec.CommandContext(t.Context(), promtool(t), "check", "metrics")
	check.Stdin = strings.NewReader(scrape)
	if out, err := check.CombinedOutput(); err != nil || len(out) > 0 {
		t.Errorf("promtool: %v\n%s", err, out)
	}
}

// Counters survive a reload that replaces the worker of a camera, and the series of a removed camera disappear.
func TestMetricsAfterAReload(t *testing.T) {
	s, write := startScrapedDaemon(t, "door", "yard")
	counters := []string{
		`facesieve_frames_total{camera="door"}`, `facesieve_stage_seconds_count{camera="door",stage="detect"}`,
		`facesieve_face_score_count{camera="door"}`, `facesieve_visits_total{camera="door"}`,
		`facesieve_decoding_cpu_seconds_total{camera="door"}`,
	}
	testsupport.Eventually(t, "counts", func() bool {
		scrape := s.scrape()
		for _, series := range counters {
			if value(t, scrape, series) <= 0 {
				return false
			}
		}
		return value(t, scrape, `facesieve_camera_up{camera="yard"}`) == 1
	})
	last := s.scrape()
	reloaded := value(t, last, "facesieve_config_reload_timestamp_seconds")
	write("max_fps: 5\n", "door")
	testsupport.Eventually(t, "the series of the removed camera go", func() bool {
		scrape := s.scrape()
		for _, series := range counters {
			if now, before := value(t, scrape, series), value(t, last, series); now < before {
				t.Errorf("%s went back from %v to %v", series, before, now)
			}
		}
		last = scrape
		return !strings.Contains(scrape, `"yard"`)
	})
	if value(t, last, "facesieve_config_reload_timestamp_seconds") <= reloaded {
		t.Error("the reload has no time")
	}
	write("max_fps: -5\n", "door")
	testsupport.Eventually(t, "the refused reload", func() bool {
		return value(t, s.scrape(), "facesieve_config_reload_success") == 0
	})
}

// metricNames are the names of metrics in an expression or a file.
var metricNames = regexp.MustCompile(`\b(facesieve|process|go)_[a-z_]+\b`)

// The dashboard is one of Grafana's schema, and it and the alerts use no metric that the daemon does not have.
func TestDashboardAndAlerts(t *testing.T) {
	text, err := os.ReadFile(testsupport.RepositoryPath(t, "systemd", "grafana.json"))
	testsupport.Must(t, err)
	plugins.RegisterDefaultPlugins()
	var board dashboard.Dashboard                                                //nolint:staticcheck // of the two formats, the one that every Grafana imports
	if err := board.UnmarshalJSONStrict(text); err != nil && err.Error() != "" { // an empty list of faults is not nil
		t.Fatal(err)
	}
	testsupport.Must(t, json.Unmarshal(text, &board)) // the strict one checks the panels, and does not keep them
	if err := board.Validate(); err != nil {
		t.Error(err)
	}
	ids, panels := map[uint32]bool{}, 0
	for _, p := range board.Panels {
		switch {
		case p.RowPanel != nil:
			ids[p.RowPanel.Id] = true
		case p.Panel != nil:
			panels++
			ids[*p.Panel.Id] = true
			if len(p.Panel.Targets) == 0 || p.Panel.Datasource.Uid == nil || *p.Panel.Datasource.Uid != "${datasource}" {
				t.Errorf("panel %q has no query, or a data source of its own", *p.Panel.Title)
			}
		}
	}
	if len(ids) != len(board.Panels) || panels < 10 {
		t.Errorf("%d panels, %d numbers of %d", panels, len(ids), len(board.Panels))
	}
	alerts, err := os.ReadFile(testsupport.RepositoryPath(t, "systemd", "alerts.yaml"))
	testsupport.Must(t, err)
	s, _ := startScrapedDaemon(t, "door")
	names := metricNames.FindAllString(string(text)+string(alerts), -1)
	var missing []string
	t.Cleanup(func() {
		if len(missing) > 0 {
			t.Logf("the daemon has no metrics %q", missing)
		}
	})
	testsupport.Eventually(t, "every metric of dashboard and alerts", func() bool {
		missing = missingMetrics(s.scrape(), names)
		return len(missing) == 0
	})
}

// missingMetrics returns those of these metrics that a scrape does not have.
func missingMetrics(scrape string, names []string) (missing []string) {
	for _, name := range names {
		base := strings.TrimSuffix(strings.TrimSuffix(strings.TrimSuffix(name, "_bucket"), "_sum"), "_count")
		if !strings.Contains(scrape, "\n# TYPE "+name+" ") && !strings.Contains(scrape, "\n# TYPE "+base+" histogram\n") {
			missing = append(missing, name)
		}
	}
	return missing
}
