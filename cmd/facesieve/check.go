package main

import (
	"context"
	"fmt"

	"facesieve/cmd/facesieve/internal/config"
	"facesieve/cmd/facesieve/internal/pipeline"
	"facesieve/publish"
)

type checkCommand struct {
	Config  filePath `required:"" help:"Configuration file (YAML)."`
	Connect bool     `help:"Also connect to the broker and check whether it accepts a message (at most 15 seconds)."`
}

// Run prints every fault of the configuration, or that there is none.
func (c *checkCommand) Run(ctx context.Context, term console) error {
	cfg, err := config.Load(config.ForCheck(), string(c.Config), config.Secret)
	if err != nil {
		return err
	}
	if err := pipeline.TryNetworks(cfg); err != nil {
		return err
	}
	fmt.Fprintf(term.out, "%s: good; %d camera(s)\n", printablePath(string(c.Config)), len(cfg.Cameras))
	if cfg.Web.Exposed() {
		fmt.Fprintln(term.out, "warning: "+config.ExposedText)
	}
	if !c.Connect {
		return nil
	}
	return checkBroker(ctx, cfg.MQTT, term)
}

// checkBroker connects to the broker and publishes a probe.
func checkBroker(ctx context.Context, cfg publish.Config, term console) error {
	if cfg.Broker == publish.Embedded {
		fmt.Fprintln(term.out, "broker: embedded, nothing to connect to")
		return nil
	}
	probe, err := publish.Connect(ctx, cfg)
	if err != nil {
		return err
	}
	verdict := "it accepts messages"
	switch {
	case probe.Returned:
		verdict = "a message came back"
	case !probe.Proved:
		verdict = "it acknowledges messages; it does not allow facesieve to read " + probe.Topic +
			", so whether it discards them is unknown"
	}
	fmt.Fprintf(term.out, "broker: connected by MQTT %s; %s\n", probe.Version, verdict)
	return nil
}
