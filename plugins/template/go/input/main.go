// Command input is the template of an input plugin, with an example beside it:
// copy the directory, keep this file, and write your own meter.go.
package main

import "github.com/faultline/faultline/plugins/rpc"

func main() { rpc.Serve(rpc.Plugin{Version: version, Input: meter{}}) }
