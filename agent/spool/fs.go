package spool

import (
	"io"
	"os"
	"path/filepath"
	"runtime"
)

// FS is what the spool needs of a file system. Tests put faults in its place.
type FS interface {
	MkdirAll(dir string) error
	// List returns the regular files of a directory in the order of their names.
	List(dir string) ([]FileInfo, error)
	// Open opens a file for reading.
	Open(name string) (File, error)
	// Create makes an empty file, in place of one of that name.
	Create(name string) (File, error)
	// Edit opens a file for reading and writing.
	Edit(name string) (File, error)
	Rename(from, to string) error
	Remove(name string) error
	// SyncDir makes the names in a directory durable.
	SyncDir(dir string) error
}

// File is an open file.
type File interface {
	io.ReaderAt
	io.WriterAt
	io.Closer
	Truncate(size int64) error
	Sync() error
}

// FileInfo is a file's name in its directory and its size in bytes.
type FileInfo struct {
	Name string
	Size int64
}

// osFS is the operating system's.
type osFS struct{}

func (osFS) MkdirAll(dir string) error      { return os.MkdirAll(dir, 0o700) }
func (osFS) Rename(from, to string) error   { return os.Rename(from, to) }
func (osFS) Remove(name string) error       { return os.Remove(name) }
func (osFS) Open(name string) (File, error) { return file(os.Open(name)) }
func (osFS) Edit(name string) (File, error) { return file(os.OpenFile(name, os.O_RDWR, 0)) }
func (osFS) Create(name string) (File, error) {
	return file(os.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o600))
}

// file keeps a nil *os.File from becoming a File that is not nil.
func file(f *os.File, err error) (File, error) {
	if err != nil {
		return nil, err
	}
	return f, nil
}

func (osFS) List(dir string) ([]FileInfo, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var out []FileInfo
	for _, e := range entries {
		info, err := e.Info()
		if err != nil || !info.Mode().IsRegular() {
			continue // gone meanwhile, or not ours
		}
		out = append(out, FileInfo{Name: filepath.Base(e.Name()), Size: info.Size()})
	}
	return out, nil
}

func (osFS) SyncDir(dir string) error {
	if runtime.GOOS == "windows" {
		return nil // NTFS journals names; a directory cannot be flushed there
	}
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer f.Close()
	return f.Sync()
}
