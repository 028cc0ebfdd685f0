package doctor

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/cpu"
	"golang.org/x/sys/unix"
)

func milliseconds(d time.Duration) float64 { return 1000 * d.Seconds() }

// earliestYear is the year before which a clock is wrong: the program is younger.
const earliestYear = 2026

// unsynchronised is STA_UNSYNC of adjtimex(2).
const unsynchronised = 0x40

// checkClock checks that the year is plausible and that the kernel's clock is synchronised.
func checkClock() Finding {
	var state unix.Timex
	_, err := unix.Adjtimex(&state) // without modes it only reads
	return clockFinding(time.Now(), state.Status&unsynchronised == 0, err)
}

// clockFinding returns the result for a time. If err is an error, it is unknown whether the clock is synchronised.
func clockFinding(now time.Time, synchronised bool, err error) Finding {
	const fix = "sudo timedatectl set-ntp true, and allow NTP (UDP port 123) in the firewall"
	text := now.UTC().Format(time.RFC3339)
	switch {
	case now.Year() < earliestYear:
		return failed(text+" cannot be right: events get wrong times, and certificates are refused", fix)
	case err != nil:
		return ok(text + "; whether it is synchronised is unknown")
	case !synchronised:
		return warning(text+", not synchronised: events of two devices cannot be compared", fix)
	default:
		return ok(text + ", synchronised")
	}
}

// lowMemory is the available memory below which a further camera may not fit, bytes.
const lowMemory = 64 << 20

func checkMemory() Finding {
	file, err := os.Open("/proc/meminfo")
	if err != nil {
		return ok("unknown: " + err.Error())
	}
	defer file.Close() //nolint:errcheck // only read
	total, available, err := parseMemory(file)
	if err != nil {
		return ok("unknown: " + err.Error())
	}
	text := fmt.Sprintf("%s available of %s", byteText(available), byteText(total))
	if available < lowMemory {
		return warning(text, "end other programs, or use fewer cameras")
	}
	f := ok(text)
	f.Values = map[string]any{"available_bytes": available, "total_bytes": total}
	return f
}

// parseMemory reads the bytes of memory in all, and those that programs can use, from /proc/meminfo.
func parseMemory(r io.Reader) (total, available int64, err error) {
	for lines := bufio.NewScanner(r); lines.Scan(); {
		fields := strings.Fields(lines.Text())
		if len(fields) < 2 {
			continue
		}
		kib, _ := strconv.ParseInt(fields[1], 10, 64) //nolint:errcheck // 0 is not accepted below
		switch fields[0] {
		case "MemTotal:":
			total = kib << 10
		case "MemAvailable:":
			available = kib << 10
		}
	}
	if total == 0 || available == 0 {
		return 0, 0, errors.New("/proc/meminfo has no MemAvailable")
	}
	return total, available, nil
}

// checkCPU names the instructions that decide how fast the int8 networks run.
func checkCPU() Finding {
	dot := map[string]bool{
		"AVX512-VNNI": cpu.X86.HasAVX512VNNI, "AVX-VNNI": cpu.X86.HasAVXVNNI, "ASIMDDP": cpu.ARM64.HasASIMDDP,
	}
	text := fmt.Sprintf("%s, %d cores for facesieve, ", runtime.GOARCH, runtime.GOMAXPROCS(0))
	for _, name := range []string{"AVX512-VNNI", "AVX-VNNI", "ASIMDDP"} {
		if dot[name] {
			return ok(text + "with dot products of 8-bit integers (" + name + ")")
		}
	}
	return ok(text + "without dot products of 8-bit integers (VNNI, ASIMDDP): the networks take several times longer")
}
