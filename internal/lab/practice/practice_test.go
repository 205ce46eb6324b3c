package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/faultline/faultline/internal/lab"
	"github.com/faultline/faultline/internal/lab/build"
	"github.com/faultline/faultline/internal/lab/mailbox"
)

// The whole path on the built programs: break, one incident, its process, the
// vendor's mail, mend, verified by measurement, confirmed, closed, reported.
func TestPracticeRun(t *testing.T) {
	if testing.Short() {
		t.Skip("runs the built programs for some minutes")
	}
	bin := t.TempDir()
	if err := build.Programs(t.Context(), bin); err != nil {
		t.Fatal(err)
	}
	renamed := lab.Options{Network: "127.84.71", Community: "other", Circuit: "BJ-9944", Domain: "renamed.example", RoomCelsius: 19, HeatCelsius: 33.5, HeatRamp: 2 * time.Second,
		BatteryMinutes: 12, BatterySpeed: 1, Names: lab.Names{HQ: "zentrale", Branch: "filiale", HQRouter: "r0", Router: "r1", Switch: "s1", UPS: "akku", Sensor: "fuehler", Server: "kiste",
			Line: "leitung", Carrier: "netz-ag", Supplier: "haendler", Maintainer: "wartung", LANPort: "ge0", WANPort: "ge1", Room: "Schrank", Humidity: "Feuchte",
			RouterPort: "eth1", ServerPort: "eth2", UPSPort: "eth3", SensorPort: "eth4"}}
	for _, c := range []struct {
		name    string
		branch  lab.Options
		server  string
		circuit string
	}{
		{"as make run has it", lab.Options{}, lab.DefaultNames().Server, "SH-0231"},
		{"everything renamed, other amplitudes", renamed, renamed.Names.Server, renamed.Circuit},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			h := start(t, bin, c.branch)
			h.server = c.server
			wholePath(t, h, c.circuit)
		})
	}
}

// wholePath breaks and mends each thing in turn.
func wholePath(t *testing.T, h *harness, circuit string) {
	for _, c := range []struct {
		fault, class, process string
		vendorMails           int
		mailSays              []string
		confirm               []string      // choices until it is closed
		within                time.Duration // from the break; heat first has to build up, a silent router to time out
	}{
		{"line", "carrier_line", "network", 1, []string{circuit}, []string{"ok"}, 10 * time.Second},
		{"ups", "power", "infrastructure", 0, nil, []string{"ok", "ok"}, 10 * time.Second},
		{"router", "device", "network", 1, nil, []string{"ok"}, 13 * time.Second},
		{"heat", "environment", "infrastructure", 0, nil, []string{"ok", "ok"}, 13 * time.Second},
	} {
		t.Run(c.fault, func(t *testing.T) {
			before := h.incidents(t)
			mails := len(h.box(t))
			broken := time.Now()
			h.practice(t, "break", c.fault)
			i := h.waitFor(t, before, 30*time.Second, "an incident", func(i incidentJSON) bool { return i.Class == c.class && !i.Provisional })
			took := i.OpenedAt.Sub(broken)
			t.Logf("%s: incident %s %q after %.1f s: %s", c.fault, i.Number, i.Title, took.Seconds(), i.Proof)
			if took > c.within {
				t.Errorf("opened %.1f s after the break, want at most %s", took.Seconds(), c.within)
			}
			if i.Process != c.process || i.State != "open" {
				t.Errorf("process %s, state %s; want %s, open", i.Process, i.State, c.process)
			}
			if c.vendorMails > 0 {
				h.checkMail(t, mailWanted{broken: broken, within: c.within, before: mails, says: c.mailSays}, i)
			}
			h.practice(t, "mend", "")
			i = h.waitFor(t, before, 90*time.Second, "verification", func(i incidentJSON) bool { return i.State == "verified" })
			if i.VerifiedAt == nil {
				t.Error("verified without a time")
			}
			for _, choice := range c.confirm {
				h.act(t, i.ID, choice)
			}
			i = h.waitFor(t, before, 20*time.Second, "closing", func(i incidentJSON) bool { return i.State == "closed" })
			if got := len(h.incidents(t)) - len(before); got != 1 {
				t.Errorf("%d incidents for one break", got)
			}
			h.waitReport(t, i.Number)
		})
	}
}

