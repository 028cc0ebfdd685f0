package event

import (
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"
)

func TestTopics(t *testing.T) {
	topics := NewTopics("site/a/gate")
	for topic, want := range map[string][3]string{
		topics.Face("door"):     {"site/a/gate", "door", string(KindFace)},
		topics.JPEG("door"):     {"site/a/gate", "door", string(KindJPEG)},
		topics.Rejected("face"): {"site/a/gate", "face", string(KindRejected)},
		topics.State("status"):  {"site/a/gate", "status", string(KindState)},
		topics.Status():         {"site/a/gate", "", string(KindStatus)},
		topics.Probe():          {"", "", ""},
		"site/door":             {"", "", ""},
		"/face":                 {"", "", ""},
		"":                      {"", "", ""},
	} {
		if root, camera, kind := ParseTopic(topic); [3]string{root, camera, string(kind)} != want {
			t.Errorf("%s: %q %q %q", topic, root, camera, kind)
		}
	}
}

// The guide lists each topic with its QoS, and whether it is retained.
func TestTopicsOfTheGuide(t *testing.T) {
	guide, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, kind := range []Kind{
		KindFace, KindJPEG, KindRejected, KindState, KindStatus, KindProbe, KindDevice, KindResult, KindFeedback,
		kindSet + "<setting>",
	} {
		topic := strings.TrimPrefix(NewTopics("").Of(kind, "<camera>"), "/")
		retained := map[bool]string{true: "retained", false: "never"}[kind.Retained()]
		row := regexp.MustCompile(fmt.Sprintf(`(?m)^\| .%s. \| .* \| %d, %s \|$`, topic, kind.QoS(), retained))
		if !row.Match(guide) {
			t.Errorf("no row %s", row)
		}
	}
}

func TestParseSet(t *testing.T) {
	topics := NewTopics("site/gate")
	for topic, want := range map[string][2]string{
		topics.Set("door", SettingPolicy): {"door", "policy"},
		topics.Set("set", "set"):          {"set", "set"},
		topics.Set("", ""):                {"", ""},
		topics.Result("door"):             {},
		"site/gate/door/set":              {},
		"site/gate/door/set/policy/x":     {},
		"site/gate/a/door/set/policy":     {},
		"site/other/door/set/policy":      {},
		"":                                {},
	} {
		camera, setting, ok := topics.ParseSet(topic)
		if [2]string{camera, setting} != want || ok != (want != [2]string{} || topic == topics.Set("", "")) {
			t.Errorf("%s: %q %q %v", topic, camera, setting, ok)
		}
	}
}

func TestParseFeedback(t *testing.T) {
	topics := NewTopics("site/gate")
	for topic, want := range map[string]string{
		topics.Feedback("door"): "door", topics.Feedback("feedback"): "feedback", topics.Feedback("a/door"): "",
		topics.Face("door"): "", "site/other/door/feedback": "", "site/gate/feedback": "", "": "",
	} {
		if camera, ok := topics.ParseFeedback(topic); camera != want && ok || ok != (want != "") {
			t.Errorf("%s: %q %v", topic, camera, ok)
		}
	}
}

func TestShownValue(t *testing.T) {
	for value, want := range map[string]string{
		"35": "35", "a\nb\x00": "a\ufffdb\ufffd", "\xff": "\ufffd", strings.Repeat("ü", 64): strings.Repeat("ü", 64),
		strings.Repeat("x", 1000): strings.Repeat("x", 63) + "…",
	} {
		if got := ShownValue(value); got != want {
			t.Errorf("%q: %q", value, got)
		}
	}
}

func TestCheckNameRefuses(t *testing.T) {
	for _, name := range []string{
		"\ufdd0", "a\ufdef", "\uffff", "\ufffe", "\U0001fffe", "\U0010ffff", "a\u0085", "a\u009fb", "\x7f", "\x01",
		"\xed\xa0\x80", "a\xff", "\u202egpj", "a\u2066b", "\u200e", "\ufeffa", "a\u200bb", "\u2028", "\u00ad",
		"\U000e0041",
		" a", "a ", "\u00a0a", strings.Repeat("ü", 128),
	} {
		if err := CheckName(name); err == nil {
			t.Errorf("%q passes", name)
		} else if text := fmt.Sprint(err); strings.ContainsFunc(text, invisible) ||
			strings.ContainsFunc(text, forbidden) {
			t.Errorf("%q: the error repeats it raw: %s", name, text)
		}
		if CheckRoot("site/"+name) == nil {
			t.Errorf("a root with %q passes", name)
		}
	}
	root := strings.Repeat("a/", maxLevels) + "a"
	if CheckRoot(root) == nil || CheckRootFilter(root) == nil {
		t.Error("a root of 101 levels passes")
	}
	if err := CheckRootFilter("site/+/gate"); err != nil {
		t.Error(err)
	}
}
