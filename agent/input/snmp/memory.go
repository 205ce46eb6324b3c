package snmp

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"

	protocol "github.com/faultline/faultline/agent/snmp"
)

// memory is what was learned about a device and is kept across restarts, by
// table.
type memory map[string]*tableMemory

// tableMemory is what was learned about one table.
type tableMemory struct {
	Fast       protocol.Learned   `json:"fast,omitzero"`       // the columns read at every poll
	Slow       protocol.Learned   `json:"slow,omitzero"`       // those read seldom
	Interfaces map[string]Numbers `json:"interfaces,omitzero"` // by what an interface is known by
	Counters   map[string]Counts  `json:"counters,omitzero"`   // by what the row's series show as its index
}

// Numbers are the number that an interface's series show, and the one that the
// device gives it now.
type Numbers struct {
	Shown string `json:"shown"`
	Now   string `json:"now"`
}

// of returns what is known of a table.
func (m memory) of(table string) *tableMemory {
	t := m[table]
	if t == nil {
		t = &tableMemory{}
		m[table] = t
	}
	return t
}

// column returns what is known of a column that is read by itself.
func (m memory) column(oid string) *protocol.Learned { return &m.of(oid).Slow }

// state is the file in which what was learned about all devices is kept. A lost
// file costs some packets, series of renumbered interfaces and wraps of counters.
type state struct {
	path string

	mu      sync.Mutex
	devices map[string]json.RawMessage // memory by target id
	changed bool
}

// openState reads the file; one that cannot be read counts as empty, and the
// error says why.
func openState(path string) (*state, error) {
	s := &state{path: path, devices: map[string]json.RawMessage{}}
	if path == "" {
		return s, nil
	}
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return s, nil
	}
	if err == nil {
		err = json.Unmarshal(b, &s.devices)
	}
	if err != nil {
		s.devices = map[string]json.RawMessage{}
		return s, fmt.Errorf("what was learned about devices: %s: %w", path, err)
	}
	return s, nil
}

// device returns what is known of a target.
func (s *state) device(id string) memory {
	s.mu.Lock()
	defer s.mu.Unlock()
	m := memory{}
	if raw := s.devices[id]; raw != nil && json.Unmarshal(raw, &m) != nil {
		return memory{}
	}
	for name, t := range m {
		if t == nil {
			delete(m, name)
		}
	}
	return m
}

// keep notes what is known of a target. The caller holds the device.
func (s *state) keep(id string, d *device) {
	if s.path == "" {
		return
	}
	d.remember()
	raw, err := json.Marshal(d.learned)
	if err != nil {
		return // it holds plain numbers and texts
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.devices[id], s.changed = raw, true
}

// write writes the file when something changed.
func (s *state) write() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.path == "" || !s.changed {
		return nil
	}
	b, err := json.Marshal(s.devices)
	if err != nil {
		return fmt.Errorf("what was learned about devices: %w", err)
	}
	f, err := os.CreateTemp(filepath.Dir(s.path), ".snmp-*")
	if err != nil {
		return fmt.Errorf("what was learned about devices: %w", err)
	}
	_, err = f.Write(b)
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(f.Name(), s.path)
	}
	if err != nil {
		return fmt.Errorf("what was learned about devices: %w", errors.Join(err, os.Remove(f.Name())))
	}
	s.changed = false
	return nil
}
