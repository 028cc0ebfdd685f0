package publish

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"syscall"

	"github.com/eclipse/paho.golang/packets"
	old "github.com/eclipse/paho.mqtt.golang/packets"
)

// ErrRefused is in the error of a connection that waiting does not help: the broker has refused the credentials, for
// example, or one side the certificate of the other.
var ErrRefused = errors.New("refused")

// explain returns why a connection failed, in the terms of the configuration. If ctx has ended, that is the reason.
func (a *attempt) explain(err error) error {
	cause := context.Cause(a.ctx)
	if cause != nil {
		err = cause
	}
	var h hint
	if cause == nil || errors.Is(cause, errNoAnswer) {
		h = a.diagnose(err)
	}
	err = explained(h.text, err)
	if h.refused {
		return fmt.Errorf("connect to %s: %w: %w", a.target, ErrRefused, err)
	}
	return fmt.Errorf("connect to %s: %w", a.target, err)
}

// explainedError is an error with a hint: the fault and its fix.
type explainedError struct {
	hint string
	err  error
}

func (e explainedError) Error() string { return e.hint + ": " + e.err.Error() }
func (e explainedError) Unwrap() error { return e.err }

func explained(hint string, err error) error {
	if hint == "" {
		return err
	}
	return explainedError{hint, err}
}

func (a *attempt) diagnose(err error) hint {
	var reason reasonError
	switch {
	case errors.As(err, &reason) && reason.code == packets.ConnackNotAuthorized,
		errors.Is(err, old.ErrorRefusedNotAuthorised):
		return hint{a.notAllowed(), true}
	case errors.As(err, &reason):
		return reasonHint(reason.code, a.id.clientID)
	case errors.Is(err, old.ErrorRefusedIDRejected):
		return reasonHint(packets.ConnackInvalidClientID, a.id.clientID)
	case errors.Is(err, old.ErrorRefusedBadUsernameOrPassword):
		return hint{wrongPassword, true}
	case errors.Is(err, old.ErrorRefusedServerUnavailable):
		return reasonHint(packets.ConnackServerUnavailable, a.id.clientID)
	case !a.dialed:
		return hint{text: networkHint(a.target.Hostname(), a.target.Port(), err)}
	case errors.Is(err, errNoAnswer) && len(a.raw.first()) == 0:
		return hint{text: "the port is open and nothing answers: the broker hangs, or another service listens there"}
	}
	if h := a.tlsHint(err); h.text != "" {
		return h
	}
	return a.portHint(err)
}

// notAllowed explains the refusal of a user or a client id. The broker does not report which of them it refuses.
func (a *attempt) notAllowed() string {
	id := fmt.Sprintf("no client id like %q (clientid_prefixes of mosquitto)", a.id.clientID)
	if a.cfg.User == "" {
		return "the broker requires user and password, or allows " + id +
			": set mqtt.user and mqtt.password, or mqtt.client_id"
	}
	return "the broker rejected user or password, or allows " + id +
		": check mqtt.user and mqtt.password, then mqtt.client_id"
}

// networkHint explains why there is no TCP connection.
func networkHint(host, port string, err error) string {
	var name *net.DNSError
	switch {
	case errors.As(err, &name) && name.IsNotFound:
		return fmt.Sprintf("the name %s does not exist: check mqtt.broker and the name server", host)
	case errors.As(err, &name):
		return fmt.Sprintf("the name %s cannot be resolved now: the name server does not answer", host)
	case errors.Is(err, syscall.ECONNREFUSED):
		return fmt.Sprintf("nothing listens on port %s there: start the broker, check the port in mqtt.broker, "+
			"and on which address the broker listens", port)
	case errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETUNREACH):
		return "no route to that address: check the network of this device"
	case errors.Is(err, errNoAnswer), errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, syscall.ETIMEDOUT):
		return "the address does not answer: the machine is off, or a firewall drops the connection"
	case errors.Is(err, syscall.EACCES), errors.Is(err, syscall.EPERM):
		return "this device forbids the connection: check its firewall"
	}
	return ""
}

// explainLoss adds a hint to the reason why a connection has ended.
func (a *attempt) explainLoss(err error) error {
	var reason reasonError
	text := ""
	switch {
	case errors.As(err, &reason):
		text = reasonHint(reason.code, a.id.clientID).text
	case hungUp(err):
		text = fmt.Sprintf("the broker hung up without a reason: it ended, or another client has the client id %q, "+
			"or it forbids a topic or the size of a message; see its log", a.id.clientID)
	case strings.Contains(strings.ToLower(err.Error()), "pingresp"): // both paho libraries report it only as text
		text = "the broker did not answer a ping: the network is gone, or the broker hangs"
	}
	return explained(text, err)
}

// hungUp reports whether the other side has ended the connection without a reason.
func hungUp(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, syscall.ECONNRESET) ||
		errors.Is(err, syscall.EPIPE)
}
