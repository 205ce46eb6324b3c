package spool

import (
	"bytes"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"path"
	"slices"
	"sync"
)

// memFS is a file system in memory that knows what a power cut leaves: names
// become durable by SyncDir, contents by Sync. fault, if set, may fail any
// operation; a failing write may have written a part.
type memFS struct {
	mu      sync.Mutex
	names   map[string]*memFile
	durable map[string]*memFile
	fault   func(op, name string) error
	partial func(n int) int // how much of a failing write is written
}

// memFile is a file. What a failed flush was to write counts as written, as Linux
// has it: a later flush that succeeds does not bring it to disk.
type memFile struct {
	data, synced []byte
	lost         int // up to where a flush failed; zero: nowhere
}

func newMemFS() *memFS {
	return &memFS{names: map[string]*memFile{}, durable: map[string]*memFile{}}
}

// crash returns what is found after a power cut: durable names, flushed
// contents and, of what was not flushed, as much as keep says of its length.
func (m *memFS) crash(rnd *rand.Rand) *memFS {
	m.mu.Lock()
	defer m.mu.Unlock()
	out := newMemFS()
	for name, f := range m.durable {
		data := slices.Clone(f.synced)
		if extra := len(f.data) - len(data); extra > 0 && rnd != nil {
			n := rnd.IntN(extra + 1)
			tail := slices.Clone(f.data[len(data) : len(data)+n])
			if len(tail) > 0 && rnd.IntN(2) == 0 { // the length came to disk, a part of the content did not
				clear(tail[rnd.IntN(len(tail)):])
			}
			data = append(data, tail...)
		}
		out.put(name, data)
	}
	return out
}

// clone returns a copy in which everything is durable.
func (m *memFS) clone() *memFS {
	m.mu.Lock()
	defer m.mu.Unlock()
	out := newMemFS()
	for name, f := range m.names {
		out.put(name, slices.Clone(f.data))
	}
	return out
}

func (m *memFS) put(name string, data []byte) {
	f := &memFile{data: data, synced: slices.Clone(data)}
	m.names[name], m.durable[name] = f, f
}

func (m *memFS) failing(op, name string) error {
	if m.fault == nil {
		return nil
	}
	if err := m.fault(op, name); err != nil {
		return &fs.PathError{Op: op, Path: name, Err: err}
	}
	return nil
}

func (m *memFS) MkdirAll(dir string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.failing("mkdir", dir)
}

func (m *memFS) List(dir string) ([]FileInfo, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.failing("list", dir); err != nil {
		return nil, err
	}
	var out []FileInfo
	for name, f := range m.names {
		if path.Dir(name) == dir {
			out = append(out, FileInfo{path.Base(name), int64(len(f.data))})
		}
	}
	slices.SortFunc(out, func(a, b FileInfo) int { return bytes.Compare([]byte(a.Name), []byte(b.Name)) })
	return out, nil
}

func (m *memFS) open(op, name string) (File, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.failing(op, name); err != nil {
		return nil, err
	}
	f := m.names[name]
	if op == "create" {
		f = &memFile{}
		m.names[name] = f
	}
	if f == nil {
		return nil, &fs.PathError{Op: op, Path: name, Err: fs.ErrNotExist}
	}
	return &memHandle{m, f, name}, nil
}

func (m *memFS) Open(name string) (File, error)   { return m.open("open", name) }
func (m *memFS) Create(name string) (File, error) { return m.open("create", name) }
func (m *memFS) Edit(name string) (File, error)   { return m.open("edit", name) }

func (m *memFS) Rename(from, to string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.failing("rename", from); err != nil {
		return err
	}
	f := m.names[from]
	if f == nil {
		return &fs.PathError{Op: "rename", Path: from, Err: fs.ErrNotExist}
	}
	delete(m.names, from)
	m.names[to] = f
	return nil
}

func (m *memFS) Remove(name string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.failing("remove", name); err != nil {
		return err
	}
	delete(m.names, name)
	return nil
}

func (m *memFS) SyncDir(dir string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.failing("syncdir", dir); err != nil {
		return err
	}
	for name := range m.durable {
		if path.Dir(name) == dir && m.names[name] == nil {
			delete(m.durable, name)
		}
	}
	for name, f := range m.names {
		if path.Dir(name) == dir {
			m.durable[name] = f
		}
	}
	return nil
}

// file returns the content of the one file whose name begins with prefix.
func (m *memFS) file(prefix string) (string, []byte) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for name, f := range m.names {
		if len(name) >= len(prefix) && name[:len(prefix)] == prefix {
			return name, f.data
		}
	}
	panic(fmt.Sprintf("no file %s*", prefix))
}

func (m *memFS) count(prefix string) int {
	m.mu.Lock()
	defer m.mu.Unlock()
	n := 0
	for name := range m.names {
		if len(name) >= len(prefix) && name[:len(prefix)] == prefix {
			n++
		}
	}
	return n
}

type memHandle struct {
	m    *memFS
	f    *memFile
	name string
}

func (h *memHandle) ReadAt(b []byte, off int64) (int, error) {
	h.m.mu.Lock()
	defer h.m.mu.Unlock()
	if err := h.m.failing("read", h.name); err != nil {
		return 0, err
	}
	if off >= int64(len(h.f.data)) {
		return 0, io.EOF
	}
	n := copy(b, h.f.data[off:])
	if n < len(b) {
		return n, io.EOF
	}
	return n, nil
}

func (h *memHandle) WriteAt(b []byte, off int64) (int, error) {
	h.m.mu.Lock()
	defer h.m.mu.Unlock()
	err := h.m.failing("write", h.name)
	if err != nil {
		n := 0
		if h.m.partial != nil {
			n = h.m.partial(len(b))
		}
		b = b[:n]
	}
	if need := int(off) + len(b); need > len(h.f.data) {
		h.f.data = append(h.f.data, make([]byte, need-len(h.f.data))...)
	}
	copy(h.f.data[off:], b)
	return len(b), err
}

func (h *memHandle) Truncate(size int64) error {
	h.m.mu.Lock()
	defer h.m.mu.Unlock()
	if err := h.m.failing("truncate", h.name); err != nil {
		return err
	}
	h.f.data = h.f.data[:min(size, int64(len(h.f.data)))]
	return nil
}

func (h *memHandle) Sync() error {
	h.m.mu.Lock()
	defer h.m.mu.Unlock()
	if err := h.m.failing("sync", h.name); err != nil {
		h.f.lost = len(h.f.data)
		return err
	}
	was := len(h.f.synced)
	h.f.synced = slices.Clone(h.f.data)
	if was < h.f.lost {
		clear(h.f.synced[was:min(h.f.lost, len(h.f.synced))])
	}
	return nil
}

func (h *memHandle) Close() error { return nil }
