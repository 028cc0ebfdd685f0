package config

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"reflect"
	"strings"

	"go.yaml.in/yaml/v4"

	"facesieve/capture/sourceurl"
)

// OverridesName is the name of the file of overrides in the state directory.
const OverridesName = "overrides.yaml"

// InForce is the configuration that the daemon runs: defaults, file, environment, and the overrides over them.
type InForce struct {
	Config
	Origins   Origins
	Overrides Overrides // those that are applied
	// OverridesPath is the file of overrides, which may not exist; empty: there is no state directory.
	OverridesPath string
	// OverridesFault is why no override is applied, of type Faults or an error of reading the file; nil: all are.
	OverridesFault error
	// Ignored has the overrides of cameras that the configuration does not have.
	Ignored Faults
}

// LoadInForce is Load with the overrides in the state directory. A fault in the overrides is no error of LoadInForce,
// so that a daemon whose overrides are damaged can start without them.
func LoadInForce(used Scope, path string, getenv func(string) string) (InForce, error) {
	text, err := readConfigFile(path)
	if err != nil {
		return InForce{}, Invalid(err)
	}
	state := inForceLoader{use: used, path: path, getenv: getenv}
	if directory, _ := stateDirectory(getenv); directory != "" {
		state.overrides = filepath.Join(directory, OverridesName)
	}
	return state.load(text, func() ([]byte, error) {
		if state.overrides == "" {
			return nil, nil
		}
		return readOverrides(state.overrides)
	})
}

// readOverrides returns the text of the file of overrides, or nothing if the file does not exist.
func readOverrides(path string) ([]byte, error) {
	text, err := readConfigFile(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("the overrides cannot be read: %w; give the user of facesieve access to the file, or "+
			"remove it", err)
	}
	return text, nil
}

// inForceLoader applies overrides to the configuration of a file.
type inForceLoader struct {
	use             Scope
	path, overrides string // of the files
	getenv          func(string) string
}

// load returns the configuration of a file with this text, with the overrides whose text read returns.
func (s inForceLoader) load(text []byte, read func() ([]byte, error)) (InForce, error) {
	l := newLoader(s.use, s.getenv)
	cfg := l.load(text)
	if cfg.MQTT.Control && s.overrides == "" {
		l.fault("mqtt.control", "commands are saved in the state directory, and there is none; set STATE_DIRECTORY, "+
			"XDG_STATE_HOME or HOME, or control to false")
	}
	if err := l.faults(s.path); err != nil {
		return InForce{}, err
	}
	result := InForce{Config: cfg, Origins: l.origins(s.path), OverridesPath: s.overrides}
	result.OverridesFault = result.addOverrides(read)
	return result, nil
}

// addOverrides applies the overrides whose text read returns, or nothing if they have a fault.
func (c *InForce) addOverrides(read func() ([]byte, error)) error {
	text, err := read()
	if err != nil {
		return err
	}
	l, cfg := newOverridesLoader(), c.Config
	overrides := l.overrides(text)
	ignored := l.applyOverrides(&cfg, overrides)
	if err := l.faults(c.OverridesPath); err != nil {
		return err
	}
	c.Config, c.Overrides, c.Ignored = cfg, overrides, Faults{File: c.OverridesPath, List: ignored}
	for i, camera := range cfg.Cameras {
		c.Origins.addOverrides(l, c.OverridesPath, i, camera.Name, overrides.Cameras[camera.Name])
	}
	return nil
}

// Overridden returns the names of the cameras with overrides, in the order of the configuration.
func (c InForce) Overridden() []string {
	var names []string
	for _, camera := range c.Cameras {
		if _, ok := c.Overrides.Cameras[camera.Name]; ok {
			names = append(names, camera.Name)
		}
	}
	return names
}

// YAML returns the configuration in force as a configuration file in which a comment names the origin of each value.
// Passwords are hidden: the url of a camera is as in the file, with *** for a login in it.
func (c InForce) YAML() ([]byte, error) {
	root := &yaml.Node{Kind: yaml.MappingNode}
	if err := c.addKeys(root, reflect.ValueOf(c.Config), ""); err != nil {
		return nil, err
	}
	cameras := &yaml.Node{Kind: yaml.SequenceNode}
	for i, camera := range c.Cameras {
		camera.Capture.URL = sourceurl.Redact(cmp.Or(camera.Capture.Shown, camera.Capture.URL))
		node := &yaml.Node{Kind: yaml.MappingNode}
		if err := c.addKeys(node, reflect.ValueOf(camera), cameraKey(i)); err != nil {
			return nil, err
		}
		cameras.Content = append(cameras.Content, node)
	}
	root.Content = append(root.Content, &yaml.Node{Kind: yaml.ScalarNode, Value: "cameras"}, cameras)
	text, err := yaml.Marshal(root)
	if err != nil {
		return nil, fmt.Errorf("write the configuration as YAML: %w", err)
	}
	return text, nil
}

// addKeys adds the keys of a section, in the order of the fields of its type.
func (c InForce) addKeys(node *yaml.Node, v reflect.Value, section string) error {
	for i := range v.NumField() {
		field := v.Type().Field(i)
		name, options, _ := strings.Cut(field.Tag.Get("yaml"), ",")
		switch {
		case name == "-" || !field.IsExported():
			continue
		case strings.Contains(options, "inline"):
			if err := c.addKeys(node, v.Field(i), section); err != nil {
				return err
			}
			continue
		}
		value, err := c.valueNode(v.Field(i), join(section, name))
		if err != nil {
			return err
		}
		node.Content = append(node.Content, &yaml.Node{Kind: yaml.ScalarNode, Value: name}, value)
	}
	return nil
}

func (c InForce) valueNode(v reflect.Value, key string) (*yaml.Node, error) {
	node := &yaml.Node{Kind: yaml.MappingNode}
	if v.Kind() == reflect.Struct {
		return node, c.addKeys(node, v, key)
	}
	if err := node.Encode(v.Interface()); err != nil {
		return nil, fmt.Errorf("write %s as YAML: %w", key, err)
	}
	if node.Kind != yaml.ScalarNode {
		node.Style |= yaml.FlowStyle
	}
	node.LineComment = "# " + c.Origins.Of(key).String()
	return node, nil
}
