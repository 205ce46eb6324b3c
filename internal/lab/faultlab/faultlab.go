// Package faultlab puts the product into a fault lab, a miniature company in
// Linux network namespaces on one machine, and has it scored there: it holds
// the lab's inventory, writes the configurations, starts the lab with an agent
// in each branch server and the collector at head office, waits until all is
// measured, and runs the lab's scoring program. The lab itself, its faults and
// their truths are not here, and nothing of them reaches the product.
package faultlab

import (
	"embed"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

//go:embed inventory/*.yaml
var inventoryFiles embed.FS

// WriteInventory writes the lab's inventory into a directory, which it makes.
func WriteInventory(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("write lab inventory: %w", err)
	}
	names, err := fs.Glob(inventoryFiles, "inventory/*.yaml")
	if err != nil {
		return fmt.Errorf("write lab inventory: %w", err)
	}
	for _, name := range names {
		text, err := inventoryFiles.ReadFile(name)
		if err != nil {
			return fmt.Errorf("write lab inventory: %w", err)
		}
		if err := os.WriteFile(filepath.Join(dir, filepath.Base(name)), text, 0o600); err != nil {
			return fmt.Errorf("write lab inventory: %w", err)
		}
	}
	return nil
}
