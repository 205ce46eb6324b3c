package app

import (
	"errors"
	"io/fs"
	"os"
	"slices"
	"strings"
)

// overlay lays the operator's directory over the shipped rules: a file of the
// same name replaces the shipped one, others are added.
type overlay struct {
	top, bottom fs.FS
}

// rulesFS returns the shipped rules with dir over them; dir "" is none.
func rulesFS(shipped fs.FS, dir string) fs.FS {
	if dir == "" {
		return shipped
	}
	return overlay{top: os.DirFS(dir), bottom: shipped}
}

// Open opens the operator's file if there is one, else the shipped one.
func (o overlay) Open(name string) (fs.File, error) {
	f, err := o.top.Open(name)
	if errors.Is(err, fs.ErrNotExist) {
		return o.bottom.Open(name)
	}
	return f, err
}

// ReadDir merges the two directories by name.
func (o overlay) ReadDir(name string) ([]fs.DirEntry, error) {
	above, errTop := fs.ReadDir(o.top, name)
	if errTop != nil && !errors.Is(errTop, fs.ErrNotExist) {
		return nil, errTop
	}
	below, errBottom := fs.ReadDir(o.bottom, name)
	if errBottom != nil && (errTop != nil || !errors.Is(errBottom, fs.ErrNotExist)) {
		return nil, errBottom
	}
	for _, e := range below {
		if !slices.ContainsFunc(above, func(a fs.DirEntry) bool { return a.Name() == e.Name() }) {
			above = append(above, e)
		}
	}
	slices.SortFunc(above, func(a, b fs.DirEntry) int { return strings.Compare(a.Name(), b.Name()) })
	return above, nil
}
