package vendorpage

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/faultline/faultline/collector/effect/ticket/chart"
	"github.com/faultline/faultline/collector/incident"
	"github.com/faultline/faultline/collector/inventory"
	"github.com/faultline/faultline/collector/mailin"
	"github.com/faultline/faultline/internal/lang"
)

var errNotFound = errors.New("not found")

var t0 = time.Date(2026, 11, 22, 4, 0, 0, 0, time.UTC) // 12:00 in Shanghai

// world is three incidents with a ticket each, in memory.
type world struct {
	t     *testing.T
	h     *Handler
	links *Links
	srv   *httptest.Server

	mu     sync.Mutex // guards the fields below
	now    time.Time
	kv     map[string]string
	seen   map[string]bool
	logs   map[string][]incident.Event
	state  map[string]incident.Incident
	papers []mailin.Paper
	refuse error // of Handle
}

// cases are the tickets: key, device, number, and a word that only this one has.
var cases = []struct{ id, vendor, device, number, secret string }{
	{"aa11", "carrier-a", "line-a", "20261122-0001", "甲线丢包百分之百"},
	{"bb22", "carrier-b", "line-b", "20261122-0002", "乙线时延过高"},
	{"cc33", "supplier-c", "router-c", "20261122-0003", "路由器无应答"},
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, now: t0, kv: map[string]string{}, seen: map[string]bool{}, logs: map[string][]incident.Event{}, state: map[string]incident.Incident{}}
	for _, c := range cases {
		w.open(c.id, c.vendor, c.device, c.number, c.secret)
	}
	graph := inventory.NewGraph(&inventory.Inventory{
		Sites: []inventory.Site{{ID: "sh", Name: lang.Text{ZH: "上海分公司", EN: "Shanghai branch"}, Contact: "王工 021-5555 0102"}},
		Vendors: []inventory.Vendor{{ID: "carrier-a", Kind: incident.VendorCarrier, Name: lang.Text{ZH: "甲运营商", EN: "Carrier A"}},
			{ID: "carrier-b", Kind: incident.VendorCarrier, Name: lang.Text{ZH: "乙运营商", EN: "Carrier B"}},
			{ID: "supplier-c", Kind: incident.VendorSupplier, Language: "en", Name: lang.Text{ZH: "丙供应商", EN: "Supplier C"}}},
		Lines: []inventory.Line{{ID: "line-a", Site: "sh", Circuit: "SH-0001", Carrier: "carrier-a"}, {ID: "line-b", Site: "sh", Circuit: "SH-0002", Carrier: "carrier-b"}},
	})
	w.links = &Links{Key: bytes.Repeat([]byte{7}, 32), Base: "https://noc.example", Life: 30 * 24 * time.Hour, KV: w, NotFound: errNotFound, Now: w.clock}
	var err error
	w.h, err = New(Options{Links: w.links, Incident: w.incident, Events: w.events, Graph: func() *inventory.Graph { return graph }, Handle: w.handle, Papers: w, Now: w.clock,
		Charts: w.charts, Logger: slog.New(slog.NewTextHandler(t.Output(), nil))})
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.Handle(Prefix, w.h)
	w.srv = httptest.NewServer(mux)
	t.Cleanup(w.srv.Close)
	return w
}

func (w *world) open(id, vendor, device, number, secret string) {
	key := id + "/" + vendor
	d := incident.Diagnosis{Class: incident.ClassCarrierLine, Site: "sh", Device: device, VendorKind: incident.VendorCarrier, Severity: incident.SeverityCritical, Title: lang.Text{ZH: secret, EN: "fault of " + device},
		Proof: lang.Text{ZH: "依据" + secret, EN: "proof of " + device}, Evidence: []incident.Observation{{Element: "P", Subject: device, Truth: "bad", At: t0, Text: lang.Same("own reading of " + device)},
			{Element: "U", Subject: "branch-ups", Truth: "ok", At: t0, Text: lang.Same("reading of the branch's UPS")}}}
	ticket := incident.Ticket{Key: key, Vendor: vendor, VendorKind: incident.VendorCarrier, State: "sent", OpenedAt: t0, Messages: []incident.TicketMessage{{Subject: "[FL#" + number + "] " + secret, State: "sent"}}}
	w.apply(incident.Event{IncidentID: id, At: t0, Kind: incident.Opened, Number: number, Diagnosis: &d, FaultAt: t0.Add(-time.Minute), VendorID: vendor})
	w.apply(incident.Event{IncidentID: id, At: t0, Kind: incident.TicketChanged, Ticket: &ticket})
}

func (w *world) apply(e incident.Event) {
	w.t.Helper()
	after, sealed, err := incident.Append(w.state[e.IncidentID], []incident.Event{e})
	if err != nil {
		w.t.Fatal(err)
	}
	w.state[e.IncidentID] = after
	w.logs[e.IncidentID] = append(w.logs[e.IncidentID], sealed...)
}

func (w *world) clock() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.now
}

func (w *world) forward(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.now = w.now.Add(d)
}

