package web

import (
	"crypto/subtle"
	"net/http"
	"strings"
)

// hasBearer reports whether a request has the token as RFC 6750 defines it: "Authorization: Bearer TOKEN". Programs send
// it, such as Prometheus; a browser never adds it by itself.
func (a *access) hasBearer(r *http.Request) bool {
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	return strings.EqualFold(scheme, "Bearer") &&
		subtle.ConstantTimeCompare([]byte(strings.TrimSpace(token)), []byte(a.token)) == 1
}