// harness is a running practice company.
type harness struct {
	url, token, data string
	server           string // this very machine: how busy it is is no part of the test
}

type incidentJSON struct {
	ID          string     `json:"id"`
	Number      string     `json:"number"`
	OpenedAt    time.Time  `json:"opened_at"`
	State       string     `json:"state"`
	Class       string     `json:"class"`
	Process     string     `json:"process"`
	Step        string     `json:"step"`
	Device      string     `json:"device"`
	Title       string     `json:"title"`
	Proof       string     `json:"proof"`
	VendorKind  string     `json:"vendor_kind"`
	Provisional bool       `json:"provisional"`
	VerifiedAt  *time.Time `json:"verified_at"`
}

// start runs the launcher as `make run` does.
func start(t *testing.T, bin string, branch lab.Options, change ...func(*settings)) *harness {
	t.Helper()
	data := t.TempDir()
	h := &harness{data: data}
	port := freePorts(t)
	h.url = fmt.Sprintf("http://127.0.0.1:%d", port)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	var out lockedBuffer
	s := settings{Port: port, Data: data, Practice: true, Bin: bin, branch: branch}
	for _, c := range change {
		c(&s)
	}
	go func() { done <- run(ctx, s, &out) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		if t.Failed() {
			for _, name := range []string{"collector.log", "agent.log"} {
				b, _ := os.ReadFile(filepath.Join(data, name))
				t.Logf("%s:\n%s", name, tail(b, 6000))
			}
		}
	})
	waitUntil(t, 60*time.Second, "the programs", func() bool { return strings.Contains(out.String(), "Ctrl-C") })
	b, err := os.ReadFile(filepath.Join(data, "admin.token"))
	if err != nil {
		t.Fatal(err)
	}
	h.token = strings.TrimSpace(string(b))
	waitUntil(t, 60*time.Second, "all devices of the branch to answer", func() bool {
		var res struct {
			Data struct {
				Result []struct{ Value [2]any }
			}
		}
		h.get(t, "/prometheus/api/v1/query?query=count(up==1)", &res)
		return len(res.Data.Result) == 1 && fmt.Sprint(res.Data.Result[0].Value[1]) == "7"
	})
	return h
}

// freePorts returns a port that is free together with the next one.
func freePorts(t *testing.T) int {
	t.Helper()
	for range 50 {
		a, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		port := a.Addr().(*net.TCPAddr).Port
		b, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port+1))
		a.Close()
		if err == nil {
			b.Close()
			return port
		}
	}
	t.Fatal("no two free ports beside each other")
	return 0
}

func (h *harness) do(t *testing.T, method, path string, body, into any) {
	t.Helper()
	var in io.Reader
	if body != nil {
		b, err := json.Marshal(body)
		if err != nil {
			t.Fatal(err)
		}
		in = bytes.NewReader(b)
	}
	req, err := http.NewRequestWithContext(t.Context(), method, h.url+path, in)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+h.token)
	req.Header.Set("Content-Type", "application/json")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	if res.StatusCode/100 != 2 {
		t.Fatalf("%s %s: %s: %s", method, path, res.Status, answer)
	}
	if into != nil {
		if err := json.Unmarshal(answer, into); err != nil {
			t.Fatalf("%s %s: %v in %s", method, path, err, answer)
		}
	}
}

func (h *harness) get(t *testing.T, path string, into any) {
	t.Helper()
	h.do(t, http.MethodGet, path, nil, into)
}

func (h *harness) practice(t *testing.T, action, fault string) {
	t.Helper()
	h.do(t, http.MethodPost, "/api/v1/practice", map[string]string{"action": action, "fault": fault}, nil)
}

