// Command channel is the template of a channel plugin, with an example beside
// it: copy the directory, keep this file, and write your own channel.go.
package main

import (
	"context"
	"fmt"
	"net/url"

	"github.com/faultline/faultline/plugins/rpc"
)

func main() {
	c := &channel{}
	rpc.Serve(rpc.Plugin{Version: version, Channel: c, Configure: func(_ context.Context, settings map[string]string) error {
		if u, err := url.Parse(settings["url"]); err != nil || u.Host == "" {
			return fmt.Errorf("setting url: an address is needed")
		}
		c.settings = settings
		return nil
	}})
}
