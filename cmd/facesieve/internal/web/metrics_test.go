package web

import (
	"io"
	"net/http"
	"testing"
)

// A program reads the page and the metrics with the token in a header, and without the login of a browser.
func TestBearerToken(t *testing.T) {
	p := newTestPage(t)
	for value, want := range map[string]int{
		"Bearer " + p.token:     http.StatusOK,
		"bearer  " + p.token:    http.StatusOK,
		"Bearer " + p.token[1:]: http.StatusUnauthorized,
		"Bearer":                http.StatusUnauthorized,
		"Bearer ":               http.StatusUnauthorized,
		"Basic " + p.token:      http.StatusUnauthorized,
		p.token:                 http.StatusUnauthorized,
		"":                      http.StatusUnauthorized,
	} {
		answer := p.do(t, "GET", "/metrics", map[string]string{"Authorization": value})
		body, _ := io.ReadAll(answer.Body)
		if answer.StatusCode != want || (want == http.StatusOK) != (string(body) == "metrics of the test") {
			t.Errorf("%.12q: %s %.40s, want %d", value, answer.Status, body, want)
		}
		if len(answer.Cookies()) > 0 {
			t.Error("a program gets a cookie")
		}
	}
	header := map[string]string{"Authorization": "Bearer " + p.token, "Host": "evil.example"}
	if answer := p.do(t, "GET", "/metrics", header); answer.StatusCode != http.StatusMisdirectedRequest {
		t.Errorf("another host: %s", answer.Status)
	}
}
