package capture

import (
	"bytes"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/bluenviron/gortsplib/v5/pkg/description"
	"github.com/bluenviron/gortsplib/v5/pkg/sdp"
	"github.com/pion/rtp"
	"gocv.io/x/gocv"

	"facesieve/capture/cameratest"
)

// FuzzCheckAddress tests that an address from a camera is opened only if it is on the host of the camera or a listed
// host.
func FuzzCheckAddress(f *testing.F) {
	for _, address := range []string{
		"http://cam/x", "https://cam/x", "http://CAM:81/", "http://cdn.example/x", "http://evil/", "http://cam@evil/",
		"http://cam.evil/",
		"file:///etc/passwd", "file://cam/x", "http:cam", "//cam/x", "rtsp://cam/x", "http://cam:80@evil/",
		"http://evil#@cam/", "http://[::1]/",
	} {
		f.Add(address)
	}
	f.Fuzz(func(t *testing.T, address string) {
		u, err := url.Parse(address)
		if err != nil {
			return
		}
		home, _ := url.Parse("http://cam/x")
		e := &endpoint{url: home, cfg: Config{AllowHosts: []string{"cdn.example"}}}
		host := strings.ToLower(u.Hostname())
		if e.checkAddress(u) == nil && host != "cam" && host != "cdn.example" {
			t.Errorf("%q may be opened", address)
		}
		if e.sameServer(u) && (host != "cam" || u.Scheme != "http") {
			t.Errorf("%q gets the password", address)
		}
	})
}

// FuzzContainerOf tests that a text from a server never appears unfiltered in an error.
func FuzzContainerOf(f *testing.F) {
	f.Add("text/html; charset=x", []byte("<html>"))
	f.Add("multipart/x-mixed-replace;boundary=\"--\"", []byte("--\r\n"))
	f.Add("image/jpeg\x1b[31m", []byte("\xff\xd8\xff"))
	f.Add("application/x-mpegurl", []byte("\xef\xbb\xbf#EXTM3U"))
	f.Fuzz(func(t *testing.T, kind string, head []byte) {
		_, err := containerOf(mediaTypeOf(kind), &url.URL{Path: "/x"}, head)
		for _, err := range []error{err, explainProtocol("rtsp", head), explainProtocol("https", head)} {
			if err != nil && strings.ContainsFunc(err.Error(), func(r rune) bool { return r < ' ' || r > '~' }) {
				t.Errorf("%q", err)
			}
		}
	})
}

// FuzzContainer tests that no bytes from a server make FFmpeg crash, open an address, or run without end.
func FuzzContainer(f *testing.F) {
	for _, name := range []string{"a.ts", "a.flv", "a.mp4", "a.mkv", "a.mjpeg"} {
		options := []string{"-c:v", "libx264"}
		if name == "a.mjpeg" {
			options = []string{"-c:v", "mjpeg"}
		}
		data, err := os.ReadFile(filepath.Clean(clip(f, name, "30", options...)))
		if err != nil {
			f.Fatal(err)
		}
		f.Add("", data)
	}
	f.Add("mpjpeg", []byte("--f\r\nContent-Type: image/jpeg\r\nContent-Length: 3\r\n\r\n\xff\xd8\xff\r\n"))
	f.Add("hls", []byte(playlistHead+segments("http://evil/")))
	f.Fuzz(func(t *testing.T, format string, data []byte) {
		if format != "" && format != "mpjpeg" && format != "hls" {
			return
		}
		options := mediaOptions{maxPixels: 1 << 20, live: true}
		r, err := newReader(options)
		if err != nil {
			t.Fatal(err)
		}
		defer r.close()
		timer := time.AfterFunc(5*time.Second, r.interrupt)
		defer timer.Stop()
		opened := 0
		body := &feed{body: io.NopCloser(bytes.NewReader(data)), open: func(string, int64, int64) (io.ReadCloser, error) {
			if opened++; opened > 10 {
				r.interrupt()
			}
			return nil, io.ErrUnexpectedEOF
		}}
		if r.openFeed(body, "http://cam/x", format) != nil {
			return
		}
		mat := gocv.NewMat()
		defer func() { _ = mat.Close() }()
		for range 100 {
			if info, err := r.next(wanted{}); err != nil {
				return
			} else if info.width*info.height > 1<<20 {
				t.Fatalf("%dx%d", info.width, info.height)
			}
			if p, err := r.picture(); err == nil { // a format that is not supported is a fault
				_, _ = p.convert(&mat)
				p.close()
			}
		}
	})
}

// FuzzPackets tests that no packet makes a decoder crash or return a frame that is too large.
func FuzzPackets(f *testing.F) {
	data, err := os.ReadFile(filepath.Clean(clip(f, "a.h264", "3", "-c:v", "libx264")))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(uint8(0), data)
	f.Add(uint8(2), []byte("\xff\xd8\xff\xc0\x00\x11\x08\x3a\x98\x3a\x98\x03"))
	f.Fuzz(func(t *testing.T, codec uint8, data []byte) {
		names := []string{"h264", "hevc", "mjpeg", "mpeg4", "vp8", "vp9"}
		p, err := newPacketDecoder(mediaOptions{maxPixels: 1 << 20, live: true}, names[int(codec)%len(names)])
		if err != nil {
			t.Fatal(err)
		}
		defer p.close()
		mat := gocv.NewMat()
		defer func() { _ = mat.Close() }()
		_, _, _ = p.send(unit{data: data, key: true}, wanted{}) // a damaged packet is a fault
		info, ok, _ := p.receive()
		if ok && info.width*info.height > 1<<20 {
			t.Fatalf("%dx%d", info.width, info.height)
		}
		if ok {
			if picture, err := p.picture(); err == nil { // a format that is not supported is a fault
				_, _ = picture.convert(&mat)
				picture.close()
			}
		}
	})
}

// FuzzRTP tests that no packet makes a depacketiser crash.
func FuzzRTP(f *testing.F) {
	f.Add([]byte{0x7c, 0x85, 1, 2, 3}, true)
	f.Add([]byte{0, 0, 0, 0, 1, 64, 8, 6}, true)
	f.Fuzz(func(t *testing.T, payload []byte, marker bool) {
		for _, name := range []string{
			"H264/90000", "H265/90000", "JPEG/90000", "MP4V-ES/90000", "MPV/90000", "VP8/90000", "VP9/90000", "AV1/90000",
		} {
			codec := videoCodec(t, name)
			for i := range 2 {
				packet := &rtp.Packet{
					Header:  rtp.Header{Marker: marker, SequenceNumber: uint16(i)},
					Payload: payload,
				}
				_, _, _ = codec.depacket(packet) // faults are expected
			}
		}
	})
}

// videoCodec returns the codec of a session description with one video.
func videoCodec(t *testing.T, name string) *rtpCodec {
	t.Helper()
	desc := parseSDP(t, cameratest.SDP("video "+name))
	_, codec, err := chooseVideo(desc)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return codec
}

func parseSDP(t *testing.T, text string) *description.Session {
	t.Helper()
	var raw sdp.SessionDescription
	if err := raw.Unmarshal([]byte(text)); err != nil {
		t.Fatal(err)
	}
	var desc description.Session
	if err := desc.Unmarshal(&raw); err != nil {
		t.Fatal(err)
	}
	return &desc
}