func (w *world) KVGet(_ context.Context, name string) (string, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if v, ok := w.kv[name]; ok {
		return v, nil
	}
	return "", errNotFound
}

func (w *world) KVPut(_ context.Context, name, value string) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.kv[name] = value
	return nil
}

func (w *world) Keep(_ context.Context, p mailin.Paper) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.papers = append(w.papers, p)
	return nil
}

func (w *world) incident(_ context.Context, id string) (incident.Incident, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if i, ok := w.state[id]; ok {
		return i, nil
	}
	return incident.Incident{}, errNotFound
}

func (w *world) events(_ context.Context, id string) ([]incident.Event, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.logs[id], nil
}

// handle is the engine's part: each fact once, the ticket's time kept.
func (w *world) handle(_ context.Context, e incident.Event) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.refuse != nil {
		return w.refuse
	}
	if w.seen[e.ID] {
		return nil
	}
	w.seen[e.ID] = true
	w.apply(e)
	if e.Kind == incident.VendorReported {
		t := w.state[e.IncidentID].Tickets[0]
		t.State = "answered"
		if !e.Expected.IsZero() {
			t.Expected = e.Expected
		}
		w.apply(incident.Event{IncidentID: e.IncidentID, At: e.At, Kind: incident.TicketChanged, Ticket: &t})
	}
	return nil
}

// charts has values at the edges and a name, so that a page is known by them.
func (w *world) charts(_ context.Context, i incident.Incident, _ string) ([]chart.Chart, error) {
	c := chart.Chart{Title: "measured of " + i.Diagnosis.Device, Unit: "%", From: t0.Add(-time.Hour), To: t0}
	for n := range 60 {
		c.Points = append(c.Points, chart.Point{At: t0.Add(time.Duration(n-60) * time.Minute), Value: float64(n)})
	}
	return []chart.Chart{c}, nil
}

// token is a good link's.
func (w *world) token(n int) string {
	w.t.Helper()
	u, err := w.links.URL(w.t.Context(), cases[n].id+"/"+cases[n].vendor)
	if err != nil || u == "" {
		w.t.Fatalf("link %q, %v", u, err)
	}
	return strings.TrimPrefix(u, "https://noc.example"+Prefix)
}

// facts are what an incident's vendor has said and done, looking aside.
func (w *world) facts(n int) []incident.Event {
	w.mu.Lock()
	defer w.mu.Unlock()
	var out []incident.Event
	for _, e := range w.logs[cases[n].id] {
		if e.Actor.Kind == "vendor" && e.Kind != incident.VendorViewed {
			out = append(out, e)
		}
	}
	return out
}

func (w *world) views(n int) (out []incident.Event) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, e := range w.logs[cases[n].id] {
		if e.Kind == incident.VendorViewed {
			out = append(out, e)
		}
	}
	return out
}

// ask makes a request and returns status and body; redirects are not followed.
func (w *world) ask(method, token, query string, kind string, body io.Reader) (*http.Response, string) {
	w.t.Helper()
	req, err := http.NewRequestWithContext(w.t.Context(), method, w.srv.URL+Prefix+token+query, body)
	if err != nil {
		w.t.Fatal(err)
	}
	if kind != "" {
		req.Header.Set("Content-Type", kind)
	}
	client := http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	resp, err := client.Do(req)
	if err != nil {
		w.t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	return resp, string(b)
}

var keyField = regexp.MustCompile(`name="key" value="([^"]+)"`)

// key opens the page and returns its forms' key.
func (w *world) key(token string) string {
	w.t.Helper()
	resp, body := w.ask(http.MethodGet, token, "", "", nil)
	m := keyField.FindStringSubmatch(body)
	if resp.StatusCode != http.StatusOK || m == nil {
		w.t.Fatalf("page: %s %s", resp.Status, body)
	}
	return m[1]
}

// send sends a form and returns the status.
func (w *world) send(token string, fields ...string) (int, string) {
	w.t.Helper()
	v := url.Values{}
	for n := 0; n+1 < len(fields); n += 2 {
		v.Set(fields[n], fields[n+1])
	}
	resp, body := w.ask(http.MethodPost, token, "", "application/x-www-form-urlencoded", strings.NewReader(v.Encode()))
	return resp.StatusCode, body
}

// upload sends files.
func (w *world) upload(token, key string, files map[string][]byte, fields ...string) (int, string) {
	w.t.Helper()
	var b bytes.Buffer
	m := multipart.NewWriter(&b)
	_ = m.WriteField("key", key)
	_ = m.WriteField("do", doUpload)
	for n := 0; n+1 < len(fields); n += 2 {
		_ = m.WriteField(fields[n], fields[n+1])
	}
	for name, data := range files {
		f, err := m.CreateFormFile("file", name)
		if err != nil {
			w.t.Fatal(err)
		}
		_, _ = f.Write(data)
	}
	_ = m.Close()
	resp, body := w.ask(http.MethodPost, token, "", m.FormDataContentType(), &b)
	return resp.StatusCode, body
}
