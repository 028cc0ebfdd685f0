package capture

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"facesieve/capture/cameratest"
)

// failure opens a source that must fail, and returns its Stats after a fault with this reason, or after any if reason is
// empty. On a busy machine a server of the test may answer an attempt too late: the next one gets its answer.
func failure(t *testing.T, cfg Config, reason Reason) Stats {
	t.Helper()
	cfg.OpenTimeout = time.Second
	s, err := Open(cfg, zerolog.Nop())
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		began := time.Now()
		if err := s.Close(); err != nil || time.Since(began) > patience/2 {
			t.Errorf("Close: %v after %v", err, time.Since(began))
		}
	}()
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		got := s.Stats()
		if got.Reason == reason && reason != "" || reason == "" && s.State() == Reconnecting {
			return got
		}
	}
	return s.Stats() // the caller reports the other reason
}

func rtspStatus(status string) func(context.Context, net.Conn) {
	script := &cameratest.Script{Answers: map[string]string{"DESCRIBE": "RTSP/1.0 " + status + "\r\n"}}
	return script.Talk
}

func described(medias ...string) func(context.Context, net.Conn) {
	script := &cameratest.Script{SDP: cameratest.SDP(medias...)}
	return script.Talk
}

// Each fault of an RTSP server has its own message, which states the fix.
func TestFaultsOfRTSPServersAreExplained(t *testing.T) {
	t.Parallel()
	digest := "401 Unauthorized\r\nWWW-Authenticate: Digest realm=\"camera\", nonce=\"1\""
	for name, c := range map[string]struct {
		talk   func(context.Context, net.Conn)
		reason Reason
		want   string
	}{
		"wrong password": {rtspStatus(digest), ReasonUnauthorized, "refuses user or password (401 Unauthorized); " +
			"correct them"},
		"forbidden": {rtspStatus("403 Forbidden"), ReasonForbidden, "forbids the stream (403 Forbidden); allow it"},
		"no such path": {rtspStatus("404 Not Found"), ReasonNotFound, "no stream of this path (404 Not Found); see " +
			"its manual"},
		"busy": {rtspStatus("503 Service Unavailable"), ReasonServer, "busy (503 Service Unavailable); it " +
			"may have too many viewers"},
		"bandwidth": {rtspStatus("453 Not Enough Bandwidth"), ReasonServer, "busy (453"},
		"broken":    {rtspStatus("500 Internal Server Error"), ReasonServer, "a fault of its own (500"},
		"transport": {rtspStatus("461 Unsupported Transport"), ReasonServer, "(461 Unsupported Transport); set " +
			"transport"},
		"other": {rtspStatus("451 Parameter Not Understood"), ReasonServer, "refuses the stream (451"},
		"elsewhere": {rtspStatus("302 Found\r\nLocation: rtsp://192.0.2.7/x"), ReasonRedirect, "another host, " +
			"192.0.2.7; give its url instead, or list it in allow_hosts"},
		"other protocol": {rtspStatus("302 Found\r\nLocation: file:///etc/passwd"), ReasonRedirect, `of the kind "file"`},
		"circle": {
			rtspStatus("302 Found\r\nLocation: rtsp://{address}/x"), ReasonRedirect,
			"redirects too often (5 redirects)",
		},
		"sound only": {described("audio PCMU/8000"), ReasonNoVideo, "no video, only audio (G711); enable the video"},
		"unknown codec": {described("video H266/90000"), ReasonCodec, "not supported (H266/90000); set the camera to " +
			"H.264"},
		"nothing":    {described(), ReasonNoVideo, "(SDP) cannot be read: invalid SDP: no media"},
		"no SDP":     {rtspStatus("200 OK"), ReasonNoVideo, "(SDP) cannot be read"},
		"no packets": {described("video H264/90000"), ReasonNoPackets, "no packet came within 1s; restart it"},
		"silent":     {cameratest.Silent, ReasonSilent, "accepts connections but does not answer within 1s"},
		"trickling": {
			cameratest.Trickle("RTSP/1.0 200 OK\r\nX: ", 20*time.Millisecond), ReasonSilent,
			"does not answer within 1s",
		},
		"trickling noise": {
			cameratest.Trickle("\xff\x00\n$", 20*time.Millisecond), ReasonProtocol,
			"does not answer in RTSP",
		},
		"endless header": {
			cameratest.Answer("RTSP/1.0 200 OK\r\n", "X: y\r\n", -1), ReasonServer,
			"answer cannot be read",
		},
		"long line": {
			cameratest.Answer("RTSP/1.0 200 OK\r\nX: ", strings.Repeat("x", 4096), -1), ReasonServer,
			"answer cannot be read",
		},
		"huge body": {cameratest.Answer("RTSP/1.0 200 OK\r\nContent-Length: "+
			"2000000000\r\n\r\n", strings.Repeat("x", 4096), -1), ReasonServer, "answer cannot be read"},
		"huge description": {rtspStatus("200 OK\r\nContent-Type: application/sdp\r\nContent-Length: " +
			"2000000000"), ReasonServer, "answer cannot be read"},
		"garbage": {cameratest.Trickle("\x00\x01\xfe\xff nonsense", 0), ReasonProtocol, "does not answer in " +
			"RTSP; check the port"},
		"HTTP": {cameratest.Answer("HTTP/1.1 400 Bad Request\r\n\r\n", "", 0), ReasonProtocol, "answers in " +
			"HTTP, not in RTSP; give the port of RTSP"},
		"TLS": {cameratest.Answer("\x15\x03\x01\x00\x02\x02\x16", "", 0), ReasonProtocol, "answers in TLS, " +
			"not in RTSP; write rtsps://"},
		"SSH":      {cameratest.Answer("SSH-2.0-OpenSSH_9.2\r\n", "", 0), ReasonProtocol, "answers in SSH"},
		"hangs up": {cameratest.Answer("", "", 0), ReasonEnded, "ended the connection before it answered"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := failure(t, quick("rtsp://joe:s3cret@"+cameratest.Serve(t, c.talk)+"/x"), c.reason)
			if got.Reason != c.reason || !strings.Contains(got.LastError, c.want) {
				t.Errorf("%q: %s\nwant %q: %s", got.Reason, got.LastError, c.reason, c.want)
			}
			if strings.Contains(got.LastError, "s3cret") || strings.Contains(got.LastError, "joe") {
				t.Error("credentials in", got.LastError)
			}
		})
	}
}

