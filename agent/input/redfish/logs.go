package redfish

import (
	"cmp"
	"context"
	"crypto/sha256"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/faultline/faultline/plugins/base"
)

// Bounds of what is told of logs.
const (
	maxLogs   = 8
	maxEvents = 20 // of one log and reading, the newest
	maxText   = 300
)

// logState is up to where the logs of one target were told. It is used by one
// Gather at a time.
type logState struct {
	last   time.Time            // when they were read
	newest map[string]time.Time // by log
}

// lastOf is the last part of a path.
func lastOf(path string) string { return path[strings.LastIndexByte(path, '/')+1:] }

// logs tells as events what the logs have had as warnings and worse since they
// were read last. What stood there at the first reading is told of nowhere: it is
// as old as the machine.
func (w *walk) logs(ctx context.Context, s *logState, every time.Duration, now time.Time) {
	if now.Sub(s.last) < every {
		return
	}
	read := 0
	for _, services := range w.logServices {
		for _, l := range w.members(ctx, services) {
			var log logService
			if read++; read > maxLogs || !w.fetch(ctx, l, &log) {
				continue
			}
			var e entries
			if w.fetch(ctx, log.Entries, &e) {
				w.log(log, e, s, now)
			}
		}
	}
	s.last = now
}

func (w *walk) log(l logService, e entries, s *logState, now time.Time) {
	count := e.Count
	if !count.ok {
		count = number{float64(len(e.Members)), true}
	}
	place := l.Entries.ID
	w.value("faultline_redfish_log_entries", count, "log", string(l.ID), "place", place)
	known, again := s.newest[place]
	newest := known
	var fresh []entry
	for _, x := range e.Members {
		at, ok := x.at()
		if !ok || at.After(now.Add(24*time.Hour)) { // a clock far ahead would hide what follows
			continue
		}
		if at.After(newest) {
			newest = at
		}
		if again && at.After(known) && (x.Severity == "Critical" || x.Severity == "Warning") {
			fresh = append(fresh, x)
		}
	}
	s.newest[place] = newest
	slices.SortFunc(fresh, func(a, b entry) int { return cmp.Compare(a.Created, b.Created) })
	for _, x := range fresh[max(0, len(fresh)-maxEvents):] {
		at, _ := x.at()
		w.sink.Event(base.Event{ID: fmt.Sprintf("redfish-%x", sha256.Sum256([]byte(w.host+place+x.ID+string(x.Created))))[:40], Kind: "hardware_log", At: at,
			Text: cut(string(x.Message)), Attrs: map[string]string{"severity": strings.ToLower(string(x.Severity)), "log": string(l.ID), "entry": x.ID}})
	}
}

// cut shortens a message.
func cut(s string) string {
	if r := []rune(strings.ToValidUTF8(s, "?")); len(r) > maxText {
		return string(r[:maxText]) + "…"
	}
	return strings.ToValidUTF8(s, "?")
}
