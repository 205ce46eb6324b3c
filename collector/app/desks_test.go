package app

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/faultline/faultline/collector/config"
	"github.com/faultline/faultline/collector/effect"
	"github.com/faultline/faultline/collector/effect/ticket"
	"github.com/faultline/faultline/collector/engine"
	"github.com/faultline/faultline/collector/incident"
	"github.com/faultline/faultline/collector/inventory"
	"github.com/faultline/faultline/collector/lease"
	"github.com/faultline/faultline/collector/outbox"
	"github.com/faultline/faultline/collector/sqlstore"
	"github.com/faultline/faultline/internal/lab/desks"
	"github.com/faultline/faultline/internal/lang"
	"github.com/faultline/faultline/plugins/desk"
	"github.com/faultline/faultline/plugins/host/spec"
)

// wired is one desk as its configuration makes it, with a stand-in behind it.
type wired struct {
	name   string
	yaml   string // ADDRESS, PROGRAM and SUM are filled in
	system func() desks.System
	key    func(string) string
}

func same(s string) string { return s }

// wiredDesks are the five kinds in the collector's own process, and those of
// them that are shipped as programs as well.
func wiredDesks() []wired {
	jira := func() desks.System { return desks.NewJira(time.Now, 2, 0) }
	itop := func() desks.System { return desks.NewITop(time.Now) }
	sdp := func() desks.System { return desks.NewServiceDeskPlus(time.Now) }
	program := func(kind, settings string) string {
		return "plugins: [{name: desk, contract: ticket, path: PROGRAM/faultline-desk-" + kind + ", sha256: SUM-" + kind + ", settings: {url: ADDRESS, lag: 1s, " + settings + "}}]"
	}
	return []wired{
		{"jira", "desks: [{name: desk, lag: 1s, jira: {url: ADDRESS, token: t, project: OPS, close_transition: Done}}]", jira, desk.Mark},
		{"itop", "desks: [{name: desk, lag: 1s, itop: {url: ADDRESS, user: u, password: p, organization: HQ, caller: noc@example.com, stimulus: ev_resolve}}]", itop, desk.Mark},
		{"servicedeskplus", "desks: [{name: desk, lag: 1s, servicedeskplus: {url: ADDRESS, key: k, requester: Faultline, closes: true}}]", sdp, desk.Mark},
		{"pagerduty", "desks: [{name: desk, lag: 1s, pagerduty: {url: ADDRESS, routing_key: k}}]", func() desks.System { return desks.NewPagerDuty() }, same},
		{"webhook", "desks: [{name: desk, lag: 1s, webhook: {url: ADDRESS/post, search: ADDRESS/find, keys: [" + desks.HookKey + "]}}]", func() desks.System { return desks.NewWebhook(false) }, same},
		{"jira program", program("jira", "token: t, project: OPS, close_transition: Done"), jira, desk.Mark},
		{"itop program", program("itop", "user: u, password: p, organization: HQ, caller: noc@example.com, stimulus: ev_resolve"), itop, desk.Mark},
		{"servicedeskplus program", program("servicedeskplus", "key: k, requester: Faultline, closes: 'true'"), sdp, desk.Mark},
	}
}

// tickets is how many each desk is sent: FAULTLINE_TICKETS, 1000 for the figure.
func tickets(t *testing.T) int {
	t.Helper()
	v := os.Getenv("FAULTLINE_TICKETS")
	if v == "" {
		return 8
	}
	n, err := strconv.Atoi(v)
	if err != nil || n < 1 || n > 9999 {
		t.Fatalf("FAULTLINE_TICKETS=%q: want 1 to 9999", v)
	}
	return n
}

// deskPrograms builds the bundled desks and returns their directory.
func deskPrograms(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	const below = "github.com/faultline/faultline/plugins/bundled/"
	out, err := exec.Command("go", "build", "-o", dir+"/", below+"jira/faultline-desk-jira", below+"itop/faultline-desk-itop", below+"servicedeskplus/faultline-desk-servicedeskplus").CombinedOutput()
	if err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	return dir
}

// pinned fills in what a plugin's configuration says of its program.
func pinned(t *testing.T, text, dir string) string {
	t.Helper()
	for _, kind := range []string{"jira", "itop", "servicedeskplus", "ansible"} {
		if strings.Contains(text, "SUM-"+kind) {
			program := "faultline-desk-" + kind
			if kind == "ansible" {
				program = "faultline-remedy-ansible"
			}
			b, err := os.ReadFile(filepath.Join(dir, program))
			if err != nil {
				t.Fatal(err)
			}
			s := sha256.Sum256(b)
			text = strings.ReplaceAll(text, "SUM-"+kind, hex.EncodeToString(s[:]))
		}
	}
	return strings.ReplaceAll(text, "PROGRAM", dir)
}

