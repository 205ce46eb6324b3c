// Command mksupport writes docs/support.md: which devices the profiles of a
// directory describe, what is read of each, and what proves it. It judges
// nothing: a profile says itself how far it is verified.
package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"

	"github.com/faultline/faultline/internal/profile"
)

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: mksupport DIRECTORY FILE")
		os.Exit(2)
	}
	if err := run(os.Args[1], os.Args[2]); err != nil {
		fmt.Fprintln(os.Stderr, "mksupport:", err)
		os.Exit(1)
	}
}

func run(dir, file string) error {
	page, err := render(dir)
	if err != nil {
		return err
	}
	return os.WriteFile(file, page, 0o644)
}

// render makes the page of the profiles in a directory.
func render(dir string) ([]byte, error) {
	set, err := profile.Load(os.DirFS(dir))
	if err != nil {
		return nil, err
	}
	var entries []entry
	for _, name := range set.Names() {
		p := set.Profile(name)
		text, err := os.ReadFile(filepath.Join(dir, p.File()))
		if err != nil {
			return nil, err
		}
		entries = append(entries, newEntry(set, p, string(text)))
	}
	var b bytes.Buffer
	if err := page.Execute(&b, newPage(entries)); err != nil {
		return nil, fmt.Errorf("write the page: %w", err)
	}
	return b.Bytes(), nil
}