func httpStatus(code int) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code) }
}

func body(kind, text string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", kind)
		_, _ = w.Write([]byte(text))
	}
}

// declares answers with a Content-Length and a shorter body.
func declares(kind string, length int64) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", kind)
		w.Header().Set("Content-Length", strconv.FormatInt(length, 10))
		_, _ = w.Write([]byte("\xff\xd8\xff"))
	}
}

func elsewhere(location string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Location", location)
		w.WriteHeader(http.StatusFound)
	}
}

func TestFaultsOfHTTPServersAreExplained(t *testing.T) {
	t.Parallel()
	basic := func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("WWW-Authenticate", `Basic realm="camera"`)
		w.WriteHeader(http.StatusUnauthorized)
	}
	for name, c := range map[string]struct {
		handler http.HandlerFunc
		reason  Reason
		want    string
	}{
		"wrong password": {basic, ReasonUnauthorized, "refuses user or password (401 Unauthorized); correct them"},
		"forbidden":      {httpStatus(403), ReasonForbidden, "(403 Forbidden); allow it"},
		"no such path":   {httpStatus(404), ReasonNotFound, "no stream of this path (404 Not Found)"},
		"busy":           {httpStatus(503), ReasonServer, "busy (503 Service Unavailable)"},
		"web page": {body("text/html; charset=utf-8", "<html>log in"), ReasonNoVideo, "a web page (text/html), no " +
			"video; give the url of the stream"},
		"untyped page": {body("application/octet-stream", "\n<!DOCTYPE html>"), ReasonNoVideo, "a web page"},
		"JSON":         {body("application/json", "{}"), ReasonNoVideo, "text (application/json), no video"},
		"sound":        {body("audio/mpeg", "ID3"), ReasonNoVideo, "sound only (audio/mpeg)"},
		"damaged image": {
			body("image/jpeg", "\xff\xd8\xff"), ReasonUndecodable,
			"the image cannot be used: damaged JPEG: Premature end",
		},
		"unsupported format": {
			body("image/heic", "\x00\x00\x00\x18ftypheic"), ReasonUndecodable,
			"HEIC is not supported: convert it",
		},
		"empty image": {body("image/jpeg", ""), ReasonNoPackets, "200 OK, but with no image"},
		"long image":  {declares("image/jpeg", 2e9), ReasonTooLarge, "more than 32 MiB"},
		"short image": {declares("image/jpeg", 100), ReasonEnded, "in the middle of an image"},
		"nothing":     {body("video/mp2t", ""), ReasonNoPackets, "200 OK, and then sends nothing"},
		"garbage": {body("video/mp2t", strings.Repeat("nonsense", 5000)), ReasonNoVideo, "no video that FFmpeg " +
			"can read"},
		"no playlist": {body("application/vnd.apple.mpegurl", "hello"), ReasonNoVideo, "does not begin with #EXTM3U"},
		"elsewhere": {elsewhere("http://192.0.2.7/x"), ReasonRedirect, "another host, 192.0.2.7; give its url " +
			"instead, or list it"},
		"circle":         {elsewhere("/x"), ReasonRedirect, "redirects too often (5 redirects)"},
		"other protocol": {elsewhere("file:///etc/passwd"), ReasonRedirect, `of the kind "file"`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := httptest.NewServer(c.handler)
			t.Cleanup(server.Close)
			got := failure(t, quick(strings.Replace(server.URL, "://", "://joe:s3cret@", 1)+"/x"), c.reason)
			if got.Reason != c.reason || !strings.Contains(got.LastError, c.want) {
				t.Errorf("%q: %s\nwant %q: %s", got.Reason, got.LastError, c.reason, c.want)
			}
			if strings.Contains(got.LastError, "s3cret") || strings.Contains(got.LastError, "joe") {
				t.Error("credentials in", got.LastError)
			}
		})
	}
}

