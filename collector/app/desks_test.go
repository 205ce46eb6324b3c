package app

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/faultline/faultline/collector/config"
	"github.com/faultline/faultline/collector/effect"
	"github.com/faultline/faultline/collector/effect/ticket"
	"github.com/faultline/faultline/collector/incident"
	"github.com/faultline/faultline/collector/inventory"
	"github.com/faultline/faultline/collector/outbox"
	"github.com/faultline/faultline/collector/sqlstore"
	"github.com/faultline/faultline/internal/lang"
	desk "github.com/faultline/faultline/plugins/ticket"
)

// itsm is a service desk of the company's own that takes tickets and fails in
// every way a desk can.
type itsm struct {
	mu    sync.Mutex
	taken map[string]int // by message
	dice  *rand.Rand
	bad   int // answers that were not well
}

func (s *itsm) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if r.Method == http.MethodGet {
		s.search(w, r)
		return
	}
	body, err := io.ReadAll(r.Body)
	var x struct {
		Key        string `json:"key"`
		MessageKey string `json:"message_key"`
	}
	if err != nil || json.Unmarshal(body, &x) != nil || x.MessageKey == "" {
		http.Error(w, "what is this", http.StatusBadRequest)
		return
	}
	fault := s.dice.IntN(10)
	if fault < 3 { // 0, 1, 2: taken all the same
		s.taken[x.MessageKey]++
	}
	switch fault {
	case 0, 3:
		s.bad++
		http.Error(w, "oops", http.StatusInternalServerError)
	case 1, 4:
		s.bad++
		if c, _, err := http.NewResponseController(w).Hijack(); err == nil {
			_ = c.Close()
		}
	case 2:
		s.bad++
		fmt.Fprint(w, `{"success": false, "message": "try later"}`)
	case 5:
		s.bad++
		w.Header().Set("Retry-After", "0")
		http.Error(w, "too many", http.StatusTooManyRequests)
	default:
		s.taken[x.MessageKey]++
		fmt.Fprintf(w, `{"id": %q}`, "ITSM-"+x.Key)
	}
}

// search finds a ticket by its key, or a message.
func (s *itsm) search(w http.ResponseWriter, r *http.Request) {
	want := r.URL.Query().Get("message")
	if t := r.URL.Query().Get("ticket"); t != "" {
		want = t + "/message" // each ticket has one
	}
	_ = json.NewEncoder(w).Encode(map[string]any{"found": s.taken[want] > 0, "id": "ITSM-" + r.URL.Query().Get("ticket")})
}

// TestDesksThroughTheirSettings sends 1,000 tickets through a desk as the
// configuration makes it, over the real database: none doubled, none lost.
func TestDesksThroughTheirSettings(t *testing.T) {
	s := &itsm{taken: map[string]int{}, dice: rand.New(rand.NewPCG(6, 6))}
	srv := httptest.NewServer(s)
	defer srv.Close()
	cfg, err := config.Parse("test", []byte(fmt.Sprintf(`
listen: 127.0.0.1:0
inventory: x
desks:
- name: itsm
  lag: 1ms
  webhook: {url: %q, search: %q, keys: [a-key-of-sixteen-letters]}
`, srv.URL+"/post", srv.URL+"/search")))
	if err != nil {
		t.Fatal(err)
	}
	store, err := sqlstore.Open(t.Context(), sqlstore.Options{URL: "sqlite:" + filepath.Join(t.TempDir(), "f.db")})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = store.Close() }()
	if err := store.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	a := &App{cfg: cfg, store: store, log: slog.New(slog.DiscardHandler), reg: prometheus.NewRegistry()}
	desks, err := a.buildDesks()
	if err != nil {
		t.Fatal(err)
	}
	graph := inventory.NewGraph(&inventory.Inventory{Vendors: []inventory.Vendor{{ID: "v", Kind: incident.VendorCarrier, Desk: "itsm"}}})
	x, err := ticket.New(ticket.Options{Desks: desks, Graph: func() *inventory.Graph { return graph }})
	if err != nil {
		t.Fatal(err)
	}
	const many = 1000
	work := make(chan int)
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for n := range work {
				deliver(t, x, fmt.Sprintf("inc%d", n))
			}
		})
	}
	for n := range many {
		work <- n
	}
	close(work)
	all.Wait()
	doubled := 0
	for _, times := range s.taken {
		if times > 1 {
			doubled++
		}
	}
	t.Logf("%d tickets, %d answers that were not well", len(s.taken), s.bad)
	if len(s.taken) != many || doubled != 0 || s.bad < many/10 {
		t.Errorf("%d tickets arrived, %d doubled, %d bad answers", len(s.taken), doubled, s.bad)
	}
}

// deliver tries as the outbox does: until it is sent, and saying whether the last
// attempt may have arrived.
func deliver(t *testing.T, x *ticket.Executor, id string) {
	i := incident.Incident{ID: id, Number: id, State: incident.StateOpen, VendorID: "v", Diagnosis: incident.Diagnosis{Class: incident.ClassCarrierLine, Device: "l", Title: lang.Same("T")}}
	// The stand-in finds a ticket's message by the ticket's key.
	j := outbox.Job{Effect: incident.Effect{Key: id + "/v/message", IncidentID: id, Kind: incident.EffectTicket, Params: map[string]string{effect.Reason: effect.ReasonOpened}}, Incident: i}
	for range 200 {
		j.Attempt++
		out, err := x.Execute(t.Context(), j)
		if err == nil {
			if out.Word() != effect.OutcomeSent {
				t.Errorf("%s: %+v", id, out)
			}
			return
		}
		var te *desk.Error
		if !errors.As(err, &te) || !te.Retryable {
			t.Errorf("%s: %v", id, err)
			return
		}
		j.Ambiguous = j.Ambiguous || te.Ambiguous
		var later interface{ RetryAfter() time.Duration }
		if errors.As(err, &later) {
			time.Sleep(min(later.RetryAfter(), 5*time.Millisecond))
		}
	}
	t.Errorf("%s was never taken", id)
}
