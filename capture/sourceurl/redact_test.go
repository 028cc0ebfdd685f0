package sourceurl

import (
	"net/url"
	"strings"
	"testing"
)

func TestRedact(t *testing.T) {
	for _, c := range []struct{ in, want string }{
		{"", ""},
		{"/data/recording.mp4", "/data/recording.mp4"},
		{"/data/a:b@c/recording.mp4", "/data/a:b@c/recording.mp4"},
		{"/data/what?.mp4", "/data/what?.mp4"},
		{"file:///data/a.mp4", "file:///data/a.mp4"},
		{"/dev/video0", "/dev/video0"},
		{"rtsp://cam:554/Streaming/Channels/101", "rtsp://cam:554/Streaming/Channels/101"},
		{"rtsp://user:pass@cam:554/x", "rtsp://***@cam:554/x"},
		{"RTSP://user:pass@cam/x", "RTSP://***@cam/x"},
		{"rtsp://user@cam/x", "rtsp://***@cam/x"},
		{"rtsp://:pass@cam/x", "rtsp://***@cam/x"},
		{"rtsp://user:p%40ss@[::1]:8554/x", "rtsp://***@[::1]:8554/x"},
		{"rtsp://admin:p@ss@cam/x", "rtsp://***@cam/x"},
		{"rtsp://admin:p/s?s#s@cam/x", "rtsp://***@cam/x"},
		{"rtsp://admin:p ss@cam/x", "rtsp://***@cam/x"},
		{"rtsp:/admin:pass@cam/x", "***@cam/x"},
		{"admin:pass@cam/x", "***@cam/x"},
		{"admin:p/ss@cam://x", "***@cam://x"},
		{"rtsp//admin:pass@cam/x", "***@cam/x"},
		{"//admin:pass@cam/x", "***@cam/x"},
		{"clips/admin:pass@cam/x", "***@cam/x"},
		{"./clips/a:b@c.mp4", "./clips/a:b@c.mp4"},
		{"rtsp://admin:pass", "rtsp://admin:***"},
		{"rtsp://admin:pass/x", "rtsp://admin:***/x"},
		{"rtsp://admin:123456/x", "rtsp://admin:***/x"},
		{"rtsp://admin:pa:ss/x?channel=1", "rtsp://admin:***/x?channel=1"},
		{"rtsp://[fd00::1]:554/x", "rtsp://[fd00::1]:554/x"},
		{"rtsp://[fd00::1]:pass/x", "rtsp://[fd00::1]:***/x"},
		{"rtsp://viewer:${PASSWORD}@cam:${PORT}/x", "rtsp://***@cam:***/x"},
		{"rtsp://cam/live?channel=1&subtype=0", "rtsp://cam/live?channel=1&subtype=0"},
		{"rtsp://cam/live?channel=1&password=hunter2", "rtsp://cam/live?channel=1&password=***"},
		{"http://cam/video.cgi?usr=joe&pwd=abc&fps=5", "http://cam/video.cgi?usr=***&pwd=***&fps=5"},
		{"http://cam/mjpg?loginuse=joe&loginpas=abc", "http://cam/mjpg?loginuse=***&loginpas=***"},
		{"http://cam/mjpg?u=joe&p=abc", "http://cam/mjpg?u=***&p=***"},
		{"http://cam/mjpg?u=joe;p=abc#x", "http://cam/mjpg?u=***;p=***#***"},
		{"http://cam/mjpg?c2VjcmV0", "http://cam/mjpg?***"},
		{"http://cam/mjpg?channel=1?password=abc", "http://cam/mjpg?channel=1?password=***"},
		{"http://cam/mjpg?channel=se/cr+et", "http://cam/mjpg?channel=***"},
		{"http://user:pass@cam/mjpg?token=abc", "http://***@cam/mjpg?token=***"},
		{
			"rtsp://cam:554/user=admin_password=tl_Jw_channel=1_stream=0.sdp?real_stream",
			"rtsp://cam:554/user=***_password=***_channel=1_stream=0.sdp?real_stream",
		},
		{"rtsp://cam:554/user=admin&password=t@l/J&channel=1", "rtsp://***&channel=1"},
		{"gst:videotestsrc ! video/x-raw,width=640 ! appsink", "gst:videotestsrc ! video/x-raw,width=640 ! appsink"},
		{
			"gst:rtspsrc location=rtsp://user:pass@cam/x latency=0 ! appsink",
			"gst:rtspsrc location=rtsp://***@cam/x latency=0 ! appsink",
		},
		{`gst:rtspsrc location="rtsp://user:p ss@cam/x" ! appsink`, `gst:rtspsrc location="rtsp://***@cam/x" ! appsink`},
		{
			"gst:rtspsrc location='rtsp://cam/x?a=b' user-id=joe user-pw=abc ! appsink",
			"gst:rtspsrc location='rtsp://cam/x?a=***' user-id=*** user-pw=*** ! appsink",
		},
		{`gst:rtspsrc location=rtsp://cam user-pw = "a b" ! appsink`, `gst:rtspsrc location=rtsp://cam user-pw = *** ! appsink`},
		{
			`gst:souphttpsrc extra-headers="h, Authorization=(string)\"Basic YWJj\"" ! appsink`,
			`gst:souphttpsrc extra-headers="h, Authorization=***" ! appsink`,
		},
		{"GST:rtspsrc user-pw=a b ! appsink", "GST:rtspsrc user-pw=*** ! appsink"},
		{"gst:rtspsrc user-pw=a b c latency=0 ! appsink", "gst:rtspsrc user-pw=*** latency=0 ! appsink"},
		{"gst:rtspsrc user-pw=a b c ! appsink", "gst:rtspsrc user-pw=*** ! appsink"},
		{"rtsp://cam/x#secret", "rtsp://cam/x#***"},
		{`gst:souphttpsrc proxy-id=joe proxy-pw=abc ! appsink`, `gst:souphttpsrc proxy-id=*** proxy-pw=*** ! appsink`},
	} {
		if got := Redact(c.in); got != c.want {
			t.Errorf("Redact(%q)\n got %q\nwant %q", c.in, got, c.want)
		}
	}
}