func TestRawFaultsOfHTTPServersAreExplained(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		talk   func(context.Context, net.Conn)
		reason Reason
		want   string
	}{
		"silent": {cameratest.Silent, ReasonSilent, "accepts connections but does not answer within 1s"},
		"endless header": {
			cameratest.Answer("HTTP/1.1 200 OK\r\n", "X: y\r\n", -1), ReasonServer,
			"answer cannot be read",
		},
		"RTSP": {cameratest.Answer("RTSP/1.0 400 Bad Request\r\n\r\n", "", 0), ReasonProtocol, "in RTSP, not " +
			"in HTTP; write rtsp://"},
		"TLS": {cameratest.Answer("\x15\x03\x01\x00\x02\x02\x16", "", 0), ReasonProtocol, "in TLS, not in " +
			"HTTP; write https://"},
		"stops": {cameratest.Answer("HTTP/1.1 200 OK\r\nContent-Type: "+
			"video/mp2t\r\n\r\n\x47", "", -1), ReasonSilent, "does not answer within 1s"},
		"slow part": {
			cameratest.Answer("HTTP/1.1 200 OK\r\nContent-Type: multipart/x-mixed-replace; "+
				"boundary=f\r\n\r\n--f\r\nContent-Type: image/jpeg\r\n\r\n"+strings.Repeat("x", 600), "", -1), ReasonUndecodable,
			"no frame came within 1s",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := failure(t, quick("http://joe:s3cret@"+cameratest.Serve(t, c.talk)+"/x"), c.reason)
			if got.Reason != c.reason || !strings.Contains(got.LastError, c.want) {
				t.Errorf("%q: %s\nwant %q: %s", got.Reason, got.LastError, c.reason, c.want)
			}
		})
	}
}

