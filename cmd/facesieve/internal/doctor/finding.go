package doctor

// Result is the result of a check.
type Result string

// The results, the best first.
const (
	OK      Result = "ok"
	Warning Result = "warning" // it works, and should be better
	Failed  Result = "failed"
)

// Finding is what one check found. Texts hold no credentials, but text of cameras and brokers, which may hold controls.
type Finding struct {
	Check  string `json:"check"`          // camera, broker, certificate, outbox, overrides, web, network, clock, systemd, memory or cpu
	Name   string `json:"name,omitempty"` // of the camera or the network; token of web; web of its certificate
	Result Result `json:"result"`
	Text   string `json:"text"`
	Fix    string `json:"fix,omitempty"` // of a warning or a failure, where the text does not have it
	Values any    `json:"values,omitempty"`
}

func ok(text string) Finding { return Finding{Result: OK, Text: text} }

func warning(text, fix string) Finding { return Finding{Result: Warning, Text: text, Fix: fix} }

func failed(text, fix string) Finding { return Finding{Result: Failed, Text: text, Fix: fix} }

// Worst returns the worst result of all findings.
func Worst(all []Finding) Result {
	worst := OK
	for _, f := range all {
		if f.Result == Failed || worst == OK {
			worst = f.Result
		}
	}
	return worst
}
