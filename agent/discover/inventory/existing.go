package inventory

import (
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"
)

// Existing is what is described already, as far as comparing needs it.
type Existing struct {
	Sites   []Named  `yaml:"sites"`
	Agents  []Named  `yaml:"agents"`
	Lines   []Named  `yaml:"lines"`
	Devices []Device `yaml:"devices"`
}

// Named is something that has an id.
type Named struct {
	ID string `yaml:"id"`
}

// Device is a device that is described.
type Device struct {
	ID        string   `yaml:"id"`
	Site      string   `yaml:"site"`
	Addresses []string `yaml:"addresses"`
	Vendor    string   `yaml:"vendor"`
	Model     string   `yaml:"model"`
	Serial    string   `yaml:"serial"`
	DependsOn []struct {
		AnyOf []string `yaml:"any_of"`
		For   string   `yaml:"for"`
	} `yaml:"depends_on"`
	Ports []struct {
		Name string `yaml:"name"`
		To   string `yaml:"to"`
	} `yaml:"ports"`
}

// Load reads an inventory: a file, or all *.yaml and *.yml files of a directory.
func Load(path string) (*Existing, error) {
	names := []string{path}
	info, err := os.Stat(path)
	if err == nil && info.IsDir() {
		names, err = filesOf(path)
	}
	if err != nil {
		return nil, fmt.Errorf("read existing inventory: %w", err)
	}
	all := &Existing{}
	for _, name := range names {
		data, err := os.ReadFile(name)
		if err != nil {
			return nil, fmt.Errorf("read existing inventory: %w", err)
		}
		e, err := parse(data)
		if err != nil {
			return nil, fmt.Errorf("read existing inventory %s: %w", name, err)
		}
		all.Sites, all.Agents = append(all.Sites, e.Sites...), append(all.Agents, e.Agents...)
		all.Lines, all.Devices = append(all.Lines, e.Lines...), append(all.Devices, e.Devices...)
	}
	return all, nil
}

func filesOf(dir string) ([]string, error) {
	var names []string
	err := filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if ext := filepath.Ext(name); err == nil && !d.IsDir() && (ext == ".yaml" || ext == ".yml") {
			names = append(names, name)
		}
		return err
	})
	if err == nil && len(names) == 0 {
		err = errors.New("the directory holds no *.yaml file")
	}
	return names, err
}

// parse reads one file. The YAML library panics on some malformed input.
func parse(data []byte) (e *Existing, err error) {
	defer func() {
		if fault := recover(); fault != nil {
			err = fmt.Errorf("not readable as YAML: %v", fault)
		}
	}()
	e = &Existing{}
	err = yaml.Unmarshal(data, e)
	return e, err
}

// has tells whether one of the elements has the id.
func has(all []Named, id string) bool {
	return slices.ContainsFunc(all, func(n Named) bool { return n.ID == id })
}

// answersAt tells whether one of the described addresses is in what was swept.
func (d *Device) answersAt(swept, excluded []netip.Prefix) bool {
	in := func(all []netip.Prefix, a netip.Addr) bool {
		return slices.ContainsFunc(all, func(p netip.Prefix) bool { return p.Contains(a) })
	}
	return slices.ContainsFunc(d.addresses(), func(a netip.Addr) bool { return in(swept, a) && !in(excluded, a) })
}

// addresses are the described addresses that are no names.
func (d *Device) addresses() []netip.Addr {
	var all []netip.Addr
	for _, text := range d.Addresses {
		if a, err := netip.ParseAddr(strings.TrimSpace(text)); err == nil {
			all = append(all, a.Unmap())
		}
	}
	return all
}
