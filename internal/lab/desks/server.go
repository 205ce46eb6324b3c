package desks

import (
	"bytes"
	"context"
	"io"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"sync"
	"time"

	"github.com/faultline/faultline/plugins/plugintest"
)

// What goes wrong at a Server that breaks by chance.
const (
	LostAnswer  = "500 after accepting"
	Slow        = "timeout after accepting"
	TooMany     = "429 with Retry-After"
	WrongBody   = "200 with an error body"
	CutAnswer   = "cut in the answer after accepting"
	Unavailable = "503 before accepting"
)

// Server serves a System over HTTP on a free loopback port and breaks what it
// carries: as told (plugintest.World), or by chance.
type Server struct {
	*httptest.Server
	patience time.Duration // how long an answer that comes too late is held back

	mu     sync.Mutex // guards the fields below
	system System
	fault  plugintest.Fault
	stall  chan struct{} // closed when stalled calls may end
	dice   *rand.Rand
	rate   int    // of 100 requests so many go wrong
	next   string // what goes wrong at the next request that writes; "" is nothing
	counts map[string]int
}

var _ plugintest.World = (*Server)(nil)

// Serve starts a Server without faults; Close ends it.
func Serve(s System) *Server {
	v := &Server{system: s, stall: make(chan struct{}), counts: map[string]int{}, dice: rand.New(rand.NewPCG(6, 11))} //nolint:gosec // chooses faults
	v.Server = httptest.NewServer(v)
	return v
}

// Chance has so many of 100 requests go wrong from now on. An answer that is to
// come too late is held back for the patience, or until the caller is gone.
func (v *Server) Chance(rate int, patience time.Duration) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.rate, v.patience = rate, patience
}

// Next has the next request that writes go wrong in this way, and no other; an
// answer that is to come too late is held back for the patience.
func (v *Server) Next(what string, patience time.Duration) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.next, v.patience = what, patience
}

// Counts is how often what went wrong by chance, or as Next said.
func (v *Server) Counts() map[string]int {
	v.mu.Lock()
	defer v.mu.Unlock()
	return maps.Clone(v.counts)
}

// Look runs f while nothing is served.
func (v *Server) Look(f func(System)) {
	v.mu.Lock()
	defer v.mu.Unlock()
	f(v.system)
}

// Arrived implements plugintest.World.
func (v *Server) Arrived() []plugintest.Message {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.system.Arrived()
}

// Break implements plugintest.World.
func (v *Server) Break(f plugintest.Fault) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.fault == plugintest.Stalls && f != plugintest.Stalls {
		close(v.stall)
		v.stall = make(chan struct{})
	}
	v.fault = f
}

// Close ends the server and what stalls in it.
func (v *Server) Close() {
	v.Break(plugintest.NoFault)
	v.Server.CloseClientConnections()
	v.Server.Close()
}

// ServeHTTP implements http.Handler.
func (v *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(io.LimitReader(r.Body, 64<<20))
	if err != nil {
		return
	}
	v.mu.Lock()
	fault, stall, chance := v.fault, v.stall, ""
	writes := v.system.Writes(r, body)
	if !writes {
		fault = plugintest.NoFault
	}
	if fault == plugintest.NoFault && v.dice.IntN(100) < v.rate {
		chance = []string{LostAnswer, Slow, TooMany, WrongBody, CutAnswer, Unavailable}[v.dice.IntN(6)]
		v.counts[chance]++
	}
	if writes && v.next != "" {
		chance, v.next = v.next, ""
		v.counts[chance]++
	}
	answer := httptest.NewRecorder()
	takes := chance == "" || chance == LostAnswer || chance == Slow || chance == CutAnswer
	if takes && (fault == plugintest.NoFault || fault == plugintest.Loses || fault == plugintest.Stalls) {
		r.Body = io.NopCloser(bytes.NewReader(body))
		v.system.ServeHTTP(answer, r)
	}
	v.mu.Unlock()
	switch {
	case fault != plugintest.NoFault:
		v.told(w, r, fault, stall)
	case chance != "":
		v.byChance(w, r, chance, answer)
	default:
		pass(w, answer)
	}
}

// told answers wrongly as Break asked for.
func (v *Server) told(w http.ResponseWriter, r *http.Request, f plugintest.Fault, stall <-chan struct{}) {
	switch f {
	case plugintest.Refuses:
		v.system.Refuse(w)
	case plugintest.Busy:
		w.Header().Set("Retry-After", "0")
		http.Error(w, "later", http.StatusTooManyRequests)
	case plugintest.Loses:
		http.Error(w, "taken, and then something broke", http.StatusBadGateway)
	case plugintest.Stalls:
		hold(r.Context(), stall, time.Minute)
	}
}

// byChance answers wrongly in one of the ways above.
func (v *Server) byChance(w http.ResponseWriter, r *http.Request, what string, answer *httptest.ResponseRecorder) {
	switch what {
	case LostAnswer:
		http.Error(w, "internal error", http.StatusInternalServerError)
	case Slow:
		hold(r.Context(), nil, v.patience)
		hang(w)
	case TooMany:
		w.Header().Set("Retry-After", "1")
		http.Error(w, "slow down", http.StatusTooManyRequests)
	case WrongBody:
		v.system.Wrong(w)
	case CutAnswer:
		w.Header().Set("Content-Length", "4096")
		w.WriteHeader(answer.Code)
		_, _ = w.Write(answer.Body.Bytes()[:min(answer.Body.Len(), 3)])
		hang(w)
	case Unavailable:
		w.Header().Set("Retry-After", time.Now().Add(-time.Hour).UTC().Format(http.TimeFormat))
		w.WriteHeader(http.StatusServiceUnavailable)
	}
}

// hold waits until the caller is gone, it may go on, or the time is over.
func hold(ctx context.Context, until <-chan struct{}, longest time.Duration) {
	t := time.NewTimer(longest)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-until:
	case <-t.C:
	}
}

// hang closes the connection without a word.
func hang(w http.ResponseWriter) {
	_ = http.NewResponseController(w).Flush()
	if c, _, err := http.NewResponseController(w).Hijack(); err == nil {
		_ = c.Close()
	}
}

func pass(w http.ResponseWriter, answer *httptest.ResponseRecorder) {
	maps.Copy(w.Header(), answer.Header())
	w.WriteHeader(answer.Code)
	_, _ = w.Write(answer.Body.Bytes())
}
