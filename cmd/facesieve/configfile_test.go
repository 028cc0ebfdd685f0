package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
	"unicode/utf16"

	"facesieve/cmd/facesieve/internal/config"
	"facesieve/cmd/facesieve/internal/testsupport"
)

const goodConfig = "cameras: [{name: a, url: a.mp4}]\n"

// A configuration path that is not a usable file is reported with a message, in bounded time.
func TestConfigurationsThatAreNoFiles(t *testing.T) {
	directory := t.TempDir()
	pipe := filepath.Join(directory, "pipe")
	testsupport.Must(t, syscall.Mkfifo(pipe, 0o600))
	large := filepath.Join(directory, "large.yaml")
	testsupport.Must(t, os.WriteFile(large, make([]byte, config.MaxBytes+1), 0o600))
	for path, want := range map[string]string{
		directory:                        "is a directory; name the file in it",
		pipe:                             "nothing was written to the pipe",
		"/dev/zero":                      "is neither a file nor a pipe",
		"/dev/null":                      "is neither a file nor a pipe",
		large:                            "is larger than 1 MiB",
		filepath.Join(directory, "none"): "no such file or directory",
		filepath.Join(large, "beyond"):   "not a directory",
	} {
		code, _, stderr := invoke(t.Context(), "check", "--config", path)
		if code != exitConfig || !strings.Contains(stderr, want) {
			t.Errorf("%s: exit code %d, %s", path, code, stderr)
		}
	}
}

// A configuration can come from a pipe, as with <(...) of a shell.
func TestConfigurationFromAPipe(t *testing.T) {
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer read.Close()
	go func() {
		_, _ = write.WriteString(goodConfig)
		_ = write.Close()
	}()
	cfg, err := config.Load(config.ForDaemon(), fmt.Sprintf("/proc/self/fd/%d", read.Fd()), testsupport.NoEnvironment)
	if err != nil || len(cfg.Cameras) != 1 {
		t.Errorf("%+v, %v", cfg.Cameras, err)
	}
}

// The encodings and line ends that editors of other systems write are read.
func TestEncodingsOfTheFile(t *testing.T) {
	wide := func(text string, mark, low, high int) string {
		var b strings.Builder
		for _, unit := range append([]uint16{uint16(mark)}, utf16.Encode([]rune(text))...) {
			b.WriteByte(byte(unit >> low))
			b.WriteByte(byte(unit >> high))
		}
		return b.String()
	}
	text := "# Tür\nmax_fps: 7\n" + goodConfig
	for name, file := range map[string]string{
		"plain":     text,
		"CRLF":      strings.ReplaceAll(text, "\n", "\r\n"),
		"CR":        strings.ReplaceAll(text, "\n", "\r"),
		"mark":      "\ufeff" + text,
		"UTF-16 LE": wide(text, 0xfeff, 0, 8),
		"UTF-16 BE": wide(text, 0xfeff, 8, 0),
		"document":  "%YAML 1.2\n---\n" + text + "...\n",
	} {
		if cfg, err := config.Parse(config.ForDaemon(), "test.yaml", []byte(file), testsupport.NoEnvironment); err != nil || cfg.MaxFPS != 7 {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// certificate writes a certificate that is valid for this time from now on, and its key, into files.
func certificate(t *testing.T, name string, valid time.Duration) (cert, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-2 * time.Hour), NotAfter: time.Now().Add(valid),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	cert = testsupport.WriteFile(t, name+".pem", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})))
	return cert, testsupport.WriteFile(t, name+".key", string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret})))
}

// check reads certificates and keys. The daemon starts with faulty ones, because it reads them again later.
func TestCheckReadsCertificates(t *testing.T) {
	cert, key := certificate(t, "client", time.Hour)
	_, otherKey := certificate(t, "other", time.Hour)
	oldCert, oldKey := certificate(t, "old", -time.Hour)
	corrupt := testsupport.WriteFile(t, "corrupt.pem", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
	text, err := os.ReadFile(filepath.Clean(key))
	testsupport.Must(t, err)
	for name, test := range map[string]struct{ ca, cert, key, want string }{
		"good":         {cert, cert, key, ""},
		"other key":    {cert, cert, otherKey, "mqtt.tls.key: is not the key of tls.cert"},
		"expired":      {cert, oldCert, oldKey, "mqtt.tls.cert: is valid until "},
		"key as ca":    {key, cert, key, `mqtt.tls.ca: holds no PEM block "CERTIFICATE"`},
		"cert as key":  {cert, cert, cert, `mqtt.tls.key: holds no PEM block "PRIVATE KEY"`},
		"corrupt":      {corrupt, cert, key, "mqtt.tls.ca: holds a certificate that cannot be read"},
		"missing":      {cert, cert, key + "x", "mqtt.tls.key: the file cannot be found: no such file or directory"},
		"key itself":   {cert, cert, string(text), "mqtt.tls.key: the file cannot be found: "},
		"a directory":  {cert, cert, filepath.Dir(key), "mqtt.tls.key: is not a file"},
		"key, no cert": {cert, "", key, "mqtt.tls.cert: tls.cert without tls.key, or the reverse"},
	} {
		text := fmt.Sprintf("mqtt: {broker: 'ssl://h', tls: {ca: %q, cert: %q, key: %q}}\n%s",
			test.ca, test.cert, test.key, goodConfig)
		_, err := config.Parse(config.ForCheck(), "test.yaml", []byte(text), testsupport.NoEnvironment)
		if (err == nil) != (test.want == "") || err != nil && !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v", name, err)
		}
		if err != nil && strings.Contains(err.Error(), "PRIVATE KEY-") {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := config.Parse(config.ForDaemon(), "test.yaml", []byte(text), testsupport.NoEnvironment); err != nil && name != "key, no cert" {
			t.Errorf("%s, for the daemon: %v", name, err)
		}
	}
}

// A name that is not UTF-8 is found, and shown escaped.
func TestConfigurationWithAnyName(t *testing.T) {
	path := filepath.Join(t.TempDir(), "caf\xe9.yaml")
	testsupport.Must(t, os.WriteFile(path, []byte(goodConfig), 0o600))
	stdout, _ := mustInvoke(t, "check", "--config", path)
	if !strings.Contains(stdout, `caf\xe9.yaml": good`) {
		t.Errorf("%q", stdout)
	}
}
