package config

import (
	"slices"

	"github.com/faultline/faultline/internal/wire"
	"github.com/faultline/faultline/plugins/host/spec"
)

// With lays head office's settings below what the agent's own file names.
// profiles is the directory that their device profiles were written to.
func (c Config) With(s *wire.Settings, profiles string) Config {
	if s == nil {
		return c
	}
	own := func(key string) bool { return slices.Contains(c.Own, key) }
	if s.Concurrency > 0 && !own("concurrency") {
		c.Concurrency = s.Concurrency
	}
	if s.BacklogRate > 0 && !own("spool") {
		c.Spool.BacklogRate = s.BacklogRate
	}
	if len(s.Profiles) > 0 {
		c.HandedProfiles = profiles
	}
	c.Plugins = slices.Clone(c.Plugins)
	for _, p := range s.Plugins {
		if !slices.ContainsFunc(c.Plugins, func(o spec.Plugin) bool { return o.Name == p.Name }) {
			c.Plugins = append(c.Plugins, p)
		}
	}
	return c
}

// Decided are the settings that both head office may assign and the file names.
func (c Config) Decided() []string {
	var out []string
	for _, key := range []string{"concurrency", "plugins", "profiles", "spool", "targets"} {
		if slices.Contains(c.Own, key) {
			out = append(out, key)
		}
	}
	return out
}
