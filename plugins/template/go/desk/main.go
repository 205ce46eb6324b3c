// Command desk is the template of a ticket desk plugin, with an example beside
// it: copy the directory, keep this file, and write your own desk.go.
package main

import (
	"context"
	"fmt"
	"net/url"

	"github.com/faultline/faultline/plugins/rpc"
)

func main() {
	d := &desk{}
	rpc.Serve(rpc.Plugin{Version: version, Desk: d, Configure: func(_ context.Context, settings map[string]string) error {
		if u, err := url.Parse(settings["url"]); err != nil || u.Host == "" {
			return fmt.Errorf("setting url: an address is needed")
		}
		d.settings = settings
		return nil
	}})
}
