// Command faultline-input-enterprise is the input for Oracle and SQL Server, in a
// program of its own: their drivers are larger than the agent.
package main

import (
	"context"
	"fmt"

	"github.com/faultline/faultline/plugins/bundled/enterprise"
	"github.com/faultline/faultline/plugins/rpc"
)

// version is set by the build.
var version = "dev"

func main() {
	in := enterprise.New(enterprise.Options{})
	rpc.Serve(rpc.Plugin{Version: version, Input: in, Configure: func(_ context.Context, settings map[string]string) error {
		for name := range settings {
			if name != "secret_dir" {
				return fmt.Errorf("setting %s: there is only secret_dir", name)
			}
		}
		in.Restrict(settings["secret_dir"])
		return nil
	}})
}
