package capture

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"facesieve/capture/sourceurl"
)

func TestDefaultRequiresOnlyAURL(t *testing.T) {
	cfg := Default()
	if err := cfg.Validate(); err == nil || !strings.HasPrefix(err.Error(), "url: empty") {
		t.Errorf("without URL: %v", err)
	}
	cfg.URL = "a.mp4"
	if err := cfg.Validate(); err != nil {
		t.Error(err)
	}
}

func TestValidateReturnsAllFaults(t *testing.T) {
	cfg := Config{
		URL: "ftp://joe:secret@host/", Pace: "slow", OpenTimeout: -1, ReadTimeout: time.Hour,
		ReconnectMin: 2 * time.Second, ReconnectMax: time.Second, Transport: "sctp", MaxPixels: -1, Aspect: "16x9",
		AllowHosts: []string{"cdn.example", "::1", "http://h"}, TLS: TLS{CA: "/nonesuch.pem"},
		Interval: 99 * time.Millisecond, Idle: "always", HWAccel: "gpu",
	}
	want := `url: ftp://***@host/: scheme "ftp" is not supported; use rtsp, rtsps, http, https, file, gst: or a path
pace: "slow" is neither "native" nor "fast"
open_timeout: -1ns is not between 1ms and 10m0s
read_timeout: 1h0m0s is not between 1ms and 10m0s
reconnect_min: 2s is longer than reconnect_max (1s)
hwaccel: "gpu" is not none, auto, vaapi or v4l2m2m
idle: "always" is neither "off" nor "keyframes"
transport: "sctp" is neither "tcp" nor "udp"
max_pixels: -1 is not between 76800 and 500000000
aspect: "16x9" is not width:height between 1:4 and 4:1; write 16:9, 4:3, or nothing to use the aspect that the stream declares
allow_hosts[2]: not a host; write a name or an address, without scheme and port
interval: 99ms is not between 100ms and 1h0m0s
tls.ca: cannot read /nonesuch.pem: no such file or directory; check the path and its permissions`
	if err := cfg.Validate(); err == nil || err.Error() != want {
		t.Errorf("got\n%v\nwant\n%s", err, want)
	}
}

