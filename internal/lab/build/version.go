package build

import (
	"context"
	"fmt"
	"os"
	"os/exec"
)

// Agent builds faultline-agent of this tree, with a version of its own, into a file.
func Agent(ctx context.Context, version, file string) error {
	root, err := moduleRoot()
	if err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-ldflags", "-s -w -X main.version="+version, "-o", file, "./agent")
	cmd.Dir = root
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("build agent %s: %w\n%s", version, err, out)
	}
	return nil
}