// FuzzRedact puts a user and a password into all the places where they are found in the field.
func FuzzRedact(f *testing.F) {
	for _, s := range []string{"hunter2", "p@ss:w/rd", "a?b#c&d", "***", "x=y_z=", "\"q", "user=", "://", "ä€", " "} {
		f.Add("admin", s)
	}
	f.Fuzz(func(t *testing.T, user, password string) {
		for _, raw := range []string{user, password, user + "://" + password, "gst:" + password, user + "@" + password} {
			_ = Redact(raw)
		}
		// Marks that a redaction of something else cannot leave behind.
		u, p := "⟦"+user+"⟧", "⟦"+password+"⟧"
		q := url.QueryEscape(p)
		for _, raw := range []string{
			"rtsp://" + u + ":" + p + "@cam:554/stream",
			"http://" + u + ":" + p + "@cam/mjpg?channel=1",
			"http://cam/mjpg?user=" + url.QueryEscape(u) + "&password=" + q + "&fps=5",
			"http://cam/mjpg?" + q,
			"rtsp://cam/user=" + url.QueryEscape(u) + "_password=" + q + "_channel=1",
			"gst:rtspsrc location=rtsp://" + url.QueryEscape(u) + ":" + q + "@cam/x user-pw=" + q + " ! appsink",
		} {
			got := Redact(raw)
			for _, leak := range []string{"⟦", "⟧", url.QueryEscape("⟦"), url.QueryEscape("⟧")} {
				if strings.Contains(got, leak) {
					t.Fatalf("Redact(%q) = %q", raw, got)
				}
			}
			if second := Redact(got); second != got {
				t.Fatalf("Redact(%q) = %q, and Redact of that %q", raw, got, second)
			}
		}
	})
}
