package web

import (
	"crypto/tls"
	"crypto/x509"
	"net/http"
	"net/url"
	"os"
	"testing"

	"facesieve/cmd/facesieve/internal/config"
	"facesieve/cmd/facesieve/internal/testsupport"
	"facesieve/publish/publishtest"
)

// The page is served with certificate files to a client that trusts them. A renewed certificate is served without a
// restart; one that cannot be used leaves the former one in use.
func TestTLS(t *testing.T) {
	t.Parallel()
	authority := publishtest.NewAuthority(t, t.TempDir(), "authority")
	cert, key := authority.Issue(t, "page", x509.ExtKeyUsageServerAuth, "127.0.0.1")
	p := newTestPage(t, func(w *config.Web) { w.Cert, w.Key = cert, key })
	address, err := url.Parse(p.base)
	testsupport.Must(t, err)
	address.Scheme, address.RawQuery = "https", url.Values{"token": {p.token}}.Encode()

	pool := x509.NewCertPool()
	text, err := os.ReadFile(authority.File)
	testsupport.Must(t, err)
	pool.AppendCertsFromPEM(text)
	// get returns the response of a new connection.
	get := func(roots *x509.CertPool) (*http.Response, error) {
		client := http.Client{Timeout: testsupport.Timeout, CheckRedirect: stay, Transport: &http.Transport{
			TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}, DisableKeepAlives: true,
		}}
		request, err := http.NewRequestWithContext(t.Context(), "GET", address.String(), nil)
		testsupport.Must(t, err)
		return client.Do(request) //nolint:bodyclose // it is empty
	}
	serial := func() string {
		t.Helper()
		answer, err := get(pool)
		testsupport.Must(t, err)
		if answer.StatusCode != http.StatusSeeOther || len(answer.Cookies()) != 1 || !answer.Cookies()[0].Secure {
			t.Errorf("%s, cookies %v", answer.Status, answer.Cookies())
		}
		return answer.TLS.PeerCertificates[0].SerialNumber.String()
	}
	first := serial()
	if _, err := get(x509.NewCertPool()); err == nil {
		t.Error("a client that does not trust the authority was served")
	}
	authority.Issue(t, "page", x509.ExtKeyUsageServerAuth, "127.0.0.1")
	renewed := serial()
	if renewed == first {
		t.Error("the renewed certificate is not served")
	}
	testsupport.Must(t, os.WriteFile(key, []byte("damaged"), 0o600))
	if serial() != renewed {
		t.Error("the former certificate is not served while the files are damaged")
	}
}
