package app

import (
	"sync"
	"time"

	"github.com/faultline/faultline/plugins/base"
	"github.com/faultline/faultline/plugins/bundled/config"
)

// authors remembers who was last heard to change each device's configuration.
// Log lines tell; the reading of configurations asks, from any goroutine.
type authors struct {
	mu   sync.Mutex               // guards last
	last map[string]config.Author // by device; as many as the inventory has
}

// note takes the changes among events of log lines.
func (a *authors) note(events []base.Event) {
	for _, e := range events {
		if e.Kind != base.EventSyslog || e.Attrs["element"] != "C" || e.Attrs["user"] == "" || e.Device == "" {
			continue
		}
		a.mu.Lock()
		if a.last == nil {
			a.last = map[string]config.Author{}
		}
		if !e.At.Before(a.last[e.Device].At) {
			a.last[e.Device] = config.Author{User: e.Attrs["user"], From: e.Attrs["from"], At: e.At}
		}
		a.mu.Unlock()
	}
}

// of returns who changed a device after a moment, if that was heard.
func (a *authors) of(device string, after time.Time) (config.Author, bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	last, ok := a.last[device]
	return last, ok && !last.At.Before(after)
}
