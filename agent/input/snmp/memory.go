package snmp

import (
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
