package main

import (
	"debug/elf"
	"errors"
	"fmt"
	"strings"

	"facesieve/models"
)

// files adds the faults of the files that the configuration names: certificates, keys, an accelerator's library. The
// daemon does not call it, because it reads these files again after a failure.
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

// checkLibrary reads the ELF header of the delegate's library. It skips a name without /, because the system's loader
// searches for that.
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
