package main

import (
	"errors"
	"os"
	"sync"
)

// rotating is a log file that stays small: when a line would make it larger than
// most bytes it becomes path.old, in place of the one before, and is begun anew.
// The two hold the last most bytes or more. A file that cannot be moved is cut
// instead, since a full disk is worse than a short log. It is safe for concurrent use.
type rotating struct {
	path string
	most int64 // bytes

	mu   sync.Mutex // guards the fields below
	file *os.File   // nil: it could not be opened, and is tried again with the next line
	size int64
}

func openRotating(path string, most int64) (*rotating, error) {
	r := &rotating{path: path, most: most}
	return r, r.openLocked(os.O_APPEND)
}

func (r *rotating) openLocked(how int) error {
	f, err := os.OpenFile(r.path, os.O_CREATE|os.O_WRONLY|how, 0o600)
	if err != nil {
		return err
	}
	st, err := f.Stat()
	if err != nil {
		return errors.Join(err, f.Close())
	}
	r.file, r.size = f, st.Size()
	return nil
}

// Write writes one line whole to one file.
func (r *rotating) Write(line []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.file != nil && r.size > 0 && r.size+int64(len(line)) > r.most {
		_ = r.file.Close() // Windows moves no open file
		r.file = nil
		how := os.O_APPEND
		if os.Rename(r.path, r.path+".old") != nil {
			how |= os.O_TRUNC
		}
		if err := r.openLocked(how); err != nil {
			return 0, err
		}
	}
	if r.file == nil {
		if err := r.openLocked(os.O_APPEND); err != nil {
			return 0, err
		}
	}
	n, err := r.file.Write(line)
	r.size += int64(n)
	return n, err
}
