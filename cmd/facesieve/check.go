package main

import "fmt"

type checkCommand struct {
	Config string `required:"" type:"path" help:"Configuration file (YAML)."`
}

// Run prints every fault of the configuration, or that there is none.
func (c *checkCommand) Run(term console) error {
	cfg, err := LoadConfig(c.Config, secrets)
	if err != nil {
		return err
	}
	if _, err := openModels(cfg); err != nil {
		return err
	}
	fmt.Fprintf(term.out, "%s: good; %d camera(s)\n", c.Config, len(cfg.Cameras))
	return nil
}
