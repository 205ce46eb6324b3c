// Package rules embeds the data that Faultline works by: alert rules, routes,
// diagnosis, processes, device profiles, calendars, scenarios and drills. It holds no logic; each
// loader checks its own directory.
package rules

import (
	"embed"
	"io/fs"
)

//go:generate go run ../internal/profile/mkindex profiles
//go:generate go run ../internal/profile/mksupport profiles ../docs/support.md

//go:embed alerts calendars diagnosis drills inspection processes profiles/*.yaml profiles/index.json routes scenarios syslog/*.yaml
var files embed.FS

// FS returns the embedded files, one directory for each kind. The agent takes
// rules/profiles and rules/syslog instead, to stay small.
func FS() fs.FS { return files }
