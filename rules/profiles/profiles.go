// Package profiles embeds the device profiles and their index, apart from the other
// rules so that the agent carries nothing that only the collector reads. It holds
// no logic; internal/profile checks and reads them.
package profiles

import (
	"embed"
	"io/fs"
)

//go:embed *.yaml index.json
var files embed.FS

// FS returns the profiles, one file for each.
func FS() fs.FS { return files }
