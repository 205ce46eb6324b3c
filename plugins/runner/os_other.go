//go:build !unix

package runner

import (
	"os"
	"os/exec"
)

func group(*exec.Cmd)         {}
func lockFile(*os.File) error { return nil }
