// Command faultline-desk-jira is Jira as a ticket plugin: the same
// protocol as the collector's own desk of that kind, in a process of its own.
package main

import (
	"github.com/faultline/faultline/plugins/bundled/jira"
	"github.com/faultline/faultline/plugins/desk/program"
)

// version is set by the build.
var version = "dev"

func main() { program.Serve("jira", version, jira.FromSettings) }
