package doctor

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/netip"
	"os"
	"strings"
	"syscall"
	"time"

	"facesieve/cmd/facesieve/internal/config"
)

// askTime bounds each request to the page, which is on this machine.
const askTime = 3 * time.Second

// minTokenFile is the least size of a file with a token, bytes.
const minTokenFile = 64

// checkWeb checks address, token and certificate of the page. TokenFile is the file with its token; empty: the token is
// given, or there is no state directory.
func checkWeb(ctx context.Context, cfg config.Web, tokenFile string) []Finding {
	if cfg.Listen == "" {
		return []Finding{ok("there is no page and there are no metrics, because web.listen is empty")}
	}
	address := checkAddress(ctx, cfg)
	if address.Result == OK && cfg.Exposed() {
		address = warning(address.Text+"; "+exposedText, "set web.cert and web.key, or listen on 127.0.0.1")
	}
	all := []Finding{address, checkToken(cfg, tokenFile)}
	if cfg.Cert != "" {
		all = append(all, checkCertificate(cfg, time.Now()))
	}
	return all
}

const exposedText = "other machines can reach it, and its token and its faces pass without encryption"

// checkAddress reports whether the page can listen, or is open.
func checkAddress(ctx context.Context, cfg config.Web) Finding {
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", cfg.Listen)
	switch {
	case err == nil:
		_ = listener.Close() // nothing was accepted
		return ok(cfg.Listen + " is free; the page opens with the daemon")
	case errors.Is(err, syscall.EADDRINUSE):
		return queryPage(ctx, cfg)
	case errors.Is(err, syscall.EACCES):
		return failed("web.listen: no right to listen on "+cfg.Listen, "choose a port above 1023")
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return failed("web.listen: this machine does not have the address of "+cfg.Listen, "correct it; ip address lists them")
	default:
		return failed("web.listen: "+err.Error(), "correct the address")
	}
}

// queryPage determines whether the program that has the address is a daemon, and whether that is ready.
func queryPage(ctx context.Context, cfg config.Web) Finding {
	client := http.Client{Timeout: askTime, Transport: &http.Transport{
		DisableKeepAlives: true,
		TLSClientConfig:   &tls.Config{InsecureSkipVerify: true}, //nolint:gosec // the certificate has a check of its own
	}}
	health, err := query(ctx, &client, cfg, "/healthz")
	switch {
	case err == nil && health.code == http.StatusServiceUnavailable && strings.HasPrefix(health.text, "daemon: "):
		return failed(cfg.Listen+": the daemon answers, and hangs: "+health.text, "sudo systemctl restart facesieve")
	case err != nil || health.code != http.StatusOK || health.text != "ok":
		return failed(cfg.Listen+" is in use by another program, or by a facesieve of an earlier version",
			"end it, or set another port in web.listen")
	}
	ready, err := query(ctx, &client, cfg, "/readyz")
	if err != nil || ready.code != http.StatusOK {
		return warning(cfg.Listen+": the daemon answers, and is not ready: "+ready.text, "systemctl status facesieve has the cause")
	}
	return ok(cfg.Listen + " is answered by the daemon, which is ready")
}

// answer is what a page answers; text is one line.
type answer struct {
	code int
	text string
}

func query(ctx context.Context, client *http.Client, cfg config.Web, path string) (answer, error) {
	host, port, err := net.SplitHostPort(cfg.Listen)
	if err != nil {
		return answer{}, err
	}
	if ip, err := netip.ParseAddr(host); host == "" || err == nil && ip.IsUnspecified() {
		host = "localhost"
	}
	scheme := "http://"
	if cfg.Cert != "" {
		scheme = "https://"
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, scheme+net.JoinHostPort(host, port)+path, nil)
	if err != nil {
		return answer{}, err
	}
	response, err := client.Do(request)
	if err != nil {
		return answer{}, err
	}
	defer response.Body.Close() //nolint:errcheck // only read
	text, err := io.ReadAll(io.LimitReader(response.Body, 1000))
	return answer{response.StatusCode, strings.Join(strings.Fields(string(text)), " ")}, err
}

