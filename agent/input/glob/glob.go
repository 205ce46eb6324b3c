// Package glob finds files by a pattern such as /backup/*/db-*.dump, and looks
// at no more names than a bound: directories may have millions. It opens no file.
package glob

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/faultline/faultline/agent/input/failure"
)

// maxNames is how many names are looked at for one pattern.
const maxNames = 50_000

// Check says what is wrong with a pattern.
func Check(pattern string) error {
	if !filepath.IsAbs(pattern) {
		return fmt.Errorf("pattern %q: want an absolute path", pattern)
	}
	if _, err := filepath.Match(pattern, "x"); err != nil {
		return fmt.Errorf("pattern %q: %w", pattern, err)
	}
	return nil
}

// Found is one file.
type Found struct {
	Path string
	Info fs.FileInfo // of what a link leads to
}

// Files returns the regular files that a pattern fits, the youngest first. That
// the directory before the first wildcard is not there is an error; other
// directories and files may come and go meanwhile.
func Files(pattern string) ([]Found, error) {
	root, rest := split(filepath.Clean(pattern))
	if _, err := os.Stat(root); err != nil {
		return nil, fmt.Errorf("files %s: %w", pattern, err)
	}
	paths, left := []string{root}, maxNames
	for i, element := range rest {
		var next []string
		for _, dir := range paths {
			names, err := names(dir, element, &left)
			if err != nil && (i == 0 || !errors.Is(err, fs.ErrNotExist)) {
				return nil, fmt.Errorf("files %s: %w", pattern, err)
			}
			next = append(next, names...)
		}
		paths = next
	}
	var out []Found
	for _, p := range paths {
		info, err := os.Stat(p)
		switch {
		case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ENOTDIR):
		case err != nil:
			return nil, fmt.Errorf("files %s: %w", pattern, err)
		case info.Mode().IsRegular():
			out = append(out, Found{p, info})
		}
	}
	slices.SortFunc(out, func(a, b Found) int {
		return cmp.Or(b.Info.ModTime().Compare(a.Info.ModTime()), strings.Compare(a.Path, b.Path))
	})
	return out, nil
}

// split parts the directory without wildcards from the elements below it.
func split(pattern string) (root string, rest []string) {
	root = pattern
	for dir := pattern; ; {
		parent := filepath.Dir(dir)
		rest = append(rest, filepath.Base(dir))
		if root = parent; !wild(parent) || parent == dir {
			break
		}
		dir = parent
	}
	slices.Reverse(rest)
	return root, rest
}

func wild(path string) bool { return strings.ContainsAny(path, "*?[") }

// names returns what in dir an element of a pattern fits; left is how many names
// may still be looked at.
func names(dir, element string, left *int) ([]string, error) {
	if !wild(element) {
		return []string{filepath.Join(dir, element)}, nil
	}
	if info, err := os.Stat(dir); err == nil && !info.IsDir() {
		return nil, nil
	}
	d, err := os.Open(dir)
	if err != nil {
		return nil, err
	}
	defer func() { _ = d.Close() }()
	var out []string
	for {
		batch, err := d.Readdirnames(1000)
		if *left -= len(batch); *left < 0 {
			return nil, failure.As(failure.TooLarge, fmt.Errorf("%s: more than %d names", dir, maxNames))
		}
		for _, n := range batch {
			if ok, _ := filepath.Match(element, n); ok && (n[0] != '.' || element[0] == '.') {
				out = append(out, filepath.Join(dir, n))
			}
		}
		if err == io.EOF {
			return out, nil
		}
		if err != nil {
			return nil, err
		}
	}
}
