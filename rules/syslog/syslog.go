// Package syslog embeds the patterns that lines of logs are known by, apart from
// the other rules for the agent's sake. It holds no logic; agent/syslog checks
// and reads them.
package syslog

import (
	"embed"
	"io/fs"
)

//go:embed *.yaml
var files embed.FS

// FS returns the patterns.
func FS() fs.FS { return files }
