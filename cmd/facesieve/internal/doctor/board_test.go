package doctor

import (
	"errors"
	"strings"
	"testing"
	"time"

	"facesieve/cmd/facesieve/internal/config"
	"facesieve/cmd/facesieve/internal/pipeline"
	"facesieve/models"
	"facesieve/publish/outbox"
)

func TestClock(t *testing.T) {
	now := time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)
	unknown := errors.New("not permitted")
	wantFinding(t, "good", clockFinding(now, true, nil), OK, "2026-05-01T12:00:00Z, synchronised")
	wantFinding(t, "free", clockFinding(now, false, nil), Warning, "timedatectl set-ntp true")
	wantFinding(t, "unknown", clockFinding(now, false, unknown), OK, "is unknown")
	wantFinding(t, "1970", clockFinding(time.Unix(0, 0), true, nil), Failed, "cannot be right")
}

func TestMemoryIsParsed(t *testing.T) {
	total, available, err := parseMemory(strings.NewReader("MemTotal:  2048 kB\nMemFree: 1 kB\nMemAvailable: 1024 kB\n"))
	if total != 2<<20 || available != 1<<20 || err != nil {
		t.Errorf("%d, %d, %v", total, available, err)
	}
	if _, _, err := parseMemory(strings.NewReader("MemTotal: 2048 kB\n")); err == nil {
		t.Error("no error without MemAvailable")
	}
}

func TestSystemd(t *testing.T) {
	const good = "LoadState=loaded\nUnitFileState=enabled\nActiveState=active\nSubState=running\nResult=success\n" +
		"NRestarts=2\nWatchdogUSec=30s\n"
	for name, c := range map[string]struct {
		from, to string
		result   Result
		part     string
	}{
		"good":        {"", "", OK, "enabled, active (running), 2 restarts, watchdog 30s"},
		"absent":      {"LoadState=loaded", "LoadState=not-found", Warning, "is not installed"},
		"bad":         {"LoadState=loaded", "LoadState=bad-setting", Failed, "is bad-setting"},
		"failed":      {"ActiveState=active", "ActiveState=failed", Failed, "journalctl -u facesieve"},
		"disabled":    {"=enabled", "=disabled", Warning, "enable --now facesieve"},
		"stopped":     {"ActiveState=active", "ActiveState=inactive", Warning, "start facesieve"},
		"no watchdog": {"=30s", "=0", Warning, "WatchdogSec=30"},
	} {
		wantFinding(t, name, systemdFinding(properties(strings.Replace(good, c.from, c.to, 1))), c.result, c.part)
	}
}

func TestOutboxSpace(t *testing.T) {
	cfg := outbox.Default()
	cfg.Dir = "/x"
	wantFinding(t, "free", outboxFinding(cfg, outbox.Inspection{Events: 1, Free: 64 << 20, Growth: 64 << 20}), OK,
		"/x: writable, 1 event waits, 64 MiB free")
	wantFinding(t, "full", outboxFinding(cfg, outbox.Inspection{Free: 64<<20 - 1, Growth: 64 << 20}), Warning,
		"may grow by 64 MiB; make room")
	wantFinding(t, "in use", outboxFinding(cfg, outbox.Inspection{InUse: true, Events: -1}), OK, "in use by a running")
	cfg.KeyFile = "/key"
	wantFinding(t, "sealed", outboxFinding(cfg, outbox.Inspection{}), OK, "sealed with a key")
	cfg.KeyFile = "/absent/key"
	wantFinding(t, "no key", checkOutbox(cfg), Failed, "key_file: the file cannot be opened")
	cfg.KeyFile, cfg.Store = "", outbox.Memory
	wantFinding(t, "memory", checkOutbox(cfg), OK, "in memory")
}

func TestRefusedAcceleratorFails(t *testing.T) {
	cfg := config.Default()
	cfg.Runtime.Delegate, cfg.Runtime.Library = models.DelegateExternal, "libx.so"
	times := pipeline.NetworkTimes{Name: "n-1", Engine: "TFLite 2", Device: "xnnpack", Refusal: "it drifts"}
	f := networkFinding(cfg, times)
	wantFinding(t, "refused", f, Failed,
		"the configured runtime (external, libx.so) is refused, XNNPACK on the CPU is used: it drifts")
	times.Refusal, times.Run, times.OnCPU = "", 3*time.Millisecond, 2*time.Millisecond
	wantFinding(t, "slow", networkFinding(cfg, times), Warning, "slower than XNNPACK on the CPU (2.00 ms)")
	times.OnCPU = 4 * time.Millisecond
	wantFinding(t, "fast", networkFinding(cfg, times), OK, "3.00 ms at 0x0 (4.00 ms on the CPU)")
	times.OnCPU = 0
	wantFinding(t, "accepted", networkFinding(cfg, times), OK, "self-test passed")
}

func TestWorst(t *testing.T) {
	all := []Finding{ok("a")}
	for _, c := range []Finding{ok("b"), warning("c", "d"), failed("e", "f"), warning("g", "h"), ok("i")} {
		all = append(all, c)
		want := map[string]Result{"b": OK, "c": Warning, "e": Failed, "g": Failed, "i": Failed}[c.Text]
		if got := Worst(all); got != want {
			t.Errorf("after %q: %s, want %s", c.Text, got, want)
		}
	}
}
