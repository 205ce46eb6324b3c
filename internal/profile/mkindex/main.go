// Command mkindex checks a directory of profiles and writes their index.
package main

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/faultline/faultline/internal/profile"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: mkindex DIRECTORY")
		os.Exit(2)
	}
	if err := run(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, "mkindex:", err)
		os.Exit(1)
	}
}

func run(dir string) error {
	set, err := profile.Load(os.DirFS(dir))
	if err != nil {
		return err
	}
	index, err := set.Index()
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, profile.IndexFile), index, 0o644)
}
