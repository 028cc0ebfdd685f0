package main

import (
	"context"
	"fmt"
	"io"
	"strings"

	"facesieve/cmd/facesieve/internal/config"
	"facesieve/cmd/facesieve/internal/pipeline"
	"facesieve/publish"
)

type checkCommand struct {
	Config  filePath `required:"" help:"Configuration file (YAML)."`
	Origins bool     `help:"Also print the configuration in force, with the origin of every value; passwords are hidden."`
	Connect bool     `help:"Also connect to the broker and check whether it accepts a message (at most 15 seconds)."`
}

// Run prints every fault of the configuration and of the overrides, or that there is none.
func (c *checkCommand) Run(ctx context.Context, term console) error {
	cfg, err := config.LoadInForce(config.ForCheck(), string(c.Config), config.Secret)
	if err != nil {
		return err
	}
	if err := cfg.OverridesFault; err != nil {
		fmt.Fprintln(term.err, "the overrides are wrong: run starts without them, and refuses to reload; "+
			"fix the file or remove it")
		return config.Invalid(err)
	}
	if err := pipeline.TryNetworks(cfg.Config); err != nil {
		return err
	}
	mark := ""
	if c.Origins { // so that the whole output is a YAML file
		mark = "# "
	}
	fmt.Fprintf(term.out, "%s%s: good; %d camera(s)\n", mark, printablePath(string(c.Config)), len(cfg.Cameras))
	fmt.Fprintf(term.out, "%s%s\n", mark, overridesText(cfg))
	printHardware(term.out, mark, cfg.Cameras)
	if len(cfg.Ignored.List) > 0 {
		fmt.Fprintf(term.err, "overrides of absent cameras are ignored:\n%s\n", cfg.Ignored.Error())
	}
	if cfg.MQTT.HomeAssistant && !cfg.MQTT.JPEG {
		fmt.Fprintf(term.out, "%smqtt.homeassistant: faces are published as JPEG too, as with mqtt.jpeg\n", mark)
	}
	if cfg.Web.Exposed() {
		fmt.Fprintln(term.err, "warning: "+config.ExposedText)
	}
	if c.Origins {
		text, err := cfg.YAML()
		if err != nil {
			return err
		}
		fmt.Fprintf(term.out, "%s", text)
	}
	if !c.Connect {
		return nil
	}
	return checkBroker(ctx, cfg.MQTT, term)
}

// printHardware prints, for each camera with hwaccel, which hardware decoder can be opened here. Mark begins the lines.
func printHardware(w io.Writer, mark string, cameras []config.Camera) {
	for _, camera := range cameras {
		if text := camera.Capture.TryHardware(); text != "" {
			fmt.Fprintf(w, "%scamera %s: hwaccel %s: %s\n", mark, camera.Name, camera.Capture.HWAccel, text)
		}
	}
}

// overridesText describes the overrides in one line.
func overridesText(cfg config.InForce) string {
	switch names := cfg.Overridden(); {
	case cfg.OverridesPath == "":
		return "overrides: none; STATE_DIRECTORY names no directory for them"
	case len(names) > 0:
		return fmt.Sprintf("overrides: %s, of %s", printablePath(cfg.OverridesPath), strings.Join(names, ", "))
	default:
		return "overrides: none in " + printablePath(cfg.OverridesPath)
	}
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
