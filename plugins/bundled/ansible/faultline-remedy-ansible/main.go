// Command faultline-remedy-ansible is Ansible as a remedy plugin: playbooks that
// a person approved, in a process of their own. Started as a keeper it looks
// after one run.
package main

import (
	"os"

	"github.com/faultline/faultline/plugins/bundled/ansible"
	"github.com/faultline/faultline/plugins/desk"
	"github.com/faultline/faultline/plugins/rpc"
	"github.com/faultline/faultline/plugins/runner"
)

// version is set by the build.
var version = "dev"

func from(settings map[string]string) (*runner.Runner, error) {
	return ansible.FromSettings(desk.NewSettings(settings))
}

func main() {
	if len(os.Args) > 2 && os.Args[1] == ansible.KeepArgument {
		os.Exit(ansible.Keep(os.Args[2:]))
	}
	l := runner.NewLate("ansible", from)
	rpc.Serve(rpc.Plugin{Version: version, Runner: l, Configure: l.Configure})
}
