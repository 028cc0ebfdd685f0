package publish

import (
	"reflect"
	"strings"
	"testing"

	"facesieve/internal/freeport"
)

func TestConnectProbes(t *testing.T) {
	for name, c := range map[string]struct {
		allow []string
		old   bool
		want  Probe
		fails string
	}{
		"all": {
			allow: []string{"topic readwrite facesieve/gate/#"},
			want:  Probe{Version: "5", Returned: true, Proved: true},
		},
		"write only": {
			allow: []string{"topic write facesieve/gate/#"}, want: Probe{Version: "5", Proved: true},
		},
		"none": {
			allow: []string{"topic readwrite else"}, want: Probe{Version: "5", Proved: true},
			fails: "publish to facesieve/gate/probe: the broker's access control forbids facesieve/gate/probe: " +
				"allow the device to write below facesieve/gate there (mosquitto: topic write facesieve/gate/#)",
		},
		"old, all": {
			old: true, allow: []string{"topic readwrite facesieve/gate/#"},
			want: Probe{Version: "3.1.1", Returned: true, Proved: true},
		},
	} {
		t.Run(name, func(t *testing.T) {
			broker := startGuarded(t, c.allow...)
			cfg := testConfig(broker.URL())
			if c.old {
				cfg.Broker = startOld(t, broker.Addr)
			}
			c.want.Topic = "facesieve/gate/probe"
			got, err := Connect(t.Context(), cfg)
			if c.fails == "" && err != nil || c.fails != "" && (err == nil || !strings.Contains(err.Error(), c.fails)) {
				t.Errorf("%v", err)
			}
			if !reflect.DeepEqual(got, c.want) {
				t.Errorf("%+v", got)
			}
			if c.fails == "" { // Diagnose tests retained messages too, where it can read the topic
				c.want.Retained = c.want.Returned
				if got, err := Diagnose(t.Context(), cfg); err != nil || !reflect.DeepEqual(got, c.want) {
					t.Errorf("%+v, %v", got, err)
				}
			}
			broker.allow(t, "topic readwrite facesieve/#")
			if left := retained(t, broker.URL()); len(left) != 0 {
				t.Errorf("%v is left", left)
			}
		})
	}
	if _, err := Connect(t.Context(), testConfig("tcp://"+freeport.Address(t))); err == nil ||
		!strings.Contains(err.Error(), "nothing listens on port") {
		t.Error(err)
	}
}