func TestParseURL(t *testing.T) {
	type parsed struct{ prefix, url, rest, label string } // prefix: of the kind
	for raw, want := range map[string]parsed{
		"a.mp4":                    {"", "a.mp4", "a.mp4", "a.mp4"},
		"file:///a b.mp4":          {"file://", "file:///a b.mp4", "/a b.mp4", "file:///a b.mp4"},
		"/dev/video0":              {"/dev/video", "/dev/video0", "0", "/dev/video0"},
		"/dev/v4l/by-id/usb-x":     {"/dev/v4l/", "/dev/v4l/by-id/usb-x", "by-id/usb-x", "/dev/v4l/by-id/usb-x"},
		"/dev/shm/a.mp4":           {"", "/dev/shm/a.mp4", "/dev/shm/a.mp4", "/dev/shm/a.mp4"},
		"gst:videotestsrc!appsink": {"gst:", "gst:videotestsrc!appsink", "videotestsrc!appsink", "gst:videotestsrc!appsink"},
		"rtsp://u:p@h/x":           {"rtsp://", "rtsp://u:p@h/x", "u:p@h/x", "rtsp://***@h/x"},
		"HTTPS://h/x":              {"https://", "https://h/x", "h/x", "HTTPS://h/x"},
		"RtSpS://H/X":              {"rtsps://", "rtsps://H/X", "H/X", "RtSpS://H/X"},
		"FILE:///a.mp4":            {"file://", "file:///a.mp4", "/a.mp4", "FILE:///a.mp4"},
		"GST:fakesrc ! appsink":    {"gst:", "gst:fakesrc ! appsink", "fakesrc ! appsink", "GST:fakesrc ! appsink"},
		"rtsp://[fd00::1]:554/x":   {"rtsp://", "rtsp://[fd00::1]:554/x", "[fd00::1]:554/x", "rtsp://[fd00::1]:554/x"},
		"rtsp://u:a:b@1@h:65535":   {"rtsp://", "rtsp://u:a:b@1@h:65535", "u:a:b@1@h:65535", "rtsp://***@h:65535"},
		"rtsp://u:%2f%23$&=+@h/x":  {"rtsp://", "rtsp://u:%2f%23$&=+@h/x", "u:%2f%23$&=+@h/x", "rtsp://***@h/x"},
		"http/clip.mp4":            {"", "http/clip.mp4", "http/clip.mp4", "http/clip.mp4"},
		"a:b.mp4":                  {"", "a:b.mp4", "a:b.mp4", "a:b.mp4"},
		"./rtsp:x@y":               {"", "./rtsp:x@y", "./rtsp:x@y", "./rtsp:x@y"},
	} {
		u, err := parseURL(raw, sourceurl.Redact(raw))
		if got := (parsed{u.prefix, u.url, u.rest, u.label}); err != nil || got != want {
			t.Errorf("%s: %+v, %v, want %+v", raw, got, err, want)
		}
	}
	for raw, want := range map[string]string{
		" ":                           "empty",
		"a\x00b":                      "zero byte",
		"gst:videotestsrc":            `no appsink; end it in "! appsink"`,
		"rtsp://":                     "the host is missing",
		"rtsp:///path":                "the host is missing",
		"rtsp://joe:hunter/2@host/":   "rtsp://***@host/: character 20 of the url is an @ after the first / ? or #",
		"rtsp://joe:123#hunter2@host": "rtsp://***@host: character 23 of the url is an @",
		"rtsp://joe:12?hunter2@host":  "rtsp://***@host: character 22 of the url is an @",
		"rtsp://h/x@y":                "rtsp://***@y: character 11 of the url is an @",
		"rtsp://joe:hunter%2@host/":   "rtsp://***@host/: character 18 of the url must be written %25 in user and password",
		"rtsp://joe:hunter 2@host/":   "rtsp://***@host/: character 18 of the url must be written %20",
		"rtsp://joe:hunter^2@host/":   "rtsp://***@host/: character 18 of the url must be written %5E",
		"rtsp://jäe:hunter{@host/":    "rtsp://***@host/: character 9 of the url must be written %C3%A4",
		"rtsp://host/a b":             "character 14 of the url must be written %20",
		"rtsp://joe:hunter2@host:x/y": "rtsp://***@host:***/y: not a valid URL",
		"rtsp://joe:hunter2/y":        "rtsp://joe:***/y: not a valid URL",
		"rtsp://h:0/y":                "the port is not a number from 1 to 65535",
		"rtsp://h:65536/y":            "the port is not a number from 1 to 65535",
		"http://h:99999":              "the port is not a number from 1 to 65535",
		"http://h:-1/":                "not a valid URL",
		"http://h:/":                  "the port is not a number from 1 to 65535",
		"rtsp://fd00::1/x":            "write an IPv6 address between [ and ]",
		"rtsp://[fe80::1%25eth0]/x":   "write it without a zone",
		"rtsp://[fd00::1/x":           "not a valid URL",
		"rtsp://[1.2.3.4]/x":          "not a valid URL",
		"rtsp://höst/x":               "a character that is not allowed in a host name",
		"rtsp://a,b/x":                "a character that is not allowed in a host name",
		"rtmp://joe:hunter2@host/":    `scheme "rtmp" is not supported`,
		"rtps://joe:hunter2@host/":    `scheme "rtps" is not supported`,
		" rtsp://joe:hunter2@host/":   " rtsp://***@host/: not a valid URL",
		"rtsp//joe:hunter2@h/x":       "***@h/x: neither a path nor a URL",
		"rtsp:/joe:hunter2@h/x":       "***@h/x: neither a path nor a URL",
		"rtsp:joe:hunter2@h/x":        "***@h/x: neither a path nor a URL",
		"rtsp;//joe:hunter2@h/x":      "***@h/x: neither a path nor a URL",
		"//joe:hunter2@h/x":           "***@h/x: neither a path nor a URL",
		"joe:hunter2@h/x":             "***@h/x: neither a path nor a URL",
		"rtsp//h/x":                   "rtsp//h/x: neither a path nor a URL",
		"Http:/h/x":                   "Http:/h/x: neither a path nor a URL",
		"192.168.1.20:554/stream":     "192.168.1.20:554/stream: neither a path nor a URL",
		"rtsp://u:" + strings.Repeat("p", 4096) + "@h/x": "too long: 4109 bytes, percent-encoded; use at most 4096",
		"http://u:p@h/" + strings.Repeat("p", 4096):      "too long: 4109 bytes, percent-encoded; use at most 4096",
	} {
		_, err := parseURL(raw, sourceurl.Redact(raw))
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "hunter") {
			t.Errorf("%q: %v, want %s", raw, err, want)
		}
	}
}