func TestConnectionsThatFailAreExplained(t *testing.T) {
	t.Parallel()
	for url, c := range map[string]struct {
		reason Reason
		want   string
	}{
		"rtsp://127.0.0.1:1/":                     {ReasonRefused, "connection refused; nothing listens on this port"},
		"http://127.0.0.1:1/":                     {ReasonRefused, "connection refused; nothing listens on this port"},
		"rtsp://no-such-camera.invalid/x":         {ReasonName, "no-such-camera.invalid"},
		"https://joe:s3cret@no-camera.invalid:9/": {ReasonName, "no-camera.invalid"},
	} {
		t.Run(url[:8], func(t *testing.T) {
			t.Parallel()
			got := failure(t, quick(url), c.reason)
			if got.Reason != c.reason || !strings.Contains(got.LastError, c.want) ||
				strings.Contains(got.LastError, "s3cret") {
				t.Errorf("%q: %s\nwant %q: %s", got.Reason, got.LastError, c.reason, c.want)
			}
		})
	}
}

// A server may repeat the address in its answer, and any part of the address may be a secret.
func TestAnswersThatRepeatTheAddressAreNotQuoted(t *testing.T) {
	t.Parallel()
	const path = "/t0psecret?key=hidden"
	answer := func(head string) func(context.Context, net.Conn) { return cameratest.Answer(head+"\r\n\r\n", "x", 1) }
	for name, c := range map[string]struct {
		talk   func(context.Context, net.Conn)
		reason Reason
	}{
		"rtsp status": {rtspStatus("404 no " + path), ReasonNotFound},
		"rtsp line":   {answer("RTSP/1.0 200 OK\r\nCSeq: 1\r\nContent-Length: " + path), ReasonServer},
		"rtsp base":   {rtspStatus("302 Found\r\nLocation: x" + path), ReasonRedirect},
		"http line":   {answer("HTTP/1.1 " + path), ReasonServer},
		"http status": {answer("HTTP/1.1 404 no " + path), ReasonNotFound},
		"http type":   {answer("HTTP/1.1 200 OK\r\nContent-Type: text/x; " + path), ReasonNoVideo},
		"http moved":  {answer("HTTP/1.1 302 Found\r\nLocation: x:" + path), ReasonRedirect},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cfg := quick(name[:4] + "://" + cameratest.Serve(t, c.talk) + path)
			cfg.Shown = name[:4] + "://camera/${TOKEN}"
			got := failure(t, cfg, c.reason)
			t.Log(got.LastError)
			if got.Reason != c.reason || strings.Contains(got.LastError, "t0psecret") || strings.Contains(got.LastError, "hidden") {
				t.Errorf("%q: %s", got.Reason, got.LastError)
			}
		})
	}
}

// Cameras lock an account after some wrong passwords, so the next attempt is after a minute or more.
func TestARefusedLoginIsRetriedAfterMinutes(t *testing.T) {
	t.Parallel()
	script := &cameratest.Script{Answers: map[string]string{
		"DESCRIBE": "RTSP/1.0 401 Unauthorized\r\nWWW-Authenticate: Digest realm=\"camera\", nonce=\"1\"\r\n",
	}}
	s := open(t, unhurried("rtsp://joe:wrong@"+cameratest.Serve(t, script.Talk)+"/x")) // pauses of 50 to 200 ms
	eventually(t, "refused", func() bool { return s.Stats().Reason == ReasonUnauthorized })
	time.Sleep(time.Second)
	pause := time.Until(s.Stats().NextTry)
	if script.Logins() != 1 || pause < 50*time.Second || pause > 15*time.Minute {
		t.Errorf("%d logins, the next in %v", script.Logins(), pause)
	}
}
