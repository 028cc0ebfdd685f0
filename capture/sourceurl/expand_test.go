package sourceurl

import (
	"net/url"
	"strings"
	"testing"
)

// of returns a lookup function for values.
func of(values map[string]string) func(string) string {
	return func(name string) string { return values[name] }
}

func TestExpand(t *testing.T) {
	values := of(map[string]string{
		"USER": "us er", "P": `Pa^ß/#?@%41:`, "LOGIN": "viewer:a:b@c", "HOST": "cam-1.local", "SIX": "[fd00::1]:554",
		"PORT": "8554", "STREAM": "a b/ch?1", "TOKEN": "x&y=z+/,:", "URL": "rtsp://u:%41@h/x", "DIR": "/da ta",
		"SCHEME": "rtsp", "QUOTE": `a"b\c ! fakesink`, "WORD": "plain-1", "NAME.with-all_1": "v",
	})
	for text, want := range map[string]string{
		"a.mp4": "a.mp4", "": "", "rtsp://u:$5$@h": "rtsp://u:$5$@h", "rtsp://u:%2F@h/x": "rtsp://u:%2F@h/x",
		"rtsp://${USER}:${P}@h/x":          "rtsp://us%20er:Pa%5E%C3%9F%2F%23%3F%40%2541%3A@h/x",
		"rtsp://u:a${P}b@h/x":              "rtsp://u:aPa%5E%C3%9F%2F%23%3F%40%2541%3Ab@h/x",
		"rtsp://${LOGIN}@h/x":              "rtsp://viewer:a%3Ab%40c@h/x",
		"rtsp://u:$${P}@h":                 "rtsp://u:$Pa%5E%C3%9F%2F%23%3F%40%2541%3A@h",
		"rtsp://u:${PORT}@${HOST}:${PORT}": "rtsp://u:8554@cam-1.local:8554",
		"rtsp://${SIX}/x":                  "rtsp://[fd00::1]:554/x",
		"rtsp://h/${STREAM}/y":             "rtsp://h/a%20b/ch%3F1/y",
		"rtsp://h/user=a_password=${P}_x":  "rtsp://h/user=a_password=Pa%5E%C3%9F/%23%3F%40%2541:_x",
		"http://h/x?token=${TOKEN}&fps=5":  "http://h/x?token=x%26y%3Dz%2B/,:&fps=5",
		"http://h?token=${TOKEN}":          "http://h?token=x%26y%3Dz%2B/,:",
		"http://h/x#${TOKEN}":              "http://h/x#x%26y%3Dz%2B/,:",
		"${URL}":                           "rtsp://u:%41@h/x",
		"${SCHEME}://u:${P}@h/x":           "rtsp://u:Pa%5E%C3%9F%2F%23%3F%40%2541%3A@h/x",
		"${DIR}/a.mp4":                     "/da ta/a.mp4",
		"file://${DIR}/a.mp4":              "file:///da ta/a.mp4",
		"FILE://${DIR}/a.mp4":              "FILE:///da ta/a.mp4",
		"rtsp://u:${NAME.with-all_1}@h":    "rtsp://u:v@h",

		"gst:rtspsrc location=rtsp://u:${P}@h/x ! appsink": "gst:rtspsrc " +
			"location=rtsp://u:Pa%5E%C3%9F%2F%23%3F%40%2541%3A@h/x ! appsink",
		`gst:rtspsrc location="rtsp://u:${P}@h" ! appsink`: "gst:rtspsrc " +
			`location="rtsp://u:Pa%5E%C3%9F%2F%23%3F%40%2541%3A@h" ! appsink`,
		"gst:rtspsrc user-pw=${QUOTE} ! appsink":             `gst:rtspsrc user-pw="a\"b\\c ! fakesink" ! appsink`,
		"gst:rtspsrc user-pw = ${QUOTE}":                     `gst:rtspsrc user-pw = "a\"b\\c ! fakesink"`,
		"GST:rtspsrc user-pw=${QUOTE} ! appsink":             `GST:rtspsrc user-pw="a\"b\\c ! fakesink" ! appsink`,
		`gst:rtspsrc user-pw="x${QUOTE}" ! appsink`:          `gst:rtspsrc user-pw="xa\"b\\c ! fakesink" ! appsink`,
		"gst:filesrc location=/a/${WORD}.mp4 ! appsink":      "gst:filesrc location=/a/plain-1.mp4 ! appsink",
		`gst:filesrc location='/a/${WORD}' ! appsink`:        `gst:filesrc location='/a/plain-1' ! appsink`,
		"gst:rtspsrc user-id=${WORD} user-pw=${P} ! appsink": `gst:rtspsrc user-id=plain-1 user-pw="Pa^ß/#?@%41:" ! appsink`,
	} {
		if got, err := Expand(text, values); err != nil || got != want {
			t.Errorf("%s:\n got %q, %v\nwant %q", text, got, err, want)
		}
	}
}