// A secret at a position where Redact does not recognise it is neither in an error nor in a log.
func TestShownReplacesTheURL(t *testing.T) {
	cfg := quick("rtsp://127.0.0.1:1/s3cret")
	cfg.Shown = "rtsp://127.0.0.1:1/${TOKEN}"
	var log logBuffer
	s, err := Open(cfg, zerolog.New(&log))
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, "reconnecting", func() bool { return s.State() == Reconnecting })
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	cfg.URL = "ftp://s3cret"
	text := fmt.Sprint(log.String(), s.Stats(), cfg.Validate())
	if strings.Contains(text, "s3cret") || strings.Count(text, "127.0.0.1:1/${TOKEN}") < 3 {
		t.Error(text)
	}
}

func TestDevicesThatCannotBeOpened(t *testing.T) {
	for errno, want := range map[syscall.Errno]string{
		syscall.ENOENT: "open /dev/video9: no such file or directory; is the camera plugged in? ls /dev/video* lists " +
			"the devices",
		syscall.EACCES: "open /dev/video9: permission denied; add the user of this program to the group video",
		syscall.EBUSY:  "open /dev/video9: device or resource busy; another program uses the camera",
		syscall.EIO:    "open /dev/video9: input/output error",
	} {
		err := deviceFault("/dev/video9", &fs.PathError{Op: "open", Path: "/dev/video9", Err: errno})
		if err.Error() != want || !errors.Is(err, errno) {
			t.Errorf("got %v\nwant %s", err, want)
		}
	}
	const missing = "/dev/video63"
	if _, err := os.Stat(missing); err == nil {
		t.Skip(missing + " is there")
	}
	s := open(t, quick(missing)) // it may be plugged in later
	eventually(t, "reconnecting", func() bool { return s.State() == Reconnecting })
	if got := fmt.Sprint(s.Stats().LastError); !strings.Contains(got, "is the camera plugged in?") {
		t.Error(got)
	}
}

func TestARefusedPipeline(t *testing.T) {
	s := open(t, quick("gst:nonesuch user-pw=secret ! appsink"))
	eventually(t, "reconnecting", func() bool { return s.State() == Reconnecting })
	if got := s.Stats().LastError; !strings.HasPrefix(got, "open gst:nonesuch user-pw=*** ! appsink: GStreamer refused") {
		t.Error(got)
	}
}

// FuzzParseURL tests that neither the label nor an error contains the text at the position of user and password.
func FuzzParseURL(f *testing.F) {
	f.Add("rtsp", "joe", "hunter2", "host:554/x")
	f.Add("rtmp", "a/b", "p ss", "")
	f.Add("", "joe", "hun%2", "host")
	f.Fuzz(func(t *testing.T, scheme, user, password, rest string) {
		if strings.Contains(user+password, "://") || strings.HasPrefix(scheme, "gst:") {
			t.Skip("FuzzRedact covers pipelines")
		}
		credentials := "⟦" + user + "⟧:⟦" + password + "⟧"
		for _, raw := range []string{
			scheme + "://" + credentials + "@" + rest,
			credentials + "@" + rest + "://",
			scheme + ":" + credentials + "@host://" + rest,
		} {
			target, err := parseURL(raw, sourceurl.Redact(raw))
			text := target.label
			if err != nil {
				text = err.Error()
			}
			if strings.ContainsAny(text, "⟦⟧") {
				t.Fatalf("parseURL(%q): %s", raw, text)
			}
		}
	})
}
