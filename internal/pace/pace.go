// Package pace bounds how often something may happen: so many times within a
// minute of the clock, by key. It is for doors that strangers knock at; it keeps
// no queue and waits for nobody.
package pace

import (
	"sync"
	"time"
)

// maxKeys bounds the keys that are counted; with more, all begin anew.
const maxKeys = 10_000

// Minute counts by key in minutes of the clock. Its methods may be called from
// several goroutines.
type Minute struct {
	Limit int // of one key within a minute

	mu     sync.Mutex // guards the fields below
	minute int64
	counts map[string]int
}

// Allow counts one and tells whether it is within the limit.
func (m *Minute) Allow(key string, now time.Time) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if at := now.Unix() / 60; at != m.minute || m.counts == nil || len(m.counts) > maxKeys {
		m.minute, m.counts = at, map[string]int{}
	}
	m.counts[key]++
	return m.counts[key] <= m.Limit
}
