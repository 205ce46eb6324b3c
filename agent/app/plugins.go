package app

import (
	"fmt"
	"log/slog"
	"os"
	"path/filepath"

	agentconfig "github.com/faultline/faultline/agent/config"
	"github.com/faultline/faultline/agent/update"
	"github.com/faultline/faultline/plugins/host/pipe"
	"github.com/faultline/faultline/plugins/input"
)

// pluginHost is the program that runs input plugins: it links gRPC, so that the
// agent need not (docs/plugins.md).
const pluginHost = "faultline-plugin-host"

// addPlugins adds the inputs that plugins make. The child that runs them is
// started by the client's Run, and only when there are any.
func addPlugins(cfg agentconfig.Config, inputs map[string]input.Input, log *slog.Logger) (*pipe.Client, error) {
	c, err := pipe.New(pipe.Options{Program: pluginHostPath(cfg), Args: []string{"serve"}, Plugins: cfg.Plugins, Dir: filepath.Join(cfg.Data, "plugins"), Logger: log})
	if err != nil {
		return nil, err
	}
	for _, in := range c.Inputs() {
		if _, there := inputs[in.Name()]; there {
			return nil, fmt.Errorf("plugins: %s: a built-in input has this name", in.Name())
		}
		inputs[in.Name()] = in
	}
	return c, nil
}

// pluginHostPath is the program beside the agent's own, unless the
// configuration names another.
func pluginHostPath(cfg agentconfig.Config) string {
	if cfg.PluginHost != "" {
		return cfg.PluginHost
	}
	if self, err := os.Executable(); err == nil {
		if beside := filepath.Join(filepath.Dir(self), pluginHost); fileExists(beside) {
			return beside
		}
	}
	if dir := os.Getenv(update.EnvBase); dir != "" { // this is a release that replaced the installed program
		if beside := filepath.Join(dir, pluginHost); fileExists(beside) {
			return beside
		}
	}
	return pluginHost
}

func fileExists(path string) bool {
	st, err := os.Stat(path)
	return err == nil && st.Mode().IsRegular()
}
