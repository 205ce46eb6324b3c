package app

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/faultline/faultline/agent/spool"
	"github.com/faultline/faultline/plugins/base"
)

// Bounds of `tail`: how many people may watch at once and how many lines wait
// for a slow one before lines are left out for them.
const (
	mostWatchers  = 8
	watcherBuffer = 4096
)

// watchers are those who watch what is measured. The zero value has none, which
// costs the measurements one look.
type watchers struct {
	mu  sync.Mutex
	all map[*watcher]bool
}

// watcher takes lines that contain match.
type watcher struct {
	match string
	lines chan string
	lost  int // lines left out since the last one taken
}

func (ws *watchers) add(match string) (*watcher, bool) {
	ws.mu.Lock()
	defer ws.mu.Unlock()
	if len(ws.all) >= mostWatchers {
		return nil, false
	}
	w := &watcher{match: match, lines: make(chan string, watcherBuffer)}
	if ws.all == nil {
		ws.all = map[*watcher]bool{}
	}
	ws.all[w] = true
	return w, true
}

func (ws *watchers) remove(w *watcher) {
	ws.mu.Lock()
	delete(ws.all, w)
	ws.mu.Unlock()
}

// leftOut returns how many lines a watcher has missed since it was asked last.
func (ws *watchers) leftOut(w *watcher) int {
	ws.mu.Lock()
	defer ws.mu.Unlock()
	n := w.lost
	w.lost = 0
	return n
}

// see shows everybody who watches what was measured. It never blocks.
func (ws *watchers) see(b base.Batch, events []base.Event) {
	ws.mu.Lock()
	defer ws.mu.Unlock()
	if len(ws.all) == 0 {
		return
	}
	for _, e := range events {
		ws.line(fmt.Sprintf("%s event %s %s %s", clockOf(e.At), e.Kind, e.Device, e.Text))
	}
	for _, s := range b.All() {
		ws.line(fmt.Sprintf("%s %s %v", clockOf(time.UnixMilli(s.Time)), series(s.Labels), s.Value))
	}
}

// series writes labels as queries do.
func series(labels base.Labels) string {
	var name string
	var rest []string
	for _, l := range labels {
		if l.Name == base.MetricName {
			name = l.Value
			continue
		}
		rest = append(rest, fmt.Sprintf("%s=%q", l.Name, l.Value))
	}
	return name + "{" + strings.Join(rest, ",") + "}"
}

func clockOf(t time.Time) string { return t.Local().Format("15:04:05.000") }

func (ws *watchers) line(text string) {
	for w := range ws.all {
		if !strings.Contains(text, w.match) {
			continue
		}
		select {
		case w.lines <- text:
		default:
			w.lost++
		}
	}
}

// tail streams what is measured from now on, a line each, to one watcher.
func (a *App) tail(w http.ResponseWriter, r *http.Request) {
	watch, ok := a.watch.add(r.URL.Query().Get("match"))
	if !ok {
		http.Error(w, "too many watch already", http.StatusServiceUnavailable)
		return
	}
	defer a.watch.remove(watch)
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	flush := http.NewResponseController(w)
	if flush.Flush() != nil {
		return
	}
	for {
		select {
		case <-r.Context().Done():
			return
		case line := <-watch.lines:
			if n := a.watch.leftOut(watch); n > 0 {
				line = fmt.Sprintf("… %d lines left out: they came faster than they were read\n%s", n, line)
			}
			if _, err := fmt.Fprintln(w, line); err != nil {
				return
			}
			if len(watch.lines) == 0 && flush.Flush() != nil {
				return
			}
		}
	}
}

// Status is what the agent says of itself on its loopback page.
type Status struct {
	Agent     string         `json:"agent"`
	Version   string         `json:"version"`
	Collector string         `json:"collector"`
	Since     time.Time      `json:"since"` // its start
	Spool     SpoolStatus    `json:"spool"`
	Targets   []TargetStatus `json:"targets"`
}

// SpoolStatus is how much waits to be sent.
type SpoolStatus struct {
	UsedBytes      int64     `json:"used_bytes"`
	MaxBytes       int64     `json:"max_bytes"`
	PendingSamples uint64    `json:"pending_samples_bytes"`
	PendingEvents  uint64    `json:"pending_events_bytes"`
	Oldest         time.Time `json:"oldest,omitzero"` // of what waits
	Dropped        uint64    `json:"dropped_records"` // since its start, for want of room or by age
}

// TargetStatus is a target's last measurement.
type TargetStatus struct {
	ID      string    `json:"id"`
	Input   string    `json:"input"`
	Up      bool      `json:"up"`
	At      time.Time `json:"at,omitzero"`
	TookMS  int64     `json:"took_ms"`
	Samples int       `json:"samples"`
	Error   string    `json:"error,omitempty"`
	LeftOut bool      `json:"left_out,omitempty"` // not measured for want of memory
}

func (a *App) statusJSON(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(a.now())
}

// now is how the agent is.
func (a *App) now() Status {
	st := a.spool.Stats()
	s := Status{Agent: a.cfg.Agent, Version: a.version, Collector: a.cfg.Collector.URL, Since: a.began, Targets: []TargetStatus{},
		Spool: SpoolStatus{UsedBytes: st.UsedBytes, MaxBytes: st.MaxBytes, PendingSamples: st.Lanes[spool.Samples].PendingBytes, PendingEvents: st.Lanes[spool.Events].PendingBytes}}
	for _, l := range st.Lanes {
		s.Spool.Dropped += l.DroppedRecords
		if l.PendingBytes > 0 && (s.Spool.Oldest.IsZero() || l.Oldest.Before(s.Spool.Oldest)) {
			s.Spool.Oldest = l.Oldest
		}
	}
	for _, t := range a.schedule.Status() {
		s.Targets = append(s.Targets, TargetStatus{ID: t.ID, Input: t.Input, Up: t.Up, At: t.At, TookMS: t.Took.Milliseconds(), Samples: t.Samples, Error: t.Error, LeftOut: t.LeftOut})
	}
	return s
}

// localOnly refuses requests that a page of somebody else's made a browser send:
// they name another host than this machine's own addresses.
func localOnly(next http.HandlerFunc) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host := r.Host
		if h, _, err := net.SplitHostPort(host); err == nil {
			host = h
		}
		if host != "localhost" && net.ParseIP(strings.Trim(host, "[]")) == nil {
			http.Error(w, "ask by address", http.StatusForbidden)
			return
		}
		next(w, r)
	})
}