// checkToken reports whether the token is there, and whether only its owner can read it.
func checkToken(cfg config.Web, file string) Finding {
	f := tokenFinding(cfg, file)
	f.Check, f.Name = "web", "token"
	return f
}

func tokenFinding(cfg config.Web, file string) Finding {
	if cfg.Token != "" {
		return ok("given by the environment or by a credential")
	}
	if file == "" {
		return failed("there is no directory for it", "set STATE_DIRECTORY (StateDirectory in the unit), or FACESIEVE_WEB_TOKEN")
	}
	info, err := os.Stat(file)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return ok(file + " does not exist; the daemon makes it at its first start")
	case errors.Is(err, fs.ErrPermission):
		return warning(file+" cannot be checked by this user", "run doctor with sudo")
	case err != nil:
		return failed(err.Error(), "give the user of facesieve access to its state directory")
	case info.Size() < minTokenFile:
		return failed(file+" is damaged", "delete it, and restart the daemon")
	case info.Mode().Perm()&0o077 != 0:
		return warning(fmt.Sprintf("%s has mode %o: others can read the token", file, info.Mode().Perm()),
			"delete it, and restart the daemon, which makes another one")
	}
	return ok(fmt.Sprintf("%s, mode %o", file, info.Mode().Perm()))
}

// checkCertificate checks the certificate that the page shows to browsers.
func checkCertificate(cfg config.Web, now time.Time) Finding {
	f := pageCertificateFinding(cfg, now)
	f.Check, f.Name = "certificate", "web"
	return f
}

func pageCertificateFinding(cfg config.Web, now time.Time) Finding {
	const fix = "renew the certificate; the daemon reads the new file by itself"
	pair, err := cfg.LoadCertificate()
	if err != nil {
		return failed("web.cert: the certificate and its key cannot be used: "+err.Error(), "correct web.cert and web.key")
	}
	chain, expires, err := parseChain(pair.Certificate)
	if err != nil {
		return failed("web.cert: "+err.Error(), "put the certificate first, and each one's issuer after it")
	}
	days := int(expires.Sub(now).Hours() / 24)
	text := fmt.Sprintf("of the page: %s, expires on %s (in %d days)", chainText(chain), expires.Format(time.DateOnly), days)
	f := ok(text)
	switch missing := uncovered(chain[0], cfg.Hosts); {
	case now.After(expires):
		f = failed(fmt.Sprintf("of the page: expired on %s", expires.Format(time.DateOnly)), fix)
	case now.Before(chain[0].NotBefore):
		f = failed("of the page: not valid yet", "set the clock of this device")
	case len(missing) > 0:
		f = warning(text+"; it does not have the names "+strings.Join(missing, ", ")+" of web.hosts", "issue it for them too")
	case expires.Sub(now) < renewal:
		f = warning(text, fix)
	}
	f.Values = map[string]any{"expires": expires.UTC(), "days": days, "chain": len(chain)}
	return f
}

// parseChain returns the certificates of a file, and when the first of them expires. Each must have issued the one before.
func parseChain(files [][]byte) (chain []*x509.Certificate, expires time.Time, err error) {
	for i, der := range files {
		c, err := x509.ParseCertificate(der)
		if err != nil {
			return nil, expires, err
		}
		if i > 0 {
			if err := chain[i-1].CheckSignatureFrom(c); err != nil {
				return nil, expires, fmt.Errorf("certificate %d of the file has not issued the one before it", i+1)
			}
		}
		if i == 0 || c.NotAfter.Before(expires) {
			expires = c.NotAfter
		}
		chain = append(chain, c)
	}
	return chain, expires, nil
}

func chainText(chain []*x509.Certificate) string {
	last := chain[len(chain)-1]
	if len(chain) == 1 && bytes.Equal(last.RawIssuer, last.RawSubject) {
		return "signed by itself, so that browsers warn"
	}
	return fmt.Sprintf("chain of %d, issued by %q", len(chain), last.Issuer.CommonName)
}

// uncovered returns the hosts that a certificate does not have.
func uncovered(c *x509.Certificate, hosts []string) (missing []string) {
	for _, host := range hosts {
		if c.VerifyHostname(host) != nil {
			missing = append(missing, host)
		}
	}
	return missing
}
