// Package build makes the two programs for tests that run them, with the flags
// of `make build`, so that the build cache serves both.
package build

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// Programs builds faultline-agent and faultline-collector of this tree into dir.
func Programs(ctx context.Context, dir string) error {
	for name, pkg := range map[string]string{"faultline-agent": "./agent", "faultline-collector": "./collector"} {
		if err := program(ctx, pkg, filepath.Join(dir, name)); err != nil {
			return err
		}
	}
	return nil
}

// program builds one program of this tree into a file.
func program(ctx context.Context, pkg, file string) error {
	root, err := moduleRoot()
	if err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-ldflags", "-s -w", "-o", file, pkg)
	cmd.Dir = root
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("build %s: %w\n%s", pkg, err, out)
	}
	return nil
}

// moduleRoot is the nearest directory above with a go.mod.
func moduleRoot() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir, nil
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return "", fmt.Errorf("no go.mod above the working directory")
		}
		dir = parent
	}
}
