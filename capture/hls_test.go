package capture

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"facesieve/capture/cameratest"
)

// playlists serves HLS: live.m3u8 with the given text, and segments of two seconds.
type playlists struct {
	directory string
	text      string
	user      string // if set, a login is required
	served    atomic.Int64
	requested atomic.Int64 // requests for the playlist
}

func newPlaylists(t *testing.T, text string) *playlists {
	t.Helper()
	directory := t.TempDir()
	run(t, cameratest.FFmpeg(t), "-v", "error", "-f", "lavfi", "-i", grey, "-frames:v", "150", "-c:v", "libx264", "-g",
		"25",
		"-f", "segment", "-segment_time", "2", filepath.Join(directory, "%d.ts"))
	return &playlists{directory: directory, text: text}
}

const playlistHead = "#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:2\n"

// segments returns the body of a playlist with three files below a base.
func segments(base string) string {
	return fmt.Sprintf("#EXTINF:2,\n%[1]s0.ts\n#EXTINF:2,\n%[1]s1.ts\n#EXTINF:2,\n%[1]s2.ts\n#EXT-X-ENDLIST\n", base)
}

// growing returns the live playlist for the n-th request: each has one more segment.
func growing(base string, n int64) string {
	text := playlistHead
	for i := range min(n+1, 3) {
		text += fmt.Sprintf("#EXTINF:2,\n%s%d.ts\n", base, i)
	}
	return text
}

func (p *playlists) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if user, _, _ := r.BasicAuth(); p.user != "" && user != p.user {
		w.Header().Set("WWW-Authenticate", `Basic realm="camera"`)
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	switch name := filepath.Base(r.URL.Path); {
	case strings.HasPrefix(name, "away"):
		http.Redirect(w, r, "http://localhost:1/0.ts", http.StatusFound)
	case strings.HasPrefix(name, "master"):
		_, _ = fmt.Fprintf(w, "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\nlive.m3u8\n")
	case strings.HasSuffix(name, ".m3u8"):
		w.Header().Set("Content-Type", "application/vnd.apple.mpegurl")
		text := p.text
		if text == "" {
			text = growing("", p.requested.Add(1))
		}
		_, _ = w.Write([]byte(text))
	default:
		p.served.Add(1)
		data, err := os.ReadFile(filepath.Join(p.directory, name))
		if err != nil {
			w.WriteHeader(http.StatusNotFound)
			return
		}
		_, _ = w.Write(data)
	}
}

func TestHLS(t *testing.T) {
	t.Parallel()
	handler := newPlaylists(t, "")
	handler.user = "joe"
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	for _, path := range []string{"/live.m3u8", "/master.m3u8"} {
		handler.requested.Store(0)
		s := open(t, quick(strings.Replace(server.URL, "://", "://joe:sesame@", 1)+path))
		f := newFrame(t)
		next(t, s, f)
		if f.Mat.Cols() != 64 || f.Mat.Rows() != 48 {
			t.Errorf("%s: %dx%d", path, f.Mat.Cols(), f.Mat.Rows())
		}
	}
}

// A playlist may use only the host of the camera and the allowed hosts.
func TestPlaylistsOpenNoOtherHost(t *testing.T) {
	t.Parallel()
	other := newPlaylists(t, playlistHead+segments(""))
	elsewhere := httptest.NewServer(other)
	t.Cleanup(elsewhere.Close)
	foreign := strings.Replace(elsewhere.URL, "127.0.0.1", "localhost", 1) + "/"
	secret := filepath.Join(t.TempDir(), "secret.ts")
	if err := os.Rename(filepath.Join(other.directory, "2.ts"), secret); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"another host":      playlistHead + segments(foreign),
		"another playlist":  "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\n" + foreign + "live.m3u8\n",
		"file":              playlistHead + "#EXTINF:2,\nfile://" + secret + "\n#EXT-X-ENDLIST\n",
		"concat":            playlistHead + "#EXTINF:2,\nconcat:" + secret + "|" + secret + "\n#EXT-X-ENDLIST\n",
		"data":              playlistHead + "#EXTINF:2,\ndata:video/mp2t;base64,R0A=\n#EXT-X-ENDLIST\n",
		"crypto":            playlistHead + "#EXTINF:2,\ncrypto+" + foreign + "0.ts\n#EXT-X-ENDLIST\n",
		"a key elsewhere":   playlistHead + "#EXT-X-KEY:METHOD=AES-128,URI=\"" + foreign + "0.ts\"\n" + segments(""),
		"a header of boxes": playlistHead + "#EXT-X-MAP:URI=\"" + foreign + "0.ts\"\n" + segments(""),
		"a redirect":        playlistHead + segments("away"),
		"rtsp":              playlistHead + "#EXTINF:2,\nrtsp" + strings.TrimPrefix(foreign, "http") + "x\n#EXT-X-ENDLIST\n",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := httptest.NewServer(&playlists{directory: other.directory, text: text})
			t.Cleanup(server.Close)
			refers := strings.Contains(text, foreign) && name != "rtsp"
			reason := Reason("")
			if refers {
				reason = ReasonRedirect
			}
			got := failure(t, quick(server.URL+"/live.m3u8"), reason)
			t.Log(got.LastError)
			if got.Frames != 0 || other.served.Load() != 0 {
				t.Errorf("%d frames, %d requests to the other host", got.Frames, other.served.Load())
			}
			if refers && (got.Reason != ReasonRedirect || !strings.Contains(got.LastError, "allow_hosts") && name != "crypto") {
				t.Errorf("%q: %s", got.Reason, got.LastError)
			}
		})
	}
}

func TestAllowedHosts(t *testing.T) {
	t.Parallel()
	elsewhere := httptest.NewServer(newPlaylists(t, ""))
	t.Cleanup(elsewhere.Close)
	foreign := strings.Replace(elsewhere.URL, "127.0.0.1", "localhost", 1) + "/"
	var requested atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte(growing(foreign, requested.Add(1))))
	}))
	t.Cleanup(server.Close)
	cfg := quick(server.URL + "/live.m3u8")
	cfg.AllowHosts = []string{"LOCALHOST"}
	next(t, open(t, cfg), newFrame(t))
}

// A local playlist opens only local files, and a local session description opens no network connection.
func TestLocalFilesOpenNoAddress(t *testing.T) {
	t.Parallel()
	other := newPlaylists(t, "")
	elsewhere := httptest.NewServer(other)
	t.Cleanup(elsewhere.Close)
	for name, text := range map[string]string{
		"a.m3u8":     playlistHead + segments(elsewhere.URL+"/"),
		"a.ffconcat": "ffconcat version 1.0\nfile " + elsewhere.URL + "/0.ts\n",
		"a.sdp":      cameratest.SDP("video H264/90000"),
		"a.mpd":      `<MPD xmlns="urn:mpeg:dash:schema:mpd:2011"><BaseURL>` + elsewhere.URL + `/0.ts</BaseURL></MPD>`,
	} {
		path := filepath.Join(t.TempDir(), name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := Open(fast(path), noLog()); err == nil || other.served.Load() != 0 {
			t.Errorf("%s: %v, %d requests", name, err, other.served.Load())
		} else {
			t.Log(err)
		}
	}
	whole := filepath.Join(other.directory, "a.m3u8") // a complete one, with an end marker
	if err := os.WriteFile(whole, []byte(playlistHead+segments("")), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := all(t, open(t, fast(whole)), identify); len(got) != 150 {
		t.Errorf("%d frames of 150", len(got))
	}
}
