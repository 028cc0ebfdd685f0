package publish

import (
	"strings"
	"testing"
)

// A device in place of a certificate is refused at once; reading it would never end.
func TestCertificatesAreFiles(t *testing.T) {
	const device = "/dev/zero"
	_, ca := TLS{CA: device}.load()
	_, client := TLS{Cert: device, Key: device}.load()
	_, listener := ListenTLS{Cert: device, Key: device}.load()
	for what, err := range map[string]error{"ca": ca, "client": client, "listener": listener} {
		if err == nil || !strings.Contains(err.Error(), "name a PEM file") {
			t.Errorf("%s: %v", what, err)
		}
	}
}
