// Package faultlab puts the product into a fault lab, a miniature company in
// Linux network namespaces on one machine, and has it scored there: it holds
// the lab's inventory, writes the configurations, starts the lab with an agent
// in each branch server and the collector at head office, waits until all is
// measured, and runs the lab's scoring program. The lab itself, its faults and
// their truths are not here, and nothing of them reaches the product.
package faultlab

import (
	"embed"
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

//go:embed inventory/*.yaml rules
var files embed.FS

// WriteFiles writes the lab's inventory, and the rules that it has beside the
// product's, below a directory that it makes: inventory/ and rules/, anew where
// a run before left them.
func WriteFiles(dir string) error {
	err := errors.Join(os.MkdirAll(dir, 0o700), os.RemoveAll(filepath.Join(dir, "inventory")), os.RemoveAll(filepath.Join(dir, "rules")))
	if err == nil {
		err = os.CopyFS(dir, files)
	}
	if err != nil {
		return fmt.Errorf("write lab inventory and rules: %w", err)
	}
	return nil
}
