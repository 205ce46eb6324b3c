// Command runner is the template of a plugin that carries remedies out, with an
// example beside it: copy the directory, keep this file, and write your own
// scripts.go. The setting book is a directory that outlives restarts.
package main

import (
	"github.com/faultline/faultline/plugins/rpc"
	"github.com/faultline/faultline/plugins/runner"
)

func main() {
	l := runner.NewLate(name, func(settings map[string]string) (*runner.Runner, error) {
		work, err := configure(settings)
		if err != nil {
			return nil, err
		}
		return runner.New(settings["book"], 0, work)
	})
	rpc.Serve(rpc.Plugin{Version: version, Runner: l, Configure: l.Configure})
}