// TestTicketsThroughTheWiredPath sends tickets of three messages each from
// effects in a real database through outbox, executor and desk (in process, or
// a program under the plugin host) to a stand-in that breaks one request in ten,
// while the collector is killed once and the programs are killed again and
// again: none doubled, none lost, each in order.
func TestTicketsThroughTheWiredPath(t *testing.T) {
	n, dir := tickets(t), deskPrograms(t)
	for _, w := range wiredDesks() {
		t.Run(w.name, func(t *testing.T) {
			t.Parallel()
			srv := desks.Serve(w.system())
			defer srv.Close()
			srv.Chance(10, time.Minute)
			text := "listen: 127.0.0.1:0\ninventory: x\ndata: " + t.TempDir() + "\n" + pinned(t, strings.ReplaceAll(w.yaml, "ADDRESS", srv.URL), dir)
			cfg, err := config.Parse("test", []byte(text))
			if err != nil {
				t.Fatal(err)
			}
			began := time.Now()
			r := &round{cfg: cfg, n: n, url: "sqlite:" + filepath.Join(t.TempDir(), "f.db")}
			r.queue(t)
			r.collect(t, n*3/2) // killed in the middle
			r.collect(t, 3*n)
			r.check(t, srv, w.key)
			t.Logf("%d tickets, %d messages in %s: faults %v, plugin killed %d times, collector once", n, 3*n, time.Since(began).Round(time.Second), srv.Counts(), r.kills)
			if total(srv.Counts()) == 0 && n >= 8 {
				t.Error("nothing went wrong at the desk: the test shows nothing")
			}
		})
	}
}

func total(counts map[string]int) (n int) {
	for _, c := range counts {
		n += c
	}
	return n
}

// round is the sending of n tickets.
type round struct {
	cfg      config.Config
	n        int
	url      string
	recorded atomic.Int64
	kills    int
}

// open opens the database and takes the lease, as a collector that starts.
func (r *round) open(t *testing.T) (*sqlstore.Store, int64) {
	t.Helper()
	s, err := sqlstore.Open(t.Context(), sqlstore.Options{URL: r.url})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	gen, ok, err := s.AcquireLease(t.Context(), lease.Writer, "node-1", time.Hour)
	if err != nil || !ok {
		t.Fatalf("lease: %v %v", ok, err)
	}
	return s, gen
}

// queue commits the incidents with their effects.
func (r *round) queue(t *testing.T) {
	t.Helper()
	s, gen := r.open(t)
	defer func() { _ = s.Close() }()
	for i := range r.n {
		id := fmt.Sprintf("in%04d", i)
		events := []incident.Event{{IncidentID: id, ID: id + "/open", At: time.Now(), Kind: incident.Opened, Actor: incident.System, Number: fmt.Sprintf("20261121-%04d", i), VendorID: "vendor",
			Process: "network", ProcessVersion: "network@1#x",
			Diagnosis: &incident.Diagnosis{Class: incident.ClassCarrierLine, Severity: incident.SeverityCritical, Site: "branch-2", Device: "carrier-a:line-2", Title: lang.Same("专线中断")}}}
		var effects []incident.Effect
		for m, reason := range []string{effect.ReasonOpened, effect.ReasonNotConfirmed, effect.ReasonClosed} {
			f := incident.Effect{Key: fmt.Sprintf("%s/%d/ticket", id, m), IncidentID: id, Kind: incident.EffectTicket, Params: map[string]string{effect.Reason: reason}}
			effects = append(effects, f)
			events = append(events, incident.Event{IncidentID: id, At: time.Now(), Kind: incident.EffectQueued, Actor: incident.System, Effect: &f})
		}
		after, sealed, err := incident.Append(incident.Incident{}, events)
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Commit(t.Context(), engine.Commit{Generation: gen, Changes: []engine.Change{{After: after, Events: sealed, Effects: effects}}}); err != nil {
			t.Fatal(err)
		}
	}
}

