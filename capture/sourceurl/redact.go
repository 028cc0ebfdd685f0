package sourceurl

import (
	"regexp"
	"slices"
	"strings"
)

var (
	// secretKey matches the name of a credential and the = after it: some cameras require /user=admin_password=x_channel=1
	// in the path, and GStreamer's elements have properties such as user-pw.
	secretKey = regexp.MustCompile(`(?i)(?:user|usr|login|pass|pwd|pw|token|secret|auth|cookie|credential|key|` +
		`signature|session|proxy-id)[a-z0-9.-]*\s*=\s*|authorization\s*:\s*`)
	// urlValue matches a value in a URL. wordValue matches a value in a pipeline: with a type, quoted, or up to the next
	// space.
	urlValue  = regexp.MustCompile(`(?s)^.*?(_[a-zA-Z]+=|[&;?#]|$)`)
	wordValue = regexp.MustCompile(`^(\([^)]*\))?\\?("[^"]*"?|'[^']*'?|(?i:(basic|digest|bearer)\s+)?[^\s"']*)`)
	// propertyEnd matches the end of a value without quotes in a pipeline.
	propertyEnd = regexp.MustCompile(`\s+!|\s+[a-zA-Z][\w.-]*\s*=|["']|$`)
	// word matches the text between two quotes or two spaces, which a URL in a pipeline fills.
	word = regexp.MustCompile(`"[^"]*"?|'[^']*'?|[^\s"']+`)
	// pathBegin matches the beginning of a path that is absolute or begins with ./ or ../ .
	pathBegin = regexp.MustCompile(`^\.{0,2}/`)
	// portNumber matches a port or no port; a longer number may be a password.
	portNumber = regexp.MustCompile(`^[0-9]{0,5}$`)
	// simple matches a value that is shown if its key is harmless.
	simple = regexp.MustCompile(`^[\w.-]*$`)
)

// Redact replaces the credentials in the URL of a source by ***. The URL need not be valid. Redact prefers to hide too
// much: everything between :// and the last @, each value in a query unless its key is known to be harmless, and the
// values of user, password, token and similar keys at any position.
func Redact(url string) string {
	m := &mask{text: url, hidden: make([]bool, len(url))}
	if !HasPrefix(url, PipelinePrefix) {
		m.url(0, len(url))
		m.keys(urlValue)
		return m.String()
	}
	for _, at := range word.FindAllStringIndex(url, -1) {
		m.url(at[0], at[0]+len(strings.TrimRight(url[at[0]:at[1]], `"'`)))
	}
	m.keys(wordValue)
	return m.String()
}

// mask marks the bytes of a text that are hidden.
type mask struct {
	text   string
	hidden []bool
}

func (m *mask) hide(from, to int) {
	for i := from; i < to; i++ {
		m.hidden[i] = true
	}
}

// url hides user, password and query of the URL in text[from:to]. It also hides a port that is not a number: if the @
// and the host are missing, the password is at this position.
func (m *mask) url(from, to int) {
	part := m.text[from:to]
	host := 0
	mark := strings.Index(part, "://")
	loginFirst := mark >= 0 && strings.Contains(part[:mark], "@") // "user:password@host://"
	if mark >= 0 && !loginFirst {
		host = mark + len("://")
	}
	if at := strings.LastIndexByte(part, '@'); at >= host && (host > 0 || loginFirst || isLogin(part[:at])) {
		m.hide(from+host, from+at)
		host = at
	}
	if host == 0 {
		return
	}
	m.port(from+host, to)
	if i := strings.IndexAny(part[host:], "?#"); i >= 0 {
		m.query(from+host+i+1, to)
	}
}

// port hides the port in text[from:to], which begins with a host, unless it is a number.
func (m *mask) port(from, to int) {
	if i := strings.IndexAny(m.text[from:to], "/?#"); i >= 0 {
		to = from + i
	}
	if i := strings.LastIndexByte(m.text[from:to], ']'); i >= 0 { // of an IPv6 address
		from += i
	}
	if i := strings.IndexByte(m.text[from:to], ':'); i >= 0 && !portNumber.MatchString(m.text[from+i+1:to]) {
		m.hide(from+i+1, to)
	}
}

// isLogin reports whether the text before an @ may be user and password of a URL without a scheme, and not the
// beginning of a path.
func isLogin(s string) bool {
	path := pathBegin.MatchString(s) && !strings.HasPrefix(s, "//")
	return strings.Contains(s, ":") && !path
}

// query hides the values in text[from:to] whose keys are not known to be harmless.
func (m *mask) query(from, to int) {
	for from < to {
		end := to
		if i := strings.IndexAny(m.text[from:to], "&;#?"); i >= 0 {
			end = from + i
		}
		key, value, found := strings.Cut(m.text[from:end], "=")
		switch {
		case harmless(key) && simple.MatchString(value):
		case found:
			m.hide(from+len(key)+1, end)
		default:
			m.hide(from, end)
		}
		from = end + 1
	}
}

// keys hides the values of credentials at any position. value matches a value.
func (m *mask) keys(value *regexp.Regexp) {
	for _, at := range secretKey.FindAllStringIndex(m.text, -1) {
		found := value.FindStringSubmatchIndex(m.text[at[1]:])
		end := found[1]
		switch rest := m.text[at[1]:]; {
		case value == urlValue:
			end = found[2]
		case !strings.HasSuffix(rest[:end], `"`) && !strings.HasSuffix(rest[:end], "'"): // it may continue after a space
			end = max(end, propertyEnd.FindStringIndex(rest)[0])
		}
		m.hide(at[1], at[1]+end)
	}
}

func (m *mask) String() string {
	var b strings.Builder
	for i := range len(m.text) {
		switch {
		case !m.hidden[i]:
			b.WriteByte(m.text[i])
		case i == 0 || !m.hidden[i-1]:
			b.WriteString("***")
		}
	}
	return b.String()
}

// harmless reports whether the value of a key in a query is never a secret.
func harmless(key string) bool {
	return slices.Contains([]string{
		"camera", "channel", "codec", "compression", "fps", "height", "mode", "multicast", "profile", "proto", "quality",
		"rate", "real_stream", "resolution", "size", "stream", "streamtype", "subtype", "tcp", "transportmode", "udp",
		"unicast", "videocodec", "width",
	}, strings.ToLower(key))
}