func TestExpandReturnsErrors(t *testing.T) {
	values := of(map[string]string{
		"P": "S3cret^", "LINE": "S3cret\n", "NUL": "S3cret\x00", "COLON": "S3:cret", "LOGIN": "u:S3cret@h",
		"QUOTED": `"S3cret"`, "NULL": "NULL", "BYTES": "S3cret\xff",
	})
	const unclosed = "of the url begins a ${ that is not ${NAME}"
	for text, want := range map[string]string{
		"rtsp://u:${S3cret@h/x":         "character 10 " + unclosed,
		"rtsp://u:${}@h/x":              "character 10 " + unclosed,
		"rtsp://u:${S3 cret}@h/x":       "character 10 " + unclosed,
		"rtsp://ß:${P}${${S3cret}}@h/x": "character 14 " + unclosed,
		"rtsp://u:${P}@h/x${":           "character 18 " + unclosed,
		"rtsp://u:${ABSENT}@${GONE}": "ABSENT is neither an environment variable nor a credential, or is empty; " +
			"set it, or write its value into the url\nGONE is neither",
		"rtsp://u:${LINE}@h":                 "LINE contains a line end or another control character",
		"rtsp://u:${NUL}@h":                  "NUL contains a line end or another control character",
		"rtsp://${COLON}:x@h":                "COLON contains a colon, and a user cannot contain one",
		"rtsp://x${COLON}@h":                 "COLON contains a colon",
		"rtsp://${LOGIN}/x":                  "LOGIN contains a character that host and port cannot contain",
		"rtsp://u:${P}/S3cret@h":             "character 21 of the url is an @ after the first / ? or #",
		"rtsp://u:${P}#1@h":                  "character 16 of the url is an @",
		"rtsp://u:${P}S3 cret@h":             "character 16 of the url must be written %20",
		"rtsp://u:${P}%@h":                   "character 14 of the url must be written %25",
		`gst:x user-pw='${P}' ! appsink`:     "P is in single quotes",
		"gst:x location=/a/${P}.mp4":         "P contains more than letters, digits",
		"gst:${P} ! appsink":                 "P contains more than letters, digits",
		"gst:x user-pw=${QUOTED} ! appsink":  "QUOTED cannot be a property of GStreamer",
		`gst:x user-pw="${NULL}" ! appsink`:  "NULL cannot be a property of GStreamer",
		"gst:x user-pw=${BYTES} ! appsink":   "BYTES cannot be a property of GStreamer",
		"gst:x user-pw=${P}${QUOTED} ! sink": "P contains more than letters",
		`gst:x user-pw="a${QUOTED}" ! sink`:  "QUOTED cannot be a property of GStreamer",
		"gst:rtspsrc user-pw=${GONE} ! x":    "GONE is neither",
		"gst:rtspsrc user-pw=${LINE} ! x":    "LINE contains a line end",
	} {
		got, err := Expand(text, values)
		if err == nil || !strings.HasPrefix(err.Error(), want) || got != "" {
			t.Errorf("%s: %q, %v, want %s", text, got, err, want)
		} else if strings.Contains(err.Error(), "S3") {
			t.Errorf("%s: %v", text, err)
		}
	}
}

// FuzzExpand tests that every value arrives unchanged in the parsed URL or is rejected, and that no error contains a
// value.
func FuzzExpand(f *testing.F) {
	for _, value := range []string{"Pa^ss", "12#34", "a/b?c@d:e%41", "${P}", "\xff\x00\n", `"`, `\`} {
		f.Add("rtsp://u:${V}@host:554/x?a=${V}", value)
		f.Add("gst:rtspsrc location=rtsp://u:${V}@h user-pw=${V} ! appsink", value)
		f.Add("${V}@/${V}?${V}", value)
	}
	f.Fuzz(func(t *testing.T, text, value string) {
		marked := "⟦" + value + "⟧"
		got, err := Expand(text, func(string) string { return marked })
		if err != nil && strings.ContainsAny(err.Error(), "⟦⟧") && !strings.ContainsAny(text, "⟦⟧") {
			t.Fatalf("%q: %q, %v", text, got, err)
		}
		marked = strings.ReplaceAll(marked, ":", "")
		whole, err := Expand("rtsp://${V}x:${V}@host:554/a/${V}?b=${V}&c=1", func(string) string { return marked })
		if err != nil {
			return
		}
		u, err := url.Parse(whole)
		if err != nil || u.Host != "host:554" || u.User.Username() != marked+"x" || u.Path != "/a/"+marked ||
			u.Query().Get("b") != marked {
			t.Fatalf("%q: %q, %v", value, whole, err)
		}
		if password, _ := u.User.Password(); password != marked {
			t.Fatalf("%q: %q", value, whole)
		}
	})
}
