package plugintest

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
)

// StandIn is a small vendor's system over HTTP, for the templates and for who
// has no other. POST /messages with JSON takes a message and answers 201 with
// its id and url; GET /messages?key= finds it (200) or not (404).
type StandIn struct {
	*httptest.Server

	mu    sync.Mutex // guards the fields below
	fault Fault
	ids   map[string]string // by key
	all   []Message
	stall chan struct{} // closed when stalled calls may end
}

// posted is the body of a message.
type posted struct {
	Key         string   `json:"key"`
	Subject     string   `json:"subject"`
	Body        string   `json:"body"`
	Attachments []string `json:"attachments"`
}

// NewStandIn starts a stand-in on a free loopback port; Close ends it.
func NewStandIn() *StandIn {
	s := &StandIn{ids: map[string]string{}, stall: make(chan struct{})}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /messages", s.post)
	mux.HandleFunc("GET /messages", s.get)
	s.Server = httptest.NewServer(mux)
	return s
}

// Close ends the stand-in and what stalls in it.
func (s *StandIn) Close() {
	s.Break(NoFault)
	s.Server.CloseClientConnections()
	s.Server.Close()
}

// Arrived implements World.
func (s *StandIn) Arrived() []Message {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]Message(nil), s.all...)
}

// Break implements World.
func (s *StandIn) Break(f Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fault == Stalls && f != Stalls {
		close(s.stall)
		s.stall = make(chan struct{})
	}
	s.fault = f
}

func (s *StandIn) post(w http.ResponseWriter, r *http.Request) {
	var p posted
	if err := json.NewDecoder(io.LimitReader(r.Body, 16<<20)).Decode(&p); err != nil || p.Key == "" {
		http.Error(w, "not a message", http.StatusBadRequest)
		return
	}
	s.mu.Lock()
	fault, stall := s.fault, s.stall
	if fault == NoFault || fault == Loses || fault == Stalls {
		s.ids[p.Key] = fmt.Sprintf("M-%d", len(s.all)+1)
		s.all = append(s.all, Message{Subject: p.Subject, Body: p.Body, Attachments: p.Attachments})
	}
	id := s.ids[p.Key]
	s.mu.Unlock()
	switch fault {
	case Refuses:
		http.Error(w, "no", http.StatusForbidden)
	case Busy:
		http.Error(w, "later", http.StatusTooManyRequests)
	case Loses:
		http.Error(w, "taken, and then something broke", http.StatusBadGateway)
	case Stalls:
		select {
		case <-stall:
		case <-r.Context().Done():
		}
	default:
		s.answer(w, http.StatusCreated, id)
	}
}

func (s *StandIn) get(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	id := s.ids[r.URL.Query().Get("key")]
	s.mu.Unlock()
	if id == "" {
		http.NotFound(w, r)
		return
	}
	s.answer(w, http.StatusOK, id)
}

func (s *StandIn) answer(w http.ResponseWriter, code int, id string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(map[string]string{"id": id, "url": s.URL + "/m/" + id})
}
