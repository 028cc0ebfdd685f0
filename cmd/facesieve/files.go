package main

import (
	"debug/elf"
	"errors"
	"fmt"
	"strings"

	"facesieve/models"
)

// files adds what is wrong with the files that the configuration names: certificates, keys, an accelerator's library.
// The daemon reads them by itself, and tries again after a failure, as they may be on their way.
func (l *loader) files(cfg Config) {
	if cfg.MQTT.Validate() == nil {
		l.section("mqtt", cfg.MQTT.CheckFiles())
	}
	if cfg.Outbox.Validate() == nil {
		l.section("outbox", cfg.Outbox.CheckFiles())
	}
	if err := checkLibrary(cfg.Runtime); err != nil {
		l.fault("runtime.library", "%v", err)
	}
}

// checkLibrary reads the head of the delegate's library. A name without / is looked for by the system's loader.
func checkLibrary(rt models.Runtime) error {
	if rt.Delegate != models.DelegateExternal || !strings.Contains(rt.Library, "/") {
		return nil
	}
	library, err := elf.Open(rt.Library)
	var format *elf.FormatError
	switch {
	case errors.As(err, &format):
		return fmt.Errorf("%q is no library of this system", rt.Library)
	case err != nil:
		return fmt.Errorf("the library cannot be read: %w", err)
	}
	return library.Close()
}