// act takes the decision once the incident asks for it.
func (h *harness) act(t *testing.T, id, choice string) {
	t.Helper()
	h.do(t, http.MethodPost, "/api/v1/incidents/"+id+"/actions", map[string]string{"action": "decide", "choice": choice, "comment": "practice run"}, nil)
}

func (h *harness) incidents(t *testing.T) []incidentJSON {
	t.Helper()
	var res struct{ Incidents []incidentJSON }
	h.get(t, "/api/v1/incidents", &res)
	return slices.DeleteFunc(res.Incidents, func(i incidentJSON) bool { return i.Device == h.server })
}

// waitFor waits until the one incident that is not among before satisfies ok.
func (h *harness) waitFor(t *testing.T, before []incidentJSON, limit time.Duration, what string, ok func(incidentJSON) bool) incidentJSON {
	t.Helper()
	var found, last incidentJSON
	waitUntil(t, limit, what, func() bool {
		for _, i := range h.incidents(t) {
			if !slices.ContainsFunc(before, func(b incidentJSON) bool { return b.ID == i.ID }) {
				last = i
				if ok(i) {
					found = i
					return true
				}
			}
		}
		return false
	}, &last)
	return found
}

func (h *harness) box(t *testing.T) []mailbox.Mail {
	t.Helper()
	b, err := mailbox.Open("127.0.0.1:0", filepath.Join(h.data, "mailbox"))
	if err != nil {
		t.Fatal(err)
	}
	return b.Mails()
}

// mailWanted is the vendor's mail that must arrive.
type mailWanted struct {
	broken time.Time
	within time.Duration
	before int // mails there before
	says   []string
}

// checkMail wants exactly one ticket at a vendor, soon after the break.
func (h *harness) checkMail(t *testing.T, w mailWanted, i incidentJSON) {
	t.Helper()
	var tickets []mailbox.Mail
	waitUntil(t, 15*time.Second, "the vendor's mail", func() bool {
		tickets = nil
		for _, m := range h.box(t)[w.before:] {
			outside := slices.ContainsFunc(m.To, func(to string) bool {
				return strings.Contains(to, "@carrier.") || strings.Contains(to, "@supplier.") || strings.Contains(to, "@ups.")
			})
			if outside && strings.Contains(m.Subject, "[FL#"+i.Number+"]") {
				tickets = append(tickets, m)
			}
		}
		return len(tickets) > 0
	})
	if len(tickets) != 1 {
		t.Errorf("%d tickets, want 1", len(tickets))
	}
	m := tickets[0]
	t.Logf("mail %.1f s after the break: %s", m.At.Sub(w.broken).Seconds(), m.Subject)
	if m.At.Sub(w.broken) > w.within {
		t.Errorf("the mail came %.1f s after the break, want at most %s", m.At.Sub(w.broken).Seconds(), w.within)
	}
	for _, want := range append(w.says, i.Number) {
		if !strings.Contains(m.Text, want) {
			t.Errorf("the mail does not say %q:\n%s", want, m.Text)
		}
	}
	if m.MessageID == "" || m.Header["Auto-Submitted"] == "" || m.Header["Date"] == "" {
		t.Errorf("headers %v, message id %q", m.Header, m.MessageID)
	}
}

// waitReport waits for the incident's row of the report.
func (h *harness) waitReport(t *testing.T, number string) {
	t.Helper()
	waitUntil(t, 10*time.Second, "the report row", func() bool {
		var res struct {
			Rows []struct{ Number string }
		}
		h.get(t, "/api/v1/report", &res)
		for _, r := range res.Rows {
			if r.Number == number {
				return true
			}
		}
		return false
	})
}

func waitUntil(t *testing.T, limit time.Duration, what string, ok func() bool, show ...any) {
	t.Helper()
	deadline := time.Now().Add(limit)
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		if time.Now().After(deadline) {
			for _, s := range show {
				t.Logf("%+v", s)
			}
			t.Fatalf("waited %s for %s in vain", limit, what)
		}
		<-tick.C
	}
}

func tail(b []byte, n int) string {
	if len(b) > n {
		b = b[len(b)-n:]
	}
	return string(b)
}