// collect runs a collector's delivery until so many messages are recorded, then
// kills it: what is under way stays as it is.
func (r *round) collect(t *testing.T, until int) {
	t.Helper()
	s, gen := r.open(t)
	defer func() { _ = s.Close() }()
	a := &App{cfg: r.cfg, store: s, log: slog.New(slog.DiscardHandler), reg: prometheus.NewRegistry()}
	all, err := a.buildDesks()
	if err != nil {
		t.Fatal(err)
	}
	vendor := inventory.Vendor{ID: "vendor", Kind: incident.VendorCarrier, Desk: "desk"}
	if r.cfg.Mail.Host != "" {
		m, err := a.mailer(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		all, vendor.Desk, vendor.Emails = append(all, m.Desk()), "email", []string{"noc@carrier.example"}
	}
	graph := inventory.NewGraph(&inventory.Inventory{Vendors: []inventory.Vendor{vendor}})
	x, err := ticket.New(ticket.Options{Desks: all, Graph: func() *inventory.Graph { return graph }, Logger: a.log})
	if err != nil {
		t.Fatal(err)
	}
	b, err := outbox.New(outbox.Options{Store: s, Executors: map[string]outbox.Executor{incident.EffectTicket: x}, Logger: a.log, Poll: 50 * time.Millisecond,
		Policies: map[string]outbox.Policy{incident.EffectTicket: {Timeout: 3 * time.Second, First: 50 * time.Millisecond, Max: time.Second, Age: 24 * time.Hour}},
		Report:   func(ctx context.Context, e incident.Event) error { return r.commit(ctx, t, s, gen, e) }})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	ended, unplugged := make(chan error, 1), make(chan error, 1)
	go func() { ended <- b.Run(ctx, gen) }()
	go func() { unplugged <- a.runPlugins(ctx) }()
	r.watch(t, a, until)
	cancel(lease.ErrLost)
	if err := errors.Join(<-ended, <-unplugged); err != nil {
		t.Fatal(err)
	}
}

// commit is the engine's part: the outcome and the end of the row at once.
func (r *round) commit(ctx context.Context, t *testing.T, s *sqlstore.Store, gen int64, e incident.Event) error {
	before, err := s.Incident(ctx, e.IncidentID)
	if err != nil {
		return err
	}
	after, sealed, err := incident.Append(before, []incident.Event{e})
	if err != nil {
		return err
	}
	if err := s.Commit(ctx, engine.Commit{Generation: gen, Changes: []engine.Change{{Base: before.Version, After: after, Events: sealed}}, EffectDone: []string{e.Effect.Key}}); err != nil {
		return err
	}
	if e.Kind != incident.EffectDone {
		t.Errorf("%s was given up: %s", e.Effect.Key, e.Effect.Outcome)
	}
	r.recorded.Add(1)
	return nil
}

// watch kills the plugin every so often and returns when enough is recorded.
func (r *round) watch(t *testing.T, a *App, until int) {
	t.Helper()
	every := max(3*r.n/6, 12)
	next := int(r.recorded.Load()) + every/2
	for deadline := time.Now().Add(time.Minute + time.Duration(r.n)*2*time.Second); int(r.recorded.Load()) < until; time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%d of %d messages recorded in time", r.recorded.Load(), until)
		}
		if a.vendors.plugins == nil || int(r.recorded.Load()) < next {
			continue
		}
		if st := a.vendors.plugins.Status()[0]; st.State == spec.Running && st.PID > 0 {
			if err := syscall.Kill(st.PID, syscall.SIGKILL); err == nil {
				r.kills++
				next += every
			}
		}
	}
}

// check compares what the system holds with what was sent.
func (r *round) check(t *testing.T, srv *desks.Server, key func(string) string) {
	t.Helper()
	var holds map[string][]string
	srv.Look(func(s desks.System) { holds = s.Tickets() })
	if len(holds) != r.n {
		t.Errorf("the system holds %d tickets, want %d", len(holds), r.n)
	}
	wrong := 0
	for i := range r.n {
		id := fmt.Sprintf("in%04d", i)
		want := []string{key(id + "/0/ticket"), key(id + "/1/ticket"), key(id + "/2/ticket")}
		if got := holds[key(id+"/vendor")]; !slices.Equal(got, want) {
			if wrong++; wrong < 5 {
				t.Errorf("ticket %d has the messages %q, want %q", i, got, want)
				r.tell(t, id)
			}
		}
	}
	if r.cfg.Plugins != nil && r.kills == 0 {
		t.Error("the program was never killed")
	}
}

// tell writes what the database says of an incident's messages.
func (r *round) tell(t *testing.T, id string) {
	t.Helper()
	s, err := sqlstore.Open(t.Context(), sqlstore.Options{URL: r.url})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	for m := range 3 {
		row, err := s.EffectRow(t.Context(), fmt.Sprintf("%s/%d/ticket", id, m))
		kept, _ := s.KVGet(t.Context(), fmt.Sprintf("desk/desk/m/%s/%d/ticket", id, m)) // programs keep none
		t.Logf("message %d: %s after %d attempts, ambiguous %v, %q, %v, reserved %s", m, row.State, row.Attempts, row.Ambiguous, row.Problem, err, kept)
	}
}
