package ansible

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// Bounds of the directory of playbooks.
const (
	maxFiles = 5000
	maxBytes = 64 << 20
)

// stage copies the directory and returns a checksum over the names, kinds and
// contents of what was copied: two copies with the same checksum run alike. A
// link that leads out of the directory is refused.
func stage(from, to string) (pin string, err error) {
	h := sha256.New()
	files, size := 0, int64(0)
	err = filepath.WalkDir(from, func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		if e.IsDir() && e.Name() == ".git" {
			return filepath.SkipDir
		}
		target := filepath.Join(to, rel)
		if e.IsDir() {
			return os.MkdirAll(target, 0o700)
		}
		if files++; files > maxFiles {
			return fmt.Errorf("%s has more than %d files", from, maxFiles)
		}
		n, sum, mode, err := copyFile(from, path, target, maxBytes-size)
		if err != nil {
			return err
		}
		size += n
		_, _ = fmt.Fprintf(h, "%s\x00%s\x00%s\n", strconv.Quote(rel), mode, sum)
		return nil
	})
	if err != nil {
		return "", fmt.Errorf("copy %s: %w", from, err)
	}
	return "sha256:" + hex.EncodeToString(h.Sum(nil)), nil
}

// copyFile copies one file of at most so many bytes. Only whether it is a program
// is kept of its mode: an inventory that is one is run.
func copyFile(root, from, to string, room int64) (n int64, sum, mode string, err error) {
	real, err := filepath.EvalSymlinks(from)
	if err != nil {
		return 0, "", "", err
	}
	top, err := filepath.EvalSymlinks(root)
	if err != nil {
		return 0, "", "", err
	}
	if real != top && !strings.HasPrefix(real, top+string(filepath.Separator)) {
		return 0, "", "", fmt.Errorf("%s leads out of the directory", from)
	}
	in, err := os.Open(real)
	if err != nil {
		return 0, "", "", err
	}
	defer func() { _ = in.Close() }()
	st, err := in.Stat()
	if err != nil || !st.Mode().IsRegular() {
		return 0, "", "", errors.Join(fmt.Errorf("%s is no regular file", from), err)
	}
	perm := os.FileMode(0o600)
	if st.Mode()&0o100 != 0 {
		perm = 0o700
	}
	out, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, perm)
	if err != nil {
		return 0, "", "", err
	}
	h := sha256.New()
	n, err = io.Copy(io.MultiWriter(out, h), io.LimitReader(in, room+1))
	if err = errors.Join(err, out.Close()); err == nil && n > room {
		err = fmt.Errorf("the directory has more than %d MiB", maxBytes>>20)
	}
	return n, hex.EncodeToString(h.Sum(nil)), perm.String(), err
}
