// Command faultline-desk-itop is iTop as a ticket plugin: the same
// protocol as the collector's own desk of that kind, in a process of its own.
package main

import (
	"github.com/faultline/faultline/plugins/bundled/itop"
	"github.com/faultline/faultline/plugins/desk/program"
)

// version is set by the build.
var version = "dev"

func main() { program.Serve("itop", version, itop.FromSettings) }
