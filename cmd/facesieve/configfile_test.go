package main

import (
	"crypto/x509"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"unicode/utf16"

	"facesieve/cmd/facesieve/internal/config"
	"facesieve/cmd/facesieve/internal/testsupport"
	"facesieve/publish/publishtest"
)

const goodConfig = "cameras: [{name: a, url: a.mp4}]\n"

// A configuration path that is not a usable file is reported with a message, in bounded time.
func TestConfigurationPathsWithoutAFile(t *testing.T) {
	t.Parallel()
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
		cfg, err := config.Parse(config.ForDaemon(), "test.yaml", []byte(file), testsupport.NoEnvironment)
		if err != nil || cfg.MaxFPS != 7 {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// check reads certificates and keys. The daemon starts with faulty ones, because it retries later.
func TestCheckReadsCertificates(t *testing.T) {
	issuer := publishtest.Authority{Dir: t.TempDir()}
	cert, key := issuer.Issue(t, "client", x509.ExtKeyUsageClientAuth)
	_, otherKey := issuer.Issue(t, "other", x509.ExtKeyUsageClientAuth)
	issuer.Expired = true
	oldCert, oldKey := issuer.Issue(t, "old", x509.ExtKeyUsageClientAuth)
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
		"missing":      {cert, cert, key + "x", "mqtt.tls.key: the file cannot be read: no such file or directory"},
		"key itself":   {cert, cert, string(text), "mqtt.tls.key: the file cannot be read: "},
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
		_, err = config.Parse(config.ForDaemon(), "test.yaml", []byte(text), testsupport.NoEnvironment)
		if err != nil && name != "key, no cert" {
			t.Errorf("%s, for the daemon: %v", name, err)
		}
	}
}

// A name that is not UTF-8 is found, and shown escaped.
func TestConfigurationNameOutsideUTF8(t *testing.T) {
	path := filepath.Join(t.TempDir(), "caf\xe9.yaml")
	testsupport.Must(t, os.WriteFile(path, []byte(goodConfig), 0o600))
	stdout, _ := mustInvoke(t, "check", "--config", path)
	if !strings.Contains(stdout, `caf\xe9.yaml": good`) {
		t.Errorf("%q", stdout)
	}
}
