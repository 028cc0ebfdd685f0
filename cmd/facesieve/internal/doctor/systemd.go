package doctor

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"time"
)

// unit is the service that runs the daemon.
const unit = "facesieve.service"

// systemctlTime bounds the call of systemctl.
const systemctlTime = 5 * time.Second

// checkSystemd checks the unit of the daemon.
func checkSystemd(ctx context.Context) Finding {
	if _, err := os.Stat("/run/systemd/system"); err != nil {
		return ok("this system does not run systemd: start the daemon by other means")
	}
	ctx, cancel := context.WithTimeout(ctx, systemctlTime)
	defer cancel()
	out, err := exec.CommandContext(ctx, "systemctl", "show", unit, "--property",
		"LoadState,UnitFileState,ActiveState,SubState,Result,NRestarts,WatchdogUSec").Output()
	if err != nil {
		return warning(fmt.Sprintf("systemctl show %s: %v", unit, err), "run doctor as root")
	}
	return systemdFinding(properties(string(out)))
}

// properties parses lines of NAME=value.
func properties(text string) map[string]string {
	all := map[string]string{}
	for line := range strings.Lines(text) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), "=")
		all[name] = value
	}
	return all
}

// systemdFinding returns the result for the properties of the unit.
func systemdFinding(p map[string]string) Finding {
	text := fmt.Sprintf("%s: %s, %s (%s), %s restarts, watchdog %s", unit, p["UnitFileState"], p["ActiveState"],
		p["SubState"], p["NRestarts"], p["WatchdogUSec"])
	noWatchdog := p["WatchdogUSec"] == "0" || p["WatchdogUSec"] == "" || p["WatchdogUSec"] == "infinity"
	switch {
	case p["LoadState"] == "not-found":
		return warning(unit+" is not installed", "install the package, or systemd/facesieve.service")
	case p["LoadState"] != "loaded":
		return failed(unit+" is "+p["LoadState"], "systemctl status facesieve shows why")
	case p["ActiveState"] == "failed":
		return failed(text+", "+p["Result"], "journalctl -u facesieve shows why; then sudo systemctl restart facesieve")
	case p["UnitFileState"] != "enabled":
		return warning(text+": it does not start with the system", "sudo systemctl enable --now facesieve")
	case p["ActiveState"] != "active":
		return warning(text+": it does not run", "sudo systemctl start facesieve")
	case noWatchdog:
		return warning(text+": a daemon that hangs is not restarted", "set WatchdogSec=30 in the unit")
	default:
		return ok(text)
	}
}
