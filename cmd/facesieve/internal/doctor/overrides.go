package doctor

import (
	"strings"

	"facesieve/cmd/facesieve/internal/config"
)

// checkOverrides reports which cameras have overrides, and faults of the file. Without overrides there is no finding.
func checkOverrides(cfg config.InForce) []Finding {
	if err := cfg.OverridesFault; err != nil {
		text := strings.Join(strings.Fields(err.Error()), " ")
		return []Finding{failed("refused, so the configuration file applies without them: "+text,
			"correct the file, or remove it")}
	}
	var all []Finding
	if names := cfg.Overridden(); len(names) > 0 {
		all = append(all, ok(cfg.OverridesPath+" replaces settings of "+strings.Join(names, ", ")))
	}
	if len(cfg.Ignored.List) > 0 {
		all = append(all, warning(strings.Join(strings.Fields(cfg.Ignored.Error()), " ")+": ignored",
			"remove the overrides of cameras that the configuration does not have"))
	}
	return all
}
